"""`python -m bench.live`: many live streams of one article while comments arrive, half of them through another process.

Every client must get every comment once and in order, also those that lose their connection again and again.
"""

import argparse
import asyncio
import json
import random
import re
import resource
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import uvloop

from app.db import migrations, open_database
from app.identity import keys
from app.identity.schemas import SYSTEM
from bench.__main__ import DATABASES, create_stores
from bench.cases import Request
from bench.load import send_request
from bench.servers import Process, app, list_children, read_cpu, read_each, read_since

OPENING = 50  # streams opened concurrently
MAX_WAIT_SECONDS = 30.0  # seconds to wait for the last events
MAX_AWAY_SECONDS = 0.5  # before a client reconnects
_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")


class RunResult(NamedTuple):
    """The results of a run; times in seconds, memory in MB."""

    clients: int
    comments: int
    reconnects: int
    missed: int
    repeated: int
    disordered: int
    rss_before: float
    rss_open: float
    rss_after: float
    rss_most: float
    cpu: float
    database_cpu: float
    seconds: float
    latencies: list[float]

    def lines(self) -> list[str]:
        """Return the results as lines of text."""
        cuts = [cut * 1000 for cut in statistics.quantiles(self.latencies, n=100)]
        return [
            f"{self.clients:,} clients, {self.comments:,} comments, {self.seconds:.0f} s, {self.reconnects:,} resumed",
            f"missed {self.missed}, repeated {self.repeated}, out of order {self.disordered}",
            f"RSS {self.rss_before:.1f} MB, all open {self.rss_open:.1f}, at the end {self.rss_after:.1f}, "
            f"most {self.rss_most:.1f}: + {self.rss_most - self.rss_before:.1f} MB",
            f"CPU {self.cpu / self.seconds:.1%} of a core, database {self.database_cpu / self.seconds:.1%}",
            f"latency from POST to event: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, "
            f"most {max(self.latencies) * 1000:.0f} ms",
        ]


class Client(asyncio.Protocol):
    """An EventSource: reads events, and reconnects with the last event id."""

    def __init__(self, port: int, path: str, latencies: list[float]) -> None:
        self.port, self.path, self.latencies = port, path, latencies
        self.comments: list[str] = []
        self.reconnects = 0
        self.last_id = ""
        self.is_open = False
        self._transport: asyncio.Transport | None = None

    async def open(self) -> None:
        """Connect and wait for the first counts; raise if the connection is lost before."""
        self._raw, self._text, self._since = b"", b"", time.time()
        self._in_body = False
        loop = asyncio.get_running_loop()
        self._counted, self._gone = loop.create_future(), loop.create_future()
        await loop.create_connection(lambda: self, "127.0.0.1", self.port)
        await self._counted
        self.is_open = True

    async def lose(self, away: float) -> None:
        """Drop the connection and reconnect."""
        self.reconnects += 1
        await self.close()
        await asyncio.sleep(away)
        await self.open()

    async def close(self) -> None:
        """Abort the connection, and return when it is closed."""
        self.is_open = False
        if self._transport:
            self._transport.abort()
            await self._gone

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        last = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
        transport.write(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._gone.set_result(None)
        if not self._counted.done():
            self._counted.set_exception(exc or ConnectionError(f"closed after {self._raw!r}"))

    def data_received(self, data: bytes) -> None:
        self._raw += data
        if not self._in_body:
            head, end, rest = self._raw.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(self._raw.decode("latin-1"))
            self._in_body, self._raw = True, rest
        while found := _CHUNK.match(self._raw):
            start, size = found.end(), int(found[1], 16)
            if len(self._raw) < start + size + 2:
                return
            self._text += self._raw[start : start + size]
            self._raw = self._raw[start + size + 2 :]
            self._read()

    def _read(self) -> None:
        *events, self._text = self._text.split(b"\n\n")
        for event in events:
            fields = dict(line.split(": ", 1) for line in event.decode().split("\n") if not line.startswith(":"))
            self.last_id = fields.get("id", self.last_id)
            if fields.get("event") == "counts" and not self._counted.done():
                self._counted.set_result(None)
            if fields.get("event") == "comment.published":
                said = json.loads(fields["data"])
                self.comments.append(said["id"])
                if (sent := float(said["text"].split()[-1])) > self._since:  # ignore events missed while disconnected
                    self.latencies.append(time.time() - sent)


def _rss(pid: int, name: str = "VmRSS") -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+)", status)[0]) / 1024


def _article(process: Process, key: str) -> str:
    headers = (("Authorization", f"Bearer {key}"), ("If-Match", "*"))
    made = send_request(process.port, Request("POST", "/v1/articles", headers, b'{"title": "Live"}'))
    url = f"/v1/articles/{json.loads(made.body)['id']}"
    assert send_request(process.port, Request("POST", f"{url}/publish", headers)).status == 200
    return url


def _post(process: Process, url: str, number: int) -> str:
    words = " ".join(random.choices(["bridge", "river", "morning", "vote", "harbour", "night"], k=60))
    body = {"text": f"{number} {words} {time.time()}", "author": {"name": f"Reader {number}"}}
    answer = send_request(process.port, Request("POST", f"{url}/comments", (), json.dumps(body).encode()))
    assert answer.status == 201, answer
    return str(json.loads(answer.body)["id"])


async def _wander(clients: list[Client], every: float, until: asyncio.Event) -> None:
    """Drop connections of random clients; at the end all are connected."""
    async with asyncio.TaskGroup() as losses:
        while not until.is_set():
            if there := [one for one in clients if one.is_open]:
                client = random.choice(there)
                client.is_open = False
                losses.create_task(client.lose(random.random() * MAX_AWAY_SECONDS))
            await asyncio.sleep(every)


async def _drive(
    here: Process,
    there: Process,
    url: str,
    clients: int,
    seconds: float,
    per_minute: float,
    every: float,
    postmaster: int,
) -> RunResult:
    latencies: list[float] = []
    before = _rss(here.pid)
    readers = [Client(here.port, f"{url}/live", latencies) for _ in range(clients)]
    for at in range(0, clients, OPENING):
        await asyncio.gather(*(reader.open() for reader in readers[at : at + OPENING]))
    opened = _rss(here.pid)
    servers = list_children(postmaster) if postmaster else []
    used, database_before, started = read_cpu(here.pid), read_each(servers), time.perf_counter()
    wandering = asyncio.create_task(_wander(readers, every, enough := asyncio.Event()))
    posted: list[str] = []
    for number in range(int(seconds * per_minute / 60)):
        posted.append(await asyncio.to_thread(_post, (here, there)[number % 2], url, number))
        await asyncio.sleep(max(0.0, started + (number + 1) * 60 / per_minute - time.perf_counter()))
    enough.set()
    took, used = time.perf_counter() - started, read_cpu(here.pid) - used
    database_used = read_since(database_before)
    await wandering
    until = time.perf_counter() + MAX_WAIT_SECONDS
    while any(len(reader.comments) < len(posted) for reader in readers) and time.perf_counter() < until:
        await asyncio.sleep(0.1)
    found = RunResult(
        clients=clients,
        comments=len(posted),
        reconnects=sum(reader.reconnects for reader in readers),
        missed=sum(len(set(posted) - set(reader.comments)) for reader in readers),
        repeated=sum(len(reader.comments) - len(set(reader.comments)) for reader in readers),
        disordered=sum(reader.comments != posted for reader in readers),
        rss_before=before,
        rss_open=opened,
        rss_after=_rss(here.pid),
        rss_most=_rss(here.pid, "VmHWM"),
        cpu=used,
        database_cpu=database_used,
        seconds=took,
        latencies=latencies,
    )
    await asyncio.gather(*(reader.close() for reader in readers))
    return found


def follow(
    url: str, folder: Path, *, clients: int, seconds: float, per_minute: float, every: float, postmaster: int = 0
) -> RunResult:
    """Open the streams on one process, post through it and a second one, and return the results."""
    db = open_database(url)
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "bench", ["content:read", "content:write", "content:publish"])[1]
    for engine in db.engines():
        engine.dispose()
    with ExitStack() as stack:
        here, there = (stack.enter_context(app(url, folder / name)) for name in ("here", "there"))
        article = _article(there, key)
        send_request(here.port, Request("GET", article))
        return uvloop.run(_drive(here, there, article, clients, seconds, per_minute, every, postmaster))


def _run_on(dialect: str, folder: Path, options: argparse.Namespace) -> RunResult:
    with create_stores(dialect, folder, [0]) as ((url,), postmaster):
        migrations.upgrade(url)
        asked = {name: getattr(options, name) for name in ("clients", "seconds", "per_minute", "every")}
        return follow(url, folder, **asked, postmaster=postmaster)


def main() -> int:
    """Run the benchmark; return 1 if a client missed or repeated an event, or got it out of order."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--per-minute", type=float, default=100.0, help="comments (default %(default)s)")
    parser.add_argument("--every", type=float, default=0.1, help="seconds between two lost connections")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    wrong = 0
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
            found = _run_on(dialect, Path(name), options)
        print(f"{dialect}:", *found.lines(), sep="\n  ", flush=True)
        wrong += found.missed + found.repeated + found.disordered
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
