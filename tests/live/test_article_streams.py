"""The stream of an article: its events, and resuming it."""

from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.db.columns import table_of
from app.events.tables import Event
from app.main import create_app
from tests import make
from tests.live.conftest import read

pytestmark = pytest.mark.portable

Headers = dict[str, str]
EVENT = table_of(Event)


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    return make.published(client, editor, "Fog")


def live(client: TestClient, article: dict[str, Any], since: str = "") -> list[Any]:
    answer = client.get(f"/v1/articles/{article['id']}/live", params={"last_event_id": since} if since else {})
    assert answer.status_code == 200, answer.text
    return read(answer)


def here(client: TestClient, article: dict[str, Any]) -> str:
    return str(live(client, article)[-1].id)


def test_a_stream_begins_with_where_it_is_and_the_counts(client: TestClient, article: dict[str, Any]) -> None:
    make.said(client, article, "Yes.")
    answer = client.get("/v1/articles/fog/live", headers={"Accept-Encoding": "gzip", "Origin": "https://any.example"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    wanted = {"cache-control": "no-store", "x-accel-buffering": "no", "access-control-allow-origin": "*"}
    assert wanted.items() <= answer.headers.items()
    assert not {"content-length", "content-encoding", "etag"} & set(answer.headers)
    assert answer.text.startswith("retry: ")
    counts = {"comments": 1, "inline": 0, "reactions": {"agree": 0, "disagree": 0, "insightful": 0}, "votes": {}}
    (event,) = read(answer)
    assert (event.type, event.data) == ("counts", counts)


def test_what_was_missed_comes_once_and_in_order(client: TestClient, editor: Headers, article: dict[str, Any]) -> None:
    since = here(client, article)
    first = make.said(client, article, "One.")
    other = make.published(client, editor, "Elsewhere")
    make.said(client, other, "Not here.")
    reply = make.said(client, article, "Two.", parent_id=first["id"])
    gone = make.said(client, article, "Gone.")
    make.ok(
        client.patch(f"/v1/comments/{first['id']}", json={"text": "First."}, headers=make.bearer(first["edit_token"]))
    )
    client.delete(f"/v1/comments/{gone['id']}", headers=make.bearer(gone["edit_token"]))
    make.patched(client, editor, article, dek="Thick.")
    make.act(client, editor, article, "publish")
    make.act(client, editor, article, "corrections", {"text": "Thin."})
    *events, counts = live(client, article, since)
    told = [(event.type, event.data["id"]) for event in events]
    assert told == [
        ("comment.published", first["id"]),
        ("comment.published", reply["id"]),
        ("comment.edited", first["id"]),
        ("comment.removed", gone["id"]),
        ("article.updated", article["id"]),
        ("article.updated", article["id"]),
    ]
    assert events[1].data == make.ok(client.get(f"/v1/comments/{reply['id']}"))
    assert events[0].data["text"] == "First.", "as it is now"
    assert "Gone." not in str(events)
    assert events[3].data == {"id": gone["id"], "article_id": article["id"], "parent_id": None, "root_id": gone["id"]}
    assert [event.data["fields"] for event in events[4:]] == [["dek"], ["corrections"]]
    assert (counts.type, counts.data["comments"]) == ("counts", 2)
    for at, event in enumerate(events, 1):  # from any place the rest comes, and nothing twice
        assert live(client, article, event.id)[:-1] == events[at:]


def test_nothing_that_readers_do_not_see_is_told(client: TestClient, admin: Headers, article: dict[str, Any]) -> None:
    since = here(client, article)
    settings = {"moderation": "pre"}
    url = f"/v1/articles/{article['id']}/discussion"
    make.ok(client.put(url, json=settings, headers={**admin, "If-Match": "*"}))
    make.said(client, article, "It waits.")
    changed, counts = live(client, article, since)
    assert (changed.type, changed.data["fields"], counts.data["comments"]) == ("article.updated", ["discussion"], 0)
    make.ok(client.put(url, json={}, headers={**admin, "If-Match": "*"}))
    make.said(client, article, "It stands.")
    assert "comment.published" in {event.type for event in live(client, article, since)}
    make.ok(client.put(url, json={"state": "hidden"}, headers={**admin, "If-Match": "*"}))
    assert {event.type for event in live(client, article, since)} == {"article.updated", "counts"}


def test_the_discussion_of_a_section_or_the_site_is_every_article_s(client: TestClient, admin: Headers) -> None:
    section, other = make.section(client, admin, "News"), make.section(client, admin, "Sports")
    article = make.published(client, admin, "Fog", section="news")
    since, told = here(client, article), 0
    for url, is_told in (("/sections/" + section["id"], 1), ("/sections/" + other["id"], 0), ("", 1)):
        body = {"prompt": "And you?"}
        make.ok(client.put(f"/v1{url}/discussion", json=body, headers={**admin, "If-Match": "*"}))
        told += is_told
        assert [event.type for event in live(client, article, since)] == ["article.updated"] * told + ["counts"]


def test_there_is_no_stream_of_what_nobody_sees(client: TestClient, editor: Headers, article: dict[str, Any]) -> None:
    hidden = make.draft(client, editor, "Draft")
    missing = client.get("/v1/articles/0199aaaa-0000-7000-8000-000000000000/live")
    for headers in ({}, editor):
        answer = client.get(f"/v1/articles/{hidden['id']}/live", headers=headers)
        assert answer.status_code == missing.status_code == 404
        assert {**answer.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    make.patched(client, editor, article, slug="thick-fog")
    answer = client.get("/v1/articles/fog/live?last_event_id=0.0", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (301, "/v1/articles/thick-fog/live?last_event_id=0.0")
    make.act(client, editor, article, "retract", {"reason": "Wrong."})
    answer = client.get("/v1/articles/thick-fog/live")
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (410, "article_retracted", "Wrong.")


def test_the_header_goes_before_the_parameter(client: TestClient, article: dict[str, Any]) -> None:
    since = here(client, article)
    make.said(client, article, "One.")
    last = here(client, article)
    url = f"/v1/articles/{article['id']}/live?last_event_id={since}"
    assert len(read(client.get(url))) == 2
    assert len(read(client.get(url, headers={"Last-Event-ID": last}))) == 1
    assert len(read(client.get(url, headers={"Last-Event-ID": ""}))) == 2, "browsers send no empty one"


def test_a_place_in_the_log_that_is_not_there_says_so(
    client: TestClient, db: Database, article: dict[str, Any]
) -> None:
    url = f"/v1/articles/{article['id']}/live"
    for text in ("x", "1", "0.-1", "0.1.1", "0.99999999999999999999"):
        answer = client.get(url, headers={"Last-Event-ID": text})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "Last-Event-ID"), text
        answer = client.get(url, params={"last_event_id": text})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "last_event_id"), text
    first = here(client, article)
    make.said(client, article, "One.")
    xid, seq = map(int, here(client, article).split("."))
    assert client.get(url, params={"last_event_id": "0.0"}).status_code == 200, "all that ever was"
    for text in (f"{xid}.{seq + 1}", f"{xid + 1}.{seq}"):
        answer = client.get(url, headers={"Last-Event-ID": text})
        assert (answer.status_code, answer.json()["code"]) == (410, "position_gone"), text
    with db.transaction() as session:  # the oldest are forgotten
        session.execute(sa.delete(EVENT).where(EVENT.c.seq < seq))
    for text, status in (("0.0", 410), (first, 410), (f"{xid}.{seq}", 200)):
        assert client.get(url, headers={"Last-Event-ID": text}).status_code == status, text


def test_nobody_goes_on_from_too_far_behind(client: TestClient, db: Database, article: dict[str, Any]) -> None:
    url = f"/v1/articles/{article['id']}/live"
    since = here(client, article)
    make.said(client, article, "One.")
    move = sa.update(EVENT).where(EVENT.c.type == "comment.published")
    for seq, status in ((10_000, 200), (20_000, 410)):
        with db.transaction() as session:
            session.execute(move.values(seq=seq))
        assert client.get(url, headers={"Last-Event-ID": since}).status_code == status


def test_what_was_missed_is_read_at_once(client: TestClient, statements: list[str], article: dict[str, Any]) -> None:
    since, costs = here(client, article), []
    for more in (1, 19):
        for number in range(more):
            make.said(client, article, f"{more} and {number}.")
        statements.clear()
        live(client, article, since)
        costs.append(sum("FROM comment" in text or "FROM article" in text for text in statements))
    assert costs[0] == costs[1]


def test_head_is_answered_and_ends(lasting: Settings, client: TestClient, article: dict[str, Any]) -> None:
    with TestClient(create_app(lasting, with_worker=False)) as other:
        answer = other.head(f"/v1/articles/{article['id']}/live")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_body_is_refused_and_bounded(client: TestClient, article: dict[str, Any]) -> None:
    url = f"/v1/articles/{article['id']}/live"
    assert client.request("GET", url, content=b"x" * 1000).status_code == 400
    assert client.request("GET", url, content=b"x" * 5_000_000).status_code in (400, 413)
