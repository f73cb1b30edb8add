"""Daily and weekly digests: when they are due, and their items."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple, TypedDict
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.settings import Settings
from app.db.columns import count_affected, table_of
from app.db.rows import Store, fetch_row, fetch_rows, insert_into
from app.deliveries.outbox import enqueue_deliveries
from app.deliveries.schemas import NewDelivery
from app.mail.schemas import CHANNEL, LANE, Content
from app.mail.tables import DigestItem, DigestRun

ITEM, RUN = table_of(DigestItem), table_of(DigestRun)
FREQUENCIES: Final = ("daily", "weekly")
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MAX_ITEMS: Final = 100  # in one digest, which gives the number of further items


class DigestSchedule(NamedTuple):
    """When digests are sent, in the publication's time zone."""

    zone: ZoneInfo
    hour: int
    weekday: int

    @classmethod
    def of(cls, settings: Settings) -> "DigestSchedule":
        """Return the schedule of the settings."""
        return cls(ZoneInfo(settings.time_zone), settings.digest_hour, WEEKDAYS.index(settings.digest_day))

    def latest(self, frequency: str, at: datetime) -> tuple[str, datetime]:
        """Return the day and the moment of the last digest that was due.

        Every day has one, also at changes to and from summer time: an hour that is skipped comes an hour later, and
        one that is repeated counts the first time.
        """
        day = at.astimezone(self.zone).date() + timedelta(days=1)
        while True:
            moment = datetime.combine(day, time(self.hour), self.zone).astimezone(UTC)
            if moment <= at and (frequency == "daily" or day.weekday() == self.weekday):
                return day.isoformat(), moment
            day -= timedelta(days=1)


class DigestRunRow(TypedDict):
    """The last digest of a frequency."""

    frequency: str
    period: str
    cut_at: datetime
    finished: bool


class DigestItemRow(TypedDict):
    """An item of a digest."""

    id: str
    subscriber_id: str
    event: str
    what: str
    content: Content
    frequency: str
    period: str | None
    created_at: datetime


class NewDigestItem(TypedDict):
    """An item to add to a subscriber's next digest."""

    subscriber_id: str
    event: str
    what: str
    content: Content
    frequency: str


def find_run(store: Store, frequency: str, *, lock: bool = False) -> DigestRunRow | None:
    """Return the last digest that was started, or None."""
    query = sa.select(RUN).where(RUN.c.frequency == frequency)
    return fetch_row(store, query.with_for_update() if lock else query, DigestRunRow)


def is_due(connection: sa.Connection, schedule: DigestSchedule) -> bool:
    """Whether a digest must be started or continued."""
    moment = now()
    for frequency in FREQUENCIES:
        run = find_run(connection, frequency)
        if run is None or not run["finished"] or run["period"] < schedule.latest(frequency, moment)[0]:
            return True
    return False


def list_waiting(session: Session, frequency: str, until: datetime, limit: int) -> Sequence[str]:
    """List the next subscribers with items."""
    query = sa.select(ITEM.c.subscriber_id).where(
        ITEM.c.frequency == frequency, ITEM.c.period.is_(None), ITEM.c.created_at <= until
    )
    return session.execute(query.distinct().order_by(ITEM.c.subscriber_id).limit(limit)).scalars().all()


def list_items(connection: sa.Connection, subscriber_id: str, period: str) -> list[DigestItemRow]:
    """List the items of a subscriber's digest, oldest first."""
    is_in_digest = (ITEM.c.subscriber_id == subscriber_id) & (ITEM.c.period == period)
    return fetch_rows(connection, sa.select(ITEM).where(is_in_digest).order_by(ITEM.c.id), DigestItemRow)


BATCH_SIZE: Final = 200
RETENTION = timedelta(days=30)


def add_items(session: Session, items: list[NewDigestItem]) -> None:
    """Add items to the next digests of subscribers, each once."""
    moment = now()
    values = [{**item, "id": new_id(), "period": None, "created_at": moment} for item in items]
    session.execute(insert_into(session, ITEM).on_conflict_do_nothing(), values)


def send_digests(session: Session, schedule: DigestSchedule) -> int:
    """Start due digests and enqueue the next batch; return their number, plus 1 while more remain.

    Items are marked in the transaction that enqueues the digest, so that each is in exactly one. After days without
    a worker there is one digest with everything since the last.
    """
    return sum(_send_digest(session, frequency, schedule) for frequency in FREQUENCIES)


def _send_digest(session: Session, frequency: str, schedule: DigestSchedule) -> int:
    day, moment = schedule.latest(frequency, now())
    run = find_run(session, frequency, lock=True)
    if run is None:  # the first digest is sent at the next due time
        row = {"frequency": frequency, "period": day, "cut_at": moment, "finished": True}
        session.execute(insert_into(session, RUN).on_conflict_do_nothing(), row)
        return 0
    if run["finished"] and run["period"] < day:
        run = {"frequency": frequency, "period": day, "cut_at": moment, "finished": False}
    elif run["finished"]:
        return 0
    subscribers = list_waiting(session, frequency, run["cut_at"], BATCH_SIZE)
    period = f"{frequency}:{run['period']}"
    if subscribers:
        enqueue_deliveries(session, [_delivery_of(one, period) for one in subscribers])
        is_in_digest = ITEM.c.subscriber_id.in_(subscribers) & (ITEM.c.frequency == frequency) & ITEM.c.period.is_(None)
        session.execute(sa.update(ITEM).where(is_in_digest, ITEM.c.created_at <= run["cut_at"]).values(period=period))
    run["finished"] = len(subscribers) < BATCH_SIZE
    session.execute(sa.update(RUN).where(RUN.c.frequency == frequency).values({**run}))
    return len(subscribers) + (not run["finished"])


def _delivery_of(subscriber_id: str, period: str) -> NewDelivery:
    return NewDelivery(
        channel=CHANNEL,
        lane=LANE,
        endpoint=subscriber_id,
        event=f"digest.{period}",
        what="digest",
        content={"period": period},
    )


def prune_items(session: Session) -> int:
    """Delete the items of digests that are older than `RETENTION`."""
    delete = sa.delete(ITEM).where(ITEM.c.created_at < now() - RETENTION)
    return count_affected(session.execute(delete))
