"""Clients for the edge of the process, each kind in a process of its own: `python -m tests.torture.clients {json}`.

The process prints one line of JSON with what its clients have seen.
"""

import asyncio
import json
import re
import socket
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import uvloop

from tests.processes import ROOT

ADDRESSES = 8  # of loopback, from which slow clients connect: one address may open a limited number of connections

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: (\d+)\r\n", re.IGNORECASE)
SLOW_SECONDS = 1.0
PIPELINED = 20  # requests of a client that reads nothing: their answers are more than the kernel buffers


@dataclass(frozen=True)
class Slow:
    """Clients that keep a connection open: they send a head or a body byte by byte, or read nothing."""

    port: int
    kind: Literal["head", "body", "reader"]
    path: str
    count: int
    pause: float  # seconds between two bytes
    patience: float  # seconds after which a client counts as not closed


@dataclass(frozen=True)
class Load:
    """Clients that send a request every `pace` seconds, one at a time, until they are stopped.

    Without keep-alive each is sent on a new connection. Polite ones wait after a refusal for as long as it says.
    """

    port: int
    paths: list[str]
    connections: int
    seconds: float
    pace: float = 0.0
    keep_alive: bool = True
    is_polite: bool = False


@dataclass(frozen=True)
class Flood:
    """Requests that begin at fixed rates, whatever becomes of those before, each on a new connection.

    What a request takes is counted from the moment at which it was due, so that a late client hides no wait.
    """

    port: int
    paths: list[str]
    steps: list[tuple[float, float]]  # requests a second, and seconds
    patience: float = 20.0  # seconds after which a request counts as lost


async def _dribble(slow: Slow, number: int, closed: list[float]) -> None:
    """Be one slow client until the server closes the connection; note the seconds after which it did."""
    source = f"127.0.0.{number % ADDRESSES + 2}"
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        if slow.kind == "reader":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.bind((source, 0))
        await loop.sock_connect(client, ("127.0.0.1", slow.port))
        began = loop.time()
        head = f"{'POST' if slow.kind == 'body' else 'GET'} {slow.path} HTTP/1.1\r\nHost: localhost\r\n"
        if slow.kind == "body":
            head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        elif slow.kind == "reader":
            head = f"{head}\r\n" * PIPELINED
        await loop.sock_sendall(client, head.encode())
        try:
            async with asyncio.timeout(slow.patience):
                if slow.kind == "reader":
                    await _wait_for_reset(client, slow.pause)
                else:
                    await _send_bytes(client, slow.pause)
        except ConnectionError:
            pass
        except TimeoutError:
            return
        closed.append(loop.time() - began)


async def _wait_for_reset(client: socket.socket, pause: float) -> None:
    """Read nothing until the server resets the connection."""
    while not client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        await asyncio.sleep(pause)


async def _send_bytes(client: socket.socket, pause: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.create_task(loop.sock_recv(client, 65_536))
    try:
        while not end.done():
            await loop.sock_sendall(client, b"a")
            await asyncio.wait([end], timeout=pause)
    finally:
        end.cancel()


async def run_slow(slow: Slow) -> dict[str, Any]:
    """Be all slow clients; tell how many were closed, and the longest time that it took."""
    closed: list[float] = []
    async with asyncio.TaskGroup() as clients:
        for number in range(slow.count):
            clients.create_task(_dribble(slow, number, closed))
            if number % 10 == 9:
                await asyncio.sleep(0.05)
    return {"closed": len(closed), "longest": round(max(closed, default=0.0), 2)}


def _quantiles(seconds: list[float]) -> list[float]:
    """Return the median, 95 and 99 % in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return [round(cuts[n] * 1000, 2) for n in (49, 94, 98)]


class _Seen:
    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {}
        self.others: list[str] = []  # some answers but 200

    def note(self, status: str, seconds: float) -> None:
        self.statuses[status] += 1
        self.seconds.setdefault(status, []).append(seconds)

    def tell(self, seconds: float) -> dict[str, Any]:
        cuts = {status: _quantiles(values) for status, values in self.seconds.items() if len(values) > 1}
        figures = {"statuses": dict(self.statuses), "ms": cuts, "seconds": round(seconds, 2)}
        return {**figures, "others": self.others} if self.others else figures


class _Client(asyncio.Protocol):
    """Sends one request after the other; counts a request that gets no answer as `lost`."""

    def __init__(self, load: Load, seen: _Seen, paths: Iterator[str], until: list[float], start: float) -> None:
        self._load, self._seen, self._paths, self._until = load, seen, paths, until
        self._loop = asyncio.get_running_loop()
        self._held, self._size, self._is_waiting = b"", 0, False
        self._next, self._is_last, self._started = start, False, 0.0
        self.done: asyncio.Future[None] = self._loop.create_future()

    def connect(self) -> None:
        """Open a connection at the time of the next request."""
        self._loop.call_at(self._next, lambda: self._loop.create_task(self._connect()))

    async def _connect(self) -> None:
        self._started, self._is_waiting = self._loop.time(), True
        try:
            await self._loop.create_connection(lambda: self, "127.0.0.1", self._load.port)
        except OSError:
            self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport: Any = transport
        self._ask()

    def _ask(self) -> None:
        if self._loop.time() >= self._until[0]:
            self._is_waiting = False
            self._transport.close()
            return
        self._is_waiting, self._is_last = True, not self._load.keep_alive
        self._next = self._started + self._load.pace
        head = f"GET {next(self._paths)} HTTP/1.1\r\nHost: localhost\r\n"
        self._transport.write((head + ("Connection: close\r\n\r\n" if self._is_last else "\r\n")).encode())

    def data_received(self, data: bytes) -> None:
        """Note the end of a response, and go on."""
        self._held += data
        if not self._size:
            head, end, _ = self._held.partition(b"\r\n\r\n")
            if not end:
                return
            lower = head.lower()
            at = lower.index(b"content-length:")
            self._size = len(head) + 4 + int(lower[at + 15 :].split(b"\r\n", 1)[0])
            self._is_last = self._is_last or b"connection: close" in lower
        if len(self._held) < self._size:
            return
        status = self._held[9:12].decode()
        self._seen.note(status, self._loop.time() - self._started)
        if status != "200" and len(self._seen.others) < 3:
            self._seen.others.append(self._held.decode()[-500:])
        if self._load.is_polite and (wait := _RETRY_AFTER.search(self._held)):
            self._next = self._loop.time() + int(wait[1])
        self._held, self._size, self._is_waiting = b"", 0, False
        if not self._is_last:
            self._loop.call_at(max(self._next, self._loop.time()), self._ask_if_open)

    def _ask_if_open(self) -> None:
        if not self._transport.is_closing():
            self._started = self._loop.time()
            self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        """Count a request without an answer, and connect again."""
        if self._is_waiting:
            self._seen.note("lost", self._loop.time() - self._started)
        self._is_waiting, self._held, self._size = False, b"", 0
        self._next = max(self._next, self._loop.time())
        if self._next < self._until[0]:
            self.connect()
        elif not self.done.done():
            self.done.set_result(None)


async def run_load(load: Load) -> dict[str, Any]:
    """Drive the load; tell statuses, and the median, 95 and 99 % of their latencies in milliseconds."""
    loop, seen = asyncio.get_running_loop(), _Seen()
    began = loop.time()
    until = [began + load.seconds]
    loop.add_reader(0, lambda: (until.__setitem__(0, 0.0), loop.remove_reader(0)))

    def paths() -> Iterator[str]:
        while True:
            yield from load.paths

    shared, clients = paths(), []
    for number in range(load.connections):
        start = began + load.pace * number / load.connections
        client = _Client(load, seen, shared, until, start)
        client.connect()
        clients.append(client)
    async with asyncio.timeout(load.seconds + 30):
        await asyncio.gather(*(client.done for client in clients))
    return seen.tell(loop.time() - began)


class _Step:
    """What becomes of the requests that begin in one step of a flood.

    `served` is how many were answered with 200 within its time; `trouble` and `slow` are the seconds after its start at
    which the last request began that got another answer, or waited for longer than `SLOW_SECONDS`.
    """

    def __init__(self, began: float, seconds: float) -> None:
        self._began, self._seconds = began, seconds
        self._seen, self._late = _Seen(), list[float]()
        self._served, self._trouble, self._slow = 0, 0.0, 0.0

    def note_start(self, due: float, now: float) -> None:
        """Note how late a request begins."""
        self._late.append(now - due)

    def note(self, status: str, due: float, now: float) -> None:
        """Note an answer."""
        self._seen.note(status, now - due)
        if status != "200":
            self._trouble = max(self._trouble, due - self._began)
        elif now - due > SLOW_SECONDS:
            self._slow = max(self._slow, due - self._began)

    def serve(self) -> None:
        """Count an answer with 200 that comes in the time of this step."""
        self._served += 1

    def tell(self) -> dict[str, Any]:
        """Return the figures."""
        own = {"served": self._served, "trouble": round(self._trouble, 2), "slow": round(self._slow, 2)}
        return {**self._seen.tell(self._seconds), **own, "late_ms": _quantiles(self._late)}


class _Flooding:
    """A flood that goes on."""

    def __init__(self, flood: Flood) -> None:
        self.flood, self.loop = flood, asyncio.get_running_loop()
        self.step = _Step(0, 0)  # that of now
        self.waiting = set[_Request]()

    async def run(self) -> dict[str, Any]:
        """Send everything; return the figures of each step."""
        heads = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in self.flood.paths]
        steps, number, began, tasks = list[_Step](), 0, self.loop.time(), set[asyncio.Task[None]]()
        for rate, seconds in self.flood.steps:
            self.step = _Step(began, seconds)
            steps.append(self.step)
            for at in range(int(rate * seconds)):
                due = began + at / rate
                if (wait := due - self.loop.time()) > 0:
                    await asyncio.sleep(wait)
                self.step.note_start(due, self.loop.time())
                request, number = _Request(self, heads[number % len(heads)], due), number + 1
                task = self.loop.create_task(request.send(f"127.0.0.{number % ADDRESSES + 2}"))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            began += seconds
        end = self.loop.time() + self.flood.patience
        while self.waiting and self.loop.time() < end:
            await asyncio.sleep(0.01)
        for lost in list(self.waiting):
            lost.finish("lost")
        return {"steps": [step.tell() for step in steps]}


class _Request(asyncio.Protocol):
    """One request of a flood, and the answer to it."""

    def __init__(self, flooding: _Flooding, head: bytes, due: float) -> None:
        self._flooding, self._head, self._due, self._held = flooding, head, due, b""
        self._step = flooding.step
        flooding.waiting.add(self)

    async def send(self, source: str) -> None:
        """Send the request from an address."""
        loop, port = self._flooding.loop, self._flooding.flood.port
        try:
            await loop.create_connection(lambda: self, "127.0.0.1", port, local_addr=(source, 0))
        except OSError:
            self.finish("lost")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the head."""
        self._transport: Any = transport
        self._transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        """Note the end of the response, and close."""
        held = self._held = self._held + data if self._held else data
        end = held.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        size = _CONTENT_LENGTH.search(held, 0, end)
        if size is not None and len(held) >= end + int(size[1]):
            self.finish(held[9:12].decode())
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """Count a request without an answer."""
        self.finish("lost")

    def finish(self, status: str) -> None:
        """Note the answer, once."""
        if self in self._flooding.waiting:
            self._flooding.waiting.discard(self)
            self._step.note(status, self._due, self._flooding.loop.time())
            if status == "200":
                self._flooding.step.serve()


async def run_flood(flood: Flood) -> dict[str, Any]:
    """Be the flood."""
    return await _Flooding(flood).run()


class Running:
    """Clients that run in a process of their own."""

    def __init__(self, clients: Slow | Load | Flood) -> None:
        text = json.dumps({"kind_of_clients": type(clients).__name__, **asdict(clients)})
        command = [sys.executable, "-m", "tests.torture.clients", text]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def result(self, *, stop: bool = False) -> dict[str, Any]:
        """Wait for the end, which may be told to come now, and return what they have seen."""
        with self._process as process:
            assert process.stdin is not None
            assert process.stdout is not None
            if stop:
                process.stdin.close()
            seen: dict[str, Any] = json.loads(process.stdout.read())
        return seen


def main() -> None:
    """Run the clients of the first argument."""
    given = json.loads(sys.argv[1])
    kind = given.pop("kind_of_clients")
    if kind == "Flood":
        run = run_flood(Flood(**given))
    else:
        run = run_slow(Slow(**given)) if kind == "Slow" else run_load(Load(**given))
    sys.stdout.write(json.dumps(uvloop.run(run)) + "\n")


if __name__ == "__main__":
    main()
