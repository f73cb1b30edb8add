"""Consumers of the log: they share reads and commits, and none holds up another."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, SQLModel
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from app import worker as working
from app.core.settings import Settings
from app.db import Database, Overloaded, open_database
from app.db.columns import table_of
from app.events import log
from app.events.catalog import ActivityAged
from app.events.log import Consumer, advance_consumers, emit, one_by_one
from app.events.tables import Event, LogCursor
from app.wiring import Timer, consumers
from app.worker import Worker
from tests import make

Headers = dict[str, str]
EVENT, CURSOR = table_of(Event), table_of(LogCursor)
OLD = {"test.old"}
A, C = "0199aaaa-0000-7000-8000-000000000001", "0199aaaa-0000-7000-8000-000000000003"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches end with their events, however slow the machine is."""
    monkeypatch.setattr(log, "MAX_BATCH_SECONDS", 60.0)


def seqs(seen: list[int]) -> Consumer:
    """A consumer that notes what it gets."""
    return Consumer(OLD, lambda _, entries: seen.extend(entry.position.seq for entry in entries))


def failing(_: Session, _entries: Sequence[object]) -> None:
    raise LookupError


def run(db: Database, story: Callable[[Database], Coroutine[Any, Any, None]]) -> None:
    """Run a story with a store of its own event loop."""

    async def tell() -> None:
        own = open_database(db.engines()[1].url.render_as_string(hide_password=False))
        await own.start()
        try:
            await story(own)
        finally:
            await own.stop()

    asyncio.run(tell())


def watch_commits(db: Database) -> list[sa.Connection]:
    """The commits of a store from now on."""
    noted: list[sa.Connection] = []
    sa.event.listen(db.engines()[1], "commit", noted.append)
    return noted


def write(db: Database, *types: str) -> None:
    """Events of long ago."""
    with db.transaction() as session:
        for kind in types:
            row = {"xid": 0, "type": kind, "at": LONG_AGO, "groups": [], "payload": {}}
            session.execute(sa.insert(EVENT).values(row))


def cursors(db: Database) -> dict[str, int]:
    with db.connect() as connection:
        return {row.reader: row.seq for row in connection.execute(sa.select(CURSOR))}


def repeating(name: str) -> Consumer:
    """A consumer that writes an event for each that it gets."""
    return one_by_one(OLD, lambda session, _: emit(session, ActivityAged(subject_id=name)) and None)


def test_a_consumer_that_fails_leaves_the_others_advancing(db: Database) -> None:
    write(db, *["test.old"] * 5)

    async def story(own: Database) -> None:
        worker = Worker(own, {"a": repeating(A), "broken": Consumer(OLD, failing), "c": repeating(C)}, {})
        while await worker.run_once():
            pass

    with capture_logs() as logged:
        run(db, story)
    assert [entry["piece"] for entry in logged] == ["broken"]
    with db.connect() as connection:
        written = connection.execute(sa.select(EVENT.c.subject_id).where(EVENT.c.type != "test.old")).scalars()
        assert Counter(written) == {A: 5, C: 5}, "each event once, though the first attempt failed with all of them"
    assert cursors(db).keys() == {"a", "c"}


def test_a_batch_of_events_costs_one_commit(db: Database) -> None:
    write(db, *["test.old"] * 5)
    seen: Counter[str] = Counter()

    def count(name: str) -> Consumer:
        return Consumer(OLD, lambda _, entries: seen.update({name: len(entries)}))

    async def story(own: Database) -> None:
        worker = Worker(own, {name: count(name) for name in "abc"} | {"other": Consumer({"x"}, failing)}, {})
        noted = watch_commits(own)
        assert await worker.run_once()
        assert len(noted) == 1
        assert not await worker.run_once()
        assert len(noted) == 1

    run(db, story)
    assert seen == {"a": 5, "b": 5, "c": 5}
    assert cursors(db) == {"a": 5, "b": 5, "c": 5, "other": 5}


def test_a_store_that_cannot_be_reached_is_logged_once(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """And once when it answers again: a failover is no traceback for each consumer, timer and try."""
    write(db, "test.old")
    monkeypatch.setattr(working, "RETRY_SECONDS", 0.0)

    async def story(own: Database) -> None:
        timer = Timer(lambda _session: 0, sa.select(sa.func.min(EVENT.c.at)))
        worker = Worker(own, {"a": seqs([]), "b": seqs([])}, {"timer": timer})

        async def fail(*_: object) -> None:
            raise Overloaded("away")

        with monkeypatch.context() as patch:
            patch.setattr(own, "read", fail)
            for _ in range(3):
                await worker.run_once()
        await worker.run_once()

    with capture_logs() as logged:
        run(db, story)
    assert [(entry["log_level"], entry.get("work")) for entry in logged] == [("warning", "worker"), ("info", "worker")]


@pytest.mark.parametrize(("size", "is_left"), [(2, True), (3, False)])
def test_only_after_a_full_batch_more_is_due_at_once(
    db: Database, monkeypatch: pytest.MonkeyPatch, size: int, is_left: bool
) -> None:
    """Otherwise events gather until the next round."""
    write(db, "test.old", "test.old")
    monkeypatch.setattr(working, "MAX_BATCH_SECONDS", 3600.0)
    monkeypatch.setattr(working, "BATCH_SIZE", size)

    async def story(own: Database) -> None:
        worker = Worker(own, {"a": seqs([])}, {})
        assert (await worker.run_once(), worker._has_backlog) == (True, is_left)

    run(db, story)


def test_a_slow_consumer_goes_on_where_it_was_while_others_are_ahead(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(db, "test.old", "x", "test.old", "x", "test.old")
    monkeypatch.setattr(log, "MAX_BATCH_SECONDS", -1.0)
    slow: list[int] = []
    fast: list[int] = []
    both = {"slow": one_by_one(OLD, lambda _, entry: slow.append(entry.position.seq)), "fast": seqs(fast)}
    reached = []
    while True:
        with db.transaction() as session:
            if not advance_consumers(session, both):
                break
        reached.append(cursors(db))
    assert (slow, fast) == ([1, 3, 5], [1, 3, 5])
    assert reached == [{"slow": 1, "fast": 5}, {"slow": 3, "fast": 5}, {"slow": 5, "fast": 5}]


def numbers(db: Database) -> dict[str, int]:
    """How many rows each table has."""
    with db.connect() as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in SQLModel.metadata.sorted_tables
        }


def test_nothing_is_written_where_nobody_subscribes(
    client: TestClient, db: Database, settings: Settings, editor: Headers
) -> None:
    seen: list[int] = []

    async def work(own: Database) -> None:
        commits, worker = watch_commits(own), Worker(own, consumers(settings), {})
        while await worker.run_once():
            pass
        seen.append(len(commits))

    article = make.published(client, editor, "Discussed")
    run(db, work)
    for text in ("One.", "Two."):
        body = {"text": text, "author": {"name": "Ann"}}
        assert client.post(f"/v1/articles/{article['id']}/comments", json=body).status_code == 201
    before = numbers(db)
    run(db, work)
    assert seen[-1] == 1, "the cursors are moved"
    assert numbers(db) == before
