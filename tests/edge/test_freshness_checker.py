"""No reader is given what is older than a write that was acknowledged before they asked, nor anything private.

Servers are killed and connections cut meanwhile. `READS=100000 DISTURBANCES=30 pytest
tests/edge/test_freshness_checker.py` asks more often than the suite does.
"""

import asyncio
import os
import random
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pydantic_core
import pytest

from app.core.settings import Settings
from tests import processes
from tests.effort import effort
from tests.make import Headers

READS = effort("READS", 150, long=60_000)
DISTURBANCES = effort("DISTURBANCES", 1, long=20)
READERS, WRITERS, ARTICLES, SERVERS = 12, effort("WRITERS", 3, long=8), effort("WRITERS", 3, long=8), 2
CANARY = "zqxcanary"
LATE_SECONDS = 1.0  # by which another process may be behind on PostgreSQL


class Server:
    """A server process on the store, without a worker, which may be killed and started again at the same address."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")
        } | {
            "BROADSHEET_DATABASE_URL": settings.database,
            "BROADSHEET_DATA_DIR": str(folder),
            "BROADSHEET_RATE_LIMITS": "off",
            "BROADSHEET_LOG_FORMAT": "json",
            "BROADSHEET_CACHE_SIZE": "1",
        }
        self.url = ""
        self._process: processes.Process | None = None
        self._reader = threading.Thread()  # of its log, so that it does not wait

    def start(self) -> None:
        """Start it; returns when it listens."""
        port = self.url.rpartition(":")[2] or "0"
        command = ("serve", "--port", port, "--no-worker")
        self._process = processes.start(*command, environment=self._environment, stderr=subprocess.PIPE)
        assert self._process.stderr
        for line in self._process.stderr:
            if '"listening"' in line:
                self.url = pydantic_core.from_json(line)["url"]
                break
        else:
            raise AssertionError("the server did not start")
        self._reader = threading.Thread(target=lambda lines: [None for _ in lines], args=[self._process.stderr])
        self._reader.start()

    def kill(self) -> None:
        """SIGKILL, in the midst of whatever it does."""
        assert self._process
        self._process.kill()
        self._reader.join()
        with self._process:
            pass


@contextmanager
def serving(settings: Settings, folder: Path) -> Iterator[Server]:
    """A server that is stopped in the end."""
    server = Server(settings, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


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


class Unanswered(Exception):
    """The server was killed, or lost its connection to the store: whether something was written is not known."""


class Story:
    """Writers who count, readers who check, and somebody who kills servers and cuts connections."""

    def __init__(self, servers: list[Server], editor: Headers, key: Headers, history: History, store: str) -> None:
        self.servers, self.editor, self.key, self.history, self.store = servers, editor, key, history, store
        self.left, self.hits, self.faults = READS, 0, list[str]()
        self.chance = random.Random()
        self.clients: list[httpx2.AsyncClient] = []

    async def run(self) -> None:
        """Run until enough was read."""
        limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
        self.clients = [httpx2.AsyncClient(base_url=server.url, limits=limits, timeout=60) for server in self.servers]
        try:
            for number in range(ARTICLES):
                body = {"title": "Number 0", "slug": f"article-{number}", "body": {"html": "<p>Once.</p>"}}
                made = await self._ask(0, "POST", "/v1/articles", body, self.editor, 201)
                await self._ask(0, "POST", f"/v1/articles/{made.json()['id']}/publish", None, self.editor, 200)
            others = [asyncio.create_task(self._write(number)) for number in range(WRITERS)]
            others.append(asyncio.create_task(self._disturb()))
            await asyncio.gather(*(self._read() for _ in range(READERS)))
            for task in others:
                task.cancel()
            for outcome in await asyncio.gather(*others, return_exceptions=True):
                assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
        finally:
            for client in self.clients:
                await client.aclose()

    async def _ask(
        self, server: int, method: str, path: str, body: Any = None, headers: Headers | None = None, status: int = 200
    ) -> httpx2.Response:
        sent = {**(headers or {}), **({"If-Match": "*"} if headers else {})}
        try:
            answer = await self.clients[server].request(method, path, json=body, headers=sent)
        except httpx2.TransportError as error:
            raise Unanswered from error
        if answer.status_code == 503 and self.store.startswith("postgresql"):
            raise Unanswered  # where it had just been opened, its connection to the store was cut with the others
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer

    async def _disturb(self) -> None:
        """Kill a server and start it anew, and cut the connections on which servers listen, at equal intervals."""
        for turn in range(DISTURBANCES):
            while self.left > READS * (DISTURBANCES - turn) // (DISTURBANCES + 1):
                await asyncio.sleep(0.01)
            if self.store.startswith("postgresql"):
                await asyncio.to_thread(cut_listeners, self.store)
            server = self.servers[turn % len(self.servers)]
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

    async def _write(self, number: int) -> None:
        """Change titles, one article for each writer; add comments; save what is not public."""
        counts = {"title": 0, "comments": 0}
        while True:
            with suppress(Unanswered):  # nothing was acknowledged
                await self._write_once(f"article-{number}", counts, random.randrange(len(self.clients)))
            await asyncio.sleep(random.random() * 0.05)

    async def _write_once(self, slug: str, counts: dict[str, int], server: int) -> None:
        if random.random() < 0.4:
            counts["title"] += 1
            change = {"title": f"Number {counts['title']}", "dek": ""}
            await self._ask(server, "PATCH", f"/v1/articles/{slug}", change, self.editor)
            await self._ask(server, "POST", f"/v1/articles/{slug}/publish", None, self.editor)
            self.history.note(f"title {slug}", counts["title"], server)
            await self._ask(server, "PATCH", f"/v1/articles/{slug}", {"dek": CANARY}, self.editor)
        else:
            body = {"text": f"A number: {random.random()}", "author": {"name": "Ida"}}
            await self._ask(server, "POST", f"/v1/articles/{slug}/comments", body, None, 201)
            counts["comments"] += 1
            self.history.note(f"comments {slug}", counts["comments"], server)

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
            with suppress(Unanswered):
                await self._read_once(*self.chance.choice(checks), self.chance.randrange(len(self.clients)))

    async def _read_once(self, name: str, path: str, number_in: Callable[[Any], int], server: int) -> None:
        """Ask for something that tells a number, with a publishable key or without, or as an editor, who sees more."""
        headers = self.chance.choice([None, None, None, self.key, self.key, self.editor])
        least = self.history.least(name, server)
        answer = await self._ask(server, "GET", path, None, headers)
        self.hits += "hit" in answer.headers["cache-status"]
        if headers is self.editor:
            assert answer.headers["cache-status"] == "Broadsheet; fwd=bypass"
            return
        if (number := number_in(answer.json())) < least:
            self.faults.append(f"{path}: {number} after {least}, {answer.headers['cache-status']}")
        if CANARY in answer.text or "private" in answer.headers["cache-control"]:
            self.faults.append(f"{path}: private")


def cut_listeners(url: str) -> None:
    """End the connections on which servers listen, as a network that fails does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND (query = '' OR query ILIKE 'LISTEN%' OR query ILIKE '%pg_notify%')"
        )


@pytest.mark.long
def test_no_answer_is_older_than_what_was_acknowledged(
    settings: Settings, editor: Headers, make_key: Callable[..., Headers], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(settings, tmp_path / f"server-{n}")) for n in range(SERVERS)]
        history = History(is_strict=settings.database.startswith("sqlite"))
        story = Story(servers, editor, make_key("public:read"), history, settings.database)
        asyncio.run(story.run())
    assert story.faults == []
    assert story.hits > READS / 10
