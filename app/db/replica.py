"""A streaming standby of PostgreSQL to read from: used while it keeps up, and left alone while it does not.

Its delay is measured in time: a probe notes each second how far the primary's write-ahead log reaches and how much of
it the standby has replayed (PostgreSQL documentation, "Monitoring Streaming Replication").
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar, cast

import psycopg
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.base import is_unavailable

T = TypeVar("T")
MAX_DELAY_SECONDS = 5.0  # a standby that is further behind answers nothing
ANSWER_SECONDS = 3.0  # for a read: then the standby counts as hung, and the primary answers
SCAN_SECONDS = 25.0  # for a query that may be slow: more than the server's own limit of a statement
PROBE_SECONDS = 1.0  # between two probes
PROBE_TIMEOUT_SECONDS = 2.0
REST_SECONDS = 5.0  # during which a standby that failed is not asked again
MAX_SAMPLES = 120
_PRIMARY_LSN = sa.text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
_STANDBY = sa.text(
    "SELECT pg_is_in_recovery(), pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
    "ELSE pg_current_wal_lsn() END, '0/0')::bigint"
)
log = structlog.get_logger("broadsheet.db")


class ReplicaUnavailable(Exception):
    """The standby gave no answer: the primary is to be asked."""


class _Sample(NamedTuple):
    """How far the primary's write-ahead log reached."""

    at: float  # monotonic time
    lsn: int


class _RunningQuery:
    """A query in a thread, with its connection, so that the event loop can end it."""

    def __init__(self) -> None:
        self._lock, self._socket, self._is_ended = threading.Lock(), -1, False

    def hold(self, connection: sa.Connection) -> None:
        """Note the connection; end it at once if the query was given up meanwhile."""
        driver_connection = cast(psycopg.Connection, connection.connection.dbapi_connection)
        with self._lock:
            self._socket = driver_connection.pgconn.socket
        if self._is_ended:
            self.end()

    def release(self) -> None:
        """Forget the connection: it goes back to its pool."""
        with self._lock:
            self._socket = -1

    def end(self) -> None:
        """Cut the connection: the thread that waits for the answer of a hung server gets an error instead."""
        with self._lock:
            self._is_ended = True
            if self._socket >= 0:
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._socket)) as duplicate:
                    duplicate.shutdown(socket.SHUT_RDWR)


class Replica:
    """A standby, with connections and threads of its own: those of the primary never wait for it."""

    def __init__(self, engine: sa.Engine, primary: sa.Engine, threads: int, scan_threads: int) -> None:
        self.engine, self._primary = engine, primary
        self._threads = ThreadPoolExecutor(threads, "replica")
        self._scan_threads = ThreadPoolExecutor(
            scan_threads, "replica-scan"
        )  # slow queries must not occupy all threads
        self._probe_threads = ThreadPoolExecutor(2, "replica-probe")
        self._primary_probe: asyncio.Future[int] | None = None
        self._samples: deque[_Sample] = deque(maxlen=MAX_SAMPLES)
        self._not_before = 0.0  # monotonic time before which a standby that failed is not asked
        self._delay: float | None = 0.0  # seconds; None while it is unknown or of no use
        self._task: asyncio.Task[None] | None = None

    @property
    def is_usable(self) -> bool:
        """Whether reads may go to it now."""
        return self._delay is not None and self._delay <= MAX_DELAY_SECONDS and time.monotonic() >= self._not_before

    def start(self) -> None:
        """Begin to measure its delay. Until the first measurement it counts as one that keeps up."""
        self._task = asyncio.create_task(self._watch(), name="replica")

    async def stop(self) -> None:
        """End; what a hung standby was asked is given up."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for threads in (self._threads, self._scan_threads, self._probe_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.engine.dispose)

    def run_query(self, query: Callable[[sa.Connection], T], running: _RunningQuery | None = None) -> T:
        """Run a query in the calling thread; raise ReplicaUnavailable if the standby cannot answer."""
        running = running or _RunningQuery()
        try:
            with self.engine.connect() as connection:
                running.hold(connection)
                try:
                    return query(connection)
                finally:
                    running.release()
        except PoolTimeout as error:
            raise ReplicaUnavailable from error
        except DBAPIError as error:
            if not is_unavailable(error):
                raise
            if getattr(error.orig, "sqlstate", None) != "40001":  # a conflict with recovery ends one query alone
                self._leave_alone(error)
            raise ReplicaUnavailable from error

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Run a query in a thread; raise ReplicaUnavailable if the standby cannot answer, or does not in time."""
        return await self._run_in(self._threads, query, ANSWER_SECONDS)

    async def scan(self, query: Callable[[sa.Connection], T]) -> T:
        """Run a query that may be slow, as `read` does, with more time and in threads of its own."""
        return await self._run_in(self._scan_threads, query, SCAN_SECONDS)

    async def _run_in(self, threads: ThreadPoolExecutor, query: Callable[[sa.Connection], T], seconds: float) -> T:
        running = _RunningQuery()
        result = asyncio.get_running_loop().run_in_executor(threads, self.run_query, query, running)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(result)
        except TimeoutError:
            running.end()
            result.cancel()
            self._leave_alone("it does not answer")
            raise ReplicaUnavailable from None

    def _leave_alone(self, why: object) -> None:
        if self.is_usable:
            log.warning("a replica is left alone", why=str(why))
        self._not_before = time.monotonic() + REST_SECONDS

    async def _watch(self) -> None:
        while True:
            try:
                self._delay = await self._measure_delay()
            except Exception:
                log.exception("the delay of the replica cannot be measured")
                self._delay = None
            await asyncio.sleep(PROBE_SECONDS)

    async def _read_primary_lsn(self) -> int | None:
        """Return how far the primary's log reaches; None while it cannot be asked. One that hangs is asked once."""
        if self._primary_probe is None or self._primary_probe.done():
            loop = asyncio.get_running_loop()
            self._primary_probe = loop.run_in_executor(self._probe_threads, _read_lsn, self._primary)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                return await asyncio.shield(self._primary_probe)
        except (DBAPIError, PoolTimeout, TimeoutError):
            return None

    async def _measure_delay(self) -> float | None:
        """Return for how many seconds the standby lacks what the primary has; None if that cannot be told.

        While the primary cannot be asked, reads go on with what the standby has.
        """
        clock = time.monotonic()
        primary_lsn = await self._read_primary_lsn()
        if primary_lsn is not None:
            self._samples.append(_Sample(clock, primary_lsn))
        if clock < self._not_before:
            return self._delay
        try:
            is_standby, replayed = await self._run_in(self._probe_threads, _read_standby, PROBE_TIMEOUT_SECONDS)
        except (ReplicaUnavailable, DBAPIError):
            return None
        if primary_lsn is not None and not is_standby:
            log.warning("the replica is no standby: it is not read from")
            return None
        if replayed is None:
            return None
        missing = next((sample for sample in self._samples if sample.lsn > replayed), None)
        return 0.0 if missing is None or not is_standby else clock - missing.at


def _read_lsn(primary: sa.Engine) -> int:
    with primary.connect() as connection:
        return int(connection.execute(_PRIMARY_LSN).scalar_one())


def _read_standby(connection: sa.Connection) -> tuple[bool, int | None]:
    """Return whether the server is a standby, and how much it has replayed; None before it has replayed anything."""
    is_standby, lsn = connection.execute(_STANDBY).one()
    return bool(is_standby), lsn
