"""Whatever is posted, voted on or removed between two pages: what was there at the start is read exactly once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.comments.lifecycle import adjust_votes, announce_comment, set_state
from app.comments.reading import C, lock_comment
from app.comments.schemas import SORT_COLUMNS
from app.core.ids import new_id
from app.db import Database
from tests import make
from tests.comments.trees import Twig, grown
from tests.effort import effort
from tests.make import Headers, ok

pytestmark = pytest.mark.portable

Row = dict[str, Any]
EXAMPLES = effort("EXAMPLES", 6, long=100)
MORE = 3  # posted between two pages at most
BY_TIME = {"newest", "oldest"}

TWIGS = st.builds(
    Twig,
    under=st.none() | st.integers(0, 40),
    second=st.integers(0, 3) | st.integers(0, 10**6),
    ups=st.integers(0, 2) | st.integers(0, 10**6),
    downs=st.integers(0, 2) | st.integers(0, 10**6),
    state=st.sampled_from(["published"] * 6 + ["removed", "pending"]),
)


def lists(of: Any, most: int) -> Any:
    """Lists of which long ones are as likely as short ones."""
    return st.integers(1, most).flatmap(lambda size: st.lists(of, min_size=size, max_size=size))


TREES = lists(TWIGS, 40)
# What happens between two pages: a number says to which of the comments that are there.
POST, VOTE, REMOVE = "post", "vote", "remove"
DEEDS = lists(st.lists(st.tuples(st.sampled_from([POST, POST, VOTE, REMOVE]), st.integers(0, 99)), max_size=MORE), 12)


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    """One article for all examples: each lays its own discussion under it."""
    return make.published(client, editor)


def standing(twigs: list[Twig]) -> list[Twig]:
    """A tree of what was drawn: everything stands under something before it that may have replies."""
    made: list[Twig] = []
    for n, twig in enumerate(twigs):
        under = twig.under % n if twig.under is not None and n else None
        is_held = under is not None and made[under].state == "pending"
        made.append(twig._replace(under=under, state="pending" if is_held else twig.state))
    return made


class Discussion:
    """A discussion that goes on while somebody reads it."""

    def __init__(self, client: TestClient, db: Database, article: dict[str, Any], twigs: list[Twig]) -> None:
        self.client, self.db, self.article_id = client, db, article["id"]
        self.rows = grown(db, article["id"], standing(twigs))
        self.late: list[Row] = []
        self.touched: set[str] = set()  # voted on, or taken out of the public view, since the start

    def there(self, under_id: str) -> set[str]:
        """What stood there at the start and was let alone."""
        listed = {row["id"] for row in self.rows if row["under_id"] == under_id and row["listed"]}
        return listed - self.touched

    def do(self, deeds: list[tuple[str, int]], sort: str) -> None:
        """What other people do meanwhile; what is removed must not move what an order by votes shows."""
        with self.db.transaction() as session:
            for deed, number in deeds:
                public = [row for row in self.rows if row["state"] == "published"]
                if deed == POST:
                    self._post(session, number)
                elif public and deed == VOTE:
                    row = public[number % len(public)]
                    adjust_votes(session, lock_comment(session, row["id"]), number % 3, number % 2)
                    if sort not in BY_TIME:
                        self.touched.add(row["id"])
                elif public and deed == REMOVE and sort in BY_TIME:
                    row = public[number % len(public)]
                    set_state(session, lock_comment(session, row["id"]), "removed", by="moderator")
                    row["state"] = "removed"
                    self._forget(session)

    def _post(self, session: Any, number: int) -> None:
        open_rows = [None, *(row for row in self.rows if row["state"] == "published")]
        parent, newest = open_rows[number % len(open_rows)], max((row["created_at"] for row in self.rows), default=None)
        like = self.rows[number % len(self.rows)] if self.rows else None
        if like is None or newest is None:
            return
        row = {**like, "id": new_id(), "parent_id": None, "under_id": self.article_id, "depth": 0, "replies": 0}
        row |= {"root_id": row["id"], "state": "published", "listed": True}
        if parent is not None:
            row |= {"parent_id": parent["id"], "under_id": parent["id"], "root_id": parent["root_id"]}
            row["depth"] = parent["depth"] + 1
        row["created_at"] = newest + timedelta(milliseconds=len(self.late) + 1)
        session.execute(sa.insert(C).values(row))
        announce_comment(session, row)
        self.late.append(row)

    def _forget(self, session: Any) -> None:
        """A removed comment stays where it holds replies; it, and tombstones above it, may be gone instead."""
        listed = set(session.execute(sa.select(C.c.id).where(C.c.listed)).scalars())
        self.touched |= {row["id"] for row in self.rows if row["listed"]} - listed


def walk(read: Discussion, path: str, sort: str, limit: int, deeds: Iterator[Any], cursor: str | None = None) -> Any:
    """Every row of a level from a cursor on; something is done before each page but the first."""
    query = f"sort={sort}&limit={limit}"
    while True:
        page = ok(read.client.get(f"{path}{query}" + (f"&cursor={cursor}" if cursor else "")))
        assert len(page["data"]) <= limit
        yield from page["data"]
        cursor = page["page"]["next"]
        if cursor is None:
            return
        read.do(next(deeds, []), sort)


def visited(read: Discussion, sort: str, limit: int, few: int, deeds: Iterator[Any]) -> dict[str, list[str]]:
    """The whole discussion as a client reads it: the ids of each level, by what they stand under."""
    levels: dict[str, list[str]] = {}
    todo: list[tuple[str, str, str | None]] = []

    def note(under_id: str, row: Row, order: str) -> None:
        """Keep a row, and remember once where the replies to it go on."""
        levels.setdefault(under_id, []).append(row["id"])
        if row["id"] in levels:
            return  # votes have moved it
        levels[row["id"]], first = [], row["first_replies"]
        if first is None and row["replies"]:
            todo.append((row["id"], order, None))
        for reply in first["data"] if first else ():
            note(row["id"], reply, sort)
        if first and first["page"]["next"]:
            todo.append((row["id"], "oldest", first["page"]["next"]))

    path = f"/v1/articles/{read.article_id}/comments?replies={few}&"
    for row in walk(read, path, sort, limit, deeds):
        note(read.article_id, row, sort)
    while todo:
        parent, order, cursor = todo.pop()
        if read.client.get(f"/v1/comments/{parent}").status_code == 404:
            continue  # it was removed meanwhile, and everything under it before
        for row in walk(read, f"/v1/comments/{parent}/replies?replies={few // 2}&", order, limit, deeds, cursor):
            note(parent, row, sort)
    return levels


def check(read: Discussion, levels: dict[str, list[str]]) -> None:
    """Each level holds nothing twice and everything that was there all the time, and nothing from elsewhere."""
    place = {row["id"]: row["under_id"] for row in (*read.rows, *read.late)}
    for under_id, found in levels.items():
        lasting = read.there(under_id)
        assert all(place[row_id] == under_id for row_id in found)
        assert len([row_id for row_id in found if row_id in lasting]) == len(lasting & set(found)), "read twice"
        assert lasting <= set(found), "left out"
    listed = {row["under_id"] for row in read.rows if row["listed"] and row["id"] not in read.touched}
    reached = listed & set(levels) | {read.article_id}
    for under_id in listed - reached:  # only below what was moved or removed is anything not reached
        assert _is_lost(read, under_id)


def _is_lost(read: Discussion, row_id: str) -> bool:
    by_id = {row["id"]: row for row in read.rows}
    while row_id in by_id:
        if row_id in read.touched:
            return True
        row_id = by_id[row_id]["under_id"]
    return False


@pytest.mark.long
@pytest.mark.parametrize("sort", SORT_COLUMNS)
@settings(
    derandomize=True,
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(twigs=TREES, limit=st.integers(1, 4), few=st.integers(0, 3), deeds=DEEDS)
@example(twigs=[Twig()] * 9, limit=2, few=2, deeds=[[(POST, 0)]] * 9)  # all alike
@example(twigs=[Twig(n - 1 if n else None) for n in range(9)], limit=1, few=1, deeds=[[(REMOVE, 8)], [(POST, 9)]])
@example(twigs=[Twig(), *[Twig(0)] * 8, *[Twig(1)] * 8], limit=3, few=1, deeds=[[(POST, 1), (REMOVE, 2)]] * 9)
def test_a_walk_reads_what_was_there_exactly_once(
    client: TestClient,
    db: Database,
    article: dict[str, Any],
    sort: str,
    twigs: list[Twig],
    limit: int,
    few: int,
    deeds: list[list[tuple[str, int]]],
) -> None:
    read = Discussion(client, db, article, twigs)
    check(read, visited(read, sort, limit, few, iter(deeds)))


@pytest.mark.long
@pytest.mark.parametrize("sort", SORT_COLUMNS)
@settings(
    derandomize=True,
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(twigs=TREES, limit=st.integers(1, 4), deeds=DEEDS)
@example(twigs=[Twig()] * 9, limit=2, deeds=[[(POST, 0)]] * 9)
def test_so_does_a_walk_of_all_comments(
    client: TestClient,
    db: Database,
    article: dict[str, Any],
    sort: str,
    twigs: list[Twig],
    limit: int,
    deeds: list[list[tuple[str, int]]],
) -> None:
    read = Discussion(client, db, article, twigs)
    path = f"/v1/articles/{article['id']}/comments?view=all&"
    found = [row["id"] for row in walk(read, path, sort, limit, iter(deeds))]
    lasting = {row["id"] for row in read.rows if row["state"] == "published"} - read.touched
    assert sorted(row_id for row_id in found if row_id in lasting) == sorted(lasting)
    assert set(found) <= {row["id"] for row in (*read.rows, *read.late)}
