"""`python -m bench.background`: the cost of the worker, and the effect of bulk work on readers and commenters.

Each scenario runs `broadsheet serve`, the worker included, on a store of its own: a comment at 20 a second, an idle
server, and articles published or imported beside reads and comments. CPU time is that of the server with its children
and of the database.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import uvloop
from rich.console import Console
from rich.table import Table

from app.db import Database, migrations, open_database
from app.events.log import measure_lag
from app.identity import keys
from app.identity.schemas import SYSTEM
from bench.__main__ import DATABASES, create_stores
from bench.cases import CASES, Facts, Request, read_facts
from bench.load import Slice, drive_in_loop, send_request
from bench.seed import Store, seed_store
from bench.servers import list_children, read_cpu

COMMENT_GOAL, IDLE_GOAL, READ_GOAL, POST_GOAL = 0.005, 0.003, 2.0, 0.1  # CPU s, share of a core, ratio of p99, s
COMMENTS_PER_SECOND, READERS, READ_PACE = 20, 2, 0.01
VOCABULARY, WORDS = 20_000, 400  # of the texts that are published and imported
TOPIC, ON_TOPIC = 40, 100  # words of a topic, and how many words of a text are of its topic
TOPICS = 50
UNIQUE = b"slug-to-be-made-unique"


class Server(NamedTuple):
    """A running server with its store."""

    pid: int
    port: int
    postmaster: int  # 0 on SQLite
    store: Store
    facts: Facts  # of the store before anything was published
    folder: Path

    def read_cpu(self) -> float:
        """Return the CPU seconds of all processes that work for the server."""
        pids = [self.pid, *list_children(self.pid)]
        return read_cpu(*pids) + sum(map(_read_whole_cpu, [self.postmaster] if self.postmaster else []))


def _read_whole_cpu(parent: int) -> float:
    """Return the CPU seconds of a process, its children, and those of its children that have ended."""
    fields = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()
    ended = sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")
    return ended + read_cpu(parent, *list_children(parent))


@contextmanager
def serve(store: Store, folder: Path, postmaster: int) -> Iterator[Server]:
    """Run `broadsheet serve` with the worker."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "BROADSHEET_DATABASE_URL": store.url,
        "BROADSHEET_DATA_DIR": str(folder),
        "BROADSHEET_RATE_LIMITS": "off",
    }
    command = [sys.executable, "-m", "app", "serve", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(port)
        server = Server(process.pid, port, postmaster, store, read_facts(store), folder)
        _drain(server)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            if send_request(port, Request("GET", "/readyz")).status == 200:
                return
        except OSError:
            if time.monotonic() > until:
                raise
        time.sleep(0.05)


def _drain(server: Server, seconds: float = 600.0) -> bool:
    """Wait until all consumers have read the log; tell whether they have in time."""
    db, until = open_database(server.store.url), time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            if _count_unread(db) == 0:
                return True
            time.sleep(0.1)
        return False
    finally:
        for engine in db.engines():
            engine.dispose()


def _count_unread(db: Database) -> int:
    with db.connect() as connection:
        return max(measure_lag(connection, name)[0] for name in ("handlers", "related", "webhooks", "websub"))


class Texts:
    """Texts whose words follow Zipf's law; each also has words of one of some topics."""

    def __init__(self) -> None:
        self._rng = random.Random(5)
        syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "or")]
        self._words = ["".join(self._rng.choices(syllables, k=self._rng.randint(1, 4))) for _ in range(VOCABULARY)]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(VOCABULARY)))
        self._topics = [self._rng.choices(self._words, k=TOPIC) for _ in range(TOPICS)]

    def write(self) -> tuple[str, str]:
        """Return a title and a text in HTML."""
        topic = self._rng.choice(self._topics)
        words = self._rng.choices(self._words, cum_weights=self._weights, k=WORDS - ON_TOPIC)
        words += self._rng.choices(topic, k=ON_TOPIC)
        self._rng.shuffle(words)
        parts = [" ".join(words[start : start + 50]) for start in range(0, WORDS, 50)]
        return " ".join(self._rng.choices(topic, k=6)), "".join(f"<p>{part}.</p>" for part in parts)


def _comments(facts: Facts) -> Iterator[bytes]:
    """Yield comments that all differ."""
    (case,) = (case for case in CASES if case.name == "comment post")
    requests = itertools.cycle(case.requests(facts))
    run = random.Random().randbytes(4).hex()
    for n in itertools.count():
        request = next(requests)
        yield request._replace(body=request.body.replace(UNIQUE, f"{run}{n:014}".encode())).wire()


def _reads(facts: Facts) -> Iterator[bytes]:
    (case,) = (case for case in CASES if case.name == "article")
    return itertools.cycle([request.wire() for request in case.requests(facts)])


async def _comment(port: int, facts: Facts, seconds: float) -> Slice:
    return await drive_in_loop(port, _comments(facts), 201, 2, seconds, 2 / COMMENTS_PER_SECOND)


async def _read_and_comment(port: int, facts: Facts, seconds: float) -> tuple[Slice, Slice]:
    return await asyncio.gather(
        drive_in_loop(port, _reads(facts), 200, READERS, seconds, READ_PACE), _comment(port, facts, seconds)
    )


class Row(NamedTuple):
    """A measured figure beside its goal."""

    what: str
    figure: str
    goal: str = ""


def measure_idle(server: Server, seconds: float) -> Iterator[Row]:
    """Measure the share of a core that an idle server takes."""
    before, started = server.read_cpu(), time.monotonic()
    time.sleep(seconds)
    share = (server.read_cpu() - before) / (time.monotonic() - started)
    yield Row("idle server, share of a core", f"{share:.2%}", f"≤ {IDLE_GOAL:.1%}")


def measure_comments(server: Server, seconds: float) -> Iterator[Row]:
    """Measure the CPU time of a comment at some comments per second, the worker included."""
    facts = server.facts
    uvloop.run(_comment(server.port, facts, 2.0))
    before = server.read_cpu()
    posted = uvloop.run(_comment(server.port, facts, seconds))
    _drain(server)
    spent = (server.read_cpu() - before) / posted.requests
    yield Row("CPU of a comment, worker included", f"{spent * 1000:.1f} ms", f"≤ {COMMENT_GOAL * 1000:.0f} ms")
    yield Row("p99 of posting", f"{posted.p99 * 1000:.0f} ms")


async def _beside(port: int, facts: Facts, seconds: float, requests: list[Request]) -> tuple[Slice, Slice, float]:
    """Read and comment for some seconds while others send these requests; also return the seconds that they took."""
    wires, started = iter([request.wire() for request in requests]), time.perf_counter()

    async def act() -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for wire in wires:
            writer.write(wire)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.splitlines()[0]:
                raise RuntimeError(head.decode("latin-1").splitlines()[0])
            length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split()[1]))
        writer.close()
        return time.perf_counter() - started

    (read, posted), *ends = await asyncio.gather(_read_and_comment(port, facts, seconds), act(), act(), act(), act())
    return read, posted, max(ends)


def _create_editor(store: Store) -> str:
    """Create an API key that may publish."""
    db = open_database(store.url)
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "editor", ["content:read", "content:write", "content:publish"])[1]
    for engine in db.engines():
        engine.dispose()
    return key


def measure_publishing(server: Server, seconds: float, number: int) -> Iterator[Row]:
    """Publish drafts at once, beside reads and comments."""
    facts, texts, acts = server.facts, Texts(), []
    authorization = (("Authorization", f"Bearer {_create_editor(server.store)}"),)
    any_version = (*authorization, ("If-Match", "*"))
    for _ in range(number + 1):
        title, html = texts.write()
        body = json.dumps({"title": title, "body": {"html": html}}).encode()
        answer = send_request(server.port, Request("POST", "/v1/articles", authorization, body))
        article_id = json.loads(answer.body)["id"]
        acts.append(Request("POST", f"/v1/articles/{article_id}/publish", any_version, b"{}"))
    # a process takes several times as long for its first comment and its first publish
    uvloop.run(_comment(server.port, facts, 1.0))
    send_request(server.port, acts.pop())
    alone = uvloop.run(_read_and_comment(server.port, facts, seconds))
    before, started = server.read_cpu(), time.monotonic()
    *beside, took = uvloop.run(_beside(server.port, facts, seconds, acts))
    yield from _compare(f"publishing {number}", alone, (beside[0], beside[1]))
    is_drained = _drain(server)
    yield Row(f"publishing {number}: took", f"{took:.1f} s")
    yield Row("until linked", f"{time.monotonic() - started:.1f} s{'' if is_drained else ' (not yet)'}")
    yield Row("CPU, with reads and comments", f"{server.read_cpu() - before:.1f} s")


def measure_importing(server: Server, seconds: float, number: int) -> Iterator[Row]:
    """Import posts by the command, beside reads and comments, for at most some seconds."""
    facts, file = server.facts, server.folder / "posts.xml"
    file.write_text(_write_export(number))
    alone = uvloop.run(_read_and_comment(server.port, facts, seconds))
    environment = {
        **os.environ,
        "BROADSHEET_DATABASE_URL": server.store.url,
        "BROADSHEET_DATA_DIR": str(server.folder),
    }
    before, started = server.read_cpu(), time.monotonic()
    command = [sys.executable, "-m", "app", "import", "wordpress", str(file), "--json"]
    with (server.folder / "import.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        beside = uvloop.run(_read_and_comment(server.port, facts, seconds))
        yield from _compare(f"importing {number}", alone, beside)
        if process.wait(600):
            raise RuntimeError((server.folder / "import.log").read_text()[-2000:])
        yield Row("import took", f"{time.monotonic() - started:.1f} s")
    finally:
        process.kill()
        process.wait()
    after = uvloop.run(_read_and_comment(server.port, facts, seconds))
    yield from _compare("linking them", alone, after)
    db = open_database(server.store.url)
    yield Row("events unread then", str(_count_unread(db)))
    yield Row("CPU of the server", f"{server.read_cpu() - before:.1f} s in {time.monotonic() - started:.0f} s")
    for engine in db.engines():
        engine.dispose()


def _write_export(number: int) -> str:
    texts, items = Texts(), []
    for n in range(1, number + 1):
        title, html = texts.write()
        items.append(
            f"<item><title>{title}</title><content:encoded>{escape(html)}</content:encoded><wp:post_id>{n}</wp:post_id>"
            f"<wp:post_name>imported-{n}</wp:post_name><wp:status>publish</wp:status><wp:post_type>post</wp:post_type>"
            f"<wp:post_date_gmt>2020-03-{n % 28 + 1:02} 08:30:00</wp:post_date_gmt></item>\n"
        )
    namespaces = 'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wp="http://wordpress.org/export/1.2/"'
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" {namespaces}>\n<channel><title>Quay</title>'
    return f"{head}<link>https://quay.example</link><language>en</language><wp:wxr_version>1.2</wp:wxr_version>\n" + (
        "".join(items) + "</channel></rss>\n"
    )


def _compare(what: str, alone: tuple[Slice, Slice], beside: tuple[Slice, Slice]) -> Iterator[Row]:
    ratio = beside[0].p99 / alone[0].p99
    reads = f"{alone[0].p99 * 1000:.1f} → {beside[0].p99 * 1000:.1f} ms, × {ratio:.1f}"
    yield Row(f"{what}: p99 of reads", reads, f"≤ × {READ_GOAL:.0f}")
    posts = f"{alone[1].p99 * 1000:.0f} → {beside[1].p99 * 1000:.0f} ms (p95 {beside[1].p95 * 1000:.0f} ms)"
    yield Row(f"{what}: p99 of posting", posts, f"≤ {POST_GOAL * 1000:.0f} ms")


SCENARIOS = ("comments", "idle", "publishing", "importing")


def main() -> int:
    """Run the scenarios and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.background", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", type=int, default=2000, help="articles of the store (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement (default %(default)s)")
    parser.add_argument("--publish", type=int, default=300, help="articles to publish (default %(default)s)")
    parser.add_argument("--import", type=int, default=5000, dest="posts", help="posts to import (default %(default)s)")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    table = Table("database", "what", "measured", "goal")
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
            create_stores(dialect, Path(name), [options.articles]) as ([url], postmaster),
        ):
            migrations.upgrade(url)
            store = seed_store(url, options.articles)
            with serve(store, Path(name), postmaster) as server:
                for scenario in options.only or SCENARIOS:
                    for row in _measure(scenario, server, options):
                        table.add_row(dialect, *row)
    console.print(table)
    return 0


def _measure(scenario: str, server: Server, options: argparse.Namespace) -> Iterator[Row]:
    match scenario:
        case "comments":
            return measure_comments(server, options.seconds)
        case "idle":
            return measure_idle(server, options.seconds)
        case "publishing":
            return measure_publishing(server, options.seconds, options.publish)
        case _:
            return measure_importing(server, options.seconds, options.posts)


if __name__ == "__main__":
    sys.exit(main())
