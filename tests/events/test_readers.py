"""Readers of the log: each fact once, and nothing is forgotten that one still needs."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from app.db import Database
from app.db.columns import table_of
from app.events import log
from app.events.catalog import AnchorChanged, ArticleReacted, DiscussionChanged, LoggedEvent, NoticeChanged
from app.events.log import (
    Consumer,
    advance_consumers,
    emit,
    find_batch_end,
    find_last_position,
    group_unread,
    has_reached,
    measure_lag,
    one_by_one,
    prune_events,
    read_after,
    read_between,
)
from app.events.schemas import START, Position
from app.events.tables import Event, LogCursor

EVENT, CURSOR = table_of(Event), table_of(LogCursor)
OLD = {"test.old"}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TODAY = datetime(2026, 1, 1, tzinfo=UTC)


def write(db: Database, *positions: tuple[int, int], at: datetime = LONG_AGO) -> None:
    """Facts at these places, as transactions of long ago left them."""
    row = {"type": "test.old", "at": at, "groups": [], "payload": {}}
    with db.transaction() as session:
        for xid, seq in positions:
            session.execute(sa.insert(EVENT).values(xid=xid, seq=seq, **row))


def stored(db: Database) -> list[int]:
    with db.connect() as connection:
        return sorted(connection.execute(sa.select(EVENT.c.seq)).scalars())


def step(db: Database, reader: str, limit: int = 100) -> list[int]:
    seen: list[int] = []
    consumer = Consumer(OLD, lambda _, entries: seen.extend(e.position.seq for e in entries))
    with db.transaction() as session:
        advance_consumers(session, {reader: consumer}, limit)
    return seen


def test_a_reader_goes_on_where_it_was(db: Database) -> None:
    write(db, *((0, n) for n in range(1, 6)))
    assert [step(db, "a", 2) for _ in range(4)] == [[1, 2], [3, 4], [5], []]
    assert step(db, "b") == [1, 2, 3, 4, 5]


def test_events_that_cost_little_are_handled_with_their_neighbours(db: Database) -> None:
    write(db, *((0, n) for n in range(1, 10)))
    batches: list[list[int]] = []
    consumer = Consumer(
        OLD,
        lambda _, entries: batches.append([entry.position.seq for entry in entries]),
        size=2,
        is_light=lambda entry: entry.position.seq in {2, 3, 7, 8},
    )
    with db.transaction() as session:
        while advance_consumers(session, {"a": consumer}):
            pass
    assert batches == [[1, 2, 3, 4], [5, 6], [7, 8, 9]]


def test_a_handler_that_raises_leaves_the_reader_where_it_was(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    write(db, (0, 1), (0, 2))
    monkeypatch.setattr(log, "MAX_BATCH_SECONDS", 60.0)  # however slow the machine is

    def handle(session: Session, entry: LoggedEvent) -> None:
        if entry.position.seq == 2:
            raise LookupError

    with pytest.raises(LookupError), db.transaction() as session:
        advance_consumers(session, {"a": one_by_one(OLD, handle)})
    assert step(db, "a") == [1, 2]


def test_workers_in_parallel_see_each_fact_once(db: Database) -> None:
    write(db, *((0, n) for n in range(1, 61)))
    seen: Counter[int] = Counter()
    stumbled: set[int] = set()
    begin = threading.Barrier(6)  # none of them finds a cursor yet

    def handle(own: list[int], _: Session, entry: LoggedEvent) -> None:
        number = entry.position.seq
        if number % 20 == 7 and number not in stumbled:
            stumbled.add(number)
            raise LookupError
        own.append(number)

    def work() -> None:
        begin.wait(5)
        while True:
            own: list[int] = []
            try:
                with db.transaction() as session:
                    advance_consumers(session, {"shared": one_by_one(OLD, partial(handle, own))}, 4)
            except LookupError:
                continue
            seen.update(own)
            if not own:
                return

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work) for _ in range(6)]:
            done.result()
    assert seen == Counter(range(1, 61))
    assert stumbled == {7, 27, 47}


def test_news_are_what_a_reader_has_not_seen(db: Database) -> None:
    def news(reader: str) -> bool:
        with db.connect() as connection:
            return bool(group_unread(connection, [reader]))

    assert not news("a")
    write(db, (0, 1))
    assert news("a")
    step(db, "a")
    assert not news("a")
    assert news("b")


def test_nothing_is_forgotten_that_a_reader_has_still_to_see(db: Database) -> None:
    write(db, *((0, n) for n in range(1, 7)))
    step(db, "slow", 0)
    assert forget(db) == 0  # nobody has read anything
    step(db, "fast")
    step(db, "slow", 2)
    assert forget(db) == 2
    assert stored(db) == [3, 4, 5, 6]
    assert step(db, "slow") == [3, 4, 5, 6]
    assert forget(db) == 3
    assert stored(db) == [6]  # the newest stays, so that positions never begin again


def test_a_late_commit_with_a_small_number_is_not_forgotten(db: Database) -> None:
    is_late = db.dialect == "postgresql"  # SQLite has one writer at a time, and one transaction id
    first, *others = (2, 1, 3) if is_late else (1, 2, 3)
    write(db, *(((11, 1), (10, 2), (12, 3)) if is_late else ((0, 1), (0, 2), (0, 3))))
    assert step(db, "a", 1) == [first]
    assert forget(db) == 1
    assert stored(db) == others
    assert step(db, "a") == others


def test_the_index_leads_to_the_next_event(db: Database) -> None:
    write(db, (0, 1))
    step(db, "a")
    seen: list[tuple[str, Any]] = []
    with db.connect() as connection:
        sa.event.listen(
            connection, "before_cursor_execute", lambda _c, _k, text, values, *_: seen.append((text, values))
        )
        read_after(connection, Position(0, 1))
        read_between(connection, START, Position(0, 1), 10)
        group_unread(connection, ["a"])
        measure_lag(connection, "a")
        find_batch_end(connection, Position(0, 1), 10)
        statements = [(text, values) for text, values in seen if "FROM event" in text]
        assert len(statements) == 5
        if db.dialect == "sqlite":
            plans = [
                str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all())
                for text, values in statements
            ]
            assert [plan for plan in plans if "xid=? AND seq>?" not in plan] == []


def test_what_is_young_is_not_forgotten(db: Database) -> None:
    write(db, (0, 1), (0, 2))
    write(db, (0, 3), (0, 4), at=TODAY)
    step(db, "a")
    with db.transaction() as session:
        assert prune_events(session, TODAY - timedelta(days=1)) == 2
    assert stored(db) == [3, 4]


def forget(db: Database) -> int:
    with db.transaction() as session:
        return prune_events(session, TODAY)


def test_a_position_is_visible_once_committed_and_when_forgotten(db: Database) -> None:
    with db.connect() as connection:
        assert find_last_position(connection) == START
        assert has_reached(connection, START)
        assert not has_reached(connection, Position(0, 1))
    with db.transaction() as session:
        row = {"type": "test.old", "at": LONG_AGO, "groups": [], "payload": {}, "xid": 0}
        session.execute(sa.insert(EVENT).values(seq=1, **row))
        with db.connect() as connection:
            assert not has_reached(connection, Position(0, 1))
        assert has_reached(session.connection(), Position(0, 1))
    write(db, (0, 2))
    step(db, "a")
    forget(db)
    with db.connect() as connection:
        assert find_last_position(connection) == Position(0, 2)
        assert has_reached(connection, Position(0, 1))
        assert has_reached(connection, Position(0, 2))
        assert not has_reached(connection, Position(0, 3))
        assert [entry.position.seq for entry in read_after(connection, START)] == [2]


NUMBERS = st.integers(0, 2**63 - 1)


@given(NUMBERS, NUMBERS)
def test_a_position_survives_as_text(xid: int, seq: int) -> None:
    assert Position.parse(str(Position(xid, seq))) == (xid, seq)


@given(st.one_of(st.text(), st.from_regex(r"[\d.+\-_ ٣]{0,45}")))
def test_any_other_text_is_no_position(text: str) -> None:
    try:
        found = Position.parse(text)
    except ValueError:
        return
    assert text.isascii()
    assert [int(part) for part in text.split(".")] == list(found)
    assert max(found) < 2**63


ARTICLE_ID, OTHER_ID = "0199aaaa-0000-7000-8000-000000000001", "0199aaaa-0000-7000-8000-000000000002"


def test_the_log_names_the_article_of_each_event(db: Database) -> None:
    with db.transaction() as session:
        emit(session, ArticleReacted(subject_id=ARTICLE_ID))
        emit(session, AnchorChanged(subject_id=OTHER_ID, article_id=ARTICLE_ID))
        emit(session, NoticeChanged(subject_id=OTHER_ID, scope="section", target_id=ARTICLE_ID))
        columns = sa.select(EVENT.c.article_id).order_by(EVENT.c.seq)
        assert session.execute(columns).scalars().all() == [ARTICLE_ID, ARTICLE_ID, None]
    with db.connect() as connection:
        assert [entry.article_id for entry in read_after(connection, START)] == [ARTICLE_ID, ARTICLE_ID, None]


def test_an_event_that_a_former_release_wrote_has_its_article(db: Database) -> None:
    with db.transaction() as session:
        emit(session, DiscussionChanged(subject_id=ARTICLE_ID, scope="article"))
        emit(session, DiscussionChanged(subject_id=ARTICLE_ID, scope="section"))
        session.execute(sa.update(EVENT).values(article_id=None))
    with db.connect() as connection:
        assert [entry.article_id for entry in read_after(connection, START)] == [ARTICLE_ID, None]


def test_what_is_read_of_an_article_is_what_is_about_it(db: Database) -> None:
    with db.transaction() as session:
        for article_id in (ARTICLE_ID, OTHER_ID):
            emit(session, ArticleReacted(subject_id=article_id))
            emit(session, AnchorChanged(subject_id=OTHER_ID, article_id=article_id))
    with db.connect() as connection:
        entries = read_between(connection, START, find_last_position(connection), 100, [ARTICLE_ID])
    assert [(entry.type, entry.article_id) for entry in entries] == [
        ("article.reacted", ARTICLE_ID),
        ("anchor.changed", ARTICLE_ID),
    ]


def test_an_event_costs_no_index_more_than_queries_use(db: Database) -> None:
    with db.connect() as connection:
        indexes = {tuple(index["column_names"]) for index in sa.inspect(connection).get_indexes("event")}
    assert indexes == {("xid", "seq"), ("subject_id",), ("at",)}
