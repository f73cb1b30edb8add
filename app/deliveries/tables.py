"""Deliveries at rest, and the lanes that they go by."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


class DeliveryLane(SQLModel, table=True):
    """A way out that fails as a whole: a receiver, or a server behind which there are many.

    Whoever adds to a lane, takes from it or finishes something in it locks its row first.
    """

    __tablename__ = "delivery_lane"
    __table_args__ = (
        sa.UniqueConstraint("channel", "name", name="uq_delivery_lane_name"),
        sa.Index("ix_delivery_lane_due", "due_at", **_only("due_at IS NOT NULL")),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    channel: str = Field(max_length=20)
    name: str = Field(max_length=64)
    due_at: datetime | None = None  # when it has its turn; null: nothing is open in it
    resumes_at: datetime | None = None  # nothing goes out before: the breaker is open, or the receiver asked for it
    failures: int = 0  # in a row
    failing_since: datetime | None = None
    failed_at: datetime | None = None
    succeeded_at: datetime | None = None


class Delivery(SQLModel, table=True):
    """One thing that is sent to one receiver. It holds ids, never addresses, names or texts of people."""

    __table_args__ = (
        sa.UniqueConstraint("channel", "endpoint", "event", name="uq_delivery_event"),
        sa.Index("ix_delivery_due", "lane_id", "due_at"),
        sa.Index("ix_delivery_running", "lane_id", "token", **_only("token IS NOT NULL")),
        sa.Index(
            "ix_delivery_open",
            "channel", "endpoint", "topic", "xid", "seq", "id",
            **_only("finished_at IS NULL AND topic IS NOT NULL"),
        ),
        sa.Index(
            "uq_delivery_head",
            "channel", "endpoint", "topic",
            unique=True,
            **_only("due_at IS NOT NULL AND topic IS NOT NULL"),
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
    content: dict[str, Any] = Field(sa_type=sa.JSON)
    state: str = Field("waiting", max_length=10)  # waiting, running, delivered, dead, cancelled
    due_at: datetime | None = None  # of what runs, the end of its lease; null: finished, or an earlier one of its topic
    token: str | None = Field(None, sa_type=ID)  # who runs it: the lease of anybody else is over
    attempts: int = 0
    status: int | None = None  # of the last answer, as its protocol counts
    error: str = Field("", max_length=300)
    answer: str = Field("", max_length=1024)
    created_at: datetime
    attempted_at: datetime | None = None
    finished_at: datetime | None = None
