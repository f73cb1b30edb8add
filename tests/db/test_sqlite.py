"""The SQLite store: group commit, savepoints, and what happens when something in the middle of it breaks."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session

from app.db import Overloaded, SqliteDatabase, sqlite
from app.web import problem_responses

NOTES = sa.MetaData()
NOTE = sa.Table(
    "note",
    NOTES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.String, unique=True),
    sa.Column("parent", sa.ForeignKey("note.id")),
)
ROLLING_BACK = "CREATE TRIGGER t BEFORE INSERT ON note WHEN new.text = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no'); END"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteDatabase]:
    db = SqliteDatabase(f"sqlite:///{tmp_path}/notes.db")
    NOTES.create_all(db.engines()[1])
    yield db
    asyncio.run(db.stop())


def run(store: SqliteDatabase, story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await store.start()
        try:
            await story()
        finally:
            await store.stop()

    asyncio.run(whole())


def add(session: Session, text: str) -> str:
    session.execute(sa.insert(NOTE).values(text=text))
    return text


def texts(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(NOTE.c.text).order_by(NOTE.c.id)).scalars())


async def together(store: SqliteDatabase, *actions: Callable[[Session], Any]) -> list[Any]:
    """Results and errors of actions that the writer finds waiting all at once."""
    gate, begun = threading.Event(), threading.Event()
    first = asyncio.create_task(store.write(lambda _: begun.set() or gate.wait(5)))
    while not begun.is_set():
        await asyncio.sleep(0)
    waiting = [asyncio.create_task(store.write(action)) for action in actions]
    while store._queue.qsize() < len(actions):
        await asyncio.sleep(0)
    gate.set()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


def adding(text: str) -> Callable[[Session], str]:
    return lambda session: add(session, text)


def counted(store: SqliteDatabase) -> list[str]:
    seen: list[str] = []
    for name in ("begin", "commit", "rollback"):
        sa.event.listen(store.engines()[1], name, lambda _, name=name: seen.append(name))
    return seen


def test_what_waits_is_committed_at_once(store: SqliteDatabase) -> None:
    async def story() -> None:
        seen = counted(store)
        assert await together(store, *(adding(f"n{n}") for n in range(100))) == [f"n{n}" for n in range(100)]
        assert seen == ["begin", "commit"] * 2  # the one that held the gate, then a hundred
        assert len(await store.read(texts)) == 100

    run(store, story)


def test_what_nobody_waits_for_is_committed_last_and_alone(store: SqliteDatabase) -> None:
    commits = list[list[str]]()

    def note(connection: sa.Connection) -> None:
        commits.append(texts(connection))

    async def story() -> None:
        gate, begun = threading.Event(), threading.Event()
        first = asyncio.create_task(store.write(lambda _: begun.set() or gate.wait(5)))
        while not begun.is_set():
            await asyncio.sleep(0)
        writes = [store.write_aside(adding("bulk")), store.write(adding("a")), store.write(adding("b"))]
        waiting = [asyncio.create_task(write) for write in writes]
        while store._queue.qsize() < len(writes):
            await asyncio.sleep(0)
        sa.event.listen(store.engines()[1], "commit", note)
        gate.set()
        await asyncio.gather(first, *waiting)

    run(store, story)
    assert commits[1:] == [["a", "b"], ["a", "b", "bulk"]]


def test_a_batch_is_bounded(store: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_BATCH", 10)

    async def story() -> None:
        seen = counted(store)
        await together(store, *(adding(f"n{n}") for n in range(25)))
        assert seen.count("commit") == 1 + 3

    run(store, story)


def test_a_write_among_reads_does_not_wait_long_for_the_interpreter_lock(store: SqliteDatabase) -> None:
    async def story() -> None:
        usual = sys.getswitchinterval()
        assert await store.write(lambda _: sys.getswitchinterval()) < usual
        many = await together(store, *[lambda _: sys.getswitchinterval()] * (sqlite.MAX_LONE_WRITES + 1))
        assert {*many, sys.getswitchinterval()} == {usual}

    run(store, story)


def test_a_failing_piece_leaves_its_neighbours_alone(store: SqliteDatabase) -> None:
    def half(session: Session) -> None:
        add(session, "half")
        raise LookupError("mine")

    async def story() -> None:
        found = await together(store, adding("a"), half, adding("b"), adding("a"), adding("c"))
        assert (found[0], found[2], found[4]) == ("a", "b", "c")
        assert isinstance(found[1], LookupError)
        assert isinstance(found[3], IntegrityError)
        assert await store.read(texts) == ["a", "b", "c"]

    run(store, story)


def test_only_a_failure_after_a_change_repeats_the_others(store: SqliteDatabase) -> None:
    runs: list[str] = []

    def noted(text: str) -> Callable[[Session], str]:
        return lambda session: (runs.append(text), add(session, text))[1]

    def early(_: Session) -> None:
        raise LookupError

    def late(session: Session) -> None:
        add(session, "half")
        raise LookupError

    async def story() -> None:
        seen = counted(store)
        found = await together(store, noted("a"), early, noted("b"))
        assert (found[0], type(found[1]), found[2], runs) == ("a", LookupError, "b", ["a", "b"])
        assert seen == ["begin", "commit"] * 2  # the first holds the writer up
        found = await together(store, noted("c"), late, noted("d"))
        assert (found[0], type(found[1]), found[2], runs[2:]) == ("c", LookupError, "d", ["c", "c", "d"])
        assert await store.read(texts) == ["a", "b", "c", "d"]
        with pytest.raises(LookupError):
            await store.write(late)
        assert await store.read(texts) == ["a", "b", "c", "d"]

    run(store, story)


def test_a_piece_finds_nothing_that_others_have_left(store: SqliteDatabase) -> None:
    def leave(session: Session) -> None:
        session.info["mine"] = session.begin_nested()

    def fail(session: Session) -> None:
        leave(session)
        raise LookupError

    def look(session: Session) -> tuple[dict[Any, Any], bool]:
        return dict(session.info), session.in_nested_transaction()

    async def story() -> None:
        found = await together(store, leave, look, fail, look, adding("good"))
        assert (found[1], found[3], found[4]) == (({}, False), ({}, False), "good")

    run(store, story)


def explicit(session: Session) -> None:
    add(session, "lost")
    session.connection().exec_driver_sql("ROLLBACK")
    raise LookupError("mine")


def quiet(session: Session) -> None:
    add(session, "lost")
    session.connection().exec_driver_sql("ROLLBACK")


def triggered(session: Session) -> None:
    add(session, "lost")
    add(session, "bad")


@pytest.mark.parametrize(
    ("guilty", "error"), [(explicit, LookupError), (quiet, OperationalError), (triggered, IntegrityError)]
)
def test_a_piece_that_ends_the_transaction_loses_only_itself(
    store: SqliteDatabase, guilty: Callable[[Session], None], error: type[Exception]
) -> None:
    with store.transaction() as session:
        session.execute(sa.text(ROLLING_BACK))

    async def story() -> None:
        found = await together(store, adding("a"), guilty, adding("b"), adding("c"))
        assert [found[0], *found[2:]] == ["a", "b", "c"]
        assert isinstance(found[1], error)  # its own error, not the one of a savepoint that is gone
        assert await store.read(texts) == ["a", "b", "c"]
        with pytest.raises(error):
            await store.write(guilty)
        assert await store.write(adding("d")) == "d"

    run(store, story)


def test_a_broken_promise_at_commit_is_laid_to_the_one_who_gave_it(store: SqliteDatabase) -> None:
    def orphan(session: Session) -> None:
        session.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
        session.execute(sa.insert(NOTE).values(text="orphan", parent=99))

    async def story() -> None:
        found = await together(store, adding("a"), orphan, adding("b"))
        assert [found[0], found[2]] == ["a", "b"]
        assert isinstance(found[1], IntegrityError)
        assert await store.read(texts) == ["a", "b"]

    run(store, story)


def test_a_failing_commit_is_told_to_every_caller(store: SqliteDatabase) -> None:
    async def story() -> None:
        broken = [False, True]

        def fail(_: sa.Connection) -> None:
            if broken and broken.pop(0):
                raise OperationalError("COMMIT", None, RuntimeError("disk"))

        sa.event.listen(store.engines()[1], "commit", fail)
        found = await together(store, adding("a"), adding("b"), adding("c"))
        assert [type(error) for error in found] == [OperationalError] * 3
        assert await store.read(texts) == []
        assert await store.write(adding("d")) == "d"
        assert await store.read(texts) == ["d"]

    run(store, story)


def test_a_cancelled_caller_neither_loses_nor_doubles_its_write(store: SqliteDatabase) -> None:
    async def story() -> None:
        surprises: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
        gate = threading.Event()
        first = asyncio.create_task(store.write(lambda _: gate.wait(5)))
        waiting = [asyncio.create_task(store.write(adding(f"n{n}"))) for n in range(4)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        waiting[2].cancel()
        gate.set()
        await first
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [found[0], found[3]] == ["n0", "n3"]
        assert isinstance(found[1], asyncio.CancelledError)
        assert await store.read(texts) == ["n0", "n1", "n2", "n3"]
        assert surprises == []

    run(store, story)


def test_too_many_waiting_writes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_WAITING_WRITES", 2)
    store = SqliteDatabase(f"sqlite:///{tmp_path}/notes.db")
    NOTES.create_all(store.engines()[1])

    async def story() -> None:
        gate = threading.Event()
        first = asyncio.create_task(store.write(lambda _: gate.wait(5)))
        await asyncio.sleep(0)
        while not store._queue.empty():
            await asyncio.sleep(0)
        waiting = [asyncio.create_task(store.write(adding(text))) for text in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as caught:
            await store.write(adding("c"))
        problem = problem_responses.problem_from_exception(caught.value)
        assert problem.status == 503
        assert problem.headers
        assert int(problem.headers["Retry-After"]) > 0
        gate.set()
        await first
        assert await asyncio.gather(*waiting) == ["a", "b"]

    run(store, story)


def test_a_command_that_writes_on_and_on_lets_others_in_between(store: SqliteDatabase) -> None:
    command, done, pieces = SqliteDatabase(str(store.engines()[1].url)), threading.Event(), []

    def busy() -> None:
        while not done.is_set():
            with command.batch_transaction() as session:
                pieces.append(add(session, f"piece {len(pieces)}"))
                threading.Event().wait(0.01)  # the work of a piece

    async def story() -> None:
        thread = threading.Thread(target=busy)
        thread.start()
        try:
            for n in range(5):
                before = len(pieces)
                await store.write(adding(f"n{n}"))
                assert len(pieces) - before < 20
        finally:
            done.set()
            await asyncio.to_thread(thread.join)

    run(store, story)
    asyncio.run(command.stop())


def test_stop_finishes_what_was_accepted_and_takes_no_more(store: SqliteDatabase) -> None:
    async def story() -> None:
        await store.start()
        gate = threading.Event()
        waiting = [asyncio.create_task(store.write(lambda _: gate.wait(5)))]
        waiting += [asyncio.create_task(store.write(adding(f"n{n}"))) for n in range(3)]
        await asyncio.sleep(0)
        ending = asyncio.create_task(store.stop())
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await store.write(adding("late"))
        gate.set()
        await ending
        assert (await asyncio.gather(*waiting))[1:] == ["n0", "n1", "n2"]

    asyncio.run(story())
    with store.connect() as connection:
        assert texts(connection) == ["n0", "n1", "n2"]


def test_slow_reads_let_the_loop_have_its_turn(store: SqliteDatabase) -> None:
    both, usual = threading.Barrier(2), sys.getswitchinterval()

    def slow(_: sa.Connection) -> float:
        both.wait(20)
        return sys.getswitchinterval()

    async def story() -> None:
        assert max(await asyncio.gather(store.scan(slow), store.scan(slow))) < usual

    run(store, story)
    assert sys.getswitchinterval() == usual


def test_a_limit_and_an_offset_are_given_without_compiling_the_statement_again(store: SqliteDatabase) -> None:
    with store.transaction() as session:
        for text in "abcd":
            add(session, text)
    offset, pages = sa.bindparam("first"), sa.select(NOTE.c.text).order_by(NOTE.c.id)
    compiled: list[object] = []
    with store.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.set_authorizer(lambda *what: compiled.append(what) or 0)  # is asked while a statement is compiled
        for query, shown in ((pages.limit(sa.bindparam("most")).offset(offset), "bc"), (pages.offset(offset), "bcd")):
            for is_known in (False, True):
                compiled.clear()
                assert list(connection.execute(query, {"most": 2, "first": 1}).scalars()) == list(shown)
                assert (compiled == []) is is_known
        raw.set_authorizer(None)


def test_threads_keep_no_pages_of_what_they_have_read(store: SqliteDatabase) -> None:
    traced: list[str] = []
    sa.event.listen(store.engines()[0], "connect", lambda raw, _record: raw.set_trace_callback(traced.append))

    async def story() -> None:
        await store.read(texts)
        assert "PRAGMA shrink_memory" not in traced
        await store.scan(texts)
        assert traced[-1] == "PRAGMA shrink_memory"

    run(store, story)
