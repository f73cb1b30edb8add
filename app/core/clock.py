"""The clock and times: the only source of the current time, and RFC 3339 as all requests and answers use it."""

import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def now() -> datetime:
    """Return the current time in UTC; tests can move it."""
    return datetime.now(UTC)


def unix_time() -> float:
    """The current time in seconds since 1970, where a `datetime` would cost too much."""
    return time.time()


def format_rfc3339(moment: datetime) -> str:
    """Format a time as RFC 3339 in UTC with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _require_rfc3339(value: object) -> object:
    if not isinstance(value, datetime) and not (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        raise ValueError("must be an RFC 3339 time, such as 2026-01-31T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be within the years 1 to 9999 in UTC") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_require_rfc3339), AfterValidator(_in_utc)]
"""A time in a request: RFC 3339 with an offset, converted to UTC, within the years 1 to 9999."""


def _moment_or_day(value: object) -> object:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a day that exists") from None
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("must be an RFC 3339 time or a day, such as 2026-01-31")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError("must be a time that exists") from None
    return _in_utc(moment)


TimeOrDay = Annotated[datetime | date, BeforeValidator(_moment_or_day)]
"""A time, or a day in the publication's time zone; `start_of` makes it a time."""


def start_of(when: datetime | date, zone: str) -> datetime:
    """Return a time unchanged, and of a day its first moment in a time zone, in UTC."""
    if isinstance(when, datetime):
        return when
    local = datetime(when.year, when.month, when.day, tzinfo=ZoneInfo(zone))
    try:
        return local.astimezone(UTC)
    except OverflowError:  # the first or last day that datetime can represent
        return local.replace(tzinfo=UTC)


def local_time(moment: datetime, zone: str) -> datetime:
    """Convert a time to a time zone; in the first and last hours that datetime can represent, it stays in UTC."""
    try:
        return moment.astimezone(ZoneInfo(zone))
    except OverflowError:
        return moment


def month_of(moment: datetime, zone: str) -> str:
    """Return the month of a time in a time zone, as `2026-01`."""
    local = local_time(moment, zone)
    return f"{local.year:04}-{local.month:02}"


def month_bounds(year: int, month: int, zone: str) -> tuple[datetime, datetime]:
    """Return when a month and the next one begin in a time zone; December 9999 ends with the last `datetime`."""
    begin = start_of(date(year, month, 1), zone)
    if (year, month) == (9999, 12):
        return begin, datetime.max.replace(tzinfo=UTC)
    return begin, start_of(date(year + month // 12, month % 12 + 1, 1), zone)


def just_before(when: datetime | date, zone: str) -> datetime:
    """Return the bound for `>` that means "later than" a time, or "on or after" a day."""
    start = start_of(when, zone)
    if isinstance(when, datetime) or start == datetime.min.replace(tzinfo=UTC):
        return start
    return start - timedelta(microseconds=1)
