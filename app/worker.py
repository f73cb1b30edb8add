"""The worker: it lets consumers read the event log and runs timers, in the server or in a process of its own.

It sleeps until a commit wakes it or a timer is due.
"""

import asyncio
import math
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from app import wiring
from app.core.clock import now
from app.core.logs import get_logger
from app.db import Database
from app.db.outages import Outage
from app.db.prepared import Prepared
from app.db.signal import wait_for_work
from app.events.log import (
    BATCH_SIZE,
    MAX_BATCH_SECONDS,
    Consumer,
    adopt_foreign_log,
    advance_consumers,
    group_unread,
    is_foreign_log,
)

LATE_SECONDS = 30.0  # seconds without a round after which a worker counts as late
RETRY_SECONDS = 5.0  # seconds to wait after a failure
FOREIGN_CHECK_SECONDS = 60.0  # seconds between checks whether the store was restored from another server's dump
GATHER_SECONDS = 0.4  # between rounds, so that events gather: a batch costs little more than a single event
PAUSE_SHARE = 0.5  # of a database's pause, between two transactions of a burst: this process has its own queue
MAX_REST_SECONDS = 0.1  # of the rest after a round, which lasts as long as the round did: others need the CPU, too
Run = Callable[[Session], int]
log = get_logger("broadsheet.worker")


class Worker:
    """Runs every consumer and every timer in turn. One that fails is logged and waits; it never stops the others."""

    def __init__(self, db: Database, consumers: Mapping[str, Consumer], timers: Mapping[str, wiring.Timer]) -> None:
        self.db, self._consumers = db, consumers
        self._timers = {"log": wiring.Timer(adopt_foreign_log, every=FOREIGN_CHECK_SECONDS, is_due=is_foreign_log)}
        self._timers |= timers
        dues = [timer.due.scalar_subquery().label(name) for name, timer in timers.items() if timer.due is not None]
        self._dues: Prepared[dict[str, datetime | None]] = Prepared(sa.select(sa.null().label("never"), *dues))
        self.beat = 0.0  # monotonic time of the last round or check of the timers, for /readyz
        self._task: asyncio.Task[None] | None = None
        self._not_before: dict[str, float] = {}  # monotonic time before which a consumer or timer is not run
        self._next: datetime | None = None  # when the next timer is due
        self._resume = math.inf  # monotonic time at which the next waiting consumer or timer may run
        self._outage = Outage("worker")
        self._has_backlog = False  # whether the last round may have left work undone

    def start(self) -> None:
        """Start in the background."""
        self.beat = time.monotonic()
        self._task = asyncio.create_task(self.run(), name="worker")

    async def stop(self) -> None:
        """Stop after the current transaction."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def consumers(self) -> Collection[str]:
        """The names of the consumers of the event log."""
        return self._consumers.keys()

    def is_late(self, clock: float) -> bool:
        """Whether a worker that was started has not finished a round for `LATE_SECONDS`; `clock` is monotonic."""
        return self._task is not None and clock - self.beat > LATE_SECONDS

    async def run(self) -> None:
        """Run rounds until cancelled."""
        with self.db.commits.subscribe() as committed:
            while True:
                committed.clear()
                started, busy = time.monotonic(), await self.run_once()
                self.beat = time.monotonic()
                if self._has_backlog:
                    await asyncio.sleep(min(self.beat - started, MAX_REST_SECONDS))
                    continue
                await asyncio.sleep(GATHER_SECONDS)
                if not busy:
                    await wait_for_work(committed, self._until_due)

    def _until_due(self) -> float:
        """Return the seconds until a timer is due or a waiting consumer may run."""
        self.beat = time.monotonic()
        by_clock = (self._next - now()).total_seconds() if self._next is not None else math.inf
        return min(self._resume - self.beat, by_clock)

    async def run_once(self) -> bool:
        """Run one round; return whether anything was done. Locks are taken only where there is something to do."""
        started, number = time.monotonic(), await self._advance_consumers()
        self._has_backlog = number >= BATCH_SIZE or (number > 0 and time.monotonic() - started > MAX_BATCH_SECONDS)
        has_run = any([await self._run(name, self._timers[name]) for name in await self._list_due()])
        self._has_backlog |= has_run
        self._resume = min((moment for moment in self._not_before.values() if moment > started), default=math.inf)
        return has_run or number > 0

    def _is_ready(self, name: str) -> bool:
        return time.monotonic() >= self._not_before.get(name, 0.0)

    def _note_failure(self, name: str, error: Exception) -> None:
        if not self._outage.note(error):
            log.exception("worker failed", piece=name)
        every = self._timers[name].every if name in self._timers else 0.0
        self._not_before[name] = time.monotonic() + max(RETRY_SECONDS, every)

    async def _advance_consumers(self) -> int:
        """Let consumers handle the next events, those at one position together; return the largest number of events."""
        try:
            groups = await self.db.read(group_unread, list(filter(self._is_ready, self._consumers)))
        except Exception as error:
            for name in self._consumers:
                self._note_failure(name, error)
            return 0
        self._outage.end()
        return max([await self._advance_together(group) for group in groups], default=0)

    async def _advance_together(self, names: Collection[str]) -> int:
        """Advance consumers in one transaction; if one of them fails, advance each in its own."""
        try:
            return await self.db.write_aside(advance_consumers, {name: self._consumers[name] for name in names})
        except Exception as error:
            if len(names) > 1:
                return max([await self._advance_together([name]) for name in sorted(names)])
            self._note_failure(next(iter(names)), error)
            return 0

    async def _list_due(self) -> list[str]:
        """List the timers that are due, and note when the next of the others will be."""
        ready, moment = list(filter(self._is_ready, self._timers)), now()
        try:
            dues = await self.db.read(self._dues.row, {}) or {}
        except Exception as error:
            for name in ready:
                self._note_failure(name, error)
            return []
        self._next = min((due for name in ready if (due := dues.get(name)) and due > moment), default=None)
        return [name for name in ready if name not in dues or ((due := dues[name]) and due <= moment)]

    async def _run(self, name: str, timer: wiring.Timer) -> bool:
        """Run a timer if it is due; return whether it did anything. After a failure it waits."""
        try:
            is_due = timer.is_due is None or await self.db.read(timer.is_due)
            done = await self.db.write_aside(timer.run) if is_due else 0
            until = time.monotonic() + timer.burst
            while done and time.monotonic() < until:
                await asyncio.sleep(self.db.batch_pause * PAUSE_SHARE)
                await self._advance_consumers()
                done = await self.db.write_aside(timer.run)
        except Exception as error:
            self._note_failure(name, error)
            return False
        self._not_before[name] = 0.0 if done else time.monotonic() + timer.every
        return bool(done)
