"""Stating facts, and moving a reader through them."""

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from app.events.queries import read_after
from app.events.schemas import START, Entry, Fact, Position
from app.events.tables import Event, LogCursor
from app.kit.clock import now
from app.kit.schema import affected, table_of

POSITION = "position"
_EVENT = table_of(Event)
_XID = sa.cast(sa.cast(sa.func.pg_current_xact_id(), sa.Text), sa.BigInteger)


def emit(session: Session, fact: Fact) -> Position:
    """Write a fact into the log, in the caller's transaction; also noted in `session.info["position"]`."""
    values = {
        "type": fact.name,
        "subject_id": fact.subject_id,
        "at": now(),
        "groups": fact.groups(),
        "payload": fact.payload(),
        "xid": _XID if session.get_bind().dialect.name == "postgresql" else 0,
    }
    session.flush()  # what the fact tells of stands before it
    row = session.execute(sa.insert(_EVENT).values(values).returning(_EVENT.c.xid, _EVENT.c.seq)).one()
    position = Position(row.xid, row.seq)
    session.info[POSITION] = position
    return position


def advance(session: Session, reader: str, handle: Callable[[Session, Entry], None], limit: int = 100) -> int:
    """Let a reader see the next facts and remember its place, all in one transaction: each fact once.

    Several processes may call this at once: on PostgreSQL the cursor's row is locked, on SQLite the write lock is held.
    Returns how many facts were seen.
    """
    cursor = session.get(LogCursor, reader, with_for_update=True)
    if cursor is None:
        cursor = LogCursor(reader=reader, xid=START.xid, seq=START.seq)
        session.add(cursor)
        session.flush()
    entries = read_after(session.connection(), Position(cursor.xid, cursor.seq), limit)
    for entry in entries:
        handle(session, entry)
    if entries:
        cursor.xid, cursor.seq = entries[-1].position
    return len(entries)


def prune(session: Session, before: datetime) -> int:
    """Forget facts older than a moment that every reader has passed; the newest is always kept."""
    reached = sa.select(sa.func.min(LogCursor.seq)).scalar_subquery()
    newest = sa.select(sa.func.max(_EVENT.c.seq)).scalar_subquery()
    stale = sa.delete(_EVENT).where(
        _EVENT.c.at < before, _EVENT.c.seq < newest, _EVENT.c.seq <= sa.func.coalesce(reached, 0)
    )
    return affected(session.execute(stale))
