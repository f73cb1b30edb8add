"""Subscribers and subscriptions at rest."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID


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


class SubscriptionRequest(SQLModel, table=True):
    """What somebody asked for, until the worker looks at it a moment later: asking alone tells nobody anything."""

    __tablename__ = "subscription_request"
    __table_args__ = (sa.Index("ix_subscription_request_due", "due_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    email: str = Field(max_length=320)
    kind: str = Field(max_length=30)
    target: str = Field(max_length=60)
    frequency: str = Field(max_length=10)
    article_id: str | None = Field(None, sa_type=ID)
    participant_id: str | None = Field(None, sa_type=ID)
    comment_id: str | None = Field(None, sa_type=ID)
    confirm_url: str | None = Field(None, max_length=2048)
    network: str | None = Field(None, max_length=64)  # hash of where it came from
    near_range: str | None = Field(None, max_length=64)  # the same of the ranges that this is in
    far_range: str | None = Field(None, max_length=64)
    proven: bool  # whoever asked had shown that the address is theirs
    created_at: datetime
    due_at: datetime


class OptIn(SQLModel, table=True):
    """A mail that asks its reader to confirm: what the token in it stands for, and what limits of mails count."""

    __tablename__ = "opt_in"
    __table_args__ = (
        sa.Index("ix_opt_in_mailbox", "mailbox", "created_at"),
        sa.Index("ix_opt_in_network", "network", "created_at"),
        sa.Index("ix_opt_in_near_range", "near_range", "created_at"),
        sa.Index("ix_opt_in_far_range", "far_range", "created_at"),
        sa.Index("ix_opt_in_at", "created_at"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    subscription_id: str = Field(sa_type=ID)  # may be gone: the limits count all the same
    frequency: str = Field(max_length=10)  # holds once it is confirmed
    confirm_url: str | None = Field(None, max_length=2048)
    participant_id: str | None = Field(None, sa_type=ID)  # whose e-mail it proves as well
    comment_id: str | None = Field(None, sa_type=ID)  # with which it was asked for
    mailbox: str = Field(max_length=64)  # hash of the address without what stands after a plus sign
    network: str | None = Field(None, max_length=64)
    near_range: str | None = Field(None, max_length=64)
    far_range: str | None = Field(None, max_length=64)
    used: int | None = None  # the generation of the manage token that confirming gave; null: not confirmed yet
    created_at: datetime


class CommentAsk(SQLModel, table=True):
    """What a comment's `notify` was when it was last acted on: the same wish is not acted on twice."""

    __tablename__ = "comment_ask"

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    notify: str = Field(max_length=10)


class Suppression(SQLModel, table=True):
    """An address that gets no mail. Only its hash is kept: it outlives everything else that was known of it."""

    __table_args__ = (sa.Index("ix_suppression_new", "created_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    address: str = Field(max_length=64, unique=True)  # SHA-256
    reason: str = Field(max_length=12)  # unsubscribe, bounce, complaint
    created_at: datetime
    created_by: str | None = Field(None, sa_type=ID)  # the key of staff
