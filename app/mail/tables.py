"""Tables of notifications: fan-outs and digests."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table, partial_index
from app.db.rows import JsonObject


class Fanout(Table, table=True):
    """The fan-out of an event and its progress. It stays after the last recipient, so that republishing does not
    notify again.
    """

    __table_args__ = (
        partial_index("ix_fanout_due", "due_at", where="due_at IS NOT NULL"),
        sa.Index("ix_fanout_at", "created_at"),
    )

    event: str = Field(primary_key=True, max_length=100)
    what: str = Field(max_length=60)
    content: JsonObject = Field(sa_type=sa.JSON)  # ids
    at: datetime  # time of the event: later subscribers are not notified
    xid: int = Field(sa_type=sa.BigInteger)
    seq: int = Field(sa_type=sa.BigInteger)
    after: str | None = Field(None, sa_type=ID)  # the last subscriber who was notified
    due_at: datetime | None  # null when finished
    created_at: datetime


class DigestItem(Table, table=True):
    """An item of a subscriber's next digest."""

    __tablename__ = "digest_item"
    __table_args__ = (
        sa.UniqueConstraint("subscriber_id", "event", name="uq_digest_item_event"),
        partial_index("ix_digest_item_open", "frequency", "subscriber_id", where="period IS NULL"),
        sa.Index("ix_digest_item_at", "created_at"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    subscriber_id: str = Field(sa_type=ID, foreign_key="subscriber.id", ondelete="CASCADE")
    event: str = Field(max_length=100)
    what: str = Field(max_length=60)
    content: JsonObject = Field(sa_type=sa.JSON)  # ids
    frequency: str = Field(max_length=10)
    period: str | None = Field(None, max_length=20)  # the digest that contains it, such as `daily:2026-01-31`
    created_at: datetime


class DigestRun(Table, table=True):
    """The last digest that was started."""

    __tablename__ = "digest_run"

    frequency: str = Field(primary_key=True, max_length=10)
    period: str = Field(max_length=10)  # the day, in the publication's time zone
    cut_at: datetime  # it contains the items up to this time
    finished: bool
