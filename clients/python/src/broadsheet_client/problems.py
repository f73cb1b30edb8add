"""Error answers (RFC 9457): one class for each family of problems, told apart within it by `code`."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import httpx


class Problem(Exception):
    """An error answer. `code` is stable and listed in the reference; `detail` is for people."""

    families: ClassVar[dict[int, type["Problem"]]] = {}

    def __init_subclass__(cls, *, statuses: tuple[int, ...]) -> None:
        """Raise the class for answers with these statuses."""
        cls.families.update(dict.fromkeys(statuses, cls))

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.status, self.body, self.headers = status, body, headers
        self.code: str = body.get("code", "unknown")
        self.title: str = body.get("title", "")
        self.detail: str = body.get("detail", "")
        self.request_id: str | None = body.get("request_id") or headers.get("x-request-id")
        self.errors: list[dict[str, Any]] = body.get("errors") or []
        self.retry_after = parse_retry_after(headers.get("retry-after"))
        super().__init__(self.detail or self.title or f"The server answered {status}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what it was made of."""
        return type(self), (self.status, self.body, self.headers)

    @property
    def reason(self) -> str | None:
        """The public reason why something is gone or withheld, if there is one."""
        reason = self.body.get("reason")
        return reason if isinstance(reason, str) else None


class BadRequest(Problem, statuses=(400,)):
    """A parameter, header or body that cannot be read."""


class Unauthorized(Problem, statuses=(401,)):
    """No valid key or token."""


class Forbidden(Problem, statuses=(403,)):
    """The caller may not do this."""


class NotFound(Problem, statuses=(404,)):
    """Not there, or not for this caller."""


class Conflict(Problem, statuses=(409,)):
    """The state of the resource does not allow this."""


class Gone(Problem, statuses=(410,)):
    """Withdrawn for good."""


class StaleVersion(Problem, statuses=(412,)):
    """Somebody else changed it since it was read."""

    @property
    def etag(self) -> str | None:
        """The `ETag` of the version that is there now, for the next `if_match`."""
        return self.headers.get("etag")


class Invalid(Problem, statuses=(413, 415, 422)):
    """The body breaks the rules of the request; `errors` says where."""


class PreconditionRequired(Problem, statuses=(428,)):
    """The request needs `if_match`."""


class RateLimited(Problem, statuses=(429,)):
    """Too many requests or streams."""


class WithheldForLegalReasons(Problem, statuses=(451,)):
    """Withheld for legal reasons."""


class Unavailable(Problem, statuses=(502, 503, 504)):
    """The same request may succeed soon."""


def make_problem(response: httpx.Response) -> Problem:
    """Make the problem of an error answer that was read, also of one that is not from the API but from a proxy."""
    is_json = "json" in response.headers.get("content-type", "")
    try:
        body = response.json() if is_json else {}
    except ValueError:
        body = {}
    family = Problem.families.get(response.status_code, Problem)
    return family(response.status_code, body if isinstance(body, dict) else {}, response.headers)


def parse_retry_after(text: str | None) -> float | None:
    """Return the seconds of `Retry-After`, which may be a date (RFC 9110 §10.2.3)."""
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
