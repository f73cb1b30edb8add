"""What to read next, as front ends ask for it."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make
from tests.make import Headers, ok
from tests.related.conftest import COURT, FERRY, LAWS, PORT, related, titles

pytestmark = pytest.mark.portable

Publish = Callable[..., dict[str, Any]]
Work = Callable[[], None]


def pinned(client: TestClient, editor: Headers, article: dict[str, Any], *others: dict[str, Any]) -> Any:
    url = f"/v1/articles/{article['id']}/related"
    tag = client.get(url, headers=editor).headers["etag"]
    ids = [other["id"] for other in others]
    return ok(client.put(url, json={"ids": ids}, headers={**editor, "If-Match": tag}))


@pytest.fixture
def town(client: TestClient, editor: Headers, publish: Publish, work: Work) -> dict[str, Any]:
    """Two articles about the harbour, two about a court, of which one is in a series with two others."""
    tides = make.series(client, editor, "Tides & times")["id"]
    found = {"before": publish("Before", "Long ago.", series=tides), "ferry": publish("Ferry", FERRY, series=tides)}
    found |= {"after": publish("After", "Soon.", series=tides), "port": publish("Port", PORT)}
    found |= {"court": publish("Court", COURT), "laws": publish("Laws", LAWS)}
    work()
    return found


def test_chosen_ones_come_first_then_the_series_then_what_the_texts_say(
    client: TestClient, editor: Headers, town: dict[str, Any]
) -> None:
    assert titles(client, town["ferry"]) == ["After", "Before", "Port"]
    pinned(client, editor, town["ferry"], town["laws"], town["port"])
    rows = related(client, town["ferry"])
    assert [(row["kind"], row["article"]["title"]) for row in rows] == [
        ("pinned", "Laws"),
        ("pinned", "Port"),
        ("series", "After"),
        ("series", "Before"),
    ]
    assert [row["reason"]["text"] for row in rows][1:3] == [
        "Chosen by the editors.",
        "Also in the series “Tides & times”.",
    ]
    assert {row["score"] for row in rows} == {None}
    assert rows[0]["article"] == client.get("/v1/articles?ids=laws").json()["data"][0]


def test_a_link_says_why(client: TestClient, town: dict[str, Any]) -> None:
    (row,) = related(client, town["port"])
    assert row["kind"] == "automatic"
    assert 0.06 < row["score"] < 1
    assert {"ferry", "harbour"} <= set(row["reason"]["terms"])
    assert len(row["reason"]["terms"]) <= 5
    first, *_, last = row["reason"]["terms"]
    assert row["reason"]["text"].startswith(f"Both are about {first}, ")
    assert row["reason"]["text"].endswith(f" and {last}.")


def test_words_that_the_text_no_longer_has_are_not_given_as_a_reason(
    client: TestClient, editor: Headers, town: dict[str, Any], work: Work
) -> None:
    make.patched(client, editor, town["port"], body={"html": f"<p>{PORT.replace('harbour', 'quay')}</p>"})
    make.act(client, editor, town["port"], "publish")
    (row,) = related(client, town["port"])
    assert row["reason"] == {"terms": [], "text": "The texts are similar."}
    work()
    (row,) = related(client, town["port"])
    assert "ferry" in row["reason"]["terms"]
    assert "harbour" not in row["reason"]["terms"]


def test_fields_formats_and_limit(client: TestClient, town: dict[str, Any]) -> None:
    assert related(client, town["ferry"], "fields=kind,article.slug&limit=2") == [
        {"kind": "series", "article": {"slug": "after"}},
        {"kind": "series", "article": {"slug": "before"}},
    ]
    (row,) = related(client, town["port"], "fields=article.slug&formats=text")
    assert row == {"article": {"slug": "ferry", "body": {"text": FERRY}}}
    for query in ("limit=0", "limit=101", "fields=article.card", "formats=pdf", "cursor=x", "sort=-score"):
        refused = client.get(f"/v1/articles/ferry/related?{query}")
        assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (400, query.split("=")[0])


def test_the_answer_is_kept_until_it_changes(client: TestClient, town: dict[str, Any]) -> None:
    answer = client.get("/v1/articles/ferry/related")
    assert answer.json()["page"] == {"next": None, "prev": None, "limit": 20, "total": None}
    assert {f"related:{town['ferry']['id']}", "articles", "publication"} <= set(answer.headers["cache-tag"].split(","))
    assert "last-modified" in answer.headers
    same = client.get("/v1/articles/ferry/related", headers={"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304


def test_one_statement_and_three_with_everything_beside_the_article(
    client: TestClient, town: dict[str, Any], statements: list[str]
) -> None:
    related(client, town["ferry"])
    assert len(statements) == 1
    statements.clear()
    ok(client.get("/v1/articles/ferry?include=related,neighbours"))
    assert len(statements) == 3


def test_beside_the_article(client: TestClient, town: dict[str, Any]) -> None:
    whole = ok(client.get("/v1/articles/ferry?include=neighbours,related"))
    assert whole["related"] == related(client, town["ferry"])
    assert whole["neighbours"] == ok(client.get("/v1/articles/ferry/neighbours"))
    few = client.get(
        "/v1/articles/ferry?include=related,neighbours&fields=slug,related.article.slug,neighbours.next.slug"
    )
    assert ok(few) == {
        "slug": "ferry",
        "related": [{"article": {"slug": slug}} for slug in ("after", "before", "port")],
        "neighbours": {"next": {"slug": "after"}},
    }
    assert f"related:{town['ferry']['id']}" in few.headers["cache-tag"].split(",")
    assert ok(client.get("/v1/articles/court?include=related&fields=title"))["related"]
    refused = client.get("/v1/articles/ferry?include=related,secrets")
    assert refused.json()["errors"][0]["parameter"] == "include"


def test_nothing_that_is_not_public_even_before_the_worker_comes(
    client: TestClient, editor: Headers, town: dict[str, Any], work: Work
) -> None:
    pinned(client, editor, town["court"], town["port"])
    assert titles(client, town["court"]) == ["Port", "Laws"]
    make.act(client, editor, town["port"], "unpublish")
    make.act(client, editor, town["laws"], "retract", {"reason": "It was wrong."})
    make.act(client, editor, town["after"], "unpublish")
    assert titles(client, town["court"]) == []
    assert titles(client, town["ferry"]) == ["Before"]
    assert titles(client, town["court"], headers=editor) == ["Port"]  # editors see what they chose
    work()
    assert titles(client, town["court"]) == []
    make.act(client, editor, town["port"], "publish")
    work()
    assert titles(client, town["court"]) == ["Port"]
    assert titles(client, town["ferry"]) == ["Before", "Port"]


def test_an_article_that_cannot_be_read_has_no_links(client: TestClient, editor: Headers, town: dict[str, Any]) -> None:
    draft = make.draft(client, editor, "Not yet")
    hidden, missing = (client.get(f"/v1/articles/{ref}/related") for ref in (draft["slug"], "nothing"))
    assert hidden.status_code == missing.status_code == 404
    assert related(client, draft, headers=editor) == []
    make.act(client, editor, town["court"], "retract", {"reason": "It was wrong."})
    assert client.get("/v1/articles/court/related").status_code == 410
    make.patched(client, editor, town["ferry"], slug="boat")
    moved = client.get("/v1/articles/ferry/related?limit=1", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (301, "/v1/articles/boat/related?limit=1")
