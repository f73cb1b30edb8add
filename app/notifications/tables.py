"""Facts on their way to those who subscribe to them, at rest."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


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
