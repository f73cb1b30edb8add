"""The outbox: enqueuing, cancelling, resending, listing and pruning deliveries."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypedDict

import pydantic_core
import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.db.columns import count_affected, is_among
from app.db.prepared import Prepared
from app.db.rows import JsonObject, insert_into
from app.deliveries.lanes import (
    CHUNK_SIZE,
    DELIVERY,
    LANE,
    first_due,
    lock_lanes,
    lock_lanes_by_name,
    reset_breaker,
    schedule_lanes,
)
from app.deliveries.schemas import MAX_ERROR_LENGTH, NewDelivery

RETENTION: Final = timedelta(days=14)  # of delivered and cancelled deliveries
DEAD_RETENTION: Final = timedelta(days=90)
_IS_OPEN = DELIVERY.c.finished_at.is_(None)


class Topic(NamedTuple):
    """Names the deliveries that are sent in order."""

    channel: str
    endpoint: str
    topic: str


class _Head(TypedDict):
    """The endpoint and topic of a delivery that is due."""

    endpoint: str
    topic: str


_IS_OF_TOPIC = tuple(DELIVERY.c[name] == sa.bindparam(name, type_=DELIVERY.c[name].type) for name in Topic._fields)
_HEAD: Prepared[JsonObject] = Prepared(sa.select(DELIVERY.c.id).where(*_IS_OF_TOPIC, DELIVERY.c.due_at.is_not(None)))
_HEADS_AMONG: Prepared[_Head] = Prepared(
    lambda dialect: sa.select(DELIVERY.c.endpoint, DELIVERY.c.topic).where(
        _IS_OF_TOPIC[0],
        is_among(dialect, DELIVERY.c.endpoint, "endpoints"),
        is_among(dialect, DELIVERY.c.topic, "topics"),
        DELIVERY.c.due_at.is_not(None),
    )
)
_FIRST_OPEN: Prepared[JsonObject] = Prepared(
    sa.select(DELIVERY.c.id)
    .where(*_IS_OF_TOPIC, _IS_OPEN)
    .order_by(DELIVERY.c.xid, DELIVERY.c.seq, DELIVERY.c.id)
    .limit(sa.literal_column("1"))
)
_MAKE_DUE: Prepared[JsonObject] = Prepared(
    sa.update(DELIVERY)
    .where(DELIVERY.c.id == sa.bindparam("delivery", type_=DELIVERY.c.id.type))
    .values(due_at=sa.bindparam("moment", type_=DELIVERY.c.due_at.type))
)


def promote_topics(session: Session, topics: Iterable[Topic], moment: datetime) -> None:
    """Make the first open delivery of each topic due, unless one of the topic is. The lanes must be locked."""
    for topic in topics:
        names = topic._asdict()
        if _HEAD.first(session, names) is None and (first := _FIRST_OPEN.first(session, names)) is not None:
            _MAKE_DUE.run(session, {"delivery": first[0], "moment": moment})


def enqueue(session: Session, delivery: NewDelivery) -> bool:
    """Enqueue a delivery in the caller's transaction; return False if it was enqueued before."""
    return enqueue_deliveries(session, [delivery]) == 1


def enqueue_deliveries(session: Session, rows: Iterable[NewDelivery]) -> int:
    """Enqueue many deliveries; return how many are new."""
    by_channel: dict[str, list[NewDelivery]] = defaultdict(list)
    for row in rows:
        if row.topic is not None and row.due_at is not None:
            raise ValueError("a delivery with a topic is due once those before it are finished, so it has no due_at")
        by_channel[row.channel].append(row)
    return sum(_enqueue(session, channel, by_channel[channel]) for channel in sorted(by_channel))


def _enqueue(session: Session, channel: str, rows: list[NewDelivery]) -> int:
    moment, added = now(), 0
    lanes = lock_lanes_by_name(session, channel, (row.lane or row.endpoint for row in rows))
    counts = Counter((row.endpoint, row.topic) for row in rows if row.topic)
    for start in range(0, len(rows), CHUNK_SIZE):
        chunk = rows[start : start + CHUNK_SIZE]
        blocked = _list_blocked(session, channel, chunk) | {key for key, number in counts.items() if number > 1}
        values = [_values(row, lanes[row.lane or row.endpoint], moment, blocked) for row in chunk]
        insert = insert_into(session, DELIVERY)
        insert = insert.on_conflict_do_nothing(index_elements=["channel", "endpoint", "event"])
        added += len(session.execute(insert.returning(DELIVERY.c.id), values).all())
    promote_topics(session, [Topic(channel, *key) for key, number in counts.items() if number > 1], moment)
    schedule_lanes(session, set(lanes.values()), moment)
    return added


def _list_blocked(session: Session, channel: str, rows: list[NewDelivery]) -> set[tuple[str, str | None]]:
    """Return endpoint and topic of deliveries that have to wait for one that is due."""
    topics = sorted({row.topic for row in rows if row.topic})
    if not topics:
        return set()
    endpoints = sorted({row.endpoint for row in rows if row.topic})
    heads = _HEADS_AMONG.rows(session, {"channel": channel, "endpoints": endpoints, "topics": topics})
    return {(head["endpoint"], head["topic"]) for head in heads}


def _values(
    row: NewDelivery, lane_id: str, moment: datetime, blocked: Collection[tuple[str, str | None]]
) -> JsonObject:
    return {
        "id": new_id(),
        "channel": row.channel,
        "endpoint": row.endpoint,
        "lane_id": lane_id,
        "event": row.event,
        "topic": row.topic,
        "xid": row.position.xid,
        "seq": row.position.seq,
        "what": row.what,
        "content": row.content,
        "state": "waiting",
        "due_at": None if (row.endpoint, row.topic) in blocked else row.due_at or moment,
        "attempts": 0,
        "error": "",
        "answer": "",
        "created_at": moment,
    }


def cancel_deliveries(
    session: Session, *, channel: str, endpoint: str | None = None, events: Sequence[str] | None = None
) -> int:
    """Cancel waiting deliveries; return how many. A running one is cancelled by its channel, which checks."""
    where = [DELIVERY.c.channel == channel]
    if endpoint is not None:
        where.append(DELIVERY.c.endpoint == endpoint)
    if events is not None:
        where.append(DELIVERY.c.event.in_(events))
    return _end_deliveries(session, where, "cancelled", "")


def abandon_endpoint(session: Session, *, channel: str, endpoint: str, reason: str) -> int:
    """Give up the waiting deliveries of an endpoint; they can be resent later. Return how many."""
    return _end_deliveries(session, [DELIVERY.c.channel == channel, DELIVERY.c.endpoint == endpoint], "dead", reason)


def _end_deliveries(session: Session, where: list[sa.ColumnElement[bool]], state: str, error: str) -> int:
    moment, is_waiting = now(), DELIVERY.c.state == "waiting"
    lanes = set(session.execute(sa.select(DELIVERY.c.lane_id).where(*where, is_waiting).distinct()).scalars())
    lock_lanes(session, lanes)
    values = {"state": state, "error": error[:MAX_ERROR_LENGTH], "due_at": None, "token": None, "finished_at": moment}
    ended = sa.update(DELIVERY).where(*where, is_waiting).values(values)
    rows = session.execute(ended.returning(DELIVERY.c.channel, DELIVERY.c.endpoint, DELIVERY.c.topic)).all()
    promote_topics(session, {Topic(*row) for row in rows if row.topic}, moment)
    schedule_lanes(session, lanes, moment)
    return len(rows)


def reset_lane(session: Session, *, channel: str, lane: str) -> None:
    """Close the circuit breaker of a lane whose receiver has a new address or works again."""
    moment, ids = now(), lock_lanes_by_name(session, channel, [lane]).values()
    for lane_id in ids:
        reset_breaker(session, lane_id)
    schedule_lanes(session, set(ids), moment)


def resend_deliveries(session: Session, *, channel: str, endpoint: str, ids: Collection[str]) -> int:
    """Resend finished deliveries, with as many attempts as new ones, and send waiting ones at once; return how many.

    They keep their event, by which the receiver recognises them. Running ones are not affected.
    """
    moment = now()
    where = (DELIVERY.c.channel == channel, DELIVERY.c.endpoint == endpoint, DELIVERY.c.id.in_(ids))
    lanes = set(session.execute(sa.select(DELIVERY.c.lane_id).where(*where).distinct()).scalars())
    lock_lanes(session, lanes)
    reset = {"state": "waiting", "attempts": 0, "finished_at": None, "due_at": None}
    done = sa.update(DELIVERY).where(*where, DELIVERY.c.token.is_(None)).values(reset)
    rows = session.execute(done.returning(DELIVERY.c.id, DELIVERY.c.channel, DELIVERY.c.endpoint, DELIVERY.c.topic))
    resent = rows.all()
    free = [row.id for row in resent if row.topic is None]
    session.execute(sa.update(DELIVERY).where(DELIVERY.c.id.in_(free)).values(due_at=moment))
    promote_topics(session, {Topic(row.channel, row.endpoint, row.topic) for row in resent if row.topic}, moment)
    schedule_lanes(session, lanes, moment)
    return len(resent)


def prune_deliveries(session: Session, limit: int = 5000) -> int:
    """Delete finished deliveries after `RETENTION`, dead ones after `DEAD_RETENTION`, and unused lanes."""
    moment, ended = now(), DELIVERY.c.finished_at
    expired = sa.select(DELIVERY.c.id).where(
        sa.or_(
            sa.and_(DELIVERY.c.state.in_(("delivered", "cancelled")), ended < moment - RETENTION),
            sa.and_(DELIVERY.c.state == "dead", ended < moment - DEAD_RETENTION),
        )
    )
    done = count_affected(session.execute(sa.delete(DELIVERY).where(DELIVERY.c.id.in_(expired.limit(limit)))))
    used = sa.exists().where(DELIVERY.c.lane_id == LANE.c.id)
    session.execute(sa.delete(LANE).where(LANE.c.due_at.is_(None), LANE.c.failures == 0, ~used))
    return done


def blank_topic(session: Session, topic: str) -> None:
    """Reduce messages about a topic to ids, sent or not, and erase the answers of receivers."""
    query = sa.select(DELIVERY.c.id, DELIVERY.c.content).where(DELIVERY.c.topic == topic)
    for row in session.execute(query).all():
        values: JsonObject = {"answer": "", "error": ""}
        if "body" in row.content:
            message = pydantic_core.from_json(row.content["body"])
            kept = {name: message["data"].get(name) for name in ("id", "position", "cache_groups")}
            values["content"] = {
                **row.content,
                "body": pydantic_core.to_json({**message, "data": kept}).decode(),
            }
        session.execute(sa.update(DELIVERY).where(DELIVERY.c.id == row.id).values(values))


OPEN_STATES: Final = ("waiting", "running", "dead")  # not finished, or given up
_NEXT: Prepared[JsonObject] = Prepared(
    sa.select(LANE.c.due_at).where(LANE.c.due_at.is_not(None)).order_by(LANE.c.due_at).limit(1)
)
_NUMBER = sa.func.count().label("number")
_FIRST_DUE = first_due(DELIVERY.c.due_at.is_not(None))


class StateCount(NamedTuple):
    """The number of deliveries of a channel in a state."""

    channel: str
    state: str
    number: int


class LaneSummary(NamedTuple):
    """A lane with the state of its circuit breaker and its open deliveries."""

    channel: str
    name: str
    failures: int
    failing_since: datetime | None
    succeeded_at: datetime | None
    waiting: int
    running: int
    dead: int
    first: datetime | None  # when its first delivery is due


class DeadReference(NamedTuple):
    """A dead delivery."""

    channel: str
    endpoint: str
    id: str


class DeadDelivery(NamedTuple):
    """A dead delivery with its last attempt."""

    id: str
    channel: str
    endpoint: str
    what: str
    attempts: int
    status: int | None
    error: str
    finished_at: datetime


def find_next_turn(connection: sa.Connection) -> datetime | None:
    """Find when the next lane has its turn, without taking a lock; None: none has deliveries."""
    row = _NEXT.first(connection, {})
    return row[0] if row else None


def count_by_state(connection: sa.Connection) -> list[StateCount]:
    """Count the deliveries of each channel in each of `OPEN_STATES`."""
    query = sa.select(DELIVERY.c.channel, DELIVERY.c.state, _NUMBER).where(DELIVERY.c.state.in_(OPEN_STATES))
    groups = (DELIVERY.c.channel, DELIVERY.c.state)
    rows = connection.execute(query.group_by(*groups).order_by(*groups))
    return [StateCount._make(row) for row in rows]


def list_waiting(session: Session, channel: str, endpoints: Sequence[str]) -> list[tuple[str, str]]:
    """Return endpoint and event of the waiting deliveries of some endpoints."""
    is_waiting = (DELIVERY.c.channel == channel) & DELIVERY.c.endpoint.in_(endpoints) & (DELIVERY.c.state == "waiting")
    query = sa.select(DELIVERY.c.endpoint, DELIVERY.c.event).where(is_waiting)
    return [(endpoint, event) for endpoint, event in session.execute(query)]


def measure_due_seconds(connection: sa.Connection) -> dict[str, float]:
    """Return how many seconds the oldest delivery of each channel has been due; 0: none is due."""
    query = sa.select(LANE.c.channel, sa.func.min(_FIRST_DUE).label("due")).where(LANE.c.due_at.is_not(None))
    rows = connection.execute(query.group_by(LANE.c.channel).order_by(LANE.c.channel))
    return {row.channel: max(0.0, (now() - row.due).total_seconds()) for row in rows if row.due}


def list_lanes(connection: sa.Connection) -> list[LaneSummary]:
    """List the lanes that have deliveries in `OPEN_STATES`."""
    numbers = [sa.func.count(sa.case((DELIVERY.c.state == state, 1))).label(state) for state in OPEN_STATES]
    open_ones = DELIVERY.c.state.in_(OPEN_STATES)
    totals = sa.select(DELIVERY.c.lane_id, *numbers).where(open_ones).group_by(DELIVERY.c.lane_id).subquery()
    own = [LANE.c[name] for name in ("channel", "name", "failures", "failing_since", "succeeded_at")]
    columns = [*own, *(totals.c[state] for state in OPEN_STATES), _FIRST_DUE.label("first")]
    query = sa.select(*columns).join(totals, totals.c.lane_id == LANE.c.id)
    rows = connection.execute(query.order_by(LANE.c.channel, totals.c.waiting.desc(), LANE.c.name))
    return [LaneSummary._make(row) for row in rows]


def list_dead(connection: sa.Connection, limit: int) -> list[DeadDelivery]:
    """List dead deliveries, newest first."""
    query = sa.select(*(DELIVERY.c[name] for name in DeadDelivery._fields)).where(DELIVERY.c.state == "dead")
    rows = connection.execute(query.order_by(DELIVERY.c.finished_at.desc(), DELIVERY.c.id.desc()).limit(limit))
    return [DeadDelivery._make(row) for row in rows]


def list_dead_references(connection: sa.Connection, ids: Sequence[str] | None) -> list[DeadReference]:
    """List dead deliveries, all or those among these ids."""
    query = sa.select(DELIVERY.c.channel, DELIVERY.c.endpoint, DELIVERY.c.id).where(DELIVERY.c.state == "dead")
    rows = connection.execute(query if ids is None else query.where(DELIVERY.c.id.in_(ids)))
    return [DeadReference._make(row) for row in rows]
