"""Claiming, finishing and releasing deliveries: the transactions before and after an attempt."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.db.prepared import Prepared
from app.db.rows import JsonObject
from app.deliveries.lanes import (
    DELIVERY,
    LANE,
    LaneRow,
    count_running,
    lock_lanes,
    parallel_limit,
    record_failure,
    record_success,
    schedule_lanes,
)
from app.deliveries.outbox import Topic, promote_topics
from app.deliveries.schemas import MAX_ANSWER_LENGTH, MAX_ERROR_LENGTH, ClaimedDelivery, Outcome
from app.events.schemas import Position

MAX_LANES: Final = 32  # that one claim serves
_CLAIMED_COLUMNS = [DELIVERY.c[name] for name in ClaimedDelivery._fields if name != "position"] + [
    DELIVERY.c.xid,
    DELIVERY.c.seq,
]


class EndedAttempt(NamedTuple):
    """An attempt whose outcome is to be recorded; `next_at` is the time of the next one after a failure."""

    delivery: ClaimedDelivery
    outcome: Outcome
    next_at: datetime | None = None


class ReceiverHealth(NamedTuple):
    """The state of a receiver after an attempt: the time of the first failure since its last success, or None."""

    failing_since: datetime | None = None


def claim_deliveries(session: Session, leases: Mapping[str, float], limit: int) -> list[ClaimedDelivery]:
    """Claim due deliveries, at most `limit`, of the channels in `leases`, which gives the seconds of a lease.

    Lanes take turns and get equal shares, so that a long one does not delay others. Processes that claim at the same
    time get different lanes.
    """
    moment = now()
    due = sa.select(LANE.c.id, LANE.c.channel, LANE.c.failures).where(LANE.c.due_at <= moment)
    named = LANE.c.channel.concat("").in_(leases)  # hides the index that SQLite would use and then sort
    due = due.where(named).order_by(LANE.c.due_at).limit(min(limit, MAX_LANES))
    lanes = session.execute(due.with_for_update(skip_locked=True)).all()
    if not lanes:
        return []
    ids = [lane.id for lane in lanes]
    running, share, claimed = count_running(session, ids, moment), max(1, limit // len(lanes)), list[ClaimedDelivery]()
    for lane in lanes:
        number = min(share, parallel_limit(lane.failures) - running.get(lane.id, 0))
        if number > 0:
            claimed += _claim_from_lane(
                session, lane.id, number, moment, moment + timedelta(seconds=leases[lane.channel])
            )
    schedule_lanes(session, ids, moment, served=True)
    return claimed


def _claim_from_lane(
    session: Session, lane_id: str, number: int, moment: datetime, until: datetime
) -> list[ClaimedDelivery]:
    due = sa.select(DELIVERY.c.id).where(DELIVERY.c.lane_id == lane_id, DELIVERY.c.due_at <= moment)
    due = due.order_by(DELIVERY.c.due_at).limit(number)
    claim = sa.update(DELIVERY).where(DELIVERY.c.id.in_(due), DELIVERY.c.due_at <= moment)
    values = {
        "state": "running",
        "token": new_id(),
        "attempts": DELIVERY.c.attempts + 1,
        "attempted_at": moment,
        "due_at": until,
    }
    rows = session.execute(claim.values(values).returning(*_CLAIMED_COLUMNS)).all()
    claimed = [ClaimedDelivery._make((*row[:-2], Position(row.xid, row.seq))) for row in rows]
    return sorted(claimed, key=lambda delivery: delivery.position)  # RETURNING has no order


_ENDED = ("state", "token", "due_at", "finished_at", "status", "error", "answer")
_FINISH: Prepared[JsonObject] = Prepared(
    sa.update(DELIVERY)
    .where(*(DELIVERY.c[name] == sa.bindparam(f"own_{name}", type_=DELIVERY.c[name].type) for name in ("id", "token")))
    .values({name: sa.bindparam(f"new_{name}", type_=DELIVERY.c[name].type) for name in _ENDED})
    .returning(DELIVERY.c.id)
)


def _is_leased(delivery: ClaimedDelivery) -> tuple[sa.ColumnElement[bool], ...]:
    return DELIVERY.c.id == delivery.id, DELIVERY.c.token == delivery.token


def finish_deliveries(session: Session, attempts: Sequence[EndedAttempt]) -> list[ReceiverHealth | None]:
    """Record the outcomes of attempts in one transaction, with one lock and one turn for each lane.

    The result has None for an attempt whose lease has been lost: the process that holds its delivery now will finish
    it.
    """
    moment = now()
    lanes = {lane["id"]: lane for lane in lock_lanes(session, {attempt.delivery.lane_id for attempt in attempts})}
    found = [_finish(session, lanes[attempt.delivery.lane_id], attempt, moment) for attempt in attempts]
    finished = [attempt for attempt, health in zip(attempts, found, strict=True) if health is not None]
    ended = (attempt.delivery for attempt in finished if attempt.outcome.result != "retry")
    topics = (Topic(each.channel, each.endpoint, each.topic) for each in ended if each.topic)
    promote_topics(session, dict.fromkeys(topics), moment)
    schedule_lanes(session, {attempt.delivery.lane_id for attempt in finished}, moment)
    return found


def _finish(session: Session, lane: LaneRow, attempt: EndedAttempt, moment: datetime) -> ReceiverHealth | None:
    delivery, outcome = attempt.delivery, attempt.outcome
    is_over = outcome.result != "retry"
    values = {
        "state": outcome.result if is_over else "waiting",
        "token": None,
        "due_at": None if is_over else attempt.next_at,
        "finished_at": moment if is_over else None,
        "status": outcome.status,
        "error": outcome.error[:MAX_ERROR_LENGTH],
        "answer": outcome.answer[:MAX_ANSWER_LENGTH],
    }
    own = {"own_id": delivery.id, "own_token": delivery.token}
    if _FINISH.first(session, own | {f"new_{name}": value for name, value in values.items()}) is None:
        return None
    if outcome.result == "delivered":
        record_success(session, lane, moment)
    elif outcome.result in ("retry", "dead") and outcome.at_fault:
        return ReceiverHealth(record_failure(session, lane, moment, outcome.retry_after))
    return ReceiverHealth()


def release_deliveries(session: Session, deliveries: Sequence[ClaimedDelivery]) -> None:
    """Put claimed deliveries that were not sent back into their queues, without counting an attempt."""
    moment, lanes = now(), {delivery.lane_id for delivery in deliveries}
    lock_lanes(session, lanes)
    for delivery in deliveries:
        values = {"state": "waiting", "token": None, "due_at": moment, "attempts": DELIVERY.c.attempts - 1}
        session.execute(sa.update(DELIVERY).where(*_is_leased(delivery)).values(values))
    schedule_lanes(session, lanes, moment)
