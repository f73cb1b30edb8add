"""Counts of many articles at once."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from app.articles.counters import adjust_tally, change_reaction
from app.core.ids import new_id
from app.db import Database
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
NAMES = ("agree", "disagree", "insightful")
NONE = {"comments": 0, "inline": 0, "reactions": dict.fromkeys(NAMES, 0)}


@pytest.fixture
def articles(client: TestClient, editor: Headers, db: Database) -> list[dict[str, Any]]:
    """Two public articles, of which the first has comments and a reaction, and a draft."""
    made = [make.published(client, editor, name, slug=name) for name in ("one", "two")]
    with db.transaction() as session:
        adjust_tally(session, made[0]["id"], comments=3, inline=1)
        change_reaction(session, made[0]["id"], None, "agree", NAMES)
    return [*made, make.draft(client, editor, "three", slug="three")]


def counts(client: TestClient, refs: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = make.ok(client.get("/v1/counts", params={"articles": refs, **more}))["data"]
    return found


def test_counts_are_under_the_names_that_were_asked_for(
    client: TestClient, editor: Headers, articles: list[dict[str, Any]], statements: list[str]
) -> None:
    first = {"comments": 3, "inline": 1, "reactions": {**NONE["reactions"], "agree": 1}}  # type: ignore[dict-item]
    asked = f"two,one, {articles[0]['id']},three,{articles[2]['id']},{new_id()},nobody,one"
    found = counts(client, asked)
    assert list(found.items()) == [("two", NONE), ("one", first), (articles[0]["id"], first)]
    assert len(statements) == 1
    private = client.get("/v1/counts?articles=one,three", headers=editor)
    assert list(private.json()["data"]) == ["one"]
    assert "cache-tag" not in private.headers


def test_fields_are_those_of_each_count(client: TestClient, articles: list[dict[str, Any]]) -> None:
    assert counts(client, "one,two", fields="comments") == {"one": {"comments": 3}, "two": {"comments": 0}}
    assert client.get("/v1/counts?articles=one&fields=title").status_code == 400


def test_at_most_a_hundred(client: TestClient) -> None:
    assert counts(client, ",".join(f"a{n}" for n in range(100))) == {}
    for refs in (",".join(f"a{n}" for n in range(101)), "", "a,,b", " ", "x" * 201):
        assert client.get("/v1/counts", params={"articles": refs}).status_code == 400
    assert client.get("/v1/counts").status_code == 400


def test_an_answer_is_known_by_its_etag_and_goes_stale_with_what_it_counts(
    client: TestClient, db: Database, editor: Headers, articles: list[dict[str, Any]]
) -> None:
    url = "/v1/counts?articles=one,two"
    answer = client.get(url)
    assert set(answer.headers["cache-tag"].split(",")) == {
        "articles",
        "discussions:settings",
        *(f"counts:{article['id'][-3:]}" for article in articles[:2]),
    }
    known = {"If-None-Match": answer.headers["etag"]}
    assert client.get(url, headers=known).status_code == 304
    with db.transaction() as session:
        adjust_tally(session, articles[1]["id"], comments=1)
    assert client.get(url, headers=known).status_code == 200
