"""Stating facts, and moving a reader through them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.events.queries import MOVED_BY, read_after
from app.events.schemas import FORGOTTEN, MOVED, Entry, Fact, Position
from app.events.tables import Event, LogCursor
from app.kit.clock import now
from app.kit.db.prepared import Prepared
from app.kit.schema import table_of

POSITION = "position"
WORDS = ("slug", "text", "reason")  # members of payloads that people wrote
BLANKED_AT_ONCE = 500  # subjects named in one statement
_EVENT, _CURSOR = table_of(Event), table_of(LogCursor)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_OWN: Any = sa.cast(sa.cast(sa.func.pg_current_xact_id(), sa.Text), sa.BigInteger) + MOVED_BY
_LAST = sa.select(sa.func.max(_EVENT.alias("seen").c.xid)).scalar_subquery()
# A transaction may have its id and then wait for a lock, so that its fact follows that of one which began later. It
# has to stand behind all that it has seen; readers miss nothing by that, for a place only ever moves away from them.
_XID: Any = sa.func.greatest(_OWN, _LAST)
_NEW = sa.insert(_EVENT).returning(_EVENT.c.xid, _EVENT.c.seq)
_EMIT = Prepared(
    {"sqlite": _NEW.values(xid=0), "postgresql": _NEW.values(xid=_XID)},
    ("type", "subject_id", "at", "groups", "payload"),
)


def emit(session: Session, fact: Fact) -> Position:
    """Write a fact into the log, in the caller's transaction; also noted in `session.info["position"]`."""
    values = {
        "type": fact.name,
        "subject_id": fact.subject_id,
        "at": now(),
        "groups": fact.groups(),
        "payload": fact.payload(),
    }
    session.flush()  # what the fact tells of stands before it
    position = Position(*_EMIT.one(session, values))
    session.info[POSITION] = position
    return position


def advance(session: Session, reader: str, handle: Callable[[Session, Entry], None], limit: int = 100) -> int:
    """Let a reader see the next facts and remember its place, all in one transaction: each fact once.

    Several processes may call this at once: on PostgreSQL the cursor's row is locked, on SQLite the write lock is held.
    Returns how many facts were seen.
    """
    cursor = session.get(LogCursor, reader, with_for_update=True)
    if cursor is None:  # a twin may begin at the same moment: whoever comes second waits here for the first
        begin = _INSERT[session.get_bind().dialect.name](_CURSOR).values(reader=reader, xid=0, seq=0)
        session.execute(begin.on_conflict_do_nothing())
        cursor = session.get_one(LogCursor, reader, with_for_update=True)
    entries = read_after(session.connection(), Position(cursor.xid, cursor.seq), limit)
    for entry in entries:
        handle(session, entry)
    if entries:
        cursor.xid, cursor.seq = entries[-1].position
    return len(entries)


def prune(session: Session, before: datetime) -> int:
    """Forget facts older than a moment that every reader has passed; the newest is always kept.

    What was forgotten last is noted, so that followers outside can be told that they have missed something.
    """
    newest = sa.select(sa.func.max(_EVENT.c.seq)).scalar_subquery()
    behind = sa.tuple_(_CURSOR.c.xid, _CURSOR.c.seq) < sa.tuple_(_EVENT.c.xid, _EVENT.c.seq)
    stale = sa.delete(_EVENT).where(
        _EVENT.c.at < before,
        _EVENT.c.seq < newest,
        ~sa.exists().select_from(_CURSOR).where(behind, _CURSOR.c.reader.not_in((FORGOTTEN, MOVED))),
    )
    gone = session.execute(stale.returning(_EVENT.c.xid, _EVENT.c.seq)).all()
    if gone:
        xid, seq = max(tuple(row) for row in gone)
        note = _INSERT[session.get_bind().dialect.name](_CURSOR).values(reader=FORGOTTEN, xid=xid, seq=seq)
        there = sa.tuple_(_CURSOR.c.xid, _CURSOR.c.seq)
        later = there < sa.tuple_(note.excluded.xid, note.excluded.seq)
        place = {"xid": note.excluded.xid, "seq": note.excluded.seq}
        session.execute(note.on_conflict_do_update(index_elements=[_CURSOR.c.reader], set_=place, where=later))
    return len(gone)


def settle_in(session: Session) -> bool:
    """Go on with a log that was written on another PostgreSQL server, where transactions had higher ids than here.

    What was restored from a dump would else never be passed by what is yet to come. Returns whether it was so.
    """
    if session.get_bind().dialect.name != "postgresql":
        return False
    highest = sa.func.max(_EVENT.c.xid)
    foreign = sa.select(sa.literal(MOVED), highest, sa.literal(0)).having(highest > _OWN)
    note = postgresql.insert(_CURSOR).from_select(["reader", "xid", "seq"], foreign)
    moved = {"xid": sa.func.greatest(_CURSOR.c.xid, note.excluded.xid)}
    noted = note.on_conflict_do_update(index_elements=[_CURSOR.c.reader], set_=moved).returning(_CURSOR.c.xid)
    return session.execute(noted).first() is not None


def blank_facts(session: Session, subject_ids: Sequence[str]) -> None:
    """Take all words out of what was stated about some subjects; readers of the log still find each fact."""
    for at in range(0, len(subject_ids), BLANKED_AT_ONCE):
        some = list(subject_ids[at : at + BLANKED_AT_ONCE])
        query = sa.select(_EVENT.c.seq, _EVENT.c.payload).where(_EVENT.c.subject_id.in_(some))
        for row in session.execute(query).all():
            words = {name: "" for name in WORDS if row.payload.get(name)}
            if words:
                here = sa.update(_EVENT).where(_EVENT.c.seq == row.seq)
                session.execute(here.values(payload={**row.payload, **words}))
