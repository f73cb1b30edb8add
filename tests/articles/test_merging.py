"""Tags, authors and series that are merged, over few articles and over many."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.articles import merging
from app.db import Database
from app.events.log import read_after
from app.events.schemas import START
from app.search.indexing import index_article
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
KINDS = {"tags": "tag", "authors": "author", "series": "series"}


def merge(client: TestClient, headers: Headers, kind: str, ref: str, into: str | None) -> Any:
    return client.post(f"/v1/{kind}/{ref}/merge", json={"into": into}, headers={**headers, "If-Match": "*"})


def two(client: TestClient, editor: Headers, kind: str) -> list[dict[str, Any]]:
    return [make.ok(client.post(f"/v1/{kind}", json={"name": n}, headers=editor), 201) for n in ("Fery", "Ferry")]


def under(kind: str, *slugs: str) -> dict[str, Any]:
    return {kind: slugs[0] if kind == "series" else list(slugs)}


def finish(db: Database) -> int:
    pieces = 0
    while True:
        with db.transaction() as session:
            if not merging.advance_merges(session, index_article):
                return pieces
        pieces += 1


@pytest.mark.parametrize("kind", KINDS)
def test_articles_go_over_and_the_slug_leads_on(kind: str, client: TestClient, editor: Headers, db: Database) -> None:
    old, new = two(client, editor, kind)
    first = make.published(client, editor, "First", **under(kind, "fery"))
    draft = make.draft(client, editor, "Draft", **under(kind, "fery"))
    if kind != "series":
        make.published(client, editor, "Both", **under(kind, "fery", "ferry"))
    begun = merge(client, editor, kind, "fery", "ferry")
    told = make.ok(begun, 202)
    assert (told["state"], told["into"], told["source"]["slug"]) == ("done", new["id"], "fery")
    assert told["total"] == told["done"] == (2 if kind == "series" else 3)
    assert make.ok(client.get(begun.headers["location"], headers=editor)) == told
    assert client.get(f"/v1/{kind}/fery", follow_redirects=False).headers["location"].endswith("ferry")
    assert client.get(f"/v1/{kind}/{old['id']}").status_code == 404
    assert merge(client, editor, kind, "fery", None).status_code == 404, "asked again, it spares the other one"
    public = ["First"] if kind == "series" else ["Both", "First"]
    assert sorted(make.titles(client, f"{KINDS[kind]}=ferry")) == public
    assert make.ok(client.get(f"/v1/{kind}/ferry"))["articles"] == len(public)
    shown = make.ok(client.get(f"/v1/articles/{first['id']}"))[kind]
    assert (shown if kind == "series" else shown[0])["slug"] == "ferry"
    with db.connect() as connection:
        facts = read_after(connection, START)
    assert facts[-1].type == f"{KINDS[kind]}.deleted"
    assert facts[-1].payload["into"] == new["id"]
    updated = [entry.subject_id for entry in facts if entry.type == "article.updated"]
    assert first["id"] in updated
    assert draft["id"] not in updated
    restored = client.post(
        f"/v1/articles/{draft['id']}/revisions/1/restore", headers=make.version(client, editor, draft)
    )
    again = make.ok(restored)[kind]
    assert (again if kind == "series" else again[0])["slug"] == "ferry", "old revisions find the other one"


def test_many_articles_go_over_in_pieces(
    client: TestClient, editor: Headers, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MAX_ARTICLES_PER_STEP", 2)
    two(client, editor, "tags")
    for number in range(5):
        make.published(client, editor, f"No {number}", tags=["fery"])
    begun = merge(client, editor, "tags", "fery", "ferry")
    url = begun.headers["location"]
    assert (begun.json()["state"], begun.json()["total"], begun.json()["done"]) == ("running", 5, 0)
    assert merge(client, editor, "tags", "fery", "ferry").json()["code"] == "merge_running"
    removed = client.delete("/v1/tags/ferry", headers={**editor, "If-Match": "*"})
    assert (removed.status_code, removed.json()["code"]) == (409, "in_use")
    with db.transaction() as session:
        merging.advance_merges(session, index_article)
    old, new = (make.ok(client.get(f"/v1/tags/{slug}"))["articles"] for slug in ("fery", "ferry"))
    assert old + new == 5
    assert sorted(make.titles(client, "tag=fery") + make.titles(client, "tag=ferry")) == [f"No {n}" for n in range(5)]
    late = make.published(client, editor, "Late", tags=["fery"])
    finish(db)
    told = make.ok(client.get(url, headers=editor))
    assert told["state"] == "done"
    assert len(make.titles(client, "tag=ferry")) == 6
    tags = make.ok(client.get(f"/v1/articles/{late['id']}"))["tags"]
    assert [tag["slug"] for tag in tags] == ["ferry"]


def test_a_tag_is_taken_off_its_articles(client: TestClient, editor: Headers) -> None:
    two(client, editor, "tags")
    article = make.published(client, editor, tags=["fery", "ferry"])
    assert make.ok(merge(client, editor, "tags", "fery", None), 202)["state"] == "done"
    assert [tag["slug"] for tag in make.ok(client.get(f"/v1/articles/{article['id']}"))["tags"]] == ["ferry"]
    assert client.get("/v1/tags/fery").status_code == 404
    make.patched(client, editor, article, dek="More.")
    make.act(client, editor, article, "publish")
    assert [tag["slug"] for tag in make.ok(client.get(f"/v1/articles/{article['id']}"))["tags"]] == ["ferry"]


def test_who_may_merge_what(client: TestClient, editor: Headers, make_key: Callable[..., Headers]) -> None:
    two(client, editor, "tags")
    assert merge(client, make_key("content:write"), "tags", "fery", "ferry").status_code == 403
    assert merge(client, editor, "tags", "none", "ferry").status_code == 404
    for into in ("none", "fery", "No Slug"):
        refused = merge(client, editor, "tags", "fery", into)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/into")
    assert client.post("/v1/tags/fery/merge", json={}, headers={**editor, "If-Match": "*"}).status_code == 422
    assert client.post("/v1/tags/fery/merge", json={"into": "ferry"}, headers=editor).status_code == 428
    section = make.section(client, editor, "One")["id"]
    limited = make_key("content:publish", sections=[section])
    assert merge(client, limited, "tags", "fery", "ferry").status_code == 403
