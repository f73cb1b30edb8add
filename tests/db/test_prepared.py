"""Statements that are compiled once: they do what `execute` does, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql.selectable import ReturnsRows
from sqlmodel import Session
from sqlmodel.sql.sqltypes import UTCDateTime

from app.core.ids import new_id
from app.db import Database
from app.db.columns import ID
from app.db.prepared import Prepared, is_fixed
from app.db.rows import begin_insert

META = sa.MetaData()
SHEET = sa.Table(
    "sheet",
    META,
    sa.Column("id", ID, primary_key=True),
    sa.Column("at", UTCDateTime()),
    sa.Column("facts", sa.JSON),
    sa.Column("open", sa.Boolean),
    sa.Column("copies", sa.Integer, unique=True),
    prefixes=["TEMPORARY"],
)
ROW = {"at": datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC), "facts": {"é": [1, None]}, "open": True, "copies": 7}
BY_ID = sa.select(SHEET).where(SHEET.c.id == sa.bindparam("id", type_=ID))


@pytest.fixture
def session(db: Database) -> Iterator[Session]:
    with db.transaction() as found:
        META.create_all(found.connection())
        yield found
        found.rollback()


def test_what_goes_in_and_comes_out_is_converted_as_by_execute(session: Session) -> None:
    row = {**ROW, "id": new_id()}
    insert = Prepared(sa.insert(SHEET), SHEET.c.keys())
    insert.run(session, row)
    insert.run(session.connection(), {**row, "id": new_id(), "copies": None})
    found = session.execute(BY_ID, {"id": row["id"]}).mappings().one()
    assert dict(found) == row
    assert Prepared(BY_ID).row(session, {"id": row["id"]}) == row
    assert Prepared(BY_ID).first(session, {"id": row["id"]}) == tuple(found.values())
    assert Prepared(sa.select(SHEET)).rows(session, {}) == list(map(dict, session.execute(sa.select(SHEET)).mappings()))
    assert Prepared(BY_ID).rows(session, {"id": new_id()}) == []
    assert Prepared(BY_ID).first(session, {"id": new_id()}) is None
    assert Prepared(BY_ID).row(session, {"id": new_id()}) is None


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta())])
def test_a_time_is_written_as_by_execute(session: Session, zone: tzinfo) -> None:
    insert = Prepared(sa.insert(SHEET), SHEET.c.keys())
    for moment in (datetime(2026, 3, 1, tzinfo=zone), datetime(1, 1, 2, 23, 59, 59, 999_999, tzinfo=zone)):
        prepared, executed = ({**ROW, "id": new_id(), "copies": None, "at": moment} for _ in range(2))
        insert.run(session, prepared)
        session.execute(sa.insert(SHEET), executed)
        stored = session.execute(sa.select(sa.cast(SHEET.c.at, sa.Text)).where(SHEET.c.copies.is_(None)).distinct())
        assert len(stored.all()) == 1
        session.execute(sa.delete(SHEET))
    with pytest.raises((ValueError, DBAPIError)):  # a naive time
        insert.run(session, {**ROW, "id": new_id(), "at": datetime(2026, 3, 1)})  # noqa: DTZ001


def test_one_statement_for_each_database_and_what_it_holds_itself(session: Session) -> None:
    def build(dialect: str) -> ReturnsRows:
        new = begin_insert(dialect, SHEET).values(copies=1)
        added = {"copies": SHEET.c.copies + new.excluded.copies}
        return new.on_conflict_do_update(index_elements=[SHEET.c.id], set_=added).returning(SHEET.c.copies)

    adding, sheet = Prepared(build, ("id", "open")), {"id": new_id(), "open": False}
    assert [adding.one(session, sheet) for _ in range(3)] == [(1,), (2,), (3,)]


def test_what_it_must_be_given(session: Session) -> None:
    with pytest.raises(KeyError):
        Prepared(BY_ID).first(session, {})
    with pytest.raises(AssertionError):
        Prepared(BY_ID).one(session, {"id": new_id()})
    of_any_length = sa.select(sa.select(SHEET).where(SHEET.c.id.in_(["a"])).subquery())
    assert is_fixed(BY_ID)
    assert not is_fixed(of_any_length)
    with pytest.raises(TypeError):  # a list of any length is written anew each time
        Prepared(of_any_length).first(session, {})


def test_what_goes_wrong_is_told_as_by_execute(session: Session) -> None:
    insert = Prepared(sa.insert(SHEET), SHEET.c.keys())
    insert.run(session, {**ROW, "id": new_id()})
    with pytest.raises(IntegrityError) as caught, session.begin_nested():
        insert.run(session, {**ROW, "id": new_id()})
    assert "é" not in str(caught.value)  # what was being written is in no log
    with pytest.raises(DBAPIError), session.begin_nested():
        Prepared(sa.text("SELECT nothing FROM nowhere").columns()).first(session, {})


def test_it_is_heard_by_who_listens(session: Session) -> None:
    heard: list[Any] = []
    engine = session.connection().engine
    sa.event.listen(engine, "before_cursor_execute", lambda *told: heard.append(told[2]))
    Prepared(BY_ID).first(session, {"id": new_id()})
    assert [statement.split()[0] for statement in heard] == ["SELECT"]
