"""Slow clients, large bodies, overload and restarts, against a server in a process of its own."""

import json
import os
import queue
import select
import signal
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.db import open_database
from app.web.handover import HANDOVER_SIGNAL
from bench.seed import seed_store
from tests import processes
from tests.conftest import Report
from tests.effort import IS_LONG, effort
from tests.torture.clients import Flood, Load, Running, Slow

MEGABYTE = 1_000_000
CODE = """
import sys
from app.web import boundary
from app.web.protocol import Protocol
if {seconds}:
    Protocol.head_seconds = Protocol.stalled_seconds = boundary.BODY_SECONDS = {seconds}
    Protocol.min_read_rate = 1
sys.orig_argv = [sys.executable, "-m", "app", *sys.argv[1:]]
from app.cli import main
main()
"""
pytestmark = pytest.mark.long
only_long = pytest.mark.skipif(not IS_LONG, reason="tests/web holds the rules in less time")


@dataclass(frozen=True)
class Store:
    """A store of articles, and the folder beside it."""

    folder: Path
    url: str
    articles: list[str]  # paths
    key: str


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("edge")
    return fill_store(folder, f"sqlite:///{folder}/broadsheet.db")


def fill_store(folder: Path, url: str) -> Store:
    """Fill an empty store with articles."""
    seeded = seed_store(url, effort("ARTICLES", 20, long=250))
    database = open_database(url)
    with database.connect() as connection:
        ids = connection.execute(sa.text("SELECT id FROM article WHERE public")).scalars().all()
    for engine in database.engines():
        engine.dispose()
    return Store(folder, url, [f"/v1/articles/{article}" for article in ids], seeded.key)


def open_store(request: pytest.FixtureRequest, folder: Path, database: str) -> Store:
    """Return a store of articles on one of the two databases."""
    if database == "sqlite":
        store: Store = request.getfixturevalue("store")
        return store
    request.getfixturevalue("empty_postgres")()
    return fill_store(folder, request.getfixturevalue("postgres_url"))


class Server:
    """A server in a process of its own; `pid` is that of its latest successor."""

    def __init__(self, process: processes.Process) -> None:
        assert process.stderr is not None
        self._lines, self.pid = process.stderr, process.pid
        self.errors: list[str] = []
        self._listening: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        self.port = int(self._listening.get(timeout=60).rpartition(":")[2])

    def _read_log(self) -> None:
        for line in self._lines:
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("event") == "starting a successor":
                self.pid = entry["pid"]
            elif entry.get("event") == "listening":
                self._listening.put(entry["url"])
            elif entry.get("level") == "error":
                self.errors.append(line)

    def restart(self) -> None:
        """Let the server hand over to a successor, and wait until it has ended."""
        before = self.pid
        os.kill(before, HANDOVER_SIGNAL)
        self._listening.get(timeout=60)
        _wait_for_end(before)

    def stop(self) -> None:
        """Ask the server to end."""
        os.kill(self.pid, signal.SIGTERM)
        _wait_for_end(self.pid)
        self._reader.join(60)

    def read_memory(self) -> int:
        """Return the resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def _wait_for_end(pid: int) -> None:
    """Wait for the end of a process that is nobody's child."""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(6000):
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.01)
    raise AssertionError("the process did not end")


@contextmanager
def serve(store: Store, *arguments: str, seconds: float = 0, **settings: str) -> Iterator[Server]:
    """Serve the store with other deadlines, in seconds, than the usual ones."""
    environment = {
        **os.environ,
        "BROADSHEET_DATA_DIR": str(store.folder),
        "BROADSHEET_RATE_LIMITS": "off",
        "BROADSHEET_LOG_FORMAT": "json",
        "BROADSHEET_DATABASE_URL": store.url,
        **{f"BROADSHEET_{name}": value for name, value in settings.items()},
    }
    code = CODE.format(seconds=seconds)
    command = ("serve", "--port", "0", *arguments)
    with processes.start(*command, code=code, environment=environment, stderr=subprocess.PIPE) as process:
        server = Server(process)
        try:
            yield server
        finally:
            server.stop()
    assert not server.errors


class Memory:
    """Samples the memory of a server, for how much it grows."""

    def __init__(self, server: Server) -> None:
        self._server, self._stop = server, threading.Event()
        self.before = self.most = server.read_memory()
        self._thread = threading.Thread(target=self._sample)

    def _sample(self) -> None:
        while not self._stop.wait(0.05):
            self.most = max(self.most, self._server.read_memory())

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def grown(self) -> float:
        """How much it has grown at most, in megabytes."""
        return round((self.most - self.before) / MEGABYTE, 1)


@only_long
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_slow_clients_are_closed_and_others_served(
    request: pytest.FixtureRequest, tmp_path: Path, report: Report, database: str
) -> None:
    store = open_store(request, tmp_path, database)
    count, pause = effort("CLIENTS", 20, long=1000), 1 if IS_LONG else 0.1
    paths = {"head": "/v1/articles", "body": f"{store.articles[0]}/comments", "reader": "/feeds/site.rss"}
    for kind, path in paths.items():
        with serve(store, seconds=0 if IS_LONG else 0.3) as server:
            others = Load(server.port, store.articles, 4, 40 if IS_LONG else 0.8, pace=0.02)
            Running(Load(server.port, others.paths, 4, 0.2)).result()
            with Memory(server) as memory:
                slow = Running(Slow(server.port, kind, path, count, pause, patience=60))
                seen, closed = Running(others).result(), slow.result()
        assert closed["closed"] == count
        assert set(seen["statuses"]) == {"200"}
        report(kind=kind, **closed, others_ms=seen["ms"]["200"], grown_mb=memory.grown)
        if IS_LONG:
            assert closed["longest"] < 45
            assert seen["ms"]["200"][2] <= 50
            assert memory.grown <= 64


def _chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 100_000):
        yield b"186a0\r\n" + b" " * 100_000 + b"\r\n"


Body = tuple[str, Callable[[], Iterator[bytes]], int]
BODIES: dict[str, Body] = {
    "announced": ("Content-Length: 100000000", lambda: iter([b" " * 100_000] * 1000), 413),
    "in chunks": ("Transfer-Encoding: chunked", lambda: _chunks(100_000_000), 413),
    "deep arrays": ("Content-Length: 10000", lambda: iter([b"[" * 10_000]), 400),
    "deep objects": ("Content-Length: 50000", lambda: iter([b'{"a":' * 10_000]), 400),
    "deepest": ("Content-Length: 1000000", lambda: iter([b"[" * 1_000_000]), 400),
}


def send_body(port: int, key: str, name: str) -> tuple[int, float]:
    """Send a body until the answer comes; return its status, and the seconds that it took."""
    header, pieces, _ = BODIES[name]
    head = f"POST /v1/articles HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{header}\r\n"
    with socket.create_connection(("127.0.0.1", port)) as client:
        began = time.perf_counter()
        client.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode())
        for piece in pieces():
            if select.select([client], [], [], 0)[0]:
                break
            client.sendall(piece)
        answer = client.recv(65_536)
        return int(answer[9:12]), time.perf_counter() - began


def test_large_and_deep_bodies_are_refused(store: Store, report: Report) -> None:
    with serve(store) as server:
        send_body(server.port, store.key, "deepest")  # starts the process that parses long JSON
        for name, (_, _, status) in BODIES.items():
            with Memory(server) as memory:
                sent = [send_body(server.port, store.key, name) for _ in range(effort("BODIES", 1, long=20))]
            assert {given for given, _ in sent} == {status}
            seconds = statistics.median(seconds for _, seconds in sent)
            report(body=name, ms=round(seconds * 1000, 1), grown_mb=memory.grown)
            if IS_LONG:
                assert seconds <= 0.05
                assert memory.grown <= 16


@pytest.mark.parametrize("workers", [1, 2] if IS_LONG else [1])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"] if IS_LONG else ["sqlite"])
def test_restarts_lose_no_request(
    request: pytest.FixtureRequest, tmp_path: Path, report: Report, database: str, workers: int
) -> None:
    store = open_store(request, tmp_path, database)
    count = effort("RESTARTS", 1, long=20 // workers)
    with serve(store, "--workers", str(workers)) as server:
        Running(Load(server.port, store.articles, 1, 0.1)).result()
        kept = Running(Load(server.port, store.articles, 8, 600, pace=0.04))
        fresh = Running(Load(server.port, store.articles, 8, 600, pace=0.08, keep_alive=False))
        for _ in range(count):
            server.restart()
        results = [clients.result(stop=True) for clients in (kept, fresh)]
    assert [result.get("others") for result in results] == [None, None]
    seen = [result["statuses"] for result in results]
    assert [set(statuses) for statuses in seen] == [{"200"}, {"200"}]
    report(database=database, workers=workers, restarts=count, keep_alive=seen[0]["200"], fresh=seen[1]["200"])
    if IS_LONG:
        assert sum(statuses["200"] for statuses in seen) >= 1000 * count


@only_long
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_overloaded_server_answers_as_much_as_it_can(
    request: pytest.FixtureRequest, tmp_path: Path, report: Report, database: str
) -> None:
    """Ask for ten times the peak, each request on a new connection, whatever becomes of the others.

    What is asked for, lists of a hundred whole articles, takes the server a hundred times what a refusal takes: ten
    times the peak is then within the reach of the clients, and of the kernel that accepts their connections. Goodput
    and recovery are told and not asserted, as they depend on whether the clients have a core of their own.
    """
    store = open_store(request, tmp_path, database)
    seconds, paths = effort("SECONDS", 8, long=8), ["/v1/search?q=council+river+harbour"]
    with serve(store, CACHE_SIZE="0") as server:
        Running(Load(server.port, paths, 4, 2)).result()
        peak = Running(Load(server.port, paths, 16, seconds)).result()
        rate = peak["statuses"]["200"] / peak["seconds"]
        steps = [(rate / 2, 2.0), (10 * rate, float(seconds)), (rate / 2, 6.0)]
        calm, flood, after = Running(Flood(server.port, paths, steps)).result()["steps"]
    assert set(calm["statuses"]) | set(after["statuses"]) <= {"200", "503"}
    assert set(flood["statuses"]) == {"200", "503"}
    offered = sum(flood["statuses"].values()) / flood["seconds"] / rate
    report(
        database=database,
        peak=round(rate, 1),
        offered=round(offered, 2),
        goodput=round(flood["served"] / flood["seconds"] / rate, 3),
        refused_ms=flood["ms"]["503"],
        refused=flood["statuses"]["503"],
        refused_afterwards=after["trouble"],
        slow_afterwards=after["slow"],
        calm_ms=calm["ms"]["200"],
        after_ms=after["ms"]["200"],
        late_ms=flood["late_ms"],
    )
    assert offered > 9.5
