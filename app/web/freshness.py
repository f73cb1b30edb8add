"""`Last-Modified` of responses that are made of many rows.

No stored time covers every change of a response: an item leaves a list, a count or a section's name changes, and the
newest `updated_at` stays. So each process remembers when it first sent the bytes that a URL has now.
"""

import email.utils
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from app.core.clock import now

MAX_TRACKED_URLS = 10_000  # in one process


@dataclass(slots=True)
class _Seen:
    tag: str
    since: int
    served: int


class Freshness:
    """When the responses of this process last changed, in seconds since 1970.

    The time of a change is later than every second in which the former bytes were sent, so that a client that has these
    with their `Last-Modified` or `Date` gets the new ones.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def note(self, address: str, tag: str) -> tuple[int, int]:
        """Note that a URL is answered with this tag; return since when, and the current second."""
        second = int(now().timestamp())
        key = blake2b(address.encode(), digest_size=16).digest()  # clients choose URLs, which may be long
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen(tag, second, second)
            if len(self._seen) > MAX_TRACKED_URLS:
                self._seen.popitem(last=False)
        elif seen.tag != tag:
            seen.tag, seen.since = tag, max(second, seen.served + 1)
        seen.served = max(second, seen.served)
        return seen.since, second


@lru_cache(4096)
def format_http_date(second: int) -> str:
    """Format seconds since 1970 as an HTTP date (RFC 9110 §5.6.7)."""
    return email.utils.formatdate(second, usegmt=True)


@lru_cache(4096)
def parse_http_date(text: str) -> int | None:
    """Parse an HTTP date into seconds since 1970; None if it is invalid."""
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp()) if len(text) <= 64 else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
