"""The one clock, so that a test can move time and every stored time is aware UTC."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def format_rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, as everything outside sees it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _require_rfc3339(value: object) -> object:
    if not isinstance(value, datetime) and not (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        raise ValueError("must be a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be within the years 1 to 9999 in UTC") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_require_rfc3339), AfterValidator(_in_utc)]
"""A time from outside, RFC 3339 with an offset, in UTC: the first and last hours of the calendar have none there."""


def _moment_or_day(value: object) -> object:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a day that the calendar has") from None
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("must be a time as RFC 3339 has it, or a day, such as 2026-01-31")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError("must be a time that the calendar has") from None
    return _in_utc(moment)


TimeOrDay = Annotated[datetime | date, BeforeValidator(_moment_or_day)]
"""A time, or a day of the publication's calendar: what `starts_at` makes one of."""


def start_of(when: datetime | date, zone: str) -> datetime:
    """A time as it is, or the first moment of a day in a time zone, in UTC."""
    if isinstance(when, datetime):
        return when
    local = datetime(when.year, when.month, when.day, tzinfo=ZoneInfo(zone))
    try:
        return local.astimezone(UTC)
    except OverflowError:  # the first or last day of the calendar, elsewhere on earth
        return local.replace(tzinfo=UTC)


def local_time(moment: datetime, zone: str) -> datetime:
    """A time as clocks in a time zone show it; the first and last hours of the calendar stay in UTC."""
    try:
        return moment.astimezone(ZoneInfo(zone))
    except OverflowError:
        return moment


def month_of(moment: datetime, zone: str) -> str:
    """The month of a time on the calendar of a time zone, as `2026-01`."""
    local = local_time(moment, zone)
    return f"{local.year:04}-{local.month:02}"


def month_bounds(year: int, month: int, zone: str) -> tuple[datetime, datetime]:
    """When a month begins in a time zone, and the next one; the last month of the calendar ends with it."""
    begin = start_of(date(year, month, 1), zone)
    if (year, month) == (9999, 12):
        return begin, datetime.max.replace(tzinfo=UTC)
    return begin, start_of(date(year + month // 12, month % 12 + 1, 1), zone)


def just_before(when: datetime | date, zone: str) -> datetime:
    """What "later than" a time or "from a day on" means, for a comparison with `>`."""
    start = start_of(when, zone)
    if isinstance(when, datetime) or start == datetime.min.replace(tzinfo=UTC):
        return start
    return start - timedelta(microseconds=1)
