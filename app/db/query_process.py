"""Query processes: for reads that work long in Python and in a thread would hold the interpreter lock."""

import asyncio
import contextlib
import gc
import os
import pickle
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final, TypeVar, cast

import sqlalchemy as sa

from app.core.logs import get_logger
from app.db.base import Database, Overloaded, QueueFull, ReplicaChoice

T = TypeVar("T")
RESTART_SECONDS: Final = 10.0  # between two attempts to start processes
START_SECONDS: Final = 120.0  # for a process to start
QUERY_SECONDS: Final = 30.0  # for it to answer
STOP_SECONDS: Final = 5.0  # for it to end
IDLE_SECONDS: Final = 300.0  # without a query, after which processes are stopped: each takes some 50 MB
MAX_WAITING_QUERIES: Final = 64  # for one process; more are refused
LENGTH_BYTES: Final = 8  # of the length that precedes each message
BUFFER_BYTES: Final = 1 << 20
log = get_logger("broadsheet.db")


class _ProcessEnded(Exception):
    """The process has ended."""


class _Process:
    """A process that answers one query after another."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        self._turn, self.waiting = asyncio.Lock(), 0

    @classmethod
    async def start(cls, open_store: Callable[[], Database]) -> "_Process":
        """Start a process and wait until it has opened its database."""
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_unix_connection(sock=ours, limit=BUFFER_BYTES)
        code = f"from {__name__} import serve_queries; serve_queries()"
        try:
            with theirs:  # in a session of its own, so that Ctrl-C in a terminal does not reach it
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", code, stdin=theirs.fileno(), start_new_session=True
                )
        except BaseException:
            streams[1].close()
            raise
        started = cls(process, *streams)
        try:
            await started.run(open_store, START_SECONDS)
        except BaseException:
            await started.stop()
            raise
        return started

    async def run(self, query: object, seconds: float = QUERY_SECONDS, replica: ReplicaChoice | None = None) -> object:
        """Send a callable; return its result or raise its exception. A cancelled caller gives up its turn."""
        message = pickle.dumps((replica, query))
        self.waiting += 1
        try:
            await self._turn.acquire()
        except BaseException:
            self.waiting -= 1
            raise
        exchange = asyncio.create_task(self._exchange(message, seconds))
        exchange.add_done_callback(self._finish_exchange)  # the answer is read even if the caller is cancelled
        try:
            message_out = await asyncio.shield(exchange)
        except (EOFError, ConnectionError) as lost:
            raise _ProcessEnded from lost
        error, answer = pickle.loads(message_out)  # noqa: S301  from a process that this one started
        if error is not None:
            raise error
        return answer

    async def _exchange(self, message: bytes, seconds: float) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                self._writer.write(len(message).to_bytes(LENGTH_BYTES) + message)
                return await self._reader.readexactly(int.from_bytes(await self._reader.readexactly(LENGTH_BYTES)))
        except TimeoutError:
            self.kill()
            raise Overloaded("a query process did not answer in time") from None

    def _finish_exchange(self, exchange: asyncio.Task[bytes]) -> None:
        self._turn.release()
        self.waiting -= 1
        if not exchange.cancelled():
            exchange.exception()  # marks it as retrieved: the caller, if it still waits, gets it

    def kill(self) -> None:
        """Kill the process, which hangs."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Let the process finish its query, but wait no longer than `STOP_SECONDS`."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                async with self._turn:
                    self._writer.close()
                await self._process.wait()
        except TimeoutError:
            self.kill()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        await self._process.wait()


class QueryProcesses:
    """Runs queries in processes with connections of their own, which start with the first query and end when idle.

    Until they have started, while one is replaced, and if there are none, a thread of this process runs the query.
    """

    def __init__(self, db: Database, open_store: Callable[[], Database], number: int) -> None:
        self._db, self._open_store, self._number = db, open_store, number
        self._processes: list[_Process] = []
        self._starting: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    async def scan(self, query: Callable[[sa.Connection], T]) -> T:
        """Run a query as `Database.scan` does. The query, its result and its exceptions must pickle."""
        if len(self._processes) < self._number and self._starting is None and time.monotonic() >= self._not_before:
            self._starting = asyncio.create_task(self._start_processes())
        if self._processes:
            self._wait_until_idle()
            process = min(self._processes, key=lambda process: process.waiting)
            if process.waiting >= MAX_WAITING_QUERIES:
                raise QueueFull("too many queries wait")
            try:
                return cast(T, await process.run(query, replica=self._db.choose_replica()))
            except _ProcessEnded:
                if process in self._processes:  # the first of its callers
                    self._processes.remove(process)
                    log.warning("a query process has ended; another will be started")
                    await process.stop()
        return await self._db.scan(query)

    async def _start_processes(self) -> None:
        self._not_before = time.monotonic() + RESTART_SECONDS
        try:
            while len(self._processes) < self._number:
                self._processes.append(await _Process.start(self._open_store))
        except (_ProcessEnded, OSError) as error:
            log.warning("a query process could not be started", error=repr(error))
            self._wait_until_idle()
        finally:
            self._starting = None

    def _wait_until_idle(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._stop_idle)

    def _stop_idle(self) -> None:
        """Stop the processes; the next query starts others."""
        if any(process.waiting for process in self._processes):
            self._wait_until_idle()
        else:
            self._stopping = asyncio.create_task(self._stop_processes())

    async def stop(self) -> None:
        """Finish running queries, then stop the processes."""
        for task in (self._starting, self._stopping):
            if task:
                await task
        if self._idle:
            self._idle.cancel()
        await self._stop_processes()

    async def _stop_processes(self) -> None:
        while self._processes:
            await self._processes.pop().stop()


def yield_cpu(work: Iterable[T]) -> Iterator[T]:
    """Iterate; in a query process, yield the CPU before each item to processes that the kernel lets wait for 3 ms."""
    for piece in work:
        for yield_once in _YIELDS:
            yield_once()
        yield piece


_YIELDS: list[Callable[[], object]] = []


def serve_queries() -> None:
    """Answer the queries that arrive on standard input, a socket, until it closes, at the latest with the parent."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the parent may still have requests to answer
    with socket.socket(fileno=0) as both, cast(BinaryIO, both.makefile("rwb", BUFFER_BYTES)) as stream:
        db = cast(tuple[None, Callable[[], Database]], _read_message(stream))[1]()
        gc.freeze()
        _YIELDS.append(os.sched_yield)
        db.on_progress = os.sched_yield
        _write_message(stream, pickle.dumps((None, None)))  # the database is open
        while message := _read_message(stream):
            replica, query = cast(tuple[ReplicaChoice | None, Callable[[sa.Connection], object]], message)
            _write_message(stream, _run_query(db, query, replica))
        for engine in db.engines():
            engine.dispose()


def _read_message(stream: BinaryIO) -> object:
    size = int.from_bytes(stream.read(LENGTH_BYTES))
    return pickle.loads(stream.read(size)) if size else None  # noqa: S301  from the process that started this one


def _write_message(stream: BinaryIO, message: bytes) -> None:
    stream.write(len(message).to_bytes(LENGTH_BYTES) + message)
    stream.flush()


def _run_query(db: Database, query: Callable[[sa.Connection], object], replica: ReplicaChoice | None) -> bytes:
    try:
        result = db.run_query(query) if replica is None else db.run_on_replica(replica, query)
        return pickle.dumps((None, result))
    except Exception as error:
        message = pickle.dumps((error, None))
        pickle.loads(message)  # noqa: S301  an error that does not unpickle ends this process
        return message
