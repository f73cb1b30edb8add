"""Stale groups are told as soon as they can be seen, each event once, in whatever order transactions end."""

import random
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.core.ids import new_id
from app.db import Database
from app.events import evictions
from app.events.catalog import AnchorsResolved
from app.events.evictions import read_horizon, read_stale_groups
from app.events.log import emit, find_last_position
from app.events.schemas import START, Position


def state(session: Session) -> tuple[str, Position]:
    article_id = new_id()
    return f"comments:{article_id}", emit(session, AnchorsResolved(subject_id=article_id, revision=1))


def test_each_event_is_told_once(db: Database) -> None:
    with db.connect() as connection:
        horizon = read_horizon(connection)
        assert read_stale_groups(connection, horizon)[1] == set()
        for _ in range(3):
            with db.transaction() as session:
                group, position = state(session)
            assert not horizon.covers(position)
            horizon, groups = read_stale_groups(connection, horizon)
            assert groups is not None
            assert group in groups
            assert horizon.covers(position)
            assert horizon.covers(START)
            assert read_stale_groups(connection, horizon)[1] == set()


def test_many_at_once_make_everything_stale(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evictions, "MAX_EVENTS", 3)
    monkeypatch.setattr(evictions, "_FROM", evictions._FROM.limit(5))
    with db.connect() as connection:
        horizon = read_horizon(connection)
        with db.transaction() as session:
            found = {state(session)[0] for _ in range(6)}
            position = find_last_position(session.connection())
        horizon, groups = read_stale_groups(connection, horizon)
        assert groups is None or found <= groups
        assert horizon.covers(position)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_another_log_makes_everything_stale(db: Database) -> None:
    with db.connect() as connection:
        with db.transaction() as session:
            state(session)
        horizon = read_horizon(connection)
        with db.transaction() as session:
            session.execute(sa.text("DELETE FROM event"))
        assert read_stale_groups(connection, horizon)[1] is None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_nothing_is_missed_in_whatever_order_transactions_end(db: Database) -> None:
    chance = random.Random(random.randrange(10**6))  # after the seed that pytest-randomly prints
    with db.connect() as reader:
        horizon, told = read_horizon(reader), set[str]()
        open_ones: list[tuple[sa.Connection, str | None]] = []
        due: set[str] = set()

        def look() -> None:
            nonlocal horizon
            horizon, groups = read_stale_groups(reader, horizon)
            assert groups is not None
            comments = {group for group in groups if group.startswith("comments:")}
            assert not comments & told, "told twice"
            told.update(comments)
            assert due <= told

        def begin() -> None:
            connection = db.engines()[1].connect()
            connection.begin()
            connection.execute(sa.text("SELECT pg_current_xact_id()"))
            open_ones.append((connection, None))

        def write() -> None:
            place = chance.randrange(len(open_ones))
            connection, group = open_ones[place]
            if group is None:
                with Session(connection, join_transaction_mode="rollback_only") as session:
                    open_ones[place] = connection, state(session)[0]

        def end() -> None:
            connection, group = open_ones.pop(chance.randrange(len(open_ones)))
            connection.get_transaction().commit()  # type: ignore[union-attr]
            connection.close()
            if group:
                due.add(group)

        for _ in range(150):
            verbs: list[Callable[[], None]] = [look]
            verbs += [begin] if len(open_ones) < 5 else []
            verbs += [write, end] if open_ones else []
            chance.choice(verbs)()
        while open_ones:
            end()
        look()
        assert told == due
        assert not horizon.unsettled or len(horizon.unsettled) <= len(due)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_transaction_that_stays_open_costs_no_memory(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evictions, "MAX_EVENTS", 3)
    with db.connect() as reader, db.engines()[1].connect() as idle:
        horizon = read_horizon(reader)
        with idle.begin(), Session(idle, join_transaction_mode="rollback_only") as late:
            late.execute(sa.text("SELECT pg_current_xact_id()"))
            sizes = list[int | None]()
            for _ in range(6):
                with db.transaction() as session:
                    group, _position = state(session)
                horizon, groups = read_stale_groups(reader, horizon)
                assert groups is None or group in groups
                sizes.append(None if horizon.unsettled is None else len(horizon.unsettled))
            assert sizes == [1, 2, 3, None, None, None]
            _group, position = state(late)
        assert not horizon.covers(position)
        horizon, groups = read_stale_groups(reader, horizon)
        assert groups is None, "what was written so late counts as stale like all else"
        assert horizon.covers(position)
        assert read_stale_groups(reader, horizon)[1] == set()
