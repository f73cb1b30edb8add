"""Tables of the event log and of its consumers' cursors."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import BIG, ID, Table
from app.db.rows import JsonObject


class Event(Table, table=True):
    """An event, written in the transaction of the change that it reports."""

    __table_args__ = (sa.Index("ix_event_order", "xid", "seq"), {"sqlite_autoincrement": True})

    seq: int | None = Field(None, primary_key=True, sa_type=BIG)
    xid: int = Field(0, sa_type=sa.BigInteger)  # PostgreSQL's transaction id; 0 on SQLite, where seq alone is the order
    type: str = Field(max_length=60)
    subject_id: str | None = Field(None, sa_type=ID, index=True)
    article_id: str | None = Field(None, sa_type=ID)  # without an index: no query looks up the events of an article
    at: datetime = Field(index=True)
    groups: list[str] = Field(sa_type=sa.JSON)
    payload: JsonObject = Field(sa_type=sa.JSON)
    request_id: str | None = Field(None, max_length=100)  # of the request that caused it; None where no request did
    person_id: str | None = Field(default=None, sa_type=ID)  # of the staff, who caused it; readers never see it


class LogCursor(Table, table=True):
    """The position up to which a consumer has read."""

    __tablename__ = "log_cursor"

    reader: str = Field(primary_key=True, max_length=60)
    xid: int = Field(0, sa_type=sa.BigInteger)
    seq: int = Field(0, sa_type=sa.BigInteger)
