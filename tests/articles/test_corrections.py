"""Corrections that are changed and withdrawn: readers see what holds, editors what was said before."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.db import Database
from app.events.log import read_after
from app.events.schemas import START
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]


def corrected(client: TestClient, editor: Headers, *texts: str) -> dict[str, Any]:
    article = make.published(client, editor)
    for text in texts:
        article = make.act(client, editor, article, "corrections", {"text": text})
    return article


def send(client: TestClient, headers: Headers, method: str, article: Any, n: int, body: Any = None) -> Any:
    url = f"/v1/articles/{article['id']}/corrections/{n}"
    return client.request(method, url, json=body, headers={**headers, "If-Match": "*"})


def shown(client: TestClient, article: Any) -> list[tuple[int, str]]:
    seen = make.ok(client.get(f"/v1/articles/{article['id']}"))
    return [(one["n"], one["text"]) for one in seen["corrections"]]


def history(client: TestClient, editor: Headers, article: Any) -> list[tuple[int, str, str]]:
    rows = make.ok(client.get(f"/v1/articles/{article['id']}/corrections/history", headers=editor))["data"]
    return [(row["n"], row["change"], row["text"]) for row in rows]


def test_a_correction_is_changed_and_withdrawn(client: TestClient, editor: Headers, db: Database) -> None:
    article = corrected(client, editor, "Three.", "Mrs, not Mr.")
    make.ok(send(client, editor, "PATCH", article, 1, {"text": "Four."}))
    assert shown(client, article) == [(1, "Four."), (2, "Mrs, not Mr.")]
    seen = make.ok(client.get(f"/v1/articles/{article['id']}"))["corrections"]
    assert [one["changed_at"] is None for one in seen] == [False, True]
    make.ok(send(client, editor, "DELETE", article, 1))
    assert shown(client, article) == [(2, "Mrs, not Mr.")]
    make.act(client, editor, article, "corrections", {"text": "Five."})
    assert shown(client, article) == [(2, "Mrs, not Mr."), (3, "Five.")], "a number is not given twice"
    assert history(client, editor, article) == [(1, "withdrawn", "Four."), (1, "changed", "Three.")]
    with db.connect() as connection:
        facts = [(entry.type, entry.payload.get("n")) for entry in read_after(connection, START)]
        audit = connection.execute(sa.text("SELECT action, detail FROM audit ORDER BY at, id")).all()
    assert facts[1:] == [
        ("article.corrected", 1),
        ("article.corrected", 2),
        ("article.correction_changed", 1),
        ("article.correction_withdrawn", 1),
        ("article.corrected", 3),
    ]
    assert "article.correction_change" in str(audit)
    assert "article.correction_withdraw" in str(audit)
    assert "Four" not in str(audit)
    slug = {"slug": "renamed"}
    make.ok(client.patch(f"/v1/articles/{article['id']}", json=slug, headers=make.version(client, editor, article)))
    assert history(client, editor, {"id": article["slug"]}), "former slugs lead editors to it, as in writes"


def test_followers_read_the_article_again(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    article = corrected(client, editor, "Three.")
    url = "/v1/changes"
    begin = make.ok(client.get(url, headers=make_key("syndicate")))["page"]["next"]
    make.ok(send(client, editor, "PATCH", article, 1, {"kind": "clarification"}))
    make.ok(send(client, editor, "DELETE", article, 1))
    changes = make.ok(client.get(f"{url}?cursor={begin}", headers=make_key("syndicate")))["data"]
    assert [(one["op"], one["id"]) for one in changes] == [("upsert", article["id"])] * 2


def test_what_cannot_be_changed(client: TestClient, editor: Headers, make_key: Callable[..., Headers]) -> None:
    article = corrected(client, editor, "Three.")
    url = f"/v1/articles/{article['id']}/corrections/1"
    assert client.patch(url, json={"text": "x"}, headers=editor).status_code == 428
    stale = client.delete(url, headers={**editor, "If-Match": '"v1"'})
    assert (stale.status_code, stale.json()["fields"]) == (412, ["corrections"])
    for n in (0, 2, 10**12):
        assert send(client, editor, "DELETE", article, n).status_code in (400, 404)
    for body in ({"text": ""}, {"text": None}, {"kind": "x"}, {"at": "2020-01-01T00:00:00Z"}, []):
        assert send(client, editor, "PATCH", article, 1, body).status_code == 422
    assert send(client, make_key("content:read", "content:write"), "DELETE", article, 1).status_code == 403
    assert client.get(f"/v1/articles/{article['id']}/corrections/history").status_code == 401
    before = make.version(client, editor, article)["If-Match"]
    make.ok(send(client, editor, "PATCH", article, 1, {"text": "Three."}))
    assert make.version(client, editor, article)["If-Match"] == before, "changing nothing changes no version"
    make.act(client, editor, article, "retract", {"reason": "Wrong."})
    assert send(client, editor, "PATCH", article, 1, {"text": "x"}).status_code == 409


def test_corrections_of_what_is_not_public_are_changed_in_silence(
    client: TestClient, editor: Headers, db: Database
) -> None:
    article = corrected(client, editor, "Three.")
    make.act(client, editor, article, "unpublish")
    make.ok(send(client, editor, "DELETE", article, 1))
    with db.connect() as connection:
        assert read_after(connection, START)[-1].type == "article.unpublished"
    make.act(client, editor, article, "publish")
    assert shown(client, article) == []


def test_a_cursor_is_of_one_article(client: TestClient, editor: Headers) -> None:
    urls = []
    for _ in range(2):
        article = corrected(client, editor, "Three.", "Four.")
        for n in (1, 2):
            make.ok(send(client, editor, "DELETE", article, n))
        urls.append(f"/v1/articles/{article['id']}/corrections/history?limit=1")
    cursor = make.ok(client.get(urls[0], headers=editor))["page"]["next"]
    assert len(make.ok(client.get(f"{urls[0]}&cursor={cursor}", headers=editor))["data"]) == 1
    assert client.get(f"{urls[1]}&cursor={cursor}", headers=editor).status_code == 400
