"""No reader of the log ever misses or repeats a fact, whatever writers do at the same time."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from app.core.clock import now
from app.db import Database, open_database
from app.events.base import EventBase
from app.events.log import adopt_foreign_log, emit, find_settled_position, is_foreign_log, prune_events, read_after
from app.events.schemas import START, Position


class Noted(EventBase, name="test.noted"):
    """A fact of these tests."""

    by: str

    def cache_groups(self) -> list[str]:
        return ["notes"]


ID = "01890000-0000-7000-8000-000000000000"


class Reader:
    """One that reads on from where it was, a few facts at a time."""

    def __init__(self, db: Database, limit: int = 3) -> None:
        self.db, self.limit = db, limit
        self.place, self.seen = START, list[tuple[Position, str]]()

    def read(self) -> int:
        with self.db.connect() as connection:
            entries = read_after(connection, self.place, self.limit)
        for entry in entries:
            self.seen.append((entry.position, entry.payload["by"]))
            self.place = entry.position
        return len(entries)

    def read_all(self, number: int) -> None:
        """Read until so many are seen: a vacuum in the background may hold the newest back for a moment."""
        for _ in range(500):
            while self.read():
                pass
            if len(self.seen) >= number:
                return
            time.sleep(0.01)


@contextmanager
def aborted(db: Database) -> Iterator[Session]:
    """A transaction that comes to nothing."""
    try:
        with db.transaction() as session:
            yield session
            raise InterruptedError
    except InterruptedError:
        return


def writer(db: Database, name: str, together: threading.Barrier) -> list[tuple[Position, str]]:
    """Twenty-five transactions of one to three facts; a third is rolled back. Returns what was committed."""
    dice, committed = random.Random(name), []
    for n in range(25):
        undone = dice.random() < 0.3
        facts = []
        with (aborted if undone else lambda db: db.transaction())(db) as session:
            for part in range(dice.randint(1, 3)):
                by = f"{name}-{n}-{part}"
                facts.append((emit(session, Noted(subject_id=ID, by=by)), by))
                if db.dialect == "postgresql" and dice.random() < 0.5:
                    together.wait(5)  # all of them have facts that are not committed
        committed += [] if undone else facts
    return committed


class Meeting(threading.Barrier):
    """A barrier that lets go when nobody else can come any more."""

    def __init__(self) -> None:
        super().__init__(3)

    def wait(self, timeout: float | None = None) -> int:
        try:
            return super().wait(0.02)
        except threading.BrokenBarrierError:
            self.reset()
            return 0


def test_readers_beside_eight_writers_see_each_fact_once_and_in_order(db: Database) -> None:
    finished, meeting = threading.Event(), Meeting()

    def follow(reader: Reader) -> None:
        while not finished.is_set():
            reader.read()

    readers = [Reader(db, limit) for limit in (1, 3, 100)]
    with ThreadPoolExecutor(11) as pool:
        following = [pool.submit(follow, reader) for reader in readers]
        writing = [pool.submit(writer, db, f"w{n}", meeting) for n in range(8)]
        try:
            committed = sorted(fact for work in writing for fact in work.result())
        finally:
            finished.set()
        for work in following:
            work.result()
    for reader in readers:
        reader.read_all(len(committed))
        assert reader.seen == committed


STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["emit", "emit", "commit", "undo"])), max_size=25)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example(steps=[(0, "emit"), (1, "emit"), (1, "commit"), (0, "commit")])  # the later number is committed first
@example(steps=[(0, "emit"), (1, "emit"), (2, "emit"), (2, "commit"), (1, "undo"), (0, "emit"), (0, "commit")])
def test_any_order_of_commits_is_read_without_gaps(log_store: Database, steps: list[tuple[int, str]]) -> None:
    committed: list[tuple[Position, str]] = []
    reader, lazy = Reader(log_store), Reader(log_store)
    reader.place = lazy.place = log_store_end(log_store)
    open_ones: dict[int, tuple[ExitStack, Session, list[tuple[Position, str]]]] = {}

    def end(who: int, undo: bool) -> None:
        stack, session, facts = open_ones.pop(who)
        if undo:
            session.rollback()
        else:
            committed.extend(facts)
        stack.close()

    for number, (who, what) in enumerate(steps):
        if what == "emit":
            if who not in open_ones:
                stack = ExitStack()
                open_ones[who] = stack, stack.enter_context(log_store.transaction()), []
            by = f"{who}-{number}"
            open_ones[who][2].append((emit(open_ones[who][1], Noted(subject_id=ID, by=by)), by))
        elif who in open_ones:
            end(who, what == "undo")
        reader.read()
    for who in list(open_ones):
        end(who, undo=False)
    for one in (reader, lazy):
        one.read_all(len(committed))
        assert one.seen == sorted(committed)


@pytest.fixture
def log_store(postgres_url: str) -> Iterator[Database]:
    """PostgreSQL alone: SQLite has never two writers at once."""
    db: Any = open_database(postgres_url)
    with db.transaction() as session:  # what other tests left there
        session.execute(sa.text("TRUNCATE event, log_cursor RESTART IDENTITY"))
    yield db
    for engine in db.engines():
        engine.dispose()


def note(db: Database, by: str) -> Position:
    with db.transaction() as session:
        return emit(session, Noted(subject_id=ID, by=by))


def test_what_waited_for_a_lock_stands_behind_what_it_waited_for(log_store: Database) -> None:
    """PostgreSQL may give a transaction its id before it waits for a row."""
    with log_store.transaction() as session:
        session.execute(sa.text("SELECT pg_current_xact_id()"))
        first = note(log_store, "first")  # begun later, done earlier
        second = emit(session, Noted(subject_id=ID, by="second"))
    assert first < second < note(log_store, "third")
    reader = Reader(log_store)
    reader.read_all(3)
    assert [by for _, by in reader.seen] == ["first", "second", "third"]


def test_a_log_goes_on_where_transactions_are_counted_anew(log_store: Database) -> None:
    """A dump brings ids of transactions that the server it is restored on is yet to have."""
    reader = Reader(log_store)
    note(log_store, "before")
    reader.read_all(1)
    with log_store.transaction() as session:
        session.execute(sa.text("UPDATE event SET xid = xid + 1000000"))
    reader.place = Position(reader.place.xid + 1_000_000, reader.place.seq)
    between = note(log_store, "between")
    with log_store.connect() as connection:
        assert is_foreign_log(connection)
        assert not reader.read(), "nobody knows yet what can still come before it"
    with log_store.transaction() as session:
        assert adopt_foreign_log(session)
        assert not adopt_foreign_log(session)
    after = [note(log_store, "after"), note(log_store, "later")]
    assert reader.place < between < after[0] < after[1]
    reader.read_all(4)
    assert [by for _, by in reader.seen] == ["before", "between", "after", "later"]
    with log_store.connect() as connection:
        assert not is_foreign_log(connection)
        assert find_settled_position(connection) == after[1]
    with log_store.transaction() as session:
        assert prune_events(session, now() + timedelta(days=1)) == 3, "it is no reader that has fallen behind"


def log_store_end(db: Database) -> Position:
    reader = Reader(db, 1000)
    reader.read_all(0)
    return reader.place


def test_emit_tells_the_position_and_keeps_what_was_stated(db: Database) -> None:
    with db.transaction() as session:
        first = emit(session, Noted(subject_id=ID, by="me"))
        second = emit(session, Noted(subject_id=ID, by="you"))
        assert session.info["position"] == second
        assert first < second
    reader = Reader(db)
    reader.read_all(2)
    assert reader.seen == [(first, "me"), (second, "you")]
    with db.connect() as connection:
        entry = read_after(connection, START, 1)[0]
    assert (entry.type, entry.subject_id, entry.groups) == ("test.noted", ID, ["notes"])
    assert entry.at.utcoffset() is not None


def test_a_fact_without_groups_cannot_be_stated() -> None:
    with pytest.raises(TypeError, match="EventBase names no cache groups"):
        EventBase(subject_id=ID).cache_groups()
