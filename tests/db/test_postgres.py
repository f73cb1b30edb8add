"""The PostgreSQL store: retries, lost connections, timeouts, and how clients hear of them."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session

from app.db import is_unavailable, open_database, postgres
from app.db.listening import VANISHED
from app.db.postgres import PostgresDatabase
from app.db.prepared import Prepared
from app.web import problem_responses

NOTE = sa.table("pg_note", sa.column("text"))
KILL = sa.text("SELECT pg_terminate_backend(pg_backend_pid())")
PREPARED_KILL = Prepared(sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid())))


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresDatabase]:
    db = open_database(postgres_url)
    assert isinstance(db, PostgresDatabase)
    with db.transaction() as session:
        session.execute(sa.text("CREATE TABLE pg_note (id serial PRIMARY KEY, text varchar UNIQUE)"))
    yield db
    with db.transaction() as session:
        session.execute(sa.text("DROP TABLE pg_note"))
    asyncio.run(db.stop())


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


def add(session: Session, text: str) -> str:
    session.execute(sa.insert(NOTE).values(text=text))
    return text


def texts(connection: sa.Connection) -> list[str]:
    return sorted(connection.execute(sa.select(NOTE.c.text)).scalars())


def fail_with(session: Session, state: str) -> None:
    session.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"))


def test_each_piece_stands_or_falls_alone(store: PostgresDatabase) -> None:
    def half(session: Session) -> None:
        add(session, "half")
        raise LookupError

    async def story() -> None:
        names = [f"n{n:02}" for n in range(20)]
        pieces = [store.write(add, name) for name in names]
        found = await asyncio.gather(*pieces, store.write(half), return_exceptions=True)
        assert found[:20] == names
        assert isinstance(found[20], LookupError)
        with pytest.raises(IntegrityError):
            await store.write(add, "n00")
        assert await store.read(texts) == await store.scan(texts) == names

    run(story)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_what_postgresql_asks_to_try_again_is_tried_again(store: PostgresDatabase, state: str) -> None:
    tries: list[int] = []

    def action(session: Session) -> str:
        tries.append(1)
        add(session, f"try {len(tries)}")
        if len(tries) < 3:
            fail_with(session, state)
        return "done"

    async def story() -> None:
        assert await store.write(action) == "done"
        assert await store.read(texts) == ["try 3"]
        with pytest.raises(DBAPIError) as caught:
            await store.write(fail_with, state)
        assert problem_responses.problem_from_exception(caught.value).status == 503

    run(story)


def test_trying_again_has_an_end(store: PostgresDatabase) -> None:
    tries: list[int] = []

    def action(session: Session) -> None:
        tries.append(1)
        fail_with(session, "40001")

    async def story() -> None:
        with pytest.raises(DBAPIError):
            await store.write(action)
        assert len(tries) == 6

    run(story)


def test_a_real_deadlock_ends_well(store: PostgresDatabase) -> None:
    both_hold_one = threading.Barrier(2)
    tries: list[str] = []

    def cross(session: Session, first: str, second: str) -> None:
        tries.append(first)
        session.execute(sa.text("SET LOCAL deadlock_timeout = '10ms'"))
        lock = sa.text("SELECT 1 FROM pg_note WHERE text = :text FOR UPDATE")
        session.execute(lock, {"text": first})
        if tries.count(first) == 1:
            both_hold_one.wait(5)
        session.execute(lock, {"text": second})

    async def story() -> None:
        for text in "ab":
            await store.write(add, text)
        await asyncio.gather(store.write(cross, "a", "b"), store.write(cross, "b", "a"))
        assert len(tries) >= 3

    run(story)


@pytest.mark.parametrize(
    "kill", [lambda connection: connection.execute(KILL), lambda connection: PREPARED_KILL.first(connection, {})]
)
def test_a_read_outlives_its_connection_once(store: PostgresDatabase, kill: Callable[[sa.Connection], object]) -> None:
    tries: list[int] = []

    def query(connection: sa.Connection, deaths: int) -> str:
        tries.append(1)
        if len(tries) <= deaths:
            kill(connection)
        return "read"

    async def story() -> None:
        assert await store.read(query, 1) == "read"
        assert len(tries) == 2
        tries.clear()
        with pytest.raises(DBAPIError) as caught:
            await store.read(query, 9)
        assert len(tries) == 2
        assert problem_responses.problem_from_exception(caught.value).status == 503

    run(story)


def test_a_server_that_does_not_answer_is_given_up(store: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are more callers than threads, which must be free again afterwards."""
    tries: list[int] = []

    def hang(holder: sa.Connection | Session, caller: int) -> None:
        tries.append(caller)
        holder.execute(sa.text("SELECT pg_sleep(10)"))

    async def story() -> None:
        monkeypatch.setattr(postgres, "ANSWER_SECONDS", 0.2)
        for call in (store.read, store.write):
            tries.clear()
            attempts: list[Any] = [call(hang, caller) for caller in range(12)]
            for error in await asyncio.gather(*attempts, return_exceptions=True):
                assert isinstance(error, DBAPIError)
                assert problem_responses.problem_from_exception(error).status == 503
            first = [
                caller for caller in tries if caller < 8
            ]  # the others may lose a connection before their time is up
            assert sorted(first) == [*range(8)], "what was given up is not tried again"
        monkeypatch.setattr(postgres, "ANSWER_SECONDS", 60.0)
        await store.write(add, "after")
        assert await store.read(texts) == ["after"]

    run(story)


def test_a_write_is_repeated_once_on_a_connection_lost_before_commit(store: PostgresDatabase) -> None:
    tries: list[int] = []

    def action(session: Session, times: int) -> None:
        tries.append(1)
        add(session, f"lost {times}")
        if len(tries) <= times:
            session.execute(KILL)

    async def story() -> None:
        await store.write(action, 1)
        assert (await store.read(texts), len(tries)) == (["lost 1"], 2)
        tries.clear()
        with pytest.raises(DBAPIError) as caught:
            await store.write(action, 2)
        assert (problem_responses.problem_from_exception(caught.value).status, len(tries)) == (503, 2)
        assert await store.read(texts) == ["lost 1"]

    run(story)


def test_a_write_is_not_repeated_on_a_connection_lost_at_commit(store: PostgresDatabase) -> None:
    tries: list[int] = []

    def action(session: Session) -> None:
        tries.append(1)
        add(session, "lost")

    def kill(connection: sa.Connection) -> None:
        if len(tries) == 1 and not killed:
            killed.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            with store.connect() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": killed[0]})

    killed: list[int] = []
    sa.event.listen(store.engines()[1], "commit", kill)

    async def story() -> None:
        with pytest.raises(DBAPIError) as caught:
            await store.write(action)
        problem = problem_responses.problem_from_exception(caught.value)
        assert (problem.status, len(tries)) == (503, 1)
        assert "Retry-After" in (problem.headers or {})
        assert await store.write(add, "next") == "next"
        assert await store.read(texts) == ["next"]

    run(story)


def test_no_statement_and_no_lock_is_waited_for_for_ever(store: PostgresDatabase) -> None:
    for engine in store.engines():
        with engine.connect() as connection:
            shown = [connection.exec_driver_sql(f"SHOW {n}").scalar() for n in ("statement_timeout", "lock_timeout")]
            assert shown == ["20s", "5s"]
            assert connection.exec_driver_sql("SHOW timezone").scalar() == "UTC"


def test_a_machine_that_vanished_is_not_waited_for(store: PostgresDatabase, postgres_url: str) -> None:
    with store.engines()[0].connect() as connection:
        assert VANISHED.items() <= parameters_of(connection).items()
    own = PostgresDatabase(
        sa.make_url(postgres_url).update_query_dict({"keepalives_idle": "60"}).render_as_string(hide_password=False)
    )
    with own.engines()[0].connect() as connection:
        assert parameters_of(connection)["keepalives_idle"] == 60, "settings of the URL stay"
    asyncio.run(own.stop())


def parameters_of(connection: sa.Connection) -> dict[str, str | int]:
    """The parameters of libpq of a connection, numbers as such."""
    driver: Any = connection.connection.dbapi_connection
    return {name: int(value) if value.isdigit() else value for name, value in driver.info.get_parameters().items()}


@pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout"])
def test_a_timeout_is_a_503(store: PostgresDatabase, limit: str) -> None:
    def wait(session: Session) -> None:
        session.execute(sa.text(f"SET LOCAL {limit} = '5ms'"))
        session.execute(sa.text("LOCK TABLE pg_note"))

    async def story() -> None:
        with store.transaction() as session:
            session.execute(sa.text("LOCK TABLE pg_note"))
            with pytest.raises(DBAPIError) as caught:
                await store.write(wait)
        assert is_unavailable(caught.value)
        assert problem_responses.problem_from_exception(caught.value).status == 503

    run(story)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("57P03", 503),
        ("53300", 503),
        ("08006", 503),
        ("25006", 503),
        ("XX001", 503),
        ("53100", 507),
        ("22P02", 500),
        ("23505", 409),
    ],
)
def test_each_state_has_its_status(store: PostgresDatabase, state: str, status: int) -> None:
    with pytest.raises(DBAPIError) as caught, store.transaction() as session:
        fail_with(session, state)
    assert problem_responses.problem_from_exception(caught.value).status == status


def test_a_server_that_is_not_there_is_a_503() -> None:
    db = open_database("postgresql://127.0.0.1:1/none")

    async def story() -> None:
        for work in (db.read(texts), db.write(add, "x")):
            with pytest.raises(DBAPIError) as caught:
                await work
            assert problem_responses.problem_from_exception(caught.value).status == 503
        await db.stop()

    run(story)


def test_a_cancelled_caller_neither_loses_nor_doubles_its_write(store: PostgresDatabase) -> None:
    async def story() -> None:
        begun, gate = threading.Event(), threading.Event()

        def slow(session: Session) -> None:
            add(session, "slow")
            begun.set()
            gate.wait(5)

        task = asyncio.create_task(store.write(slow))
        while not begun.is_set():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await store.stop()  # finishes what was accepted
        with store.connect() as connection:
            assert texts(connection) == ["slow"]

    run(story)


def test_slow_reads_hold_no_other_read_up_and_let_the_loop_have_its_turn(store: PostgresDatabase) -> None:
    gate, usual = threading.Event(), sys.getswitchinterval()

    def slow(_: sa.Connection) -> float:
        gate.wait(20)
        return sys.getswitchinterval()

    async def story() -> None:
        scans = [asyncio.create_task(store.scan(slow)) for _ in range(20)]
        await asyncio.sleep(0)
        try:
            assert await asyncio.wait_for(store.read(texts), 10) == []
        finally:
            gate.set()
        assert max(await asyncio.gather(*scans)) < usual

    run(story)
    assert sys.getswitchinterval() == usual


def test_ids_are_text_from_the_driver_on(store: PostgresDatabase) -> None:
    """What makes a UUID of each and text of that again takes a sixth of the time of a page of comments."""
    for engine in store.engines():
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT gen_random_uuid(), ARRAY[gen_random_uuid()]").one()
            assert isinstance(found[0], str)
            assert isinstance(found[1][0], str)
