"""What readers see changes by those who may publish, in the revision and at the time that these have chosen."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.articles.publishing import advance_due_articles
from app.core.clock import format_rfc3339
from app.db import Database
from app.events.log import read_after
from app.events.schemas import START
from app.search.indexing import index_article
from tests import make
from tests.make import ok

pytestmark = pytest.mark.portable

Headers = dict[str, str]
ANY = {"If-Match": "*"}
NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def writer(make_key: Callable[..., Headers]) -> Headers:
    """Headers of a key that writes and may not publish."""
    return {**make_key("content:write"), **ANY}


def advance(db: Database) -> None:
    with db.transaction() as session:
        advance_due_articles(session, index_article)


def send(client: TestClient, headers: Headers, method: str, tail: str, body: Any = None, status: int = 200) -> Any:
    return ok(client.request(method, f"/v1/articles/{tail}", json=body, headers={**headers, **ANY}), status)


def fields(db: Database) -> list[list[str]]:
    with db.connect() as connection:
        return [e.payload["fields"] for e in read_after(connection, START, 100) if e.type == "article.updated"]


def test_what_was_scheduled_goes_live_whatever_was_saved_since(
    client: TestClient, editor: Headers, writer: Headers, db: Database
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        make.draft(client, editor, "Approved", slug="it")
        send(client, editor, "PUT", "it/schedule", {"at": format_rfc3339(NOON + HOUR)})
        edited = send(client, writer, "PATCH", "it", {"title": "Libel", "body": {"markdown": "Libel."}})
        assert edited["title"] == "Libel"
        assert (edited["editing"]["scheduled_revision"], edited["editing"]["latest_revision"]) == (1, 2)
        told = {"at": format_rfc3339(NOON + HOUR), "revision": 1, "latest_revision": 2}
        assert send(client, writer, "GET", "it/schedule") == told
        assert send(client, editor, "GET", "it")["title"] == "Approved"
        clock.shift(HOUR)
        advance(db)
        assert ok(client.get("/v1/articles/it"))["title"] == "Approved"
        send(client, editor, "GET", "it/schedule", status=404)
        assert send(client, editor, "POST", "it/publish")["title"] == "Libel"


def test_scheduling_again_takes_the_newer_text_or_the_one_named(client: TestClient, editor: Headers) -> None:
    make.draft(client, editor, "One", slug="it")
    body = {"at": "2999-01-01T00:00:00Z"}
    send(client, editor, "PUT", "it/schedule", body)
    send(client, editor, "PATCH", "it", {"title": "Two"})
    assert send(client, editor, "PUT", "it/schedule", body)["editing"]["scheduled_revision"] == 2
    assert send(client, editor, "PUT", "it/schedule", {**body, "revision": 1})["editing"]["scheduled_revision"] == 1
    gone = send(client, editor, "PUT", "it/schedule", {**body, "revision": 3}, 422)
    assert [(error["pointer"], error["code"]) for error in gone["errors"]] == [("/revision", "not_found")]
    assert send(client, editor, "DELETE", "it/schedule")["editing"]["scheduled_revision"] is None
    assert send(client, editor, "GET", "it")["title"] == "Two"


def test_publishing_shows_the_revision_asked_for(client: TestClient, editor: Headers) -> None:
    make.draft(client, editor, "One", slug="it")
    for title in ("Two", "Three"):
        send(client, editor, "PATCH", "it", {"title": title})
    send(client, editor, "POST", "it/publish", {"revision": 2})
    assert ok(client.get("/v1/articles/it"))["title"] == "Two"
    for body, pointer in (
        ({"revision": 4}, "/revision"),
        ({"revision": "2"}, "/revision"),
        ({"version": 2}, "/version"),
    ):
        refused = send(client, editor, "POST", "it/publish", body, 422)
        assert refused["errors"][0]["pointer"] == pointer
    broken = client.post("/v1/articles/it/publish", content=b"not json", headers={**editor, **ANY})
    assert 400 <= broken.status_code < 500
    assert ok(client.get("/v1/articles/it"))["title"] == "Two"
    send(client, editor, "POST", "it/publish")
    assert ok(client.get("/v1/articles/it"))["title"] == "Three"
    send(client, editor, "POST", "it/publish", {"revision": 1})
    assert ok(client.get("/v1/articles/it"))["title"] == "One"


def test_an_embargo_is_lifted_by_those_who_may_publish(
    client: TestClient, editor: Headers, writer: Headers, make_key: Callable[..., Headers]
) -> None:
    embargo = {"rights": {"embargoed_until": "2999-01-01T00:00:00Z"}}
    make.published(client, editor, slug="it", **embargo)
    make.published(client, editor, slug="other")
    for body in ({"rights": {"embargoed_until": None}}, {"rights": {"embargoed_until": "2998-01-01T00:00:00Z"}}):
        send(client, writer, "PATCH", "it", body, 403)
    for body in (embargo, {"rights": {"expires_at": "2001-01-01T00:00:00Z"}}):
        send(client, writer, "PATCH", "other", body, 403)
    assert [client.get(f"/v1/articles/{slug}").status_code for slug in ("it", "other")] == [404, 200]
    elsewhere = make.section(client, editor, "Elsewhere")["id"]
    limited = make_key("content:read", "content:write", "content:publish", sections=[elsewhere])
    send(client, limited, "PATCH", "it", {"rights": {"embargoed_until": None}}, 404)
    send(client, editor, "PATCH", "it", {"rights": {"embargoed_until": None}})
    assert client.get("/v1/articles/it").status_code == 200


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("end", ["clock", "editor", "earlier"])
def test_an_article_is_dated_when_its_embargo_ends(
    client: TestClient, editor: Headers, db: Database, by_hand: bool, end: str
) -> None:
    dated = {"published_at": format_rfc3339(NOON - 24 * HOUR)} if by_hand else {}
    with time_machine.travel(NOON, tick=False) as clock:
        make.published(client, editor, "Before", slug="before")
        make.published(
            client, editor, "It", slug="it", rights={"embargoed_until": format_rfc3339(NOON + 5 * HOUR)}, **dated
        )
        clock.shift(HOUR)
        make.published(client, editor, "Between", slug="between")
        clock.shift(HOUR)
        lifted = NOON + 2 * HOUR
        if end == "clock":
            lifted = NOON + 5 * HOUR
            clock.shift(4 * HOUR)  # the worker was away for an hour
            advance(db)
        else:
            until = None if end == "editor" else format_rfc3339(NOON + HOUR)
            send(client, editor, "PATCH", "it", {"rights": {"embargoed_until": until}})
        found = ok(client.get("/v1/articles/it"))
        assert found["published_at"] == format_rfc3339(NOON - 24 * HOUR if by_hand else lifted)
        assert make.titles(client) == (["Between", "Before", "It"] if by_hand else ["It", "Between", "Before"])


def test_what_readers_never_saw_is_dated_when_it_is_published(client: TestClient, editor: Headers) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        article = make.published(client, editor, rights={"embargoed_until": format_rfc3339(NOON + 2 * HOUR)})
        make.act(client, editor, article, "unpublish")
        clock.shift(3 * HOUR)
        assert make.act(client, editor, article, "publish")["published_at"] == format_rfc3339(NOON + 3 * HOUR)
        make.act(client, editor, article, "unpublish")
        clock.shift(HOUR)
        assert make.act(client, editor, article, "publish")["published_at"] == format_rfc3339(NOON + 3 * HOUR)


def test_an_update_names_what_has_changed(client: TestClient, editor: Headers, db: Database) -> None:
    make.published(client, editor, slug="it")
    for body in ({"dek": "New"}, {"body": {"markdown": "Another text."}}, {"tags": ["new"]}):
        send(client, editor, "PATCH", "it", body)
        send(client, editor, "POST", "it/publish")
    send(client, editor, "POST", "it/revisions/4/restore")
    send(client, editor, "POST", "it/publish")
    told = fields(db)
    assert told[0] == ["dek"]
    assert "body" in told[1]
    assert not {"dek", "tags"} & set(told[1])
    assert told[2:] == [["tags"], ["revision"]]


def test_writers_read_the_drafts_that_they_may_write(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    here, there = (make.section(client, editor, name)["id"] for name in ("Here", "There"))
    for slug, section in (("here", here), ("there", there)):
        make.draft(client, editor, slug.title(), slug=f"in-{slug}", section=section)
    limited, partner = make_key("content:write", sections=[here]), make_key("content:write", "syndicate")
    for tail in ("", "/revisions", "/revisions/1", "/previews", "?revision=latest"):
        answers = [
            client.get(f"/v1/articles/in-{place}{tail}", headers=key).status_code
            for key in (make_key("content:write"), limited, partner)
            for place in ("here", "there")
        ]
        assert answers[:4] == [200, 200, 200, 404]
        assert set(answers[4:]) <= {403, 404}
    assert make.titles(client, "state=draft", limited) == ["Here"]
    assert client.get("/v1/articles/in-here").status_code == 404


def test_a_former_slug_is_followed_by_writes_and_editors_reads(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, slug="old")
    send(client, editor, "PATCH", "old", {"slug": "new"})
    assert send(client, editor, "PATCH", "old", {"title": "Other", "body": {"markdown": "Other."}})["slug"] == "new"
    assert send(client, editor, "POST", "old/publish")["slug"] == "new"
    assert ok(client.get("/v1/articles/new"))["title"] == "Other"
    send(client, editor, "POST", "old/unpublish")
    send(client, editor, "PUT", "old/schedule", {"at": "2999-01-01T00:00:00Z"})
    assert send(client, editor, "GET", "old/schedule")["revision"] == 2
    for read in ("revisions", "revisions/1", "revisions/2/diff", "previews"):
        assert send(client, editor, "GET", f"old/{read}") == send(client, editor, "GET", f"new/{read}")
        send(client, editor, "GET", f"never/{read}", status=404)
    send(client, editor, "POST", "never/publish", status=404)


def test_an_article_without_a_text_can_be_published(client: TestClient, editor: Headers) -> None:
    ok(client.post("/v1/articles", json={"title": "A picture", "slug": "it"}, headers=editor), 201)
    assert send(client, editor, "POST", "it/publish")["word_count"] == 0


def test_names_wait_for_those_who_publish_once_readers_will_see_them(
    client: TestClient, editor: Headers, writer: Headers
) -> None:
    outer = make.section(client, editor, "Outer")
    make.section(client, editor, "Inner", parent=outer["id"])
    free = make.section(client, editor, "Free")
    make.draft(client, editor, slug="it", section="inner", tags=["Fog"])
    url = f"/v1/sections/{outer['id']}"
    assert ok(client.patch(url, json={"name": "Outside"}, headers=writer))["name"] == "Outside"
    send(client, editor, "PUT", "it/schedule", {"at": "2999-01-01T00:00:00Z"})
    for path in (url, "/v1/tags/fog", "/v1/sections/inner"):
        ok(client.patch(path, json={"name": "Other"}, headers=writer), 403)
    notice = {"scope": "section", "target_id": outer["id"], "placement": "before", "text": "Beware."}
    ok(client.post("/v1/notices", json=notice, headers=writer), 403)
    send(client, editor, "DELETE", "it/schedule")
    for path in (url, "/v1/tags/fog", "/v1/sections/inner"):
        ok(client.patch(path, json={"name": "Other"}, headers=writer))
    free_url = f"/v1/sections/{free['id']}"
    ok(client.patch(free_url, json={"slug": "freed"}, headers=writer), 403)
    ok(client.delete(free_url, headers=writer), 403)
