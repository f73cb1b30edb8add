"""Facts on their way to those who subscribe to them, at rest."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID


class Fanout(SQLModel, table=True):
    """One fact, and how far its telling has come. It stays when all are told: what comes back is no news."""

    __table_args__ = (
        sa.Index(
            "ix_fanout_due",
            "due_at",
            sqlite_where=sa.text("due_at IS NOT NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
        ),
        sa.Index("ix_fanout_at", "created_at"),
    )

    event: str = Field(primary_key=True, max_length=100)
    what: str = Field(max_length=60)
    content: dict[str, Any] = Field(sa_type=sa.JSON)  # ids
    at: datetime  # when it became true: who subscribed later is not told
    xid: int = Field(sa_type=sa.BigInteger)
    seq: int = Field(sa_type=sa.BigInteger)
    after: str | None = Field(None, sa_type=ID)  # the last subscriber who was told
    due_at: datetime | None  # null: all are told
    created_at: datetime


class DigestItem(SQLModel, table=True):
    """Something that one subscriber hears of in their next digest."""

    __tablename__ = "digest_item"
    __table_args__ = (
        sa.UniqueConstraint("subscriber_id", "event", name="uq_digest_item_event"),
        sa.Index(
            "ix_digest_item_open",
            "frequency",
            "subscriber_id",
            sqlite_where=sa.text("period IS NULL"),
            postgresql_where=sa.text("period IS NULL"),
        ),
        sa.Index("ix_digest_item_at", "created_at"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    subscriber_id: str = Field(sa_type=ID, foreign_key="subscriber.id", ondelete="CASCADE")
    event: str = Field(max_length=100)
    what: str = Field(max_length=60)
    content: dict[str, Any] = Field(sa_type=sa.JSON)  # ids
    frequency: str = Field(max_length=10)
    period: str | None = Field(None, max_length=20)  # the digest that it is in: `daily:2026-01-31`
    created_at: datetime


class DigestRun(SQLModel, table=True):
    """The digest that was put together last."""

    __tablename__ = "digest_run"

    frequency: str = Field(primary_key=True, max_length=10)
    period: str = Field(max_length=10)  # the day, in the publication's time zone
    cut_at: datetime  # what was gathered until then is in it
    finished: bool
