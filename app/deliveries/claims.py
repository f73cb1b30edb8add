"""Claiming, finishing and letting go: the short steps before and after an attempt."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.db.columns import count_affected
from app.deliveries.lanes import (
    DELIVERY,
    LANE,
    count_running,
    lock_lanes,
    parallel_limit,
    record_failure,
    record_success,
    schedule_lanes,
)
from app.deliveries.outbox import promote_topics
from app.deliveries.schemas import MAX_ANSWER_LENGTH, MAX_ERROR_LENGTH, ClaimedDelivery, Outcome
from app.events.schemas import Position

MAX_LANES: Final = 32  # that are served in one go
_TAKEN = [DELIVERY.c[name] for name in ClaimedDelivery._fields if name != "position"] + [DELIVERY.c.xid, DELIVERY.c.seq]


class ReceiverHealth(NamedTuple):
    """How a receiver does after an attempt. None for since: not known to fail."""

    failing_since: datetime | None = None


def claim_deliveries(session: Session, leases: Mapping[str, float], limit: int) -> list[ClaimedDelivery]:
    """Take what is due, at most so much, from every channel that is named with the seconds that a lease has there.

    Lanes take turns and have an equal share, so that a long one stands in nobody's way. Where several processes claim
    at once each takes lanes that no other holds.
    """
    moment = now()
    due = sa.select(LANE.c.id, LANE.c.channel, LANE.c.failures).where(LANE.c.due_at <= moment)
    named = LANE.c.channel.concat("").in_(leases)  # a plain name tempts SQLite to read and sort all lanes of a channel
    due = due.where(named).order_by(LANE.c.due_at).limit(min(limit, MAX_LANES))
    lanes = session.execute(due.with_for_update(skip_locked=True)).all()
    if not lanes:
        return []
    ids = [lane.id for lane in lanes]
    busy, share, taken = count_running(session, ids, moment), max(1, limit // len(lanes)), list[ClaimedDelivery]()
    for lane in lanes:
        number = min(share, parallel_limit(lane.failures) - busy.get(lane.id, 0))
        if number > 0:
            taken += _take_from_lane(session, lane.id, number, moment, moment + timedelta(seconds=leases[lane.channel]))
    schedule_lanes(session, ids, moment, served=True)
    return taken


def _take_from_lane(
    session: Session, lane_id: str, number: int, moment: datetime, until: datetime
) -> list[ClaimedDelivery]:
    ripe = sa.select(DELIVERY.c.id).where(DELIVERY.c.lane_id == lane_id, DELIVERY.c.due_at <= moment)
    ripe = ripe.order_by(DELIVERY.c.due_at).limit(number)
    take = sa.update(DELIVERY).where(DELIVERY.c.id.in_(ripe), DELIVERY.c.due_at <= moment)
    values = {
        "state": "running",
        "token": new_id(),
        "attempts": DELIVERY.c.attempts + 1,
        "attempted_at": moment,
        "due_at": until,
    }
    rows = session.execute(take.values(values).returning(*_TAKEN)).all()
    return [ClaimedDelivery._make((*row[:-2], Position(row.xid, row.seq))) for row in rows]


def _is_leased(piece: ClaimedDelivery) -> tuple[sa.ColumnElement[bool], ...]:
    return DELIVERY.c.id == piece.id, DELIVERY.c.token == piece.token


def finish_delivery(
    session: Session, piece: ClaimedDelivery, outcome: Outcome, next_at: datetime | None
) -> ReceiverHealth | None:
    """Note what became of an attempt; `next_at` is when a failed one is tried again. None: the lease was lost, and
    whoever has the delivery now says what becomes of it."""
    moment = now()
    (lane,) = lock_lanes(session, [piece.lane_id])
    over = outcome.result != "retry"
    values: dict[str, Any] = {
        "state": outcome.result if over else "waiting",
        "token": None,
        "due_at": None if over else next_at,
        "finished_at": moment if over else None,
        "status": outcome.status,
        "error": outcome.error[:MAX_ERROR_LENGTH],
        "answer": outcome.answer[:MAX_ANSWER_LENGTH],
    }
    if not count_affected(session.execute(sa.update(DELIVERY).where(*_is_leased(piece)).values(values))):
        return None
    if over and piece.topic:
        promote_topics(session, [(piece.channel, piece.endpoint, piece.topic)], moment)
    since = None
    if outcome.result == "delivered":
        record_success(session, lane, moment)
    elif outcome.result in ("retry", "dead") and outcome.at_fault:
        since = record_failure(session, lane, moment, outcome.retry_after)
    schedule_lanes(session, [piece.lane_id], moment)
    return ReceiverHealth(since)


def release_deliveries(session: Session, pieces: Sequence[ClaimedDelivery]) -> None:
    """Return claimed deliveries that were not sent to the queue, without counting an attempt."""
    moment, lanes = now(), {piece.lane_id for piece in pieces}
    lock_lanes(session, lanes)
    for piece in pieces:
        values = {"state": "waiting", "token": None, "due_at": moment, "attempts": DELIVERY.c.attempts - 1}
        session.execute(sa.update(DELIVERY).where(*_is_leased(piece)).values(values))
    schedule_lanes(session, lanes, moment)
