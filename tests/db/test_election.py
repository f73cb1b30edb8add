"""One of the processes on a store works; another one takes over when it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest

from app.db import Database, election, open_database
from app.db.election import Election, ProcessLock, number_lock


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow one another at once."""
    monkeypatch.setattr(election, "HELD_SECONDS", 0.01)
    monkeypatch.setattr(election, "RETRY_SECONDS", 0.01)


@asynccontextmanager
async def candidate(take_lock: Callable[[str], Awaitable[ProcessLock | None]]) -> AsyncIterator[list[int]]:
    """A candidate, with what it has begun."""
    begun: list[int] = []
    one = Election("test", take_lock, lambda: begun.append(1))
    await one.start()
    try:
        yield begun
    finally:
        await one.stop()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


def test_only_the_first_process_works(db: Database) -> None:
    other = open_database(db.engines()[1].url.render_as_string(hide_password=False))

    async def story() -> None:
        async with candidate(db.take_lock) as first, candidate(other.take_lock) as second:
            assert (first, second) == ([1], [])

    asyncio.run(story())


def test_the_next_begins_when_the_first_ends(db: Database) -> None:
    async def story() -> None:
        lock = await db.take_lock("test")
        assert lock
        async with candidate(db.take_lock) as next_one:
            assert next_one == []
            await lock.release()
            await until(lambda: next_one == [1])

    asyncio.run(story())


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lost_session_is_replaced(db: Database) -> None:
    url = db.engines()[1].url.set(drivername="postgresql").render_as_string(hide_password=False)
    number = number_lock("test")
    query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND (classid::bigint << 32) | objid::bigint = %s"

    async def story() -> None:
        async with candidate(db.take_lock) as first:
            with psycopg.connect(url, autocommit=True) as connection:

                def find_holder() -> object:
                    return connection.execute(query, (number,)).fetchone()

                before = find_holder()
                assert before
                connection.execute("SELECT pg_terminate_backend(%s)", before)
                await until(lambda: find_holder() not in (None, before))
            assert first == [1]

    asyncio.run(story())


def test_without_a_lock_each_process_works() -> None:
    async def refuse(_name: str) -> ProcessLock | None:
        raise PermissionError

    async def story() -> None:
        async with candidate(refuse) as begun:
            assert begun == [1]

    asyncio.run(story())
