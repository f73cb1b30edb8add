"""The worker: it lets consumers read the event log and runs timers, in the server or in a process of its own."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping

import sqlalchemy as sa
import structlog
from sqlmodel import Session

from app import wiring
from app.db import Database
from app.events.log import Consumer, adopt_foreign_log, advance_consumers, group_unread, is_foreign_log

LATE_SECONDS = 30.0  # seconds without a round after which a worker counts as late
RETRY_SECONDS = 5.0  # seconds to wait after a failure
FOREIGN_CHECK_SECONDS = 60.0  # seconds between checks whether the store was restored from another server's dump
POLL_SECONDS = 0.25  # seconds between rounds: what is due goes live well within a second
IsDue = Callable[[sa.Connection], bool]
Run = Callable[[Session], int]
log = structlog.get_logger("broadsheet.worker")


class Worker:
    """Runs every consumer and every timer in turn. One that fails is logged and waits; it never stops the others."""

    def __init__(self, db: Database, consumers: Mapping[str, Consumer], timers: Mapping[str, wiring.Timer]) -> None:
        self.db, self.timers, self._consumers = db, timers, consumers
        self.beat = 0.0  # monotonic time of the last full round, for /readyz
        self._task: asyncio.Task[None] | None = None
        self._due: dict[str, float] = {}  # monotonic times

    def start(self) -> None:
        """Start in the background."""
        self.beat = time.monotonic()
        self._task = asyncio.create_task(self.run(), name="worker")

    async def stop(self) -> None:
        """Stop after the transaction that is under way."""
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
        while True:
            busy = await self.run_once()
            self.beat = time.monotonic()
            await asyncio.sleep(0 if busy else POLL_SECONDS)

    async def run_once(self) -> bool:
        """Run one round; return whether more is due at once. Locks are taken only where there is something to do."""
        busy = await self._run_if_due("log", FOREIGN_CHECK_SECONDS, is_foreign_log, adopt_foreign_log)
        busy |= await self._advance_consumers()
        for name, timer in self.timers.items():
            busy |= await self._run_if_due(name, timer.every, timer.is_due, timer.run)
        return busy

    async def _advance_consumers(self) -> bool:
        """Give consumers the next events, all that have read equally far together; return whether any had some."""
        clock = time.monotonic()
        ready = [name for name in self._consumers if clock >= self._due.get(name, 0.0)]
        try:
            groups = await self.db.read(group_unread, ready)
        except Exception:
            log.exception("worker failed", piece="log")
            self._due |= dict.fromkeys(ready, clock + RETRY_SECONDS)
            return False
        return any([await self._advance_together(group) for group in groups])

    async def _advance_together(self, names: Collection[str]) -> bool:
        """Give some consumers the next events in one transaction, or, if one of them fails, each in its own."""
        try:
            return bool(await self.db.write(advance_consumers, {name: self._consumers[name] for name in names}))
        except Exception:
            if len(names) > 1:
                return any([await self._advance_together([name]) for name in sorted(names)])
            (name,) = names
            log.exception("worker failed", piece=name)
            self._due[name] = time.monotonic() + RETRY_SECONDS
            return False

    async def _run_if_due(self, name: str, every: float, is_due: IsDue, run: Run) -> bool:
        """Run a piece of work if it is due; return whether it did something. After a failure it waits."""
        clock = time.monotonic()
        if clock < self._due.get(name, 0.0):
            return False
        try:
            done = await self.db.write(run) if await self.db.read(is_due) else 0
        except Exception:
            log.exception("worker failed", piece=name)
            self._due[name] = clock + max(every, RETRY_SECONDS)
            return False
        self._due[name] = 0.0 if done else clock + every
        return bool(done)
