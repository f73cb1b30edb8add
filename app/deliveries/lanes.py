"""Lanes of deliveries: locking, scheduling, and their circuit breakers."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.ids import new_id
from app.db.columns import is_among, table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject, insert_into
from app.deliveries.tables import Delivery, DeliveryLane

MAX_PARALLEL: Final = 16  # deliveries of one lane at a time
BREAKER_THRESHOLD: Final = 5  # failures in a row after which deliveries are tried one at a time, with pauses
BREAKER_PAUSES_SECONDS: Final = (
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
)  # between attempts while the breaker is open; the last one repeats
NOTED_SECONDS: Final = 1.0  # between two successes that are noted
CHUNK_SIZE: Final = 500
DELIVERY, LANE = table_of(Delivery), table_of(DeliveryLane)


def first_due(*conditions: Column) -> Column:
    """Select the earliest `due_at` of a lane's deliveries, of those that meet the conditions."""
    query = sa.select(DELIVERY.c.due_at).where(DELIVERY.c.lane_id == LANE.c.id, *conditions)
    return query.order_by(DELIVERY.c.due_at).limit(1).scalar_subquery()


_MOMENT = sa.bindparam("moment", type_=DELIVERY.c.due_at.type)
_IS_RUNNING = (DELIVERY.c.token.is_not(None), DELIVERY.c.due_at > _MOMENT)
_RUNNING = sa.select(sa.func.count()).where(DELIVERY.c.lane_id == LANE.c.id, *_IS_RUNNING).scalar_subquery()
_LANE_STATES = sa.select(
    LANE.c.id,
    LANE.c.due_at.label("turn"),
    LANE.c.resumes_at,
    LANE.c.failures,
    first_due(DELIVERY.c.due_at.is_not(None)).label("due"),
    first_due(*_IS_RUNNING).label("lease"),
    _RUNNING.label("running"),
)


class LaneRow(TypedDict):
    """A row of the table of lanes."""

    id: str
    channel: str
    name: str
    due_at: datetime | None
    resumes_at: datetime | None
    failures: int
    failing_since: datetime | None
    failed_at: datetime | None
    succeeded_at: datetime | None


class _LaneState(TypedDict):
    """A row of `_SELECT_LANES`, which decides when a lane has its next turn."""

    id: str
    turn: datetime | None  # as it is set now
    resumes_at: datetime | None
    failures: int
    due: datetime | None  # of its first delivery, waiting or running
    lease: datetime | None  # first end of a lease of a running delivery
    running: int


_SELECT_LANES: Prepared[_LaneState] = Prepared(lambda dialect: _LANE_STATES.where(is_among(dialect, LANE.c.id, "ids")))
_IS_LANE = LANE.c.id == sa.bindparam("lane", type_=LANE.c.id.type)
_SET_TURN: Prepared[JsonObject] = Prepared(
    sa.update(LANE).where(_IS_LANE).values(due_at=sa.bindparam("turn", type_=LANE.c.due_at.type))
)
_LOCK_LANES: Prepared[LaneRow] = Prepared(
    lambda dialect: (
        sa.select(LANE)
        .where(is_among(dialect, LANE.c.id, "ids"))
        .order_by(LANE.c.channel, LANE.c.name)
        .with_for_update()
    )
)
_CLOSE_BREAKER: Prepared[JsonObject] = Prepared(
    sa.update(LANE)
    .where(_IS_LANE)
    .values(
        failures=0,
        failing_since=None,
        resumes_at=None,
        succeeded_at=sa.bindparam("succeeded", type_=LANE.c.succeeded_at.type),
    )
)
_RETRY_NOW = sa.update(DELIVERY).where(
    DELIVERY.c.lane_id == sa.bindparam("lane"),
    DELIVERY.c.due_at > _MOMENT,
    DELIVERY.c.token.is_(None),
    DELIVERY.c.attempts > 0,
)


def parallel_limit(failures: int) -> int:
    """Return how many deliveries of a lane may run at once."""
    return 1 if failures >= BREAKER_THRESHOLD else MAX_PARALLEL


def lock_lanes_by_name(session: Session, channel: str, names: Iterable[str]) -> dict[str, str]:
    """Lock the lanes of a channel by name, creating those that are missing; return their ids by name.

    They are locked in the order of their names, so that transactions that lock several do not deadlock.
    """
    names_in_order, ids = sorted(set(names)), dict[str, str]()
    for start in range(0, len(names_in_order), CHUNK_SIZE):
        chunk = names_in_order[start : start + CHUNK_SIZE]
        query = sa.select(LANE.c.name, LANE.c.id).where(LANE.c.channel == channel, LANE.c.name.in_(chunk))
        query = query.order_by(LANE.c.name).with_for_update()
        ids_of_chunk = {row.name: row.id for row in session.execute(query)}
        if missing := [name for name in chunk if name not in ids_of_chunk]:
            rows = [{"id": new_id(), "channel": channel, "name": name, "failures": 0} for name in missing]
            session.execute(insert_into(session, LANE).on_conflict_do_nothing(), rows)
            ids_of_chunk = {row.name: row.id for row in session.execute(query)}
        ids |= ids_of_chunk
    return ids


def lock_lanes(session: Session, lane_ids: Collection[str]) -> list[LaneRow]:
    """Lock lanes by id and return their rows."""
    return _LOCK_LANES.rows(session, {"ids": sorted(lane_ids)})


def count_running(session: Session, lane_ids: Collection[str], moment: datetime) -> dict[str, int]:
    """Count the running deliveries of lanes that have any, by lane id."""
    number = sa.func.count().label("number")
    query = sa.select(DELIVERY.c.lane_id, number).where(DELIVERY.c.lane_id.in_(lane_ids), *_IS_RUNNING)
    rows = session.execute(query.group_by(DELIVERY.c.lane_id), {"moment": moment})
    return {row.lane_id: row.number for row in rows}


def schedule_lanes(session: Session, lane_ids: Collection[str], moment: datetime, *, served: bool = False) -> None:
    """Set when each lane has its next turn; a lane that was `served` queues behind all lanes that are due."""
    ids = sorted(lane_ids)
    for start in range(0, len(ids), CHUNK_SIZE):
        values = {"ids": ids[start : start + CHUNK_SIZE], "moment": moment}
        for row in _SELECT_LANES.rows(session, values):
            turn = _next_turn(row, moment, served)
            if turn != row["turn"]:
                _SET_TURN.run(session, {"lane": row["id"], "turn": turn})


def _next_turn(row: _LaneState, moment: datetime, served: bool) -> datetime | None:
    due = row["lease"] if row["running"] >= parallel_limit(row["failures"]) else row["due"]
    if due is None:
        return None
    due = max(due, row["resumes_at"] or due)
    return max(due, moment if served or row["turn"] is None else min(row["turn"], moment))


def reset_breaker(session: Session, lane_id: str, **more: datetime) -> None:
    """Reset the circuit breaker of a lane."""
    values = {"failures": 0, "failing_since": None, "resumes_at": None, **more}
    session.execute(sa.update(LANE).where(LANE.c.id == lane_id).values(values))


def record_success(session: Session, lane: LaneRow, moment: datetime) -> None:
    """Record a success in a lane and in its row; if the breaker was open, waiting retries are due at once.

    A lane that works anyway notes the time of its last success once in `NOTED_SECONDS`.
    """
    last = lane["succeeded_at"]
    is_well = not lane["failures"] and lane["failing_since"] is None and lane["resumes_at"] is None
    if is_well and last is not None and moment - last < timedelta(seconds=NOTED_SECONDS):
        return
    _CLOSE_BREAKER.run(session, {"lane": lane["id"], "succeeded": moment})
    if lane["failures"] >= BREAKER_THRESHOLD:
        session.execute(_RETRY_NOW.values(due_at=moment), {"lane": lane["id"], "moment": moment})
    lane.update({"failures": 0, "failing_since": None, "resumes_at": None, "succeeded_at": moment})


def record_failure(session: Session, lane: LaneRow, moment: datetime, retry_after: float | None) -> datetime:
    """Record a failure of the receiver in its lane and in the lane's row.

    Returns the time of the first failure since the last success.
    """
    failures = lane["failures"] + 1
    pause = (
        BREAKER_PAUSES_SECONDS[min(failures - BREAKER_THRESHOLD, len(BREAKER_PAUSES_SECONDS) - 1)]
        if failures >= BREAKER_THRESHOLD
        else 0.0
    )
    resumes = max(lane["resumes_at"] or moment, moment + timedelta(seconds=max(pause, retry_after or 0.0)))
    since = lane["failing_since"] or moment
    pauses_until = resumes if resumes > moment else None
    values = {"failures": failures, "failing_since": since, "failed_at": moment, "resumes_at": pauses_until}
    session.execute(sa.update(LANE).where(LANE.c.id == lane["id"]).values(values))
    lane.update({"failures": failures, "failing_since": since, "failed_at": moment, "resumes_at": pauses_until})
    return since
