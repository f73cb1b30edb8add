"""Streaming standbys of PostgreSQL to read from: each is used while it keeps up, and left alone while it does not.

Their delay is measured in time: probes note each second how far the primary's write-ahead log reaches and how much of
it each standby has replayed (PostgreSQL documentation, "Monitoring Streaming Replication").
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.logs import get_logger
from app.db.base import ReplicaChoice, ReplicaUse, is_unavailable
from app.db.running import RunningQuery, run_within

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
log = get_logger("broadsheet.db")


class ReplicaUnavailable(Exception):
    """The standby gave no answer: the primary is to be asked."""


class _Sample(NamedTuple):
    """How far the primary's write-ahead log reached, or how much of it a standby had replayed."""

    at: float  # monotonic time
    lsn: int


class PrimaryLog:
    """How far the primary's write-ahead log reached at which time."""

    def __init__(self, primary: sa.Engine) -> None:
        self._primary = primary
        self._samples: deque[_Sample] = deque(maxlen=MAX_SAMPLES)
        self._threads = ThreadPoolExecutor(1, "primary-probe")
        self._probe: asyncio.Future[int] | None = None
        self.is_known = False  # whether the last probe was answered

    def stop(self) -> None:
        """End."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def sample(self) -> None:
        """Note how far the log reaches, unless the primary cannot be asked. One that hangs is asked once."""
        clock = time.monotonic()
        if self._probe is None or self._probe.done():
            self._probe = asyncio.get_running_loop().run_in_executor(self._threads, _read_lsn, self._primary)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                lsn = await asyncio.shield(self._probe)
        except (DBAPIError, PoolTimeout, TimeoutError):
            self.is_known = False
            return
        self.is_known = True
        while self._samples and self._samples[-1].lsn > lsn:  # a standby took its place without the end of its log
            self._samples.pop()
        self._samples.append(_Sample(clock, lsn))

    def measure_delay(self, replayed: int) -> float:
        """Return for how many seconds a standby has lacked what the primary has.

        The clock stands while the primary cannot be asked: reads go on with what the standby has.
        """
        missing = next((sample for sample in self._samples if sample.lsn > replayed), None)
        return 0.0 if missing is None else self._samples[-1].at - missing.at

    def holds(self, replayed: _Sample) -> bool:
        """Whether the log, as far as is known, holds what a standby had replayed at some time."""
        return not self.is_known or self._samples[-1].at < replayed.at or self._samples[-1].lsn >= replayed.lsn


class Replica:
    """A standby, with connections and threads of its own: those of the primary never wait for it."""

    def __init__(self, engine: sa.Engine, primary_log: PrimaryLog, threads: int, scan_threads: int) -> None:
        self.engine, self._primary_log = engine, primary_log
        self._name = ",".join(filter(None, (engine.url.host, str(engine.url.query.get("host", "")))))
        self._threads = ThreadPoolExecutor(threads, "replica")
        self._scan_threads = ThreadPoolExecutor(
            scan_threads, "replica-scan"
        )  # slow queries must not occupy all threads
        self._probe_threads = ThreadPoolExecutor(1, "replica-probe")
        self._not_before = 0.0  # monotonic time before which a standby that failed is not asked
        self._replayed = _Sample(0.0, 0)  # when it was last asked
        self._delay: float | None = 0.0  # seconds; None while it is unknown or of no use
        self._problem = ""

    @property
    def is_usable(self) -> bool:
        """Whether reads may go to it now. Until the first probe it counts as one that keeps up."""
        return self._delay is not None and self._delay <= MAX_DELAY_SECONDS

    def stop(self) -> None:
        """End; what a hung standby was asked is given up."""
        for threads in (self._threads, self._scan_threads, self._probe_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        self.engine.dispose()

    def run_query(self, query: Callable[[sa.Connection], T], lsn: int = 0, running: RunningQuery | None = None) -> T:
        """Run a query in the calling thread; raise ReplicaUnavailable if the standby cannot answer.

        It cannot either before it has replayed the primary's log up to `lsn`.
        """
        running = running or RunningQuery()
        try:
            with self.engine.connect() as connection, running.holding(connection):
                if lsn and not _has_replayed(connection, lsn):
                    raise ReplicaUnavailable
                return query(connection)
        except PoolTimeout as error:
            raise ReplicaUnavailable from error
        except DBAPIError as error:
            if not is_unavailable(error):
                raise
            if getattr(error.orig, "sqlstate", None) != "40001":  # a conflict with recovery ends one query alone
                self._leave_alone(str(error))
            raise ReplicaUnavailable from error

    def run_query_within(self, query: Callable[[sa.Connection], T], lsn: int) -> T:
        """Run a query that may be slow in the calling thread, and give it up like `scan` does."""
        running = RunningQuery()
        timer = threading.Timer(SCAN_SECONDS, running.end)
        timer.start()
        try:
            return self.run_query(query, lsn, running)
        finally:
            timer.cancel()

    async def read(self, query: Callable[[sa.Connection], T], lsn: int = 0) -> T:
        """Run a query in a thread; raise ReplicaUnavailable if the standby cannot answer, or does not in time."""
        return await self._run_in(self._threads, query, lsn, ANSWER_SECONDS)

    async def scan(self, query: Callable[[sa.Connection], T], lsn: int = 0) -> T:
        """Run a query that may be slow, as `read` does, with more time and in threads of its own."""
        return await self._run_in(self._scan_threads, query, lsn, SCAN_SECONDS)

    async def _run_in(
        self, threads: ThreadPoolExecutor, query: Callable[[sa.Connection], T], lsn: int, seconds: float
    ) -> T:
        try:
            return await run_within(threads, seconds, partial(self.run_query, query, lsn))
        except TimeoutError:
            self._leave_alone("it does not answer")
            raise ReplicaUnavailable from None

    def _leave_alone(self, problem: str) -> None:
        """Read nothing from it until a probe finds it well again."""
        self._not_before = time.monotonic() + REST_SECONDS
        self._delay = None
        self._note(problem)

    def _note(self, problem: str) -> None:
        """Log once when a problem begins and when it has ended."""
        if problem and not self._problem:
            log.warning("a replica is left alone", replica=self._name, why=problem)
        elif self._problem and not problem:
            log.info("a replica is read from again", replica=self._name)
        self._problem = problem

    async def probe(self) -> None:
        """Measure the delay, unless the standby is left alone for a while."""
        if time.monotonic() < self._not_before:
            return
        try:
            is_standby, replayed = await self._run_in(self._probe_threads, _read_standby, 0, PROBE_TIMEOUT_SECONDS)
        except ReplicaUnavailable:
            self._delay = None
            return
        except DBAPIError as error:
            self._leave_alone(str(error))
            return
        delay, problem = None, ""
        if self._primary_log.is_known and not is_standby:
            problem = "it is no standby"
        elif replayed is None or not self._primary_log.holds(self._replayed):
            problem = "it does not follow this primary"
        else:
            delay = self._primary_log.measure_delay(replayed) if is_standby else 0.0
            problem = "it is behind" if delay > MAX_DELAY_SECONDS else ""
        self._replayed, self._delay = _Sample(time.monotonic(), replayed or 0), delay
        self._note(problem)


class Replicas:
    """All standbys: requests take turns among those that are usable, and each stays with one."""

    def __init__(self, engines: Sequence[sa.Engine], primary: sa.Engine, threads: int, scan_threads: int) -> None:
        self._primary_log = PrimaryLog(primary)
        self.members = [Replica(engine, self._primary_log, threads, scan_threads) for engine in engines]
        self._turn = 0
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to measure delays."""
        probes = [self._primary_log.sample, *(replica.probe for replica in self.members)]
        self._tasks = [asyncio.create_task(self._repeat(probe), name="replicas") for probe in probes]

    async def stop(self) -> None:
        """End after the probes that are under way."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        self._primary_log.stop()
        for replica in self.members:
            await asyncio.to_thread(replica.stop)

    async def _repeat(self, probe: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            try:
                await probe()
            except Exception:
                log.exception("a probe of the replicas failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._stopping.wait()

    def choose(self, use: ReplicaUse) -> ReplicaChoice | None:
        """Choose the standby of a request; None where the primary is to answer."""
        if use.number is None:
            size = len(self.members)
            order = [(self._turn + place) % size for place in range(size)]
            use.number = next((number for number in order if self.members[number].is_usable), None)
            if use.number is None:
                return None
            self._turn = (use.number + 1) % size
        elif not self.members[use.number].is_usable:
            return None
        return ReplicaChoice(use.number, use.lsn)


def _read_lsn(primary: sa.Engine) -> int:
    with primary.connect() as connection:
        return int(connection.execute(_PRIMARY_LSN).scalar_one())


def _read_standby(connection: sa.Connection) -> tuple[bool, int | None]:
    """Return whether the server is a standby, and how much it has replayed; None before it has replayed anything."""
    is_standby, lsn = connection.execute(_STANDBY).one()
    return bool(is_standby), lsn


def _has_replayed(connection: sa.Connection, lsn: int) -> bool:
    is_standby, replayed = _read_standby(connection)
    return is_standby and replayed is not None and replayed >= lsn
