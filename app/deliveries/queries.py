"""Reading deliveries: whether something is due, and how they stand."""

import sqlalchemy as sa

from app.deliveries.lanes.actions import LANE
from app.kit.clock import now

_NEXT = sa.select(LANE.c.due_at).where(LANE.c.due_at.is_not(None)).order_by(LANE.c.due_at).limit(1)


def is_due(connection: sa.Connection) -> bool:
    """Whether there is something to send: asked before a lock is taken."""
    turn = connection.execute(_NEXT).scalar()
    return turn is not None and turn <= now()
