"""Reading deliveries: whether something is due, and how they stand."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from app.deliveries.lanes.actions import DELIVERY, LANE
from app.kit.clock import now

LIVE: Final = ("waiting", "running", "dead")  # the states that somebody may have to do something about
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
    """Whether there is something to send: asked before a lock is taken."""
    turn = connection.execute(_NEXT).scalar()
    return turn is not None and turn <= now()


def counts(connection: sa.Connection) -> Sequence[Any]:
    """How many deliveries of each channel are in each state that is not over: rows of channel, state and number."""
    query = sa.select(DELIVERY.c.channel, DELIVERY.c.state, _NUMBER).where(DELIVERY.c.state.in_(LIVE))
    return connection.execute(query.group_by(DELIVERY.c.channel, DELIVERY.c.state)).all()


def waiting(session: Session, channel: str, endpoints: Sequence[str]) -> list[tuple[str, str]]:
    """Endpoint and event of what waits for some endpoints."""
    here = (DELIVERY.c.channel == channel) & DELIVERY.c.endpoint.in_(endpoints) & (DELIVERY.c.state == "waiting")
    return [(row.endpoint, row.event) for row in session.execute(sa.select(DELIVERY).where(here))]


def oldest_due(connection: sa.Connection) -> dict[str, float]:
    """For how many seconds the oldest delivery of each channel has been due; 0 where none is."""
    query = sa.select(LANE.c.channel, sa.func.min(_FIRST).label("due")).where(LANE.c.due_at.is_not(None))
    rows = connection.execute(query.group_by(LANE.c.channel))
    return {row.channel: max(0.0, (now() - row.due).total_seconds()) for row in rows if row.due}


def lanes(connection: sa.Connection) -> Sequence[Any]:
    """How each lane does: its row, the number in each live state, and when its first delivery is due."""
    numbers = [sa.func.count(sa.case((DELIVERY.c.state == state, 1))).label(state) for state in LIVE]
    open_ones = DELIVERY.c.state.in_(LIVE)
    totals = sa.select(DELIVERY.c.lane_id, *numbers).where(open_ones).group_by(DELIVERY.c.lane_id).subquery()
    columns: list[Any] = [LANE, *(totals.c[state] for state in LIVE), _FIRST.label("first")]
    query = sa.select(*columns).join(totals, totals.c.lane_id == LANE.c.id)
    return connection.execute(query.order_by(LANE.c.channel, totals.c.waiting.desc(), LANE.c.name)).all()


def dead(connection: sa.Connection, limit: int) -> Sequence[Any]:
    """What was given up, the latest first."""
    query = sa.select(DELIVERY).where(DELIVERY.c.state == "dead")
    return connection.execute(query.order_by(DELIVERY.c.finished_at.desc(), DELIVERY.c.id.desc()).limit(limit)).all()


def places(connection: sa.Connection, ids: Sequence[str] | None) -> Sequence[Any]:
    """Channel, endpoint and id of dead deliveries: of these, or of all."""
    query = sa.select(DELIVERY.c.channel, DELIVERY.c.endpoint, DELIVERY.c.id).where(DELIVERY.c.state == "dead")
    return connection.execute(query if ids is None else query.where(DELIVERY.c.id.in_(ids))).all()
