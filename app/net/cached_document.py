"""Documents of other servers, cached: fetched when needed, when stale, and for what the cached one lacks."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from app.core.logs import get_logger
from app.core.problems import Unavailable
from app.net.outgoing import CallFailed, Outgoing

FETCH_TIMEOUT_SECONDS = 5.0  # for the whole request
MAX_DOCUMENT_BYTES = 256_000
DEFAULT_FRESH_SECONDS = 300.0  # for which a document is fresh if the answer has no max-age
MAX_FRESH_SECONDS = 3600.0  # limit of max-age
MAX_STALE_SECONDS = 24 * 3600.0  # for which a document is used while its server cannot be reached
MIN_REFRESH_SECONDS = 60.0  # between requests for what the document lacks
RETRY_SECONDS = 10.0  # after a failed request
REFRESH_WAIT_SECONDS = 0.1  # for which the first caller with a stale document waits for a fresh one
_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})", re.ASCII | re.IGNORECASE)
log = get_logger("broadsheet.net")
Fetch = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Fetches a URL; returns the body and the `Cache-Control` header."""
T = TypeVar("T")
V = TypeVar("V")


async def fetch_over(outgoing: Outgoing, url: str) -> tuple[bytes, str]:
    """Fetch a JSON document; return the body and the `Cache-Control` header."""
    answer = await outgoing.call(
        "GET",
        url,
        timeout=FETCH_TIMEOUT_SECONDS,
        headers=[("Accept", "application/json")],
        max_bytes=MAX_DOCUMENT_BYTES,
    )
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    return answer.body, answer.headers.get("cache-control", "")


async def fetch_once(url: str) -> tuple[bytes, str]:
    """Fetch a JSON document from a URL that the operator chose, over a connection of its own."""
    outgoing = Outgoing(None)
    try:
        return await fetch_over(outgoing, url)
    finally:
        await outgoing.stop()


class _Cached(NamedTuple, Generic[T]):
    document: T
    read_at: float
    fresh_until: float


class CachedDocument(Generic[T]):
    """A document of another server, parsed and cached.

    Only one request runs at a time. Meanwhile the cached document is used, and only those callers wait for whom it
    lacks something.
    """

    def __init__(
        self,
        url: str,
        parse: Callable[[bytes], T],
        unavailable: type[Unavailable],
        *,
        fetch: Fetch = fetch_once,
        clock: Callable[[], float] = time.monotonic,
        min_refresh_seconds: float = MIN_REFRESH_SECONDS,
    ) -> None:
        """`parse` raises ValueError for a document that cannot be used; `unavailable` is the problem without one."""
        self.url, self._parse, self._unavailable = url, parse, unavailable
        self._fetch, self._clock, self._min_refresh_seconds = fetch, clock, min_refresh_seconds
        self._cached: _Cached[T] | None = None
        self._failed_at = float("-inf")
        self._refresh: asyncio.Task[None] | None = None

    async def find(self, select: Callable[[T], V | None]) -> V | None:
        """Return what `select` finds in the document, fetching it anew if it is stale or lacks that.

        503 if the document lacks it and its server cannot be reached.
        """
        cached = self._valid_cache()
        value = select(cached.document) if cached else None
        if cached is None or value is None or self._clock() >= cached.fresh_until:
            before = self._refresh
            refresh = self._start_refresh()
            if refresh and value is None:
                await asyncio.wait({refresh})  # unlike `await refresh`, not cancelled with the caller
            elif refresh and refresh is not before:
                await asyncio.wait({refresh}, timeout=REFRESH_WAIT_SECONDS)
            cached = self._valid_cache()
            value = select(cached.document) if cached else None
        if value is None and (cached is None or self._failed_at >= cached.read_at):
            raise self._unavailable(retry_after=int(RETRY_SECONDS))
        return value

    async def stop(self) -> None:
        """Cancel a running request."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait({self._refresh})

    def _valid_cache(self) -> _Cached[T] | None:
        return self._cached if self._cached and self._clock() - self._cached.read_at < MAX_STALE_SECONDS else None

    def _start_refresh(self) -> asyncio.Task[None] | None:
        """Return the running request, started if none is running and the last one is long enough ago."""
        if self._refresh is not None and not self._refresh.done():
            return self._refresh
        cached, clock = self._valid_cache(), self._clock()
        is_fresh = cached is not None and clock < cached.fresh_until
        if cached and is_fresh and clock - cached.read_at < self._min_refresh_seconds:
            return None
        if clock - self._failed_at < (self._min_refresh_seconds if is_fresh else RETRY_SECONDS):
            return None
        self._refresh = asyncio.create_task(self._load())
        return self._refresh

    async def _load(self) -> None:
        clock = self._clock()
        try:
            body, control = await self._fetch(self.url)
            document = self._parse(body)
        except (ValueError, CallFailed) as error:
            self._failed_at = clock
            log.warning("a document could not be fetched", url=self.url, error=type(error).__name__)
            return
        max_age = _MAX_AGE.search(control)
        lifetime = (
            min(max(float(max_age[1]), MIN_REFRESH_SECONDS), MAX_FRESH_SECONDS) if max_age else DEFAULT_FRESH_SECONDS
        )
        self._cached, self._failed_at = _Cached(document, clock, clock + lifetime), float("-inf")
