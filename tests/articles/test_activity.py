"""The most discussed of a day, a week, a month: counted as it happens, forgotten by the clock, and never twice."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.articles.counters import ACTIVITY, HOUR, NEXT_HOUR, age_activity, count_activity
from app.core.clock import now
from app.core.ids import new_id
from app.db import Database
from tests import make
from tests.articles.stock import Piece, clear, put

pytestmark = pytest.mark.portable

Headers = dict[str, str]
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def slugs(client: TestClient, sort: str, more: str = "") -> list[str]:
    """A list in an order."""
    return [row["slug"] for row in make.ok(client.get(f"/v1/articles?fields=slug&sort={sort}{more}"))["data"]]


def grown_old(db: Database) -> None:
    """What the worker does."""

    def is_due() -> bool:
        with db.connect() as connection:
            due = connection.execute(NEXT_HOUR).scalar()
        return due is not None and due <= now()

    was_due = is_due()
    with db.transaction() as session:
        assert bool(age_activity(session, 3)) == was_due
        while age_activity(session, 3):
            pass
    assert not is_due()


def sums(db: Database) -> dict[str, tuple[int, ...]]:
    """What is stored for each article."""
    with db.connect() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(sa.select(ACTIVITY))}


def test_comments_and_reactions_order_lists(client: TestClient, editor: Headers, admin: Headers, db: Database) -> None:
    one, two, three = (make.published(client, editor, title) for title in ("One", "Two", "Three"))
    first = make.comment(client, two)
    make.comment(client, two, text="Again, I say.")
    make.comment(client, one)
    assert slugs(client, "-discussed_1d") == ["two", "one", "three"]
    assert slugs(client, "-discussed_7d", "&limit=1") == ["two"]
    assert slugs(client, "-reacted_7d") == ["three", "two", "one"]
    guests = [make.guest(client) for _ in range(2)]
    make.prove_guests(db)
    chosen = ((0, three, "agree"), (1, three, "disagree"), (0, one, "agree"), (0, three, "insightful"))
    for guest, article, value in chosen:
        url = f"/v1/articles/{article['id']}/reaction"
        make.ok(client.put(url, json={"value": value}, headers=guests[guest]))
    assert slugs(client, "-reacted_30d") == ["three", "one", "two"]
    make.ok(client.put(f"/v1/articles/{one['id']}/reaction", json={"value": None}, headers=guests[0]))
    assert slugs(client, "-reacted_30d") == ["three", "two", "one"]
    make.ok(client.post(f"/v1/comments/{first['id']}/remove", json={"reason": "Off topic."}, headers=admin))
    assert sums(db)[two["id"]] == (1, 1, 1, 0, 0, 0)
    assert sums(db)[three["id"]] == (0, 0, 0, 2, 2, 2)
    make.act(client, editor, three, "unpublish")
    assert slugs(client, "-reacted_30d") == ["two", "one"]


def test_a_reaction_at_the_turn_of_an_hour_can_be_taken_back(
    client: TestClient, editor: Headers, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    article, guest = make.published(client, editor), make.guest(client)
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    turning = chain(repeat(hour - timedelta(microseconds=1), 2), repeat(hour))
    monkeypatch.setattr("app.reactions.reactions.now", lambda: next(turning))
    for value in ("agree", None):
        make.ok(client.put(f"/v1/articles/{article['id']}/reaction", json={"value": value}, headers=guest))
    assert not any(sums(db).get(article["id"], ()))


def test_pages_and_filters_of_the_most_discussed(client: TestClient, db: Database) -> None:
    clear(db)
    pieces = [Piece(new_id(), f"p{n}", type="opinion" if n % 2 else "article") for n in range(9)]
    put(db, pieces)
    moment = datetime.now(UTC)
    with db.transaction() as session:
        for n, piece in enumerate(pieces):
            if n // 2:
                count_activity(session, piece.id, moment, comments=n // 2)
    wanted = [p.slug for _, p in sorted(((n // 2, p.id), p) for n, p in enumerate(pieces))][::-1]
    for limit in (2, 3, 7):  # of which one ends a page with the last that is discussed
        pages = make.pages(client, "/v1/articles", sort="-discussed_7d", limit=limit, fields="slug")
        assert [row["slug"] for page in pages for row in page] == wanted
    assert slugs(client, "-discussed_7d", "&type=opinion") == [s for s in wanted if int(s[1:]) % 2]
    answer = client.get("/v1/articles?sort=-discussed_7d&count=exact")
    assert answer.json()["page"]["total"] == len(wanted)
    assert "activity" in answer.headers["cache-tag"].split(",")
    assert "activity" not in client.get("/v1/articles").headers["cache-tag"].split(",")


def test_what_is_old_is_forgotten_by_the_clock(client: TestClient, db: Database) -> None:
    clear(db)
    piece = Piece(new_id(), "one")
    put(db, [piece])
    with time_machine.travel(NOW, tick=False), db.transaction() as session:
        count_activity(session, piece.id, NOW - timedelta(days=31), comments=5)  # too old for any
        count_activity(session, piece.id, NOW - timedelta(days=8), comments=3)
        count_activity(session, piece.id, NOW - timedelta(minutes=40), comments=2, reactions=1)
        count_activity(session, piece.id, NOW, comments=-1)  # never counted there
    wanted = {
        timedelta(): (2, 2, 5, 1, 1, 1),
        timedelta(hours=23, minutes=29): (2, 2, 5, 1, 1, 1),
        timedelta(hours=23, minutes=31): (0, 2, 5, 0, 1, 1),  # 11:50 belongs to the hour that ends at 12:00
        timedelta(days=7): (0, 0, 5, 0, 0, 1),
        timedelta(days=23): (0, 0, 2, 0, 0, 1),
    }
    for later, numbers in wanted.items():
        with time_machine.travel(NOW + later, tick=False):
            grown_old(db)
            assert sums(db) == {piece.id: numbers}, later
    with time_machine.travel(NOW + timedelta(days=31), tick=False):
        grown_old(db)
    assert sums(db) == {}
    with db.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(HOUR)).scalar_one() == 0
        events = list(connection.execute(sa.text("SELECT type FROM event")).scalars())
    assert "activity.aged" in events


STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "wait", "age"]), st.integers(0, 2), st.integers(0, 40 * 24)),
    min_size=5,
    max_size=40,
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_sums_are_what_a_recount_gives(db: Database, steps: list[tuple[str, int, int]]) -> None:
    """Whatever is written, taken back and forgotten, in whatever order."""
    clear(db)
    pieces = [Piece(new_id(), f"p{n}") for n in range(3)]
    put(db, pieces)
    moment, standing = NOW, []
    for verb, n, hours in steps:
        with time_machine.travel(moment, tick=False):
            if verb == "wait":
                moment += timedelta(hours=hours / 4)
            elif verb == "age":
                grown_old(db)
            elif verb == "write":
                standing.append((pieces[n].id, moment - timedelta(hours=hours)))
                with db.transaction() as session:
                    count_activity(session, *standing[-1], comments=1)
            elif standing:
                with db.transaction() as session:
                    count_activity(session, *standing.pop(hours % len(standing)), comments=-1)
    with time_machine.travel(moment, tick=False):
        grown_old(db)
    wanted: dict[str, Counter[int]] = {}
    for article, at in standing:
        begin = at.replace(minute=0)
        for days in (1, 7, 30):
            if begin + timedelta(hours=1, days=days) > moment:
                wanted.setdefault(article, Counter())[days] += 1
    found: dict[str, Any] = {key: Counter(dict(zip((1, 7, 30), row, strict=False))) for key, row in sums(db).items()}
    assert {key: +row for key, row in found.items() if +row} == wanted


@pytest.mark.parametrize("sort", ["discussed_7d", "-discussed_2d", "-discussed", "-reacted_"])
def test_other_orders_are_refused(client: TestClient, sort: str) -> None:
    assert make.ok(client.get(f"/v1/articles?sort={sort}"), 400)["errors"][0]["parameter"] == "sort"
