"""The event log: emitting events and reading them in order, without gaps or repeats."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.core.clock import now
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject
from app.events.catalog import EventBase, LoggedEvent
from app.events.schemas import PRUNED_CURSOR, START, XID_OFFSET_CURSOR, Position
from app.events.tables import Event, LogCursor

_EVENT, _CURSOR = table_of(Event), table_of(LogCursor)
XID_OFFSET = sa.func.coalesce(
    sa.select(_CURSOR.c.xid).where(_CURSOR.c.reader == XID_OFFSET_CURSOR).scalar_subquery(), 0
)
_XMIN = sa.cast(sa.cast(sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot()), sa.Text), sa.BigInteger)
_SETTLED = _XMIN + XID_OFFSET


def _select_after(settled_only: bool) -> sa.Select[tuple[object, ...]]:
    place = sa.tuple_(_EVENT.c.xid, _EVENT.c.seq)
    there = sa.tuple_(sa.bindparam("xid", type_=sa.BigInteger), sa.bindparam("seq", type_=sa.BigInteger))
    query = sa.select(_EVENT).where(place > there).order_by(_EVENT.c.xid, _EVENT.c.seq).limit(sa.bindparam("most"))
    return query.where(_EVENT.c.xid < _SETTLED) if settled_only else query


# PostgreSQL takes sequence values before commit. A row is safe to pass only when no transaction that could still
# commit a smaller (xid, seq) is running: all of those have ids at or above the snapshot's xmin.
_QUERIES = {"sqlite": _select_after(settled_only=False), "postgresql": _select_after(settled_only=True)}
_LATEST = sa.select(_EVENT.c.xid, _EVENT.c.seq).order_by(_EVENT.c.xid.desc(), _EVENT.c.seq.desc()).limit(1)
_XMAX = sa.cast(sa.cast(sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot()), sa.Text), sa.BigInteger)
_FOREIGN = sa.select(sa.func.max(_EVENT.c.xid) >= _XMAX + XID_OFFSET)
_LAST_SETTLED = {"sqlite": _LATEST, "postgresql": _LATEST.where(_EVENT.c.xid < _SETTLED)}


def _select_end(query: sa.Select[Any]) -> sa.Select[Any]:
    """The last row of a query for facts in their order, and how many there are: the index alone is read."""
    batch = query.with_only_columns(_EVENT.c.xid, _EVENT.c.seq).cte("found")
    number = sa.select(sa.func.count()).select_from(batch).scalar_subquery()
    last = sa.select(batch.c.xid, batch.c.seq, number.label("number"))
    return last.order_by(batch.c.xid.desc(), batch.c.seq.desc()).limit(1)


_ENDS = {dialect: _select_end(query) for dialect, query in _QUERIES.items()}


def read_after(connection: sa.Connection, position: Position, limit: int = 100) -> list[LoggedEvent]:
    """The next facts after a position, oldest first; none is ever skipped, though a fresh one may have to wait."""
    query = _QUERIES[connection.dialect.name]
    rows = connection.execute(query, {"xid": position.xid, "seq": position.seq, "most": limit})
    return logged_events(rows)


def logged_events(rows: Iterable[Any]) -> list[LoggedEvent]:
    """Make events of rows of the log with all its columns."""
    return [
        LoggedEvent(Position(row.xid, row.seq), row.type, row.subject_id, row.at, row.groups, row.payload)
        for row in rows
    ]


_UP_TO = sa.tuple_(_EVENT.c.xid, _EVENT.c.seq) <= sa.tuple_(
    sa.bindparam("last_xid", type_=sa.BigInteger), sa.bindparam("last_seq", type_=sa.BigInteger)
)
_ABOUT = sa.bindparam("about", expanding=True, type_=_EVENT.c.subject_id.type)
_NAMED = sa.bindparam("named", expanding=True, type_=sa.String())
_BETWEEN = _select_after(settled_only=False).where(_UP_TO)
_ABOUT_SUBJECTS = _BETWEEN.where(
    _EVENT.c.subject_id.in_(_ABOUT) | _EVENT.c.payload["article_id"].as_string().in_(_NAMED)
)


def read_between(
    connection: sa.Connection, after: Position, upto: Position, limit: int, about: Sequence[str] = ()
) -> list[LoggedEvent]:
    """Facts after a position up to one that a reader has passed: of all, or of what has, or belongs to, these ids."""
    values = {"xid": after.xid, "seq": after.seq, "last_xid": upto.xid, "last_seq": upto.seq, "most": limit}
    if not about:
        return logged_events(connection.execute(_BETWEEN, values))
    return logged_events(connection.execute(_ABOUT_SUBJECTS, {**values, "about": about, "named": about}))


def last_position(connection: sa.Connection) -> Position:
    """Return the position of the newest event that this connection sees."""
    row = connection.execute(sa.select(_EVENT.c.xid, _EVENT.c.seq).order_by(_EVENT.c.seq.desc()).limit(1)).first()
    return Position(row.xid, row.seq) if row else START


def has_position(connection: sa.Connection, position: Position) -> bool:
    """Whether the log still has the fact at just this position, or for its beginning, the first of all."""
    is_there = (
        _EVENT.c.seq == 1 if position == START else (_EVENT.c.seq == position.seq) & (_EVENT.c.xid == position.xid)
    )
    return connection.execute(sa.select(_EVENT.c.seq).where(is_there)).first() is not None


def read_data_version(connection: sa.Connection) -> int | None:
    """On SQLite, what differs on this connection once another has committed; None where only reading tells."""
    if connection.dialect.name != "sqlite":
        return None
    return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


def settled_position(connection: sa.Connection) -> Position:
    """The newest fact before which no other can come any more: whoever reads on from here misses nothing."""
    row = connection.execute(_LAST_SETTLED[connection.dialect.name]).first()
    return Position(row.xid, row.seq) if row else START


def is_foreign(connection: sa.Connection) -> bool:
    """Whether facts have ids of transactions that this PostgreSQL server is yet to have: they come from another one."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.execute(_FOREIGN).scalar_one())


def find_batch_end(connection: sa.Connection, position: Position, limit: int) -> tuple[Position, bool]:
    """Where the next `most` facts after a position end, and whether there are more; the position itself if none are.

    What is read up to there, whenever it is read, is all there will ever be.
    """
    ends = _ENDS[connection.dialect.name]
    row = connection.execute(ends, {"xid": position.xid, "seq": position.seq, "most": limit}).first()
    return (Position(row.xid, row.seq), row.number == limit) if row else (position, False)


def pruned_position(connection: sa.Connection) -> Position:
    """How far the log has been pruned: whoever stands before this has missed something."""
    row = connection.execute(sa.select(_CURSOR.c.xid, _CURSOR.c.seq).where(_CURSOR.c.reader == PRUNED_CURSOR)).first()
    return Position(row.xid, row.seq) if row else START


def position_before(connection: sa.Connection, moment: datetime) -> Position:
    """A place in the log before everything that happened at a moment or later."""
    first = sa.select(sa.func.min(_EVENT.c.xid).label("xid"), sa.func.min(_EVENT.c.seq).label("seq"))
    row = connection.execute(first.where(_EVENT.c.at >= moment)).one()
    return Position(row.xid, row.seq - 1) if row.seq is not None else last_position(connection)


def has_news(connection: sa.Connection, reader: str) -> bool:
    """Whether a reader has anything to read: asked before it takes a lock."""
    place = sa.select(_CURSOR.c.xid, _CURSOR.c.seq).where(_CURSOR.c.reader == reader)
    row = connection.execute(place).first()
    return bool(read_after(connection, Position(row.xid, row.seq) if row else START, 1))


def measure_lag(connection: sa.Connection, reader: str, limit: int = 10_000) -> tuple[int, float]:
    """How many facts a reader has not read, counted up to a limit, and the age of the oldest in seconds."""
    place = sa.select(_CURSOR.c.xid, _CURSOR.c.seq).where(_CURSOR.c.reader == reader)
    row = connection.execute(place).first()
    position = Position(row.xid, row.seq) if row else START
    oldest = read_after(connection, position, 1)
    if not oldest:
        return 0, 0.0
    left = sa.select(_EVENT.c.seq).where(sa.tuple_(_EVENT.c.xid, _EVENT.c.seq) > sa.tuple_(*map(sa.literal, position)))
    number = connection.execute(sa.select(sa.func.count()).select_from(left.limit(limit).subquery())).scalar_one()
    return number, max(0.0, (now() - oldest[0].at).total_seconds())


def is_visible(connection: sa.Connection, position: Position) -> bool:
    """Whether this connection already sees what was written at a position; what was forgotten since counts as seen."""
    if position == START:
        return True
    first = sa.select(sa.func.min(_EVENT.c.seq)).scalar_subquery()
    seen = sa.select(sa.func.max(_EVENT.c.seq)).where(_EVENT.c.seq == position.seq).scalar_subquery()
    row = connection.execute(sa.select(first.label("first"), seen.label("seen"))).one()
    return row.seen is not None or (row.first is not None and position.seq < row.first)


POSITION_KEY = "position"
TEXT_MEMBERS = ("slug", "text", "reason")  # members of payloads that people wrote
BLANK_BATCH_SIZE = 500  # subjects named in one statement
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_OWN: Any = sa.cast(sa.cast(sa.func.pg_current_xact_id(), sa.Text), sa.BigInteger) + XID_OFFSET
_LATEST_XID = sa.select(sa.func.max(_EVENT.alias("seen").c.xid)).scalar_subquery()
# A transaction may have its id and then wait for a lock, so that its fact follows that of one which began later. It
# has to stand behind all that it has seen; readers miss nothing by that, for a place only ever moves away from them.
_XID: Any = sa.func.greatest(_OWN, _LATEST_XID)
_NEW = sa.insert(_EVENT).returning(_EVENT.c.xid, _EVENT.c.seq)
_EMIT: Prepared[JsonObject] = Prepared(
    {"sqlite": _NEW.values(xid=0), "postgresql": _NEW.values(xid=_XID)},
    ("type", "subject_id", "at", "groups", "payload"),
)


def emit(session: Session, event: EventBase) -> Position:
    """Write an event to the log, in the caller's transaction; also noted in `session.info["position"]`."""
    values = {
        "type": event.name,
        "subject_id": event.subject_id,
        "at": now(),
        "groups": event.cache_groups(),
        "payload": event.payload(),
    }
    session.flush()  # the change is written before the event that reports it
    position = Position(*_EMIT.one(session, values))
    session.info[POSITION_KEY] = position
    return position


def advance_reader(
    session: Session, reader: str, handle: Callable[[Session, LoggedEvent], None], limit: int = 100
) -> int:
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


def prune_events(session: Session, before: datetime) -> int:
    """Forget facts older than a moment that every reader has passed; the newest is always kept.

    What was forgotten last is noted, so that followers outside can be told that they have missed something.
    """
    newest = sa.select(sa.func.max(_EVENT.c.seq)).scalar_subquery()
    behind = sa.tuple_(_CURSOR.c.xid, _CURSOR.c.seq) < sa.tuple_(_EVENT.c.xid, _EVENT.c.seq)
    stale = sa.delete(_EVENT).where(
        _EVENT.c.at < before,
        _EVENT.c.seq < newest,
        ~sa.exists().select_from(_CURSOR).where(behind, _CURSOR.c.reader.not_in((PRUNED_CURSOR, XID_OFFSET_CURSOR))),
    )
    pruned = session.execute(stale.returning(_EVENT.c.xid, _EVENT.c.seq)).all()
    if pruned:
        xid, seq = max(tuple(row) for row in pruned)
        note = _INSERT[session.get_bind().dialect.name](_CURSOR).values(reader=PRUNED_CURSOR, xid=xid, seq=seq)
        there = sa.tuple_(_CURSOR.c.xid, _CURSOR.c.seq)
        later = there < sa.tuple_(note.excluded.xid, note.excluded.seq)
        place = {"xid": note.excluded.xid, "seq": note.excluded.seq}
        session.execute(note.on_conflict_do_update(index_elements=[_CURSOR.c.reader], set_=place, where=later))
    return len(pruned)


def adopt_foreign_log(session: Session) -> bool:
    """Go on with a log that was written on another PostgreSQL server, where transactions had higher ids than here.

    What was restored from a dump would else never be passed by what is yet to come. Returns whether it was so.
    """
    if session.get_bind().dialect.name != "postgresql":
        return False
    highest = sa.func.max(_EVENT.c.xid)
    foreign = sa.select(sa.literal(XID_OFFSET_CURSOR), highest, sa.literal(0)).having(highest > _OWN)
    note = postgresql.insert(_CURSOR).from_select(["reader", "xid", "seq"], foreign)
    moved = {"xid": sa.func.greatest(_CURSOR.c.xid, note.excluded.xid)}
    noted = note.on_conflict_do_update(index_elements=[_CURSOR.c.reader], set_=moved).returning(_CURSOR.c.xid)
    return session.execute(noted).first() is not None


def blank_events(session: Session, subject_ids: Sequence[str]) -> None:
    """Take all words out of what was stated about some subjects; readers of the log still find each fact."""
    for at in range(0, len(subject_ids), BLANK_BATCH_SIZE):
        batch = list(subject_ids[at : at + BLANK_BATCH_SIZE])
        query = sa.select(_EVENT.c.seq, _EVENT.c.payload).where(_EVENT.c.subject_id.in_(batch))
        for row in session.execute(query).all():
            words = {name: "" for name in TEXT_MEMBERS if row.payload.get(name)}
            if words:
                update = sa.update(_EVENT).where(_EVENT.c.seq == row.seq)
                session.execute(update.values(payload={**row.payload, **words}))
