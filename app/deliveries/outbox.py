"""Adding what is to be sent, taking it back, sending it again, and forgetting it."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.db.columns import count_affected
from app.deliveries.lanes import (
    CHUNK_SIZE,
    DELIVERY,
    LANE,
    lock_lanes,
    lock_lanes_by_name,
    reset_breaker,
    schedule_lanes,
)
from app.deliveries.schemas import MAX_ERROR_LENGTH, NewDelivery
from app.events.schemas import START, Position

RETENTION: Final = timedelta(days=14)  # what was delivered or cancelled
DEAD_RETENTION: Final = timedelta(days=90)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert(DELIVERY), "postgresql": postgresql.insert(DELIVERY)}
_OPEN = DELIVERY.c.finished_at.is_(None)


class _Topic(NamedTuple):
    """Deliveries that are sent in order."""

    channel: str
    endpoint: str
    topic: str


def _is_topic(topic: Sequence[Any]) -> tuple[sa.ColumnElement[bool], ...]:
    return (DELIVERY.c.channel == topic[0], DELIVERY.c.endpoint == topic[1], DELIVERY.c.topic == topic[2])


def promote_topics(session: Session, topics: Iterable[Sequence[str]], moment: datetime) -> None:
    """Make the first open delivery of each of these topics due, unless one of it is. Its lane must be locked."""
    for topic in topics:
        first = sa.select(DELIVERY.c.id).where(*_is_topic(topic), _OPEN)
        first = first.order_by(DELIVERY.c.xid, DELIVERY.c.seq, DELIVERY.c.id).limit(1)
        head = sa.select(DELIVERY.c.id).where(*_is_topic(topic), DELIVERY.c.due_at.is_not(None))
        if session.execute(head).first() is None:
            session.execute(sa.update(DELIVERY).where(DELIVERY.c.id == first.scalar_subquery()).values(due_at=moment))


def enqueue(
    session: Session,
    *,
    channel: str,
    endpoint: str,
    event: str,
    what: str,
    content: dict[str, Any],
    topic: str | None = None,
    position: Position | None = None,
    due_at: datetime | None = None,
    lane: str | None = None,
) -> bool:
    """Have something sent, in the caller's transaction; False where it was asked for before. See `NewDelivery`."""
    new = NewDelivery(
        channel=channel,
        endpoint=endpoint,
        event=event,
        what=what,
        content=content,
        topic=topic,
        position=position or START,
        due_at=due_at,
        lane=lane,
    )
    return enqueue_deliveries(session, [new]) == 1


def enqueue_deliveries(session: Session, rows: Iterable[NewDelivery]) -> int:
    """Enqueue many deliveries; return how many are new."""
    by_channel: dict[str, list[NewDelivery]] = defaultdict(list)
    for row in rows:
        if row.topic is not None and row.due_at is not None:
            raise ValueError("what has a topic is due when what stands before it is done")
        by_channel[row.channel].append(row)
    return sum(_enqueue(session, channel, by_channel[channel]) for channel in sorted(by_channel))


def _enqueue(session: Session, channel: str, rows: list[NewDelivery]) -> int:
    moment, added = now(), 0
    lanes = lock_lanes_by_name(session, channel, (row.lane or row.endpoint for row in rows))
    times = Counter((row.endpoint, row.topic) for row in rows if row.topic)
    for start in range(0, len(rows), CHUNK_SIZE):
        some = rows[start : start + CHUNK_SIZE]
        busy = _heads(session, channel, some) | {key for key, number in times.items() if number > 1}
        values = [_values(row, lanes[row.lane or row.endpoint], moment, busy) for row in some]
        insert = _INSERT[session.get_bind().dialect.name].values(values)
        insert = insert.on_conflict_do_nothing(index_elements=["channel", "endpoint", "event"])
        added += len(session.execute(insert.returning(DELIVERY.c.id)).all())
    promote_topics(session, [(channel, *key) for key, number in times.items() if number > 1], moment)
    schedule_lanes(session, set(lanes.values()), moment)
    return added


def _heads(session: Session, channel: str, rows: list[NewDelivery]) -> set[tuple[str, str | None]]:
    """The topics among these of which something is due, and holds back what comes after it."""
    endpoints: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.topic:
            endpoints[row.topic].add(row.endpoint)
    busy: set[tuple[str, str | None]] = set()
    for topic, names in endpoints.items():
        query = sa.select(DELIVERY.c.endpoint).where(
            DELIVERY.c.channel == channel,
            DELIVERY.c.endpoint.in_(sorted(names)),
            DELIVERY.c.topic == topic,
            DELIVERY.c.due_at.is_not(None),
        )
        busy |= {(row.endpoint, topic) for row in session.execute(query)}
    return busy


def _values(row: NewDelivery, lane_id: str, moment: datetime, busy: Collection[Any]) -> dict[str, Any]:
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
        "due_at": None if (row.endpoint, row.topic) in busy else row.due_at or moment,
        "attempts": 0,
        "error": "",
        "answer": "",
        "created_at": moment,
    }


def cancel_deliveries(
    session: Session, *, channel: str, endpoint: str | None = None, events: Sequence[str] | None = None
) -> int:
    """Do not send what waits; what runs just now is asked by its channel. Returns how many that were."""
    where = [DELIVERY.c.channel == channel]
    if endpoint is not None:
        where.append(DELIVERY.c.endpoint == endpoint)
    if events is not None:
        where.append(DELIVERY.c.event.in_(events))
    return _end_deliveries(session, where, "cancelled", "")


def abandon_endpoint(session: Session, *, channel: str, endpoint: str, reason: str) -> int:
    """Give up what waits for an endpoint; it can be sent again later."""
    return _end_deliveries(session, [DELIVERY.c.channel == channel, DELIVERY.c.endpoint == endpoint], "dead", reason)


def _end_deliveries(session: Session, where: list[sa.ColumnElement[bool]], state: str, error: str) -> int:
    moment, waits = now(), DELIVERY.c.state == "waiting"
    lanes = set(session.execute(sa.select(DELIVERY.c.lane_id).where(*where, waits).distinct()).scalars())
    lock_lanes(session, lanes)
    values = {"state": state, "error": error[:MAX_ERROR_LENGTH], "due_at": None, "token": None, "finished_at": moment}
    ended = sa.update(DELIVERY).where(*where, waits).values(values)
    rows = session.execute(ended.returning(DELIVERY.c.channel, DELIVERY.c.endpoint, DELIVERY.c.topic)).all()
    promote_topics(session, {row for row in rows if row.topic}, moment)
    schedule_lanes(session, lanes, moment)
    return len(rows)


def reset_lane(session: Session, *, channel: str, lane: str) -> None:
    """Close the breaker of a lane: its receiver has moved, or somebody says that it works again."""
    moment, ids = now(), lock_lanes_by_name(session, channel, [lane]).values()
    for lane_id in ids:
        reset_breaker(session, lane_id)
    schedule_lanes(session, set(ids), moment)


def resend_deliveries(session: Session, *, channel: str, endpoint: str, ids: Collection[str]) -> int:
    """Send finished deliveries once more, with all their attempts before them, and waiting ones at once.

    They keep their event, by which the receiver knows what it has. Those that run are left alone. Returns how many.
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
    promote_topics(session, {(row.channel, row.endpoint, row.topic) for row in resent if row.topic}, moment)
    schedule_lanes(session, lanes, moment)
    return len(resent)


def prune_deliveries(session: Session, limit: int = 5000) -> int:
    """Forget what was delivered or cancelled two weeks ago, what died ninety days ago, and lanes that nobody uses."""
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
    """Leave nothing but ids in what was, or is to be, sent about a topic, and in what receivers answered."""
    query = sa.select(DELIVERY.c.id, DELIVERY.c.content).where(DELIVERY.c.topic == topic)
    for row in session.execute(query).all():
        values: dict[str, Any] = {"answer": "", "error": ""}
        if "body" in row.content:
            message = pydantic_core.from_json(row.content["body"])
            kept = {name: message["data"].get(name) for name in ("id", "position", "cache_groups")}
            values["content"] = {
                **row.content,
                "body": pydantic_core.to_json({**message, "data": kept}).decode(),
            }
        session.execute(sa.update(DELIVERY).where(DELIVERY.c.id == row.id).values(values))


OPEN_STATES: Final = ("waiting", "running", "dead")  # the states that somebody may have to do something about
_NEXT = sa.select(LANE.c.due_at).where(LANE.c.due_at.is_not(None)).order_by(LANE.c.due_at).limit(1)
_NUMBER = sa.func.count().label("number")
_FIRST = (
    sa.select(DELIVERY.c.due_at)
    .where(DELIVERY.c.lane_id == LANE.c.id, DELIVERY.c.due_at.is_not(None))
    .order_by(DELIVERY.c.due_at)
    .limit(1)
    .scalar_subquery()
)


def is_due(connection: sa.Connection) -> bool:
    """Return whether a delivery is due, without taking a lock."""
    turn = connection.execute(_NEXT).scalar()
    return turn is not None and turn <= now()


def count_by_state(connection: sa.Connection) -> Sequence[Any]:
    """How many deliveries of each channel are in each state that is not over: rows of channel, state and number."""
    query = sa.select(DELIVERY.c.channel, DELIVERY.c.state, _NUMBER).where(DELIVERY.c.state.in_(OPEN_STATES))
    return connection.execute(query.group_by(DELIVERY.c.channel, DELIVERY.c.state)).all()


def list_waiting(session: Session, channel: str, endpoints: Sequence[str]) -> list[tuple[str, str]]:
    """Endpoint and event of what waits for some endpoints."""
    is_waiting = (DELIVERY.c.channel == channel) & DELIVERY.c.endpoint.in_(endpoints) & (DELIVERY.c.state == "waiting")
    return [(row.endpoint, row.event) for row in session.execute(sa.select(DELIVERY).where(is_waiting))]


def oldest_due_seconds(connection: sa.Connection) -> dict[str, float]:
    """For how many seconds the oldest delivery of each channel has been due; 0 where none is."""
    query = sa.select(LANE.c.channel, sa.func.min(_FIRST).label("due")).where(LANE.c.due_at.is_not(None))
    rows = connection.execute(query.group_by(LANE.c.channel))
    return {row.channel: max(0.0, (now() - row.due).total_seconds()) for row in rows if row.due}


def list_lanes(connection: sa.Connection) -> Sequence[Any]:
    """How each lane does: its row, the number in each live state, and when its first delivery is due."""
    numbers = [sa.func.count(sa.case((DELIVERY.c.state == state, 1))).label(state) for state in OPEN_STATES]
    open_ones = DELIVERY.c.state.in_(OPEN_STATES)
    totals = sa.select(DELIVERY.c.lane_id, *numbers).where(open_ones).group_by(DELIVERY.c.lane_id).subquery()
    columns: list[Any] = [LANE, *(totals.c[state] for state in OPEN_STATES), _FIRST.label("first")]
    query = sa.select(*columns).join(totals, totals.c.lane_id == LANE.c.id)
    return connection.execute(query.order_by(LANE.c.channel, totals.c.waiting.desc(), LANE.c.name)).all()


def list_dead(connection: sa.Connection, limit: int) -> Sequence[Any]:
    """List dead deliveries, newest first."""
    query = sa.select(DELIVERY).where(DELIVERY.c.state == "dead")
    return connection.execute(query.order_by(DELIVERY.c.finished_at.desc(), DELIVERY.c.id.desc()).limit(limit)).all()


def list_dead_references(connection: sa.Connection, ids: Sequence[str] | None) -> Sequence[Any]:
    """Channel, endpoint and id of dead deliveries: of these, or of all."""
    query = sa.select(DELIVERY.c.channel, DELIVERY.c.endpoint, DELIVERY.c.id).where(DELIVERY.c.state == "dead")
    return connection.execute(query if ids is None else query.where(DELIVERY.c.id.in_(ids))).all()
