"""The one clock, so that a test can move time and every stored time is aware UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, as everything outside sees it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
