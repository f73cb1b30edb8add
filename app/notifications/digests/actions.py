"""Gathering for digests, and putting them together when their time has come."""

from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.deliveries.actions import enqueue_all
from app.deliveries.schemas import NewDelivery
from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.schema import affected
from app.notifications.digests.queries import FREQUENCIES, ITEM, RUN, Plan, run_of, waiting
from app.notifications.schemas import CHANNEL, LANE

AT_ONCE: Final = 200
KEPT = timedelta(days=30)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def gather(session: Session, rows: list[dict[str, Any]]) -> None:
    """Keep what subscribers hear of in their next digest; the same thing once."""
    moment = now()
    values = [row | {"id": new_id(), "period": None, "created_at": moment} for row in rows]
    session.execute(_INSERT[session.get_bind().dialect.name](ITEM).on_conflict_do_nothing(), values)


def put_together(session: Session, plan: Plan) -> int:
    """Begin digests that are due, and have the next of them sent; returns how many, and 1 more while there are others.

    What belongs to a digest is marked in the transaction that has it sent, so that nothing is in two or in none. After
    days without a worker there is one digest, with everything since the last.
    """
    return sum(_one(session, frequency, plan) for frequency in FREQUENCIES)


def _one(session: Session, frequency: str, plan: Plan) -> int:
    day, moment = plan.latest(frequency, now())
    run = run_of(session, frequency, lock=True)
    if run is None:  # the first digest is the next one
        row = {"frequency": frequency, "period": day, "cut_at": moment, "finished": True}
        session.execute(_INSERT[session.get_bind().dialect.name](RUN).on_conflict_do_nothing(), row)
        return 0
    if run["finished"] and run["period"] < day:
        run = {"frequency": frequency, "period": day, "cut_at": moment, "finished": False}
    elif run["finished"]:
        return 0
    subscribers = waiting(session, frequency, run["cut_at"], AT_ONCE)
    period = f"{frequency}:{run['period']}"
    if subscribers:
        enqueue_all(session, [_delivery(one, period) for one in subscribers])
        mine = ITEM.c.subscriber_id.in_(subscribers) & (ITEM.c.frequency == frequency) & ITEM.c.period.is_(None)
        session.execute(sa.update(ITEM).where(mine, ITEM.c.created_at <= run["cut_at"]).values(period=period))
    values = dict(run) | {"finished": len(subscribers) < AT_ONCE}
    session.execute(sa.update(RUN).where(RUN.c.frequency == frequency).values(values))
    return len(subscribers) + (not values["finished"])


def _delivery(subscriber_id: str, period: str) -> NewDelivery:
    return NewDelivery(
        channel=CHANNEL,
        lane=LANE,
        endpoint=subscriber_id,
        event=f"digest.{period}",
        what="digest",
        content={"period": period},
    )


def prune(session: Session) -> int:
    """Forget what was in digests a month ago."""
    gone = sa.delete(ITEM).where(ITEM.c.created_at < now() - KEPT)
    return affected(session.execute(gone))
