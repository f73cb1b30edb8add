"""The event log: emitting events and reading them in order, without gaps or repeats."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.db.columns import is_among, table_of
from app.db.prepared import Prepared
from app.db.row_lists import ROWS, select_rows
from app.db.rows import Column, JsonObject, Statement, fetch_rows, insert_into
from app.events.base import EventBase
from app.events.catalog import LoggedEvent
from app.events.schemas import PRUNED_CURSOR, START, XID_OFFSET_CURSOR, Position
from app.events.tables import Event, LogCursor

_EVENT, _CURSOR = table_of(Event), table_of(LogCursor)
BATCH_SIZE = 100  # events that are read at a time
MAX_SKIPPED: Final = 1000  # events that consumers pass at a time where none of them needs one
MAX_BATCH_SECONDS = 0.02  # after which a transaction takes no more events, so that no other write waits long


class EventRow(TypedDict):
    """A row of the log with all its columns."""

    seq: int
    xid: int
    type: str
    subject_id: str | None
    article_id: str | None
    at: datetime
    groups: list[str]
    payload: JsonObject
    request_id: str | None
    person_id: str | None


XID_OFFSET = sa.func.coalesce(
    sa.select(_CURSOR.c.xid).where(_CURSOR.c.reader == XID_OFFSET_CURSOR).scalar_subquery(), 0
)
_XMIN = sa.cast(sa.cast(sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot()), sa.Text), sa.BigInteger)
SETTLED_XID = _XMIN + XID_OFFSET
"""All events of transactions below this are visible: none can come any more."""


_POSITION = (sa.bindparam("xid", type_=sa.BigInteger), sa.bindparam("seq", type_=sa.BigInteger))


def is_after(dialect: str, position: tuple[Column, Column]) -> Column:
    """Build the condition that an event comes after a position.

    SQLite compares a pair by the first column of an index alone, and all events there have one xid: it would walk
    through the whole log.
    """
    if dialect == "sqlite":
        return (_EVENT.c.xid == position[0]) & (_EVENT.c.seq > position[1])
    return sa.tuple_(_EVENT.c.xid, _EVENT.c.seq) > sa.tuple_(*position)


def is_up_to(dialect: str, position: tuple[Column, Column]) -> Column:
    """Build the condition that an event does not come after a position, as `is_after` does."""
    if dialect == "sqlite":
        return (_EVENT.c.xid == position[0]) & (_EVENT.c.seq <= position[1])
    return sa.tuple_(_EVENT.c.xid, _EVENT.c.seq) <= sa.tuple_(*position)


def _select_after(dialect: str, position: tuple[Column, Column] = _POSITION) -> Statement:
    query = sa.select(_EVENT).where(is_after(dialect, position)).order_by(_EVENT.c.xid, _EVENT.c.seq)
    return query.limit(sa.bindparam("most"))


def _select_settled_after(dialect: str, position: tuple[Column, Column] = _POSITION) -> Statement:
    query = _select_after(dialect, position)
    return query.where(_EVENT.c.xid < SETTLED_XID) if dialect == "postgresql" else query


# PostgreSQL takes sequence values before commit. A row is safe to pass only when no transaction that could still
# commit a smaller (xid, seq) is running: all of those have ids at or above the snapshot's xmin.
_QUERIES = {dialect: _select_settled_after(dialect) for dialect in ("sqlite", "postgresql")}
_LATEST = sa.select(_EVENT.c.xid, _EVENT.c.seq).order_by(_EVENT.c.xid.desc(), _EVENT.c.seq.desc()).limit(1)
_XMAX = sa.cast(sa.cast(sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot()), sa.Text), sa.BigInteger)
_FOREIGN = sa.select(sa.func.max(_EVENT.c.xid) >= _XMAX + XID_OFFSET)
_LAST_SETTLED = {"sqlite": _LATEST, "postgresql": _LATEST.where(_EVENT.c.xid < SETTLED_XID)}


def _select_end(query: Statement) -> Statement:
    """Select the last position of a query for events, and their number, from the index alone."""
    batch = query.with_only_columns(_EVENT.c.xid, _EVENT.c.seq).cte("batch")
    number = sa.select(sa.func.count()).select_from(batch).scalar_subquery()
    last = sa.select(batch.c.xid, batch.c.seq, number.label("number"))
    return last.order_by(batch.c.xid.desc(), batch.c.seq.desc()).limit(1)


class _PositionRow(TypedDict):
    xid: int
    seq: int


_ENDS: Prepared[JsonObject] = Prepared(lambda dialect: _select_end(_QUERIES[dialect]))
_NEWEST: Prepared[_PositionRow] = Prepared(sa.select(_EVENT.c.xid, _EVENT.c.seq).order_by(_EVENT.c.seq.desc()).limit(1))
_SETTLED: Prepared[_PositionRow] = Prepared(_LAST_SETTLED.__getitem__)
_READER_POSITION: Prepared[_PositionRow] = Prepared(
    sa.select(_CURSOR.c.xid, _CURSOR.c.seq).where(_CURSOR.c.reader == sa.bindparam("reader", type_=sa.String()))
)


class _ReaderRow(TypedDict):
    reader: str
    xid: int
    seq: int
    next_seq: int | None  # of an event that waits


def _select_readers(dialect: str) -> Statement:
    """Select all cursors, each with the next event that waits for it."""
    cursor = _CURSOR.alias("cursor")
    waiting = _select_settled_after(dialect, (cursor.c.xid, cursor.c.seq)).with_only_columns(_EVENT.c.seq).limit(1)
    return sa.select(cursor, waiting.scalar_subquery().label("next_seq"))


_READERS: Prepared[_ReaderRow] = Prepared(_select_readers)
NEXT_EVENTS: Final = {dialect: query.subquery("next_events") for dialect, query in _QUERIES.items()}
"""The next `most` events after the position `xid`, `seq`, oldest first, by dialect.

A query over it stops reading when it has enough of them.
"""


def read_after(connection: sa.Connection, position: Position, limit: int = 100) -> list[LoggedEvent]:
    """Read the next events after a position, oldest first.

    None is ever skipped: on PostgreSQL, events wait until no transaction that may write an earlier one is running.
    """
    values = {"xid": position.xid, "seq": position.seq, "most": limit}
    return fetch_events(connection, _QUERIES[connection.dialect.name], values)


def fetch_events(
    connection: sa.Connection, statement: sa.Executable | Prepared[EventRow], values: Mapping[str, object]
) -> list[LoggedEvent]:
    """Run a query for all columns of the log and return its rows as events."""
    if isinstance(statement, Prepared):
        rows = statement.rows(connection, values)
    else:
        rows = fetch_rows(connection, statement, EventRow, values)
    return [_logged_event(row) for row in rows]


def _logged_event(row: EventRow) -> LoggedEvent:
    logged = LoggedEvent(
        Position(row["xid"], row["seq"]),
        row["type"],
        row["subject_id"],
        row["article_id"],
        row["at"],
        row["groups"],
        row["payload"],
        row["request_id"],
        row["person_id"],
    )
    if logged.article_id is None and logged.event is not None and logged.event.about_article is not None:
        # During an upgrade, processes of the former release still write events without this column.
        return replace(logged, article_id=logged.event.about_article)
    return logged


_LAST = (sa.bindparam("last_xid", type_=sa.BigInteger), sa.bindparam("last_seq", type_=sa.BigInteger))
_ABOUT = sa.bindparam("about", expanding=True, type_=_EVENT.c.subject_id.type)


@lru_cache
def _select_between(dialect: str, of_subjects: bool) -> Statement:
    query = _select_after(dialect).where(is_up_to(dialect, _LAST))
    return query.where(_EVENT.c.subject_id.in_(_ABOUT) | _EVENT.c.article_id.in_(_ABOUT)) if of_subjects else query


def read_between(
    connection: sa.Connection, after: Position, upto: Position, limit: int, about: Sequence[str] = ()
) -> list[LoggedEvent]:
    """Read the events after one position up to another that has settled, oldest first.

    With `about`, only events whose subject or article has one of these ids.
    """
    values: JsonObject = {"xid": after.xid, "seq": after.seq, "last_xid": upto.xid, "last_seq": upto.seq, "most": limit}
    if about:
        values["about"] = about
    return fetch_events(connection, _select_between(connection.dialect.name, bool(about)), values)


def find_last_position(connection: sa.Connection) -> Position:
    """Find the position of the newest event that this connection sees."""
    row = _NEWEST.first(connection, {})
    return Position(*row) if row else START


def has_position(connection: sa.Connection, position: Position) -> bool:
    """Whether the log still has the event at this position; for `START`, the first event that was ever written."""
    is_there = (
        _EVENT.c.seq == 1 if position == START else (_EVENT.c.seq == position.seq) & (_EVENT.c.xid == position.xid)
    )
    return connection.execute(sa.select(_EVENT.c.seq).where(is_there)).first() is not None


def read_data_version(connection: sa.Connection) -> int | None:
    """Return SQLite's `data_version`, which changes on this connection when another commits; None on PostgreSQL."""
    if connection.dialect.name != "sqlite":
        return None
    return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


def find_settled_position(connection: sa.Connection) -> Position:
    """Find the newest position that no later commit can precede: reading on from there misses nothing."""
    row = _SETTLED.first(connection, {})
    return Position(*row) if row else START


def is_foreign_log(connection: sa.Connection) -> bool:
    """Whether the log was written on another PostgreSQL server, whose transaction ids were higher than here."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.execute(_FOREIGN).scalar_one())


class BatchEnd(NamedTuple):
    """The position of the last of some events, and how many they are."""

    end: Position
    number: int


def find_batch_end(connection: sa.Connection, position: Position, limit: int) -> BatchEnd:
    """Find the position of the last of the next `limit` events, and their number.

    Without any, that is the position given. No event will be added before the end of the batch.
    """
    row = _ENDS.first(connection, {"xid": position.xid, "seq": position.seq, "most": limit})
    if row is None:
        return BatchEnd(position, 0)
    xid, seq, number = row
    return BatchEnd(Position(xid, seq), number)


def find_pruned_position(connection: sa.Connection) -> Position:
    """Find the position of the last event that was pruned: a cursor before it has missed events."""
    return _find_cursor(connection, PRUNED_CURSOR)


def _find_cursor(connection: sa.Connection, reader: str) -> Position:
    row = _READER_POSITION.first(connection, {"reader": reader})
    return Position(*row) if row else START


def find_position_before(connection: sa.Connection, moment: datetime) -> Position:
    """Find a position before every event of this moment or later."""
    first = sa.select(sa.func.min(_EVENT.c.xid).label("xid"), sa.func.min(_EVENT.c.seq).label("seq"))
    row = connection.execute(first.where(_EVENT.c.at >= moment)).one()
    return Position(row.xid, row.seq - 1) if row.seq is not None else find_last_position(connection)


def find_first_time(connection: sa.Connection, entry: LoggedEvent) -> datetime:
    """Find when the log first had an event of this type about its subject."""
    is_same = (_EVENT.c.subject_id == entry.subject_id) & (_EVENT.c.type == entry.type)
    return connection.execute(sa.select(sa.func.min(_EVENT.c.at)).where(is_same)).scalar_one_or_none() or entry.at


def group_unread(connection: sa.Connection, readers: Collection[str]) -> list[set[str]]:
    """Group the consumers for which events wait by their positions; to be asked before taking locks."""
    groups: dict[Position, set[str]] = {}
    new_readers = set(readers)
    for row in _READERS.rows(connection, {}):
        if row["reader"] in new_readers:
            new_readers.remove(row["reader"])
            if row["next_seq"] is not None:
                groups.setdefault(Position(row["xid"], row["seq"]), set()).add(row["reader"])
    if new_readers and read_after(connection, START, 1):
        groups.setdefault(START, set()).update(new_readers)
    return list(groups.values())


def measure_lag(connection: sa.Connection, reader: str, limit: int = 10_000) -> tuple[int, float]:
    """Return the number of events that wait for a consumer, counted up to a limit, and the age of the oldest in s."""
    position = _find_cursor(connection, reader)
    oldest = read_after(connection, position, 1)
    if not oldest:
        return 0, 0.0
    after = sa.literal(position.xid), sa.literal(position.seq)
    left = sa.select(_EVENT.c.seq).where(is_after(connection.dialect.name, after))
    number = connection.execute(sa.select(sa.func.count()).select_from(left.limit(limit).subquery())).scalar_one()
    return number, max(0.0, (now() - oldest[0].at).total_seconds())


def has_reached(connection: sa.Connection, position: Position) -> bool:
    """Whether this connection, maybe to a replica, sees what was written at a position. Pruned positions count."""
    if position == START:
        return True
    first = sa.select(sa.func.min(_EVENT.c.seq)).scalar_subquery()
    seen = sa.select(sa.func.max(_EVENT.c.seq)).where(_EVENT.c.seq == position.seq).scalar_subquery()
    row = connection.execute(sa.select(first.label("first"), seen.label("seen"))).one()
    return row.seen is not None or (row.first is not None and position.seq < row.first)


POSITION_KEY = "position"
REQUEST_ID_KEY = "request_id"
"""Key in a session's info: the id of the request that it works for, which its events bear."""
PERSON_KEY = "person"
"""Key in a session's info: the id of the person of the staff for whom it works, which its events bear."""
TEXT_MEMBERS = ("slug", "text", "reason")  # members of payloads that people wrote
BLANK_BATCH_SIZE = 500  # subjects in one statement
_OWN_XID: Column = sa.cast(sa.cast(sa.func.pg_current_xact_id(), sa.Text), sa.BigInteger) + XID_OFFSET
_LATEST_XID = sa.select(sa.func.max(_EVENT.alias("seen").c.xid)).scalar_subquery()
# A transaction may take its id and then wait for a lock, so that its event follows that of a transaction that began
# later. An event is written behind all that its transaction has seen; since that only moves it away from the cursors of
# consumers, they miss nothing.
_XID: Column = sa.func.greatest(_OWN_XID, _LATEST_XID)
_NEW = sa.insert(_EVENT).returning(_EVENT.c.xid, _EVENT.c.seq)
_EMIT: Prepared[JsonObject] = Prepared(
    lambda dialect: _NEW.values(xid=_XID if dialect == "postgresql" else 0),
    ("type", "subject_id", "article_id", "at", "groups", "payload", "request_id", "person_id"),
)


def emit(session: Session, event: EventBase) -> Position:
    """Write an event to the log in the caller's transaction, and put its position into `session.info`."""
    values = {
        "type": event.name,
        "subject_id": event.subject_id,
        "article_id": event.about_article,
        "at": now(),
        "groups": event.cache_groups(),
        "payload": event.payload(),
        "request_id": session.info.get(REQUEST_ID_KEY),
        "person_id": session.info.get(PERSON_KEY),
    }
    session.flush()  # the change is written before the event that reports it
    position = Position(*_EMIT.one(session, values))
    session.info[POSITION_KEY] = position
    return position


_GIVEN = ("type", "subject_id", "article_id", "groups", "payload")  # columns that differ from event to event
_SHARED = ("at", "request_id", "person_id")


def _insert_events(dialect: str) -> sa.Insert:
    rows = select_rows(dialect, **{name: _EVENT.c[name].type for name in _GIVEN})
    shared = [sa.bindparam(name, type_=_EVENT.c[name].type).label(name) for name in _SHARED]
    xid = _XID if dialect == "postgresql" else sa.literal_column("0")
    query = sa.select(xid.label("xid"), *(rows.c[name] for name in _GIVEN), *shared)
    return sa.insert(_EVENT).from_select(["xid", *_GIVEN, *_SHARED], query)


_EMIT_MANY: Prepared[JsonObject] = Prepared(_insert_events)


def emit_all(session: Session, events: Sequence[EventBase]) -> None:
    """Write many events at once, in this order, as `emit` writes one."""
    if not events:
        return
    session.flush()
    rows = [
        {
            "type": event.name,
            "subject_id": event.subject_id,
            "article_id": event.about_article,
            "groups": event.cache_groups(),
            "payload": event.payload(),
        }
        for event in events[:-1]
    ]
    if rows:
        shared = {name: session.info.get(name) for name in (REQUEST_ID_KEY, PERSON_KEY)}
        values = {"at": now(), "request_id": shared[REQUEST_ID_KEY], "person_id": shared[PERSON_KEY]}
        _EMIT_MANY.run(session, {ROWS: rows, **values})
    emit(session, events[-1])


Handle = Callable[[Session, Sequence[LoggedEvent]], None]
"""Handles the next events of the log that a consumer subscribes to, oldest first."""


@dataclass(frozen=True)
class Consumer:
    """A reader of the log: the types of events that it handles, how, and how many of them at a time."""

    types: Collection[str]
    handle: Handle
    size: int = BATCH_SIZE
    is_light: Callable[[LoggedEvent], bool] | None = None
    """Tells which events cost little, so that they do not count towards `size`."""
    narrow: Callable[[sa.Connection], Collection[str]] | None = None
    """Tells which of its types it needs now, in one statement: events that nobody waits for are skipped unread."""


def one_by_one(types: Collection[str], handle: Callable[[Session, LoggedEvent], None]) -> Consumer:
    """Return a consumer that handles each event by itself."""

    def handle_each(session: Session, entries: Sequence[LoggedEvent]) -> None:
        for entry in entries:
            handle(session, entry)

    return Consumer(types, handle_each, 1)


class _CursorRow(TypedDict):
    reader: str
    xid: int
    seq: int


_LOCK_CURSORS: Prepared[_CursorRow] = Prepared(
    lambda dialect: (
        sa.select(_CURSOR)
        .where(is_among(dialect, _CURSOR.c.reader, "readers"))
        .order_by(_CURSOR.c.reader)
        .with_for_update(skip_locked=True)
    )
)
_MOVE_CURSORS: Prepared[JsonObject] = Prepared(
    lambda dialect: (
        sa.update(_CURSOR)
        .where(is_among(dialect, _CURSOR.c.reader, "readers"))
        .values({name: sa.bindparam(f"to_{name}", type_=sa.BigInteger()) for name in ("xid", "seq")})
    )
)
_OF_TYPES: Prepared[EventRow] = Prepared(
    lambda dialect: _select_between(dialect, False).where(is_among(dialect, _EVENT.c.type, "types"))
)


def advance_consumers(session: Session, consumers: Mapping[str, Consumer], limit: int = BATCH_SIZE) -> int:
    """Give consumers the next events and move their cursors, in one transaction: each gets each event once.

    The events are read once for all that have the same position, and only those of types that one of them needs now.
    One that has not handled all of its own after `MAX_BATCH_SECONDS` goes on from there the next time. An exception
    fails the whole batch: the caller repeats it for each consumer alone.

    Several processes may call this at once: on PostgreSQL the rows of the cursors are locked, and consumers that
    another process is moving are left to it; on SQLite the write lock is held. Return the number of events.
    """
    until = time.monotonic() + MAX_BATCH_SECONDS
    cursors = _lock_cursors(session, consumers)
    if not cursors or limit < 1:
        return 0
    connection, start = session.connection(), min(cursors.values())
    types = {reader: _list_types(connection, consumers[reader]) for reader in cursors}
    passed = find_batch_end(connection, start, max(limit, MAX_SKIPPED))
    if not passed.number:
        return 0
    entries, end = _read_of_types(connection, start, passed.end, set().union(*types.values()), limit), passed.end
    if len(entries) == limit:
        end = entries[-1].position
    ends: dict[Position, list[str]] = {}
    for reader, position in cursors.items():
        if end > position:
            unread = [entry for entry in entries if entry.position > position and entry.type in types[reader]]
            ends.setdefault(_handle(session, consumers[reader], unread, end, until), []).append(reader)
    for reached, readers in ends.items():
        _MOVE_CURSORS.run(session, {"readers": readers, "to_xid": reached.xid, "to_seq": reached.seq})
    return limit if len(entries) == limit else passed.number


def _list_types(connection: sa.Connection, consumer: Consumer) -> Collection[str]:
    return consumer.types if consumer.narrow is None else consumer.narrow(connection)


def _read_of_types(
    connection: sa.Connection, after: Position, upto: Position, types: Collection[str], limit: int
) -> list[LoggedEvent]:
    """Read the first events of some types after one position up to another that has settled."""
    if not types:
        return []
    values: JsonObject = {"xid": after.xid, "seq": after.seq, "last_xid": upto.xid, "last_seq": upto.seq}
    return fetch_events(connection, _OF_TYPES, {**values, "most": limit, "types": sorted(types)})


def _lock_cursors(session: Session, readers: Collection[str]) -> dict[str, Position]:
    """Lock the cursors of consumers, and create those that are missing."""
    values = {"readers": sorted(readers)}
    rows = _LOCK_CURSORS.rows(session, values)
    if len(rows) < len(readers):
        known = {row["reader"] for row in rows}
        missing = [{"reader": reader, "xid": 0, "seq": 0} for reader in sorted(set(readers) - known)]
        session.execute(insert_into(session, _CURSOR).values(missing).on_conflict_do_nothing())
        rows = _LOCK_CURSORS.rows(session, values)
    return {row["reader"]: Position(row["xid"], row["seq"]) for row in rows}


def _handle(
    session: Session, consumer: Consumer, entries: Sequence[LoggedEvent], end: Position, until: float
) -> Position:
    """Let a consumer handle its events up to a position until some time; return the position that it has reached."""
    reached = None
    for batch in _split(consumer, entries):
        if reached is not None and time.monotonic() > until:
            return reached
        consumer.handle(session, batch)
        reached = batch[-1].position
    return end


def _split(consumer: Consumer, entries: Sequence[LoggedEvent]) -> Iterator[Sequence[LoggedEvent]]:
    start = number = 0
    for at, entry in enumerate(entries, 1):
        number += consumer.is_light is None or not consumer.is_light(entry)
        if number == consumer.size or at == len(entries):
            yield entries[start:at]
            start, number = at, 0


def prune_events(session: Session, before: datetime) -> int:
    """Delete events older than a moment that every consumer has read; the newest is always kept.

    The position of the last one is stored, so that followers outside can be told that they have missed something.
    """
    newest = sa.select(sa.func.max(_EVENT.c.seq)).scalar_subquery()
    is_behind = sa.tuple_(_CURSOR.c.xid, _CURSOR.c.seq) < sa.tuple_(_EVENT.c.xid, _EVENT.c.seq)
    delete = sa.delete(_EVENT).where(
        _EVENT.c.at < before,
        _EVENT.c.seq < newest,
        ~sa.exists().select_from(_CURSOR).where(is_behind, _CURSOR.c.reader.not_in((PRUNED_CURSOR, XID_OFFSET_CURSOR))),
    )
    pruned = session.execute(delete.returning(_EVENT.c.xid, _EVENT.c.seq)).all()
    if pruned:
        xid, seq = max(tuple(row) for row in pruned)
        insert = insert_into(session, _CURSOR).values(reader=PRUNED_CURSOR, xid=xid, seq=seq)
        position = {"xid": insert.excluded.xid, "seq": insert.excluded.seq}
        is_later = sa.tuple_(_CURSOR.c.xid, _CURSOR.c.seq) < sa.tuple_(*position.values())
        session.execute(insert.on_conflict_do_update(index_elements=[_CURSOR.c.reader], set_=position, where=is_later))
    return len(pruned)


def adopt_foreign_log(session: Session) -> bool:
    """Continue a log that was restored from a dump of another PostgreSQL server, whose transaction ids were higher.

    New events would otherwise be written before those of the dump. Return whether it was such a log.
    """
    if session.get_bind().dialect.name != "postgresql":
        return False
    highest = sa.func.max(_EVENT.c.xid)
    foreign = sa.select(sa.literal(XID_OFFSET_CURSOR), highest, sa.literal(0)).having(highest > _OWN_XID)
    insert = insert_into(session, _CURSOR).from_select(["reader", "xid", "seq"], foreign)
    higher = {"xid": sa.func.greatest(_CURSOR.c.xid, insert.excluded.xid)}
    upsert = insert.on_conflict_do_update(index_elements=[_CURSOR.c.reader], set_=higher).returning(_CURSOR.c.xid)
    return session.execute(upsert).first() is not None


def blank_events(session: Session, subject_ids: Sequence[str]) -> None:
    """Blank the texts in the payloads of events about some subjects; the events stay."""
    for at in range(0, len(subject_ids), BLANK_BATCH_SIZE):
        batch = list(subject_ids[at : at + BLANK_BATCH_SIZE])
        query = sa.select(_EVENT.c.seq, _EVENT.c.payload).where(_EVENT.c.subject_id.in_(batch))
        for row in session.execute(query).all():
            blanks = {name: "" for name in TEXT_MEMBERS if row.payload.get(name)}
            if blanks:
                update = sa.update(_EVENT).where(_EVENT.c.seq == row.seq)
                session.execute(update.values(payload={**row.payload, **blanks}))
