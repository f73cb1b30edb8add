"""Tables of deliveries and of their lanes."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table, partial_index
from app.db.rows import JsonObject


class DeliveryLane(Table, table=True):
    """The queue of a receiver, or of a server that serves many, such as the SMTP server; it fails as a whole.

    Its row is locked before deliveries are added to it, claimed or finished.
    """

    __tablename__ = "delivery_lane"
    __table_args__ = (
        sa.UniqueConstraint("channel", "name", name="uq_delivery_lane_name"),
        partial_index("ix_delivery_lane_due", "due_at", where="due_at IS NOT NULL"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    channel: str = Field(max_length=20)
    name: str = Field(max_length=64)
    due_at: datetime | None = None  # when its next delivery can be claimed; null: it has none
    resumes_at: datetime | None = (
        None  # nothing is sent before: the breaker is open, or the receiver sent `Retry-After`
    )
    failures: int = 0  # in a row
    failing_since: datetime | None = None
    failed_at: datetime | None = None
    succeeded_at: datetime | None = None


class Delivery(Table, table=True):
    """One message to one receiver. It holds ids, never addresses, names or texts of people."""

    __table_args__ = (
        sa.UniqueConstraint("channel", "endpoint", "event", name="uq_delivery_event"),
        sa.Index("ix_delivery_due", "lane_id", "due_at"),
        partial_index("ix_delivery_running", "lane_id", "token", where="token IS NOT NULL"),
        partial_index(
            "ix_delivery_open",
            "channel", "endpoint", "topic", "xid", "seq", "id",
            where="finished_at IS NULL AND topic IS NOT NULL",
        ),
        partial_index(
            "uq_delivery_head",
            "channel", "endpoint", "topic",
            unique=True,
            where="due_at IS NOT NULL AND topic IS NOT NULL",
        ),
        sa.Index("ix_delivery_log", "channel", "endpoint", "created_at", "id"),
        sa.Index("ix_delivery_log_state", "channel", "endpoint", "state", "created_at", "id"),
        sa.Index("ix_delivery_state", "state", "channel", "finished_at"),
    )  # fmt: skip

    id: str = Field(primary_key=True, sa_type=ID)
    channel: str = Field(max_length=20)
    endpoint: str = Field(max_length=64)
    lane_id: str = Field(sa_type=ID, foreign_key="delivery_lane.id")
    event: str = Field(max_length=100)
    topic: str | None = Field(None, max_length=64)
    xid: int = Field(0, sa_type=sa.BigInteger)
    seq: int = Field(0, sa_type=sa.BigInteger)
    what: str = Field(max_length=60)
    content: JsonObject = Field(sa_type=sa.JSON)
    state: str = Field("waiting", max_length=10)  # waiting, running, delivered, dead, cancelled
    due_at: datetime | None = (
        None  # of a running one, the end of its lease; null: finished, or one of its topic is earlier
    )
    token: str | None = Field(None, sa_type=ID)  # identifies the lease; whoever holds another token has lost it
    attempts: int = 0
    status: int | None = None  # of the last answer: of HTTP or SMTP
    error: str = Field("", max_length=300)
    answer: str = Field("", max_length=1024)
    created_at: datetime
    attempted_at: datetime | None = None
    finished_at: datetime | None = None
