"""Fetching pictures from the web into the media store, through the outgoing guard and within limits."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import urljoin, urlsplit

from app.core.network_addresses import Guard
from app.core.problems import Problem
from app.net.outgoing import CallFailed, Outgoing
from app.publication import media_library as media
from app.publication.media_library import Upload
from app.publication.storage import Storage

MAX_FILES: Final = 20_000  # per import; the next import fetches those that are still missing
MAX_REDIRECTS: Final = 3
MAX_FAILURES: Final = 20  # consecutive failures after which a host is skipped
MAX_CONCURRENT: Final = 4  # concurrent requests
TIMEOUT_SECONDS: Final = 30.0  # per request
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # the request fails with the reason
        return ""


class Fetcher:
    """Fetches pictures, processes them like uploads, and stores their files."""

    def __init__(self, storage: Storage, guard: Guard, max_bytes: int) -> None:
        self._storage, self._guard, self._max_bytes = storage, guard, max_bytes
        self._failures: Counter[str] = Counter()
        self._count = 0

    def fetch(self, urls: Sequence[str]) -> list[Upload | str]:
        """Fetch and store the pictures at some URLs; return for each the stored upload or the reason of its failure."""
        return asyncio.run(self._fetch_all(urls))

    async def _fetch_all(self, urls: Sequence[str]) -> list[Upload | str]:
        outgoing, slots = Outgoing(self._guard), asyncio.Semaphore(MAX_CONCURRENT)

        async def fetch(url: str) -> Upload | str:
            async with slots:
                return await self._fetch_one(outgoing, url)

        try:
            return list(await asyncio.gather(*(fetch(url) for url in urls)))
        finally:
            await outgoing.stop()

    async def _fetch_one(self, outgoing: Outgoing, url: str) -> Upload | str:
        host = _host_of(url)
        self._count += 1
        if self._count > MAX_FILES:
            return f"more than {MAX_FILES:,} files; import again to continue"
        if self._failures[host] >= MAX_FAILURES:
            return "its host failed too many times in a row; import again to retry"
        try:
            data = await self._load(outgoing, url)
            upload = await asyncio.to_thread(media.process_upload, data, self._max_bytes)
            await asyncio.to_thread(media.store_files, self._storage, upload)
        except CallFailed as error:
            self._failures[host] += 1
            return str(error)
        except Problem as problem:
            return problem.detail
        self._failures[host] = 0
        return upload

    async def _load(self, outgoing: Outgoing, url: str) -> bytes:
        """Load the bytes at a URL; the guard checks each step of a redirect."""
        for _ in range(MAX_REDIRECTS + 1):
            answer = await outgoing.call("GET", url, timeout=TIMEOUT_SECONDS, max_bytes=self._max_bytes)
            if answer.status == 200:
                return answer.body
            location = answer.headers.get("location", "")
            if answer.status not in _REDIRECTS or not location:
                raise CallFailed(f"the server answered {answer.status}")
            try:
                url = urljoin(url, location)
            except ValueError:  # such as a host in brackets that is not an IP address
                raise CallFailed("the redirect has an invalid URL") from None
        raise CallFailed("too many redirects")
