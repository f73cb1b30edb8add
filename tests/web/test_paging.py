"""Keyset paging: every row once, at any depth, and no cursor that breaks anything."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel.sql.sqltypes import UTCDateTime

from app.core.ids import new_id
from app.core.problems import InvalidParameter
from app.db import Database
from app.db.columns import ID
from app.web.paging import PageQuery, Sort, fetch_mappings, page_of

PAGED = sa.Table(
    "paged",
    sa.MetaData(),
    sa.Column("id", ID, primary_key=True),
    sa.Column("at", UTCDateTime()),
    sa.Column("name", sa.String),
    sa.Column("rank", sa.Integer),
)
SORTS = [
    Sort(sign + name, descending=sign == "-", kind=kind)
    for name, kind in (("at", datetime), ("name", str), ("rank", int))
    for sign in ("", "-")
]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)])
        | st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 2)),  # noqa: DTZ001
        st.sampled_from(["", "a", "A", "ä", "a\u00a0b", "\u200b", "\t"])
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
        st.integers(-(2**31), 2**31 - 1) | st.integers(0, 2),
    ),
    max_size=25,
)


@pytest.fixture
def paged(db: Database) -> Iterator[Database]:
    engine = db.engines()[1]
    PAGED.metadata.create_all(engine)
    yield db
    PAGED.metadata.drop_all(engine)


def walk(connection: sa.Connection, sort: Sort, limit: int) -> list[str]:
    column = PAGED.c[sort.name.removeprefix("-")]
    seen: list[str] = []
    pages = []
    asked = PageQuery(limit=limit, count="exact")
    while True:
        page = fetch_mappings(connection, sa.select(PAGED), sort, column, asked)
        pages.append(page["data"])
        assert len(page["data"]) <= page["page"]["limit"] == limit
        seen += [row["id"] for row in page["data"]]
        assert len(seen) == len(set(seen))
        if page["page"]["next"] is None:
            assert page["page"]["total"] == len(seen)
            break
        assert len(page["data"]) == limit
        asked = PageQuery(limit=limit, count="exact", cursor=page["page"]["next"])
    for rows in pages[-2::-1]:
        asked = PageQuery(limit=limit, cursor=page["page"]["prev"])
        page = fetch_mappings(connection, sa.select(PAGED), sort, column, asked)
        assert page["data"] == rows, "the pages before are those that were read"
        assert page["page"]["next"] is not None
    assert page["page"]["prev"] is None
    return seen


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, sort=st.sampled_from(SORTS), limit=st.integers(1, 7))
@example(rows=[(datetime(2026, 1, 1, tzinfo=UTC), "a\u00a0b", 1)] * 5, sort=SORTS[2], limit=2)
def test_a_walk_visits_every_row_once_and_in_order(
    paged: Database, rows: list[tuple[datetime, str, int]], sort: Sort, limit: int
) -> None:
    column = PAGED.c[sort.name.removeprefix("-")]
    with paged.transaction() as session:
        session.execute(sa.delete(PAGED))
        if rows:
            values = [{"id": new_id(), "at": at, "name": name, "rank": rank} for at, name, rank in rows]
            session.execute(sa.insert(PAGED), values)
    with paged.connect() as connection:
        whole = sa.select(PAGED.c.id).order_by(*sort.order_by(column, PAGED.c.id))
        assert walk(connection, sort, limit) == list(connection.execute(whole).scalars())


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


AT, NAME, RANK = SORTS[0], SORTS[2], SORTS[4]
ROW_ID = "01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("sort", "cursor"),
    [
        (AT, ""),
        (AT, "canary"),
        (AT, "ä"),
        (AT, "=" * 9),
        (AT, encoded(None)),
        (AT, encoded(7)),
        (AT, encoded("abc")),
        (AT, encoded([])),
        (AT, encoded(["at", "2026-01-01T00:00:00Z"])),
        (AT, encoded(["-at", "2026-01-01T00:00:00Z", ROW_ID])),  # of another order
        (AT, encoded(["at", "2026-01-01T00:00:00Z", 7])),
        (AT, encoded(["at", "2026-01-01T00:00:00Z", "x' OR 1=1"])),
        (AT, encoded(["at", "2026-13-01T00:00:00Z", ROW_ID])),
        (AT, encoded(["at", "0001-01-01T00:00:00+14:00", ROW_ID])),  # before the calendar begins
        (AT, encoded(["at", "9999-12-31T23:59:59-14:00", ROW_ID])),
        (AT, encoded(["at", 7, ROW_ID])),
        (AT, encoded(["at", None, ROW_ID])),
        (NAME, encoded(["name", "a\0b", ROW_ID])),
        (NAME, encoded(["name", "\ud800", ROW_ID])),
        (NAME, encoded(["name", ["a"], ROW_ID])),
        (NAME, encoded(["name", 1, ROW_ID])),
        (RANK, encoded(["rank", True, ROW_ID])),
        (RANK, encoded(["", "rank", 1, ROW_ID, "beside"])),
        (RANK, encoded(["", "rank", 1, ROW_ID, "before", 1])),
        (RANK, encoded(["rank", 2**63, ROW_ID])),
        (RANK, encoded(["rank", -(2**63) - 1, ROW_ID])),
        (RANK, encoded(["rank", 1.5, ROW_ID])),
        (RANK, encoded(["rank", float("nan"), ROW_ID])),
        (RANK, base64.urlsafe_b64encode(b"[" * 700).decode()),
    ],
)
def test_a_bad_cursor_is_a_400(sort: Sort, cursor: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        sort.decode(cursor)
    assert (caught.value.status, caught.value.errors[0]["parameter"]) == (400, "cursor")
    assert "canary" not in str(caught.value.errors)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sort=st.sampled_from(SORTS),
    cursor=st.text()
    | JSON.map(encoded)
    | st.tuples(st.sampled_from([sort.name for sort in SORTS]), JSON, st.just(ROW_ID)).map(encoded),
)
@example(sort=SORTS[4], cursor=encoded(["rank", 2**63 - 1, ROW_ID]))
@example(sort=SORTS[5], cursor=encoded(["-rank", -(2**63), ROW_ID]))
def test_any_cursor_is_a_page_or_a_400(paged: Database, sort: Sort, cursor: str) -> None:
    try:
        key = sort.decode(cursor)
    except InvalidParameter:
        return
    with paged.connect() as connection:
        column = PAGED.c[sort.name.removeprefix("-")]
        asked = PageQuery.model_construct(limit=2, cursor=sort.encode(*key), count="none", fields=None)
        assert fetch_mappings(connection, sa.select(PAGED), sort, column, asked)["data"] == []


def test_the_last_page_has_no_cursor() -> None:
    rows = [{"id": ROW_ID, "rank": n} for n in range(3)]
    assert page_of(rows, 3, RANK, "rank")["page"] == {"next": None, "prev": None, "limit": 3, "total": None}
    assert page_of(rows, 2, RANK, "rank", 9) == {
        "data": rows[:2],
        "page": {"next": RANK.encode(1, ROW_ID), "prev": None, "limit": 2, "total": 9},
    }
    assert RANK.decode(RANK.encode(1, ROW_ID)) == (1, ROW_ID)
