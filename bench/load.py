"""The HTTP client: a few keep-alive connections, cheap enough to share a machine with the server."""

import asyncio
import http.client
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import uvloop

from bench.cases import Request

MIN_REQUESTS = 20  # of a slice, however slow the machine is; fewer give no percentiles
MAX_WAIT_SECONDS = 30  # seconds to wait for the last responses


class Answer(NamedTuple):
    """A response; the body is still compressed."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Slice(NamedTuple):
    """The results of a slice of load; times in seconds."""

    requests: int
    seconds: float
    p50: float
    p95: float
    p99: float


class WrongAnswer(RuntimeError):
    """An unexpected response, which makes the results useless."""


def send_request(port: int, request: Request) -> Answer:
    """Send one request and return the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = dict(request.headers) | ({"Content-Type": "application/json"} if request.body else {})
    connection.putrequest(request.method, request.path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if request.body:
        connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders(request.body or None)
    response = connection.getresponse()
    answer = Answer(response.status, response.getheaders(), response.read())
    connection.close()
    return answer


class _Run:
    """The state that the connections of a slice share."""

    def __init__(
        self, wires: Iterator[bytes], status: int | None, seconds: float, connections: int, pace: float
    ) -> None:
        self.wires, self.pace = wires, pace
        self.expected = b"HTTP/1.1 %d " % status if status else b"HTTP/1.1 2"
        self.until = time.perf_counter() + seconds
        self.open = connections
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, head: bytes) -> None:
        if not self.done.done():
            self.done.set_exception(WrongAnswer(head[:200].decode("latin-1")))

    def closed(self) -> None:
        self.open -= 1
        if not self.open and not self.done.done():
            self.done.set_result(None)


class _Connection(asyncio.Protocol):
    """Sends a request, waits for the whole response, and repeats."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.held = b""
        self.size = 0  # of the whole response, known after its head
        self.waiting = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        if time.perf_counter() >= self.run.until and len(self.run.latencies) >= MIN_REQUESTS:
            self.transport.close()
            return
        self.waiting = True
        wire = next(self.run.wires)
        self.started = time.perf_counter()
        self.transport.write(wire)

    def data_received(self, data: bytes) -> None:
        self.held += data
        if not self.size and not self._read_head():
            return
        if len(self.held) < self.size:
            return
        self.run.latencies.append(time.perf_counter() - self.started)
        self.held, self.size, self.waiting = b"", 0, False
        rest = self.started + self.run.pace - time.perf_counter()
        if rest > 0:
            asyncio.get_running_loop().call_later(rest, self._ask)
        else:
            self._ask()

    def _read_head(self) -> bool:
        end = self.held.find(b"\r\n\r\n") + 4
        if end < 4:
            return False
        head = self.held[:end].lower()
        if not self.held.startswith(self.run.expected):
            self.run.fail(self.held)
            self.transport.close()
            return False
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 : head.index(b"\r\n", at + 2)]) if at >= 0 else 0
        self.size = end + length
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        if self.waiting:
            self.run.fail(b"the connection was lost")
        self.run.closed()


async def drive_in_loop(
    port: int, wires: Iterator[bytes], status: int | None, connections: int, seconds: float, pace: float = 0.0
) -> Slice:
    """Drive the load within a running event loop; each connection waits `pace` seconds between requests."""
    run = _Run(wires, status, seconds, connections, pace)
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
    async with asyncio.timeout(seconds + MAX_WAIT_SECONDS):
        await run.done
    found = sorted(run.latencies)
    cuts = statistics.quantiles(found, n=100)
    return Slice(len(found), time.perf_counter() - started, cuts[49], cuts[94], cuts[98])


def drive(port: int, wires: Iterator[bytes], *, status: int | None, connections: int, seconds: float) -> Slice:
    """Keep every connection busy for some seconds; raise WrongAnswer for a response with another status.

    Without a status, any that tells of success is right.
    """
    return uvloop.run(drive_in_loop(port, wires, status, connections, seconds))
