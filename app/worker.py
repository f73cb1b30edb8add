"""The loop that drains the log and does what is due, in `serve` or as a process of its own."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial

import sqlalchemy as sa
import structlog
from sqlmodel import Session

from app import wiring
from app.db import Database
from app.events.catalog import LoggedEvent
from app.events.log import adopt_foreign_log, advance_reader, has_news, is_foreign

LATE_SECONDS = 30.0  # seconds without a round after which a worker counts as late
RETRY_SECONDS = 5.0  # seconds to wait after a failure
FOREIGN_CHECK_SECONDS = 60.0  # seconds between looks whether the store was restored from another server's
POLL_SECONDS = 0.25  # seconds between looks: what is due goes live well within a second
IsDue = Callable[[sa.Connection], bool]
Run = Callable[[Session], int]
Handle = Callable[[Session, LoggedEvent], None]
log = structlog.get_logger("broadsheet.worker")


class Worker:
    """Runs every reader and every timer in turn; a failing one is logged, waits and never stops the others."""

    def __init__(self, db: Database, readers: Mapping[str, Handle], timers: Mapping[str, wiring.Timer]) -> None:
        self.db, self.timers, self.readers = db, timers, readers
        self.beat = 0.0  # monotonic time of the last full round, for /readyz
        self._task: asyncio.Task[None] | None = None
        self._due: dict[str, float] = {}

    def start(self) -> None:
        """Begin in the background."""
        self.beat = time.monotonic()
        self._task = asyncio.create_task(self.run(), name="worker")

    async def stop(self) -> None:
        """End after the piece of work that is under way."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def consumers(self) -> Collection[str]:
        """The names of those that read the event log."""
        return self.readers.keys()

    def is_late(self, clock: float) -> bool:
        """Whether a worker that was started has not come round for half a minute."""
        return self._task is not None and clock - self.beat > LATE_SECONDS

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            busy = await self.run_once()
            self.beat = time.monotonic()
            await asyncio.sleep(0 if busy else POLL_SECONDS)

    async def run_once(self) -> bool:
        """One round; whether there is more to do at once. Nothing takes a lock before there is something to do."""
        busy = await self._piece("log", FOREIGN_CHECK_SECONDS, is_foreign, adopt_foreign_log)
        for reader, handle in self.readers.items():
            run = partial(advance_reader, reader=reader, handle=handle, limit=wiring.FEW.get(reader, 100))
            busy |= await self._piece(reader, 0.0, partial(has_news, reader=reader), run)
        for name, timer in self.timers.items():
            busy |= await self._piece(name, timer.every, timer.is_due, timer.run)
        return busy

    async def _piece(self, name: str, every: float, is_due: IsDue, run: Run) -> bool:
        """Look, and run if due. A failure is logged and tried again after a while."""
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
