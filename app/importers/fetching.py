"""Pictures brought from where they are into the media store: through the outgoing guard, bounded in every way."""

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

MAX_FILES: Final = 20_000  # in one import; another goes on with those that are missing
MAX_REDIRECTS: Final = 3
MAX_FAILURES: Final = 20  # in a row, after which a host is left alone
MAX_AT_ONCE: Final = 4  # calls under way
SECONDS: Final = 30.0  # for one call
_MOVED: Final = frozenset({301, 302, 303, 307, 308})


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # which the call refuses, too
        return ""


class Fetcher:
    """Fetches pictures, encodes them again as uploads are, and stores their files."""

    def __init__(self, storage: Storage, guard: Guard, max_bytes: int) -> None:
        self._storage, self._guard, self._max_bytes = storage, guard, max_bytes
        self._failures: Counter[str] = Counter()
        self._count = 0

    def fetch(self, urls: Sequence[str]) -> list[Upload | str]:
        """Fetch and store the pictures at some addresses; for each what was stored, or why it was not."""
        return asyncio.run(self._fetch_all(urls))

    async def _fetch_all(self, urls: Sequence[str]) -> list[Upload | str]:
        outgoing, slots = Outgoing(self._guard), asyncio.Semaphore(MAX_AT_ONCE)

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
            return f"more than {MAX_FILES:,} files: import again to go on"
        if self._failures[host] >= MAX_FAILURES:
            return "its host failed too often in a row; import again to try it"
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
        """The bytes at an address; each step of a redirect passes the guard again."""
        for _ in range(MAX_REDIRECTS + 1):
            answer = await outgoing.call("GET", url, timeout=SECONDS, max_bytes=self._max_bytes)
            if answer.status == 200:
                return answer.body
            location = answer.headers.get("location", "")
            if answer.status not in _MOVED or not location:
                raise CallFailed(f"the server answered {answer.status}")
            try:
                url = urljoin(url, location)
            except ValueError:  # a host in brackets that is no address
                raise CallFailed("it was moved to what is no address") from None
        raise CallFailed("too many redirects")
