"""The log and the places that its readers have reached."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import BIG, ID


class Event(SQLModel, table=True):
    """One fact, written in the transaction that made it true."""

    __table_args__ = (sa.Index("ix_event_order", "xid", "seq"), {"sqlite_autoincrement": True})

    seq: int | None = Field(None, primary_key=True, sa_type=BIG)
    xid: int = Field(0, sa_type=sa.BigInteger)  # PostgreSQL's transaction id; 0 on SQLite, where seq alone is the order
    type: str = Field(max_length=60)
    subject_id: str | None = Field(None, sa_type=ID, index=True)
    at: datetime = Field(index=True)
    groups: list[str] = Field(sa_type=sa.JSON)
    payload: dict[str, Any] = Field(sa_type=sa.JSON)


class LogCursor(SQLModel, table=True):
    """How far a reader has come."""

    __tablename__ = "log_cursor"

    reader: str = Field(primary_key=True, max_length=60)
    xid: int = Field(0, sa_type=sa.BigInteger)
    seq: int = Field(0, sa_type=sa.BigInteger)
