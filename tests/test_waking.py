"""The worker sleeps until a commit wakes it or time makes something due."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from sqlmodel import Session
from sqlmodel.sql.sqltypes import UTCDateTime

from app import worker as working
from app.db import Database, open_database, postgres, signal, sqlite
from app.events.catalog import ActivityAged
from app.events.log import Consumer, emit
from app.wiring import Timer
from app.worker import Worker

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ID = "0199aaaa-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow one another at once."""
    for module, name in (
        (working, "GATHER_SECONDS"),
        (signal, "CLOCK_SECONDS"),
        (sqlite, "LOOK_SECONDS"),
        (postgres, "LOOK_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.001)


class Sleeper(Worker):
    """A worker that tells when it has looked at the clock and found nothing due."""

    looks = 0

    def _until_due(self) -> float:
        self.looks += 1
        return super()._until_due()

    async def fall_asleep(self, looks: int = 3) -> None:
        """Wait until it sleeps."""
        until = self.looks + looks
        while self.looks < until:
            await asyncio.sleep(0)


def run(
    db: Database,
    story: Callable[[Database, Sleeper, asyncio.Event], Awaitable[None]],
    due: datetime | None = None,
) -> None:
    """Run a story beside a worker with a consumer of one type of event and a timer, which set an event."""

    async def tell() -> None:
        own = open_database(db.engines()[1].url.render_as_string(hide_password=False))
        await own.start()
        done, loop = asyncio.Event(), asyncio.get_running_loop()

        def note(*_: Any) -> int:
            loop.call_soon_threadsafe(done.set)
            return 0

        timer = Timer(note, sa.select(sa.literal(due, UTCDateTime())))
        worker = Sleeper(own, {"a": Consumer({ActivityAged.name}, note)}, {"timer": timer})
        task = asyncio.create_task(worker.run())
        try:
            async with asyncio.timeout(30):
                await worker.fall_asleep()
                assert not done.is_set()
                await story(own, worker, done)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await own.stop()

    asyncio.run(tell())


def announce(session: Session) -> None:
    emit(session, ActivityAged(subject_id=ID))


def test_a_write_of_the_process_wakes_the_worker(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sqlite, postgres):
        monkeypatch.setattr(module, "LOOK_SECONDS", 3600.0)

    async def story(own: Database, _worker: Sleeper, done: asyncio.Event) -> None:
        await own.write(announce)
        await done.wait()

    run(db, story)


def test_a_write_of_another_process_wakes_the_worker(db: Database) -> None:
    async def story(_own: Database, _worker: Sleeper, done: asyncio.Event) -> None:
        with db.transaction() as session:
            announce(session)
        await done.wait()

    run(db, story)


def test_the_clock_wakes_the_worker(db: Database) -> None:
    with time_machine.travel(NOON, tick=False) as clock:

        async def story(_own: Database, _worker: Sleeper, done: asyncio.Event) -> None:
            clock.shift(timedelta(hours=1))
            await done.wait()

        run(db, story, NOON + timedelta(hours=1))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_sleeping_worker_asks_the_store_nothing(db: Database) -> None:
    async def story(own: Database, worker: Sleeper, done: asyncio.Event) -> None:
        asked: list[str] = []
        for engine in own.engines():
            sa.event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
        await worker.fall_asleep(50)
        assert (asked, done.is_set()) == ([], False)

    run(db, story)
