"""No reader is given what is older than a write that was acknowledged before they asked, nor anything private.

`READS=100000 pytest tests/edge/test_freshness_checker.py` asks more often than the suite does.
"""

import asyncio
import os
import random
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pydantic_core
import pytest

from app.core.settings import Settings
from tests import processes
from tests.effort import effort
from tests.make import Headers

READS = effort("READS", 500, long=60_000)
READERS, WRITERS, ARTICLES, SERVERS = 12, 3, 4, 2
CANARY = "zqxcanary"
LATE_SECONDS = 1.0  # by which another process may be behind on PostgreSQL


@contextmanager
def serving(settings: Settings, folder: Path) -> Iterator[str]:
    """A server process on the store, without a worker; its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")} | {
        "BROADSHEET_DATABASE_URL": settings.database,
        "BROADSHEET_DATA_DIR": str(folder),
        "BROADSHEET_RATE_LIMITS": "off",
        "BROADSHEET_LOG_FORMAT": "json",
        "BROADSHEET_CACHE_SIZE": "1",
    }
    command = ("serve", "--port", "0", "--no-worker")
    with processes.start(*command, environment=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr
        address = ""
        for line in process.stderr:
            if '"listening"' in line:
                address = pydantic_core.from_json(line)["url"]
                break
        rest = threading.Thread(target=lambda: [None for _ in process.stderr or ()])
        rest.start()
        try:
            assert address, "the server did not start"
            yield address
        finally:
            process.terminate()
            process.wait(30)
            rest.join()


class History:
    """Which number of each thing was acknowledged when, and by which server."""

    def __init__(self, *, is_strict: bool) -> None:
        self.is_strict = is_strict
        self._told: dict[str, list[tuple[float, int, int]]] = defaultdict(list)

    def note(self, name: str, number: int, server: int) -> None:
        """A write was acknowledged."""
        self._told[name].append((time.monotonic(), number, server))

    def least(self, name: str, server: int) -> int:
        """What a reader who asks a server now must find at least."""
        now = time.monotonic()
        return max(
            (
                number
                for at, number, by in self._told[name]
                if self.is_strict or by == server or at < now - LATE_SECONDS
            ),
            default=0,
        )


class Story:
    """Writers who count, and readers who check."""

    def __init__(self, addresses: list[str], editor: Headers, history: History) -> None:
        self.addresses, self.editor, self.history = addresses, editor, history
        self.left, self.hits, self.faults = READS, 0, list[str]()
        self.chance = random.Random()
        self.clients: list[httpx2.AsyncClient] = []

    async def run(self) -> None:
        """Run until enough was read."""
        limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
        self.clients = [httpx2.AsyncClient(base_url=url, limits=limits, timeout=60) for url in self.addresses]
        try:
            for number in range(ARTICLES):
                body = {"title": "Number 0", "slug": f"article-{number}", "body": {"html": "<p>Once.</p>"}}
                made = await self._ask(0, "POST", "/v1/articles", body, self.editor, 201)
                await self._ask(0, "POST", f"/v1/articles/{made.json()['id']}/publish", None, self.editor, 200)
            writers = [asyncio.create_task(self._write(number)) for number in range(WRITERS)]
            await asyncio.gather(*(self._read() for _ in range(READERS)))
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)
        finally:
            for client in self.clients:
                await client.aclose()

    async def _ask(
        self, server: int, method: str, path: str, body: Any = None, headers: Headers | None = None, status: int = 200
    ) -> httpx2.Response:
        sent = {**(headers or {}), **({"If-Match": "*"} if headers else {})}
        answer = await self.clients[server].request(method, path, json=body, headers=sent)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer

    async def _write(self, number: int) -> None:
        """Change titles, one article for each writer; add comments; save what is not public."""
        count, comments = 0, 0
        slug, chance = f"article-{number}", random.Random()
        while True:
            server = chance.randrange(len(self.clients))
            if chance.random() < 0.4:
                count += 1
                change = {"title": f"Number {count}", "dek": ""}
                await self._ask(server, "PATCH", f"/v1/articles/{slug}", change, self.editor)
                await self._ask(server, "POST", f"/v1/articles/{slug}/publish", None, self.editor)
                self.history.note(f"title {slug}", count, server)
                await self._ask(server, "PATCH", f"/v1/articles/{slug}", {"dek": CANARY}, self.editor)
            else:
                comments += 1
                body = {"text": f"Number {comments}: {chance.random()}", "author": {"name": "Ida"}}
                await self._ask(server, "POST", f"/v1/articles/{slug}/comments", body, None, 201)
                self.history.note(f"comments {slug}", comments, server)
            await asyncio.sleep(chance.random() * 0.05)

    async def _read(self) -> None:
        """Ask for something that tells a number; now and then as an editor, who sees more."""
        checks: list[tuple[str, str, Callable[[Any], int]]] = []
        for number in range(WRITERS):
            slug = f"article-{number}"
            title, comments = f"title {slug}", f"comments {slug}"
            checks += [
                (title, f"/v1/articles/{slug}", lambda found: int(found["title"].split()[1])),
                (
                    title,
                    f"/v1/articles?ids={slug}&fields=title",
                    lambda found: int(found["data"][0]["title"].split()[1]),
                ),
                (comments, f"/v1/articles/{slug}", lambda found: found["discussion"]["comments"]),
                (comments, f"/v1/counts?articles={slug}", lambda found, slug=slug: found["data"][slug]["comments"]),
                (comments, f"/v1/articles/{slug}/comments?view=all&count=exact", lambda found: found["page"]["total"]),
            ]
        while self.left > 0:
            self.left -= 1
            server = self.chance.randrange(len(self.clients))
            name, path, number_in = self.chance.choice(checks)
            as_editor = self.chance.random() < 0.1
            least = self.history.least(name, server)
            answer = await self._ask(server, "GET", path, None, self.editor if as_editor else None)
            self.hits += "hit" in answer.headers["cache-status"]
            if as_editor:
                assert answer.headers["cache-status"] == "Broadsheet; fwd=bypass"
                continue
            if (number := number_in(answer.json())) < least:
                self.faults.append(f"{path}: {number} after {least}, {answer.headers['cache-status']}")
            if CANARY in answer.text or "private" in answer.headers["cache-control"]:
                self.faults.append(f"{path}: private")


@pytest.mark.long
def test_no_answer_is_older_than_what_was_acknowledged(settings: Settings, editor: Headers, tmp_path: Path) -> None:
    with ExitStack() as stack:
        addresses = [stack.enter_context(serving(settings, tmp_path / f"server-{n}")) for n in range(SERVERS)]
        story = Story(addresses, editor, History(is_strict=settings.database.startswith("sqlite")))
        asyncio.run(story.run())
    assert story.faults == []
    assert story.hits > READS / 10
