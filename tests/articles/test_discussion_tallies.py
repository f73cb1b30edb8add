"""Counters of an article: nothing is lost or counted twice, and everyone who shows them shows them at once."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.articles.counters import adjust_tally, change_reaction
from app.core.settings import Settings
from app.db import Database
from app.main import create_app
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
NAMES = ("agree", "disagree", "insightful")
NOBODY = dict.fromkeys(NAMES, 0)


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    """A public article."""
    return make.published(client, editor, "A title", slug="it")


def test_counts_are_in_everything_that_shows_an_article(
    client: TestClient, db: Database, editor: Headers, article: dict[str, Any], make_cards: Callable[[], None]
) -> None:
    make.published(client, editor, "Next", slug="next")
    assert (article["discussion"]["comments"], article["reactions"]) == (0, NOBODY)
    for turn in (1, 2):  # first put together from the tables, then from cards
        before = client.get("/v1/articles/it").headers["etag"]
        with db.transaction() as session:
            adjust_tally(session, article["id"], comments=3, inline=1)
            change_reaction(session, article["id"], None, "agree", NAMES)
        answer = client.get("/v1/articles/it")
        assert answer.headers["etag"] != before
        assert answer.headers["etag"].partition("-")[0] == before.partition("-")[0]  # editors' versions stay
        shown = [
            answer.json(),
            make.ok(client.get("/v1/articles?ids=it"))["data"][0],
            make.ok(client.get("/v1/articles/next/neighbours"))["previous"],
            make.ok(client.get("/v1/resolve?path=/it"))["article"],
            make.ok(client.get("/v1/articles/it?revision=latest", headers=editor)),
        ]
        for found in shown:
            assert (found["discussion"]["comments"], found["discussion"]["inline"]) == (3 * turn, turn)
            assert found["reactions"] == {**NOBODY, "agree": turn}
        make_cards()


def test_both_ways_give_the_same_bytes(
    client: TestClient, db: Database, article: dict[str, Any], admin: Headers, make_cards: Callable[[], None]
) -> None:
    body = {"prompt": "Ünd “now” \u2028?", "closes_at": "2031-02-03T04:05:06.789+02:00"}
    url = "/v1/articles/it/discussion"
    make.ok(client.put(url, json=body, headers={**admin, "If-Match": "*"}))
    with db.transaction() as session:
        adjust_tally(session, article["id"], comments=3, inline=1)
        change_reaction(session, article["id"], None, "insightful", NAMES)
    urls = ("/v1/articles/it", "/v1/articles", "/v1/articles?fields=discussion.closes_at,reactions")
    before = [client.get(url).content for url in urls]
    single = client.get("/v1/articles/it?revision=1", headers=admin).json()
    make_cards()
    assert [client.get(url).content for url in urls] == before
    after = client.get("/v1/articles/it").json()
    assert (single["discussion"], single["reactions"]) == (after["discussion"], after["reactions"])
    assert after["discussion"]["closes_at"] == "2031-02-03T02:05:06.789000Z"


def test_deltas_add_up(client: TestClient, db: Database, article: dict[str, Any]) -> None:
    rng, total = random.Random(5), Counter[str]()
    for _ in range(5):
        with db.transaction() as session:
            for _ in range(5):
                delta = {"comments": rng.randint(-2, 5), "inline": rng.randint(-2, 5)}
                total.update(delta)
                adjust_tally(session, article["id"], **delta)
    shown = make.ok(client.get("/v1/articles/it"))["discussion"]
    assert {name: shown[name] for name in total} == total


def test_reactions_move_and_none_is_below_zero(client: TestClient, db: Database, article: dict[str, Any]) -> None:
    rng, totals = random.Random(7), Counter[str]()
    names = (*NAMES, "gone")
    for _ in range(60):
        old, new = rng.choice([None, *names]), rng.choice([None, *names])
        if old != new:
            totals.update([new] if new else [])
            if old and totals[old]:
                totals[old] -= 1
        with db.transaction() as session:
            found = change_reaction(session, article["id"], old, new, NAMES)
        assert found == {name: totals[name] for name in NAMES}
    assert totals["gone"]
    assert make.ok(client.get("/v1/articles/it"))["reactions"] == found


@pytest.mark.both
def test_readers_who_come_at_once_are_all_counted(client: TestClient, db: Database, article: dict[str, Any]) -> None:
    def come(number: int) -> None:
        with db.transaction() as session:
            change_reaction(session, article["id"], None, NAMES[number % 3], NAMES)
            adjust_tally(session, article["id"], comments=1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(come, range(30)))
    found = make.ok(client.get("/v1/articles/it"))
    assert found["reactions"] == dict.fromkeys(NAMES, 10)
    assert found["discussion"]["comments"] == 30


def test_only_the_reactions_that_are_offered_are_shown(
    client: TestClient, db: Database, settings: Settings, article: dict[str, Any], make_cards: Callable[[], None]
) -> None:
    with db.transaction() as session:
        change_reaction(session, article["id"], None, "agree", NAMES)
    make_cards()
    offered = settings.model_copy(update={"reactions": ("thanks", "agree")})
    with TestClient(create_app(offered, with_worker=False)) as other:
        assert list(other.get("/v1/articles/it").json()["reactions"].items()) == [("thanks", 0), ("agree", 1)]
        assert other.get("/v1/counts?articles=it").json()["data"]["it"]["reactions"] == {"thanks": 0, "agree": 1}


def test_articles_still_take_one_statement(client: TestClient, article: dict[str, Any], statements: list[str]) -> None:
    for url in ("/v1/articles/it", "/v1/articles", "/v1/articles/it/discussion", "/v1/discussion"):
        make.ok(client.get(url))
        assert len(statements) == 1
        statements.clear()
