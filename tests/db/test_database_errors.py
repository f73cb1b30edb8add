"""Opening a store, reading beside writing, and the errors of SQLite as clients hear of them."""

import asyncio
import contextlib
from pathlib import Path

import pysqlite3.dbapi2 as driver
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session

from app.db import SqliteDatabase, is_full, is_unavailable, open_database, sqlite
from app.web import problem_responses

NOTES = sa.MetaData()
NOTE = sa.Table("note", NOTES, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String))


def add(session: Session, text: str) -> None:
    session.execute(sa.insert(NOTE).values(text=text))


def count(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(NOTE)).scalar_one())


@pytest.fixture
def store(tmp_path: Path) -> SqliteDatabase:
    db = SqliteDatabase(f"sqlite:///{tmp_path}/notes.db")
    NOTES.create_all(db.engines()[1])
    return db


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite.sqlite, "sqlite_version_info", (3, 51, 2))
    with pytest.raises(RuntimeError, match="can lose commits"):
        SqliteDatabase(f"sqlite:///{tmp_path}/notes.db")
    monkeypatch.setattr(sqlite.sqlite, "sqlite_version_info", (3, 51, 3))
    asyncio.run(SqliteDatabase(f"sqlite:///{tmp_path}/notes.db").stop())


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "oracle://x"])
def test_what_is_no_store_is_refused(url: str) -> None:
    with pytest.raises((RuntimeError, sa.exc.ArgumentError)):
        open_database(url)


def test_every_connection_is_safe(store: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PRAGMAS", sqlite.PRAGMAS[:-1])  # without what the tests add
    store.engines()[1].dispose()
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    own = ({"busy_timeout": 10_000, "cache_size": -2000}, {"busy_timeout": 20, "cache_size": -8000})
    for engine, more in zip(store.engines(), own, strict=True):  # writes try again by themselves
        with engine.connect() as connection:
            for name, value in {**wanted, **more}.items():
                assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == value, name
    asyncio.run(store.stop())


def test_reads_see_what_was_committed_and_nothing_else(store: SqliteDatabase) -> None:
    async def story() -> None:
        await store.start()
        for n in range(1, 4):
            await store.write(add, "x")
            assert await store.read(count) == n
            assert await store.scan(count) == n
        with store.transaction() as session:  # beside the writer, as commands do
            add(session, "y")
            session.flush()
            assert await store.read(count) == 3
        assert await store.read(count) == 4
        with contextlib.suppress(LookupError), store.transaction() as session:
            add(session, "z")
            raise LookupError
        assert await store.read(count) == 4
        await store.stop()

    asyncio.run(story())


def test_a_busy_store_is_a_503(store: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)

    async def story() -> None:
        await store.start()
        with store.transaction() as session:
            add(session, "held")
            with pytest.raises(DBAPIError) as caught:
                await store.write(add, "x")
        assert is_unavailable(caught.value)
        problem = problem_responses.problem_from_exception(caught.value)
        assert (problem.status, problem.code) == (503, "unavailable")
        assert "Retry-After" in (problem.headers or {})
        await store.write(add, "x")
        assert await store.read(count) == 2
        await store.stop()

    asyncio.run(story())


def test_each_write_waits_for_its_own_time_and_not_for_that_of_others(
    store: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start_write(seconds: float, text: str) -> asyncio.Task[None]:
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", seconds)
        task = asyncio.create_task(store.write(add, text))
        await asyncio.sleep(0)  # until it is in the queue
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 600.0)
        return task

    async def story() -> None:
        await store.start()
        with store.transaction() as session:
            add(session, "held")
            late = [await start_write(seconds, "late") for seconds in (0.05, 0.1, 0.1)]
            patient = await start_write(600.0, "patient")
            async with asyncio.timeout(60):
                for task in late:
                    with pytest.raises(DBAPIError):
                        await task
        await patient
        assert await store.read(count) == 2
        await store.stop()

    asyncio.run(story())


def test_a_full_disk_is_a_507(store: SqliteDatabase) -> None:
    async def story() -> None:
        await store.start()
        await store.write(lambda session: session.execute(sa.text("PRAGMA max_page_count = 20")) and None)
        with pytest.raises(DBAPIError) as caught:
            await store.write(add, "x" * 1_000_000)
        assert is_full(caught.value)
        assert problem_responses.problem_from_exception(caught.value).status == 507
        await store.write(add, "small")
        assert await store.read(count) == 1
        await store.stop()

    asyncio.run(story())


def test_a_file_that_was_moved_takes_no_writes_until_it_is_back(tmp_path: Path, store: SqliteDatabase) -> None:
    file, away = tmp_path / "notes.db", tmp_path / "away.db"

    async def story() -> None:
        await store.start()
        await store.write(add, "before")
        file.rename(away)
        for attempt in (store.write(add, "lost"), store.scan(count)):
            with pytest.raises(DBAPIError) as caught:
                await attempt
            assert problem_responses.problem_from_exception(caught.value).status == 503
        assert not file.exists()
        assert await store.read(count) == 1
        away.rename(file)
        await store.write(add, "after")
        assert await store.scan(count) == 2
        await store.stop()

    asyncio.run(story())


def test_an_exception_never_quotes_what_was_being_written(store: SqliteDatabase) -> None:
    with pytest.raises(DBAPIError) as caught, store.transaction() as session:
        session.execute(sa.text("INSERT INTO nowhere VALUES (:text)"), {"text": "canary@example.org"})
    assert "canary" not in str(caught.value)
    asyncio.run(store.stop())


def failure(name: str) -> DBAPIError:
    error = driver.OperationalError("…")
    error.sqlite_errorname = name
    return sa.exc.OperationalError("…", None, error)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("SQLITE_BUSY", 503),
        ("SQLITE_BUSY_SNAPSHOT", 503),
        ("SQLITE_LOCKED", 503),
        ("SQLITE_CANTOPEN", 503),
        ("SQLITE_READONLY_DBMOVED", 503),
        ("SQLITE_IOERR_READ", 503),
        ("SQLITE_FULL", 507),
        ("SQLITE_CORRUPT", 503),
        ("SQLITE_NOTADB", 503),
        ("SQLITE_ERROR", 500),
    ],
)
def test_each_failure_of_sqlite_has_its_status(name: str, status: int) -> None:
    assert problem_responses.problem_from_exception(failure(name)).status == status


def test_a_lost_race_is_a_conflict() -> None:
    assert problem_responses.problem_from_exception(IntegrityError("…", None, driver.IntegrityError())).status == 409
