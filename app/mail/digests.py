"""When digests are due, and what is in them."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.settings import Settings
from app.db.columns import Row, affected, table_of
from app.deliveries.outbox import enqueue_all
from app.deliveries.schemas import NewDelivery
from app.mail.schemas import CHANNEL, LANE
from app.mail.tables import DigestItem, DigestRun

ITEM, RUN = table_of(DigestItem), table_of(DigestRun)
FREQUENCIES: Final = ("daily", "weekly")
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST: Final = 100  # items of one digest; it says how many more there are


class Plan(NamedTuple):
    """At what time of the publication's clock digests go out."""

    zone: ZoneInfo
    hour: int
    weekday: int

    @classmethod
    def of(cls, settings: Settings) -> "Plan":
        """The plan that the settings name."""
        return cls(ZoneInfo(settings.time_zone), settings.digest_hour, DAYS.index(settings.digest_day))

    def latest(self, frequency: str, at: datetime) -> tuple[str, datetime]:
        """The last digest that was due: its day, and the moment.

        Every day has one, also where clocks are set: an hour that is left out comes an hour later, and one that comes
        twice counts the first time.
        """
        day = at.astimezone(self.zone).date() + timedelta(days=1)
        while True:
            moment = datetime.combine(day, time(self.hour), self.zone).astimezone(UTC)
            if moment <= at and (frequency == "daily" or day.weekday() == self.weekday):
                return day.isoformat(), moment
            day -= timedelta(days=1)


def run_of(store: sa.Connection | Session, frequency: str, *, lock: bool = False) -> Row | None:
    """The digest that was put together last."""
    query = sa.select(RUN).where(RUN.c.frequency == frequency)
    return store.execute(query.with_for_update() if lock else query).mappings().first()


def is_due(connection: sa.Connection, plan: Plan) -> bool:
    """Whether a digest is to be begun or finished."""
    moment = now()
    for frequency in FREQUENCIES:
        run = run_of(connection, frequency)
        if run is None or not run["finished"] or run["period"] < plan.latest(frequency, moment)[0]:
            return True
    return False


def waiting(session: Session, frequency: str, until: datetime, most: int) -> Sequence[str]:
    """The next subscribers who have something to be told."""
    query = sa.select(ITEM.c.subscriber_id).where(
        ITEM.c.frequency == frequency, ITEM.c.period.is_(None), ITEM.c.created_at <= until
    )
    return session.execute(query.distinct().order_by(ITEM.c.subscriber_id).limit(most)).scalars().all()


def items(connection: sa.Connection, subscriber_id: str, period: str) -> list[Row]:
    """What is in one subscriber's digest, the oldest first."""
    here = (ITEM.c.subscriber_id == subscriber_id) & (ITEM.c.period == period)
    return list(connection.execute(sa.select(ITEM).where(here).order_by(ITEM.c.id)).mappings())


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
