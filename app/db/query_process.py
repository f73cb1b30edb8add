"""Processes beside this one, for reads that work long in Python: threads would keep the interpreter from others."""

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
from typing import Any, BinaryIO, TypeVar, cast

import sqlalchemy as sa
import structlog

from app.db.base import Database, Overloaded

T = TypeVar("T")
RESTART_SECONDS = 10.0  # seconds between two beginnings, so that what always fails is not tried all the time
START_SECONDS, QUERY_SECONDS, STOP_SECONDS = (
    120.0,
    30.0,
    5.0,
)  # seconds that a process has to begin, to answer, and to end
LENGTH_BYTES = 8  # bytes before each message, which say how long it is
BUFFER_BYTES = 1 << 20
log = structlog.get_logger("broadsheet.db")


class _ProcessEnded(Exception):
    """The process has ended."""


class _Process:
    """A process that answers one query after the other."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        self._turn, self.waiting = asyncio.Lock(), 0

    @classmethod
    async def start(cls, opening: Callable[[], Database]) -> "_Process":
        """Start one, and wait until it has opened its store."""
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_unix_connection(sock=ours, limit=BUFFER_BYTES)
        code = f"from {__name__} import serve_queries; serve_queries()"
        try:
            with theirs:  # in a session of its own: Ctrl-C in a terminal is for the process that serves
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", code, stdin=theirs.fileno(), start_new_session=True
                )
        except BaseException:
            streams[1].close()
            raise
        started = cls(process, *streams)
        try:
            await started.run(opening, START_SECONDS)
        except BaseException:
            await started.stop()
            raise
        return started

    async def run(self, query: Any, seconds: float = QUERY_SECONDS) -> Any:
        """What it answers, or the exception that it raises. Who goes away leaves the turn to the next."""
        message = pickle.dumps(query)
        self.waiting += 1
        try:
            await self._turn.acquire()
        except BaseException:
            self.waiting -= 1
            raise
        exchange = asyncio.create_task(self._exchange(message, seconds))
        exchange.add_done_callback(self._finish_exchange)  # what was begun is heard to its end, also if the caller goes
        try:
            message_out = await asyncio.shield(exchange)
        except (EOFError, ConnectionError) as lost:
            raise _ProcessEnded from lost
        error, answer = pickle.loads(message_out)  # noqa: S301  from a process of our own
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
            raise Overloaded("a process for searches did not answer in time") from None

    def _finish_exchange(self, exchange: asyncio.Task[bytes]) -> None:
        self._turn.release()
        self.waiting -= 1
        if not exchange.cancelled():
            exchange.exception()  # is told to the caller, if there still is one

    def kill(self) -> None:
        """End it at once: it hangs."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Let it finish what it does, and wait for that, but not for ever."""
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
    """Runs queries in processes that have connections of their own. They begin when the first query comes.

    Until then, while they are replaced and where there are to be none, a thread of this process runs the query.
    """

    def __init__(self, db: Database, opening: Callable[[], Database], most: int) -> None:
        self._db, self._opening, self._most = db, opening, most
        self._processes: list[_Process] = []
        self._starting: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def scan(self, query: Callable[[sa.Connection], T]) -> T:
        """As `Database.scan`; the query, what it answers and what it raises must pickle."""
        if len(self._processes) < self._most and self._starting is None and time.monotonic() >= self._not_before:
            self._starting = asyncio.create_task(self._start_processes())
        if self._processes:
            process = min(self._processes, key=lambda process: process.waiting)
            try:
                return cast(T, await process.run(query))
            except _ProcessEnded:
                if process in self._processes:  # the first who notices
                    self._processes.remove(process)
                    log.warning("a process for searches has ended; another will be begun")
                    await process.stop()
        return await self._db.scan(query)

    async def _start_processes(self) -> None:
        self._not_before = time.monotonic() + RESTART_SECONDS
        try:
            while len(self._processes) < self._most:
                self._processes.append(await _Process.start(self._opening))
        except (_ProcessEnded, OSError) as error:
            log.warning("a process for searches could not begin", error=repr(error))
        finally:
            self._starting = None

    async def stop(self) -> None:
        """Finish what runs, then end the processes."""
        if starting := self._starting:
            await starting
        while self._processes:
            await self._processes.pop().stop()


def yield_cpu(work: Iterable[T]) -> Iterator[T]:
    """Iterate, yielding the CPU before each item.

    A kernel lets them wait for 3 ms. In threads of the process that serves nothing is done: there they wait for the
    interpreter.
    """
    for piece in work:
        for yield_once in _YIELDS:
            yield_once()
        yield piece


_YIELDS: list[Callable[[], object]] = []


def serve_queries() -> None:
    """Answer what comes on standard input, a socket, until it ends: with the parent, however that ends."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the parent may still have requests to answer
    with socket.socket(fileno=0) as both, cast(BinaryIO, both.makefile("rwb", BUFFER_BYTES)) as stream:
        db: Database = _read_message(stream)()
        gc.freeze()
        _YIELDS.append(os.sched_yield)
        db.on_progress = os.sched_yield
        _write_message(stream, pickle.dumps((None, None)))  # the store is open
        while query := _read_message(stream):
            _write_message(stream, _run_query(db, query))
        for engine in db.engines():
            engine.dispose()


def _read_message(stream: BinaryIO) -> Any:
    size = int.from_bytes(stream.read(LENGTH_BYTES))
    return pickle.loads(stream.read(size)) if size else None  # noqa: S301  from the process that began this one


def _write_message(stream: BinaryIO, message: bytes) -> None:
    stream.write(len(message).to_bytes(LENGTH_BYTES) + message)
    stream.flush()


def _run_query(db: Database, query: Callable[[sa.Connection], object]) -> bytes:
    try:
        return pickle.dumps((None, db.run_query(query)))
    except Exception as error:
        message = pickle.dumps((error, None))
        pickle.loads(message)  # noqa: S301  what could not be told ends this process, and a thread meets it again
        return message
