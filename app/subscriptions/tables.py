"""Subscribers and subscriptions at rest."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


class Subscriber(SQLModel, table=True):
    """One e-mail address. It stands in this table alone: everything else names the subscriber's id."""

    __table_args__ = (
        sa.Index("ix_subscriber_new", "created_at", "id"),
        sa.Index("ix_subscriber_address", "address", unique=True),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    email: str = Field(max_length=320, unique=True)  # normalised, in lower case
    address: str = Field(max_length=64)  # its SHA-256, by which links in mails name it
    generation: int = 1  # of the manage token: those before it have ended
    confirmed_at: datetime | None = None  # when the address was first proven
    created_at: datetime


class Subscription(SQLModel, table=True):
    """What one subscriber hears of. Without `confirmed_at` it was only asked for, and nothing is sent."""

    __table_args__ = (
        sa.UniqueConstraint("subscriber_id", "kind", "target", "channel", name="uq_subscription_target"),
        sa.Index("ix_subscription_target", "kind", "target", "subscriber_id", **_only("confirmed_at IS NOT NULL")),
        sa.Index("ix_subscription_pending", "created_at", **_only("confirmed_at IS NULL")),
        sa.Index("ix_subscription_participant", "participant_id", **_only("participant_id IS NOT NULL")),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    subscriber_id: str = Field(sa_type=ID, foreign_key="subscriber.id", ondelete="CASCADE")
    kind: str = Field(max_length=30)
    target: str = Field(max_length=60)  # `site`, or `type:id`
    channel: str = Field("mail", max_length=10)
    frequency: str = Field(max_length=10)  # immediate, daily, weekly
    article_id: str | None = Field(None, sa_type=ID)  # under which the comments stand
    participant_id: str | None = Field(None, sa_type=ID)  # who asked, if they take part; never mailed what they wrote
    created_at: datetime
    confirmed_at: datetime | None = None
