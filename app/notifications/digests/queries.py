"""When digests are due, and what is in them."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session

from app.kit.clock import now
from app.kit.schema import Row, table_of
from app.kit.settings import Settings
from app.notifications.digests.tables import DigestItem, DigestRun

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
