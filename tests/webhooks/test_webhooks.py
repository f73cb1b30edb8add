"""Webhooks from end to end: creating, sending, signing, retrying, disabling, replaying."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db import Database
from app.deliveries.claims import claim_deliveries
from app.deliveries.lanes import DELIVERY
from app.deliveries.schemas import Outcome
from app.events.log import read_after
from app.events.schemas import START
from app.net.outgoing import Answer
from app.publication.site import Site
from app.webhooks.channel import WebhookChannel
from app.webhooks.messages import enqueue_events
from app.webhooks.webhooks import list_enabled
from tests import make
from tests.make import ok
from tests.receiver import Receiver
from tests.webhooks.conftest import Headers, sent, verified

pytestmark = pytest.mark.portable

Work = Callable[[], None]
URL = "/v1/webhooks"


def etag(client: TestClient, headers: Headers, url: str) -> Headers:
    return {**headers, "If-Match": client.get(url, headers=headers).headers["etag"]}


def test_what_becomes_public_is_told_and_nothing_else(
    client: TestClient, editor: Headers, hook: dict[str, Any], receiver: Receiver, work: Work, make_key: Any
) -> None:
    moderator = make_key("comments:moderate")
    ok(client.put("/v1/discussion", json={"moderation": "pre"}, headers={**moderator, "If-Match": "*"}))
    article = make.published(client, editor, "Told", slug="told")
    make.draft(client, editor, "Not told")
    comment = make.comment(client, article, "I wait.")
    work()
    assert [kind for kind in receiver.types if kind != "discussion.changed"] == ["article.published"]
    (message,) = (told for told in receiver.told if told["type"] == "article.published")
    public = client.get("/v1/articles/told", headers={"Accept-Encoding": "identity"})
    assert message["data"] == {
        "id": article["id"],
        "slug": "told",
        "revision": 1,
        "etag": public.headers["etag"],
        "position": message["data"]["position"],
        "cache_groups": ["articles", f"article:{article['id']}"],
    }
    receiver.messages.clear()
    ok(client.post(f"/v1/comments/{comment['id']}/approve", json={}, headers=moderator))
    make.patched(client, editor, article, title="Told again")
    make.act(client, editor, article, "publish")
    work()
    assert receiver.types == ["comment.published", "article.updated"], "those of one article in their order"
    told = receiver.told[0]["data"]
    assert (told["id"], told["article_id"], told["parent_id"]) == (comment["id"], article["id"], None)
    assert told["etag"] == client.get(f"/v1/comments/{comment['id']}").headers["etag"]
    assert "title" in receiver.told[1]["data"]["fields"]
    receiver.messages.clear()
    other = make.comment(client, article, "I wait, too.")
    make.act(client, editor, article, "unpublish")
    ok(client.post(f"/v1/comments/{other['id']}/approve", json={}, headers=moderator))
    work()
    assert receiver.types == ["article.unpublished"], "what stands under a hidden article is not told"
    everything = b"".join(body for _, body in receiver.messages)
    assert b"wait" not in everything


def test_messages_are_genuine_and_thin(
    client: TestClient, hook: dict[str, Any], receiver: Receiver, editor: Headers, work: Work
) -> None:
    make.section(client, editor, "News")
    work()
    ((headers, body),) = receiver.messages
    message = verified(hook, (headers, body))
    assert message.keys() == {"type", "timestamp", "data"}
    assert (message["type"], message["timestamp"][-1]) == ("section.changed", "Z")
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "Broadsheet"


def test_only_what_was_asked_for_and_only_from_then_on(
    client: TestClient, manager: Headers, receiver: Receiver, editor: Headers, work: Work
) -> None:
    make.section(client, editor, "Before")
    for events in (["tag.*"], ["article.published", "section.deleted"], ["*"]):
        ok(client.post(URL, json={"url": receiver.url, "events": events}, headers=manager), 201)
    make.section(client, editor, "After")
    make.published(client, editor, "One", tags=["t"])
    work()
    assert sorted(receiver.types) == ["article.published"] * 2 + ["section.changed"] + ["tag.changed"] * 2


def test_a_failure_is_told_again_in_the_same_bytes(
    client: TestClient, manager: Headers, hook: dict[str, Any], receiver: Receiver, editor: Headers, work: Work
) -> None:
    receiver.status, receiver.answer = 503, b"no\0w" + b"x" * 5000
    make.section(client, editor, "News")
    work()
    (row,) = sent(client, manager, hook, "?state=waiting")
    assert (row["status"], row["error"], row["attempts"]) == (503, "status 503", 1)
    assert row["answer"] == "now" + "x" * 1021
    assert row["next_attempt_at"] > row["attempted_at"]
    receiver.status = 204
    receiver.answer = b""
    with time_machine.travel(now() + timedelta(seconds=10)):
        work()
        verified(hook, receiver.messages[1])
    (first, again) = receiver.messages
    assert first[1] == again[1]
    assert first[0]["webhook-id"] == again[0]["webhook-id"] == row["event"]
    assert first[0]["webhook-signature"] != again[0]["webhook-signature"], "signed at its own time"
    (row,) = sent(client, manager, hook)
    assert (row["state"], row["status"], row["error"], row["next_attempt_at"]) == ("delivered", 204, "", None)
    assert row["payload"] == json.loads(first[1])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_a_webhook_is_now_is_not_asked_of_a_replica(
    client: TestClient,
    settings: Settings,
    lagging: Database,
    hook: dict[str, Any],
    receiver: Receiver,
    editor: Headers,
    work: Work,
) -> None:
    receiver.status = 503
    make.section(client, editor, "News")
    work()
    receiver.status = 204
    channel = WebhookChannel(settings)

    async def send() -> Outcome:
        (piece,) = await lagging.write(claim_deliveries, {"webhook": 60.0}, 5)
        outcome = await channel.send(lagging, piece)
        await channel.stop()
        await lagging.stop()
        return outcome

    with time_machine.travel(now() + timedelta(seconds=10)):
        assert asyncio.run(send()).result == "delivered"
    assert [headers["webhook-id"] for headers, _ in receiver.messages] == [receiver.messages[0][0]["webhook-id"]] * 2


def test_a_redirect_is_no_delivery(
    client: TestClient, manager: Headers, hook: dict[str, Any], receiver: Receiver, work: Work
) -> None:
    receiver.status, receiver.headers = 307, {"Location": receiver.url}
    ok(client.post(f"{URL}/{hook['id']}/test", headers=manager), 202)
    work()
    assert len(receiver.messages) == 1
    assert sent(client, manager, hook)[0]["error"] == "status 307, and redirects are not followed"


def test_410_disables_and_enabling_brings_it_back(
    client: TestClient, manager: Headers, admin: Headers, hook: dict[str, Any], receiver: Receiver, work: Work
) -> None:
    url = f"{URL}/{hook['id']}"
    receiver.status = 410
    ok(client.post(f"{url}/test", headers=manager), 202)
    work()
    found = ok(client.get(url, headers=manager))
    assert (found["enabled"], found["disabled_reason"]) == (False, "the receiver answered 410 Gone")
    assert ok(client.get("/v1/audit?action=webhook.disable", headers=admin))["data"][0]["actor_kind"] == "system"
    for verb, body in (
        ("test", None),
        ("replay", {"since": format_rfc3339(now() - timedelta(1)), "until": format_rfc3339(now())}),
    ):
        assert client.post(f"{url}/{verb}", json=body, headers=manager).json()["code"] == "webhook_disabled"
    found = ok(client.patch(url, json={"enabled": True}, headers=etag(client, manager, url)))
    assert (found["enabled"], found["disabled_at"], found["failures"]) == (True, None, 0)
    receiver.status = 200
    (dead,) = sent(client, manager, hook, "?state=dead")
    ok(client.post(f"{url}/deliveries/{dead['id']}/redeliver", headers=manager), 202)
    work()
    assert sent(client, manager, hook)[0]["state"] == "delivered"


def test_disabling_cancels_what_waits(
    client: TestClient, manager: Headers, hook: dict[str, Any], receiver: Receiver, work: Work, editor: Headers
) -> None:
    url = f"{URL}/{hook['id']}"
    ok(client.post(f"{url}/test", headers=manager), 202)
    ok(client.patch(url, json={"enabled": False}, headers=etag(client, manager, url)))
    make.section(client, editor, "News")
    work()
    assert receiver.messages == []
    assert [row["state"] for row in sent(client, manager, hook)] == ["cancelled"]


def test_rotating_signs_with_both_for_a_while(
    client: TestClient, manager: Headers, hook: dict[str, Any], receiver: Receiver, work: Work
) -> None:
    url = f"{URL}/{hook['id']}"
    answer = client.post(f"{url}/rotate", json={"overlap_hours": 2}, headers=etag(client, manager, url))
    fresh = ok(answer)
    assert fresh["secret"] != hook["secret"]
    ok(client.post(f"{url}/test", headers=manager), 202)
    work()
    assert receiver.messages[0][0]["webhook-signature"].count("v1,") == 2
    verified(hook, receiver.messages[0])
    verified(fresh, receiver.messages[0])
    with time_machine.travel(now() + timedelta(hours=3)):
        ok(client.post(f"{url}/test", headers=manager), 202)
        work()
        assert receiver.messages[1][0]["webhook-signature"].count("v1,") == 1
        verified(fresh, receiver.messages[1])
    at_once = ok(client.post(f"{url}/rotate", json={"overlap_hours": 0}, headers=etag(client, manager, url)))
    assert at_once["old_secret_until"] is None


def test_secrets_are_shown_once(client: TestClient, manager: Headers, receiver: Receiver) -> None:
    headers = {**manager, "Idempotency-Key": "once"}
    body = {"url": receiver.url, "events": ["*"]}
    hook = ok(client.post(URL, json=body, headers=headers), 201)
    assert hook["secret"].startswith("whsec_")
    assert client.post(URL, json=body, headers=headers).json()["code"] == "shown_once"
    for url in (URL, f"{URL}/{hook['id']}"):
        assert hook["secret"] not in client.get(url, headers=manager).text


def test_a_replay_tells_again_under_the_same_ids(
    client: TestClient, manager: Headers, receiver: Receiver, editor: Headers, work: Work, db: Database
) -> None:
    start = now()
    make.section(client, editor, "Before")
    article = make.published(client, editor, "One")
    hidden = make.published(client, editor, "Hidden")
    make.act(client, editor, hidden, "unpublish")
    hook = ok(client.post(URL, json={"url": receiver.url, "events": ["section.*", "article.*"]}, headers=manager), 201)
    make.section(client, editor, "After")
    work()
    assert receiver.types == ["section.changed"]
    known = receiver.messages[0][0]["webhook-id"]
    url = f"{URL}/{hook['id']}/replay"
    ok(client.post(url, json={"since": format_rfc3339(start), "until": format_rfc3339(now())}, headers=manager), 202)
    work()
    again = receiver.messages[1:]
    assert sorted(receiver.types[1:]) == ["article.published", "article.unpublished"] + ["section.changed"] * 2
    assert known in {headers["webhook-id"] for headers, _ in again}
    assert {message["data"]["id"] for message in receiver.told if message["type"] == "article.published"} == {
        article["id"]
    }, "what was hidden since is not told"
    for message in again:
        verified(hook, message)
    receiver.messages.clear()
    ok(
        client.post(
            url, json={"since": format_rfc3339(now()), "until": format_rfc3339(now() + timedelta(1))}, headers=manager
        ),
        202,
    )
    work()
    assert receiver.messages == []
    with db.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM webhook_replay")).scalar() == 0
    wrong = client.post(url, json={"since": format_rfc3339(now()), "until": format_rfc3339(start)}, headers=manager)
    assert wrong.status_code == 422


def test_redelivering_what_runs_or_is_not_there(
    client: TestClient, manager: Headers, hook: dict[str, Any], receiver: Receiver, db: Database
) -> None:
    url = f"{URL}/{hook['id']}"
    row = ok(client.post(f"{url}/test", headers=manager), 202)
    with db.transaction() as session:
        session.execute(sa.text("UPDATE delivery SET token = id, state = 'running'"))
    again = client.post(f"{url}/deliveries/{row['id']}/redeliver", headers=manager)
    assert (again.status_code, again.json()["code"]) == (409, "delivery_running")
    other = ok(client.post(URL, json={"url": receiver.url, "events": ["*"]}, headers=manager), 201)
    assert client.post(f"{URL}/{other['id']}/deliveries/{row['id']}/redeliver", headers=manager).status_code == 404


def test_changing_and_deleting(
    client: TestClient, manager: Headers, admin: Headers, hook: dict[str, Any], receiver: Receiver, work: Work
) -> None:
    url = f"{URL}/{hook['id']}"
    patch = {"events": ["article.*"], "description": "For the app"}
    assert client.patch(url, json=patch, headers=manager).status_code == 428
    assert client.patch(url, json=patch, headers={**manager, "If-Match": '"v9-x"'}).status_code == 412
    changed = ok(client.patch(url, json=patch, headers=etag(client, manager, url)))
    assert (changed["events"], changed["description"], changed["version"]) == (["article.*"], "For the app", 2)
    assert ok(client.get(f"{URL}?fields=id&count=exact", headers=manager))["page"]["total"] == 1
    ok(client.post(f"{url}/test", headers=manager), 202)
    ok(client.delete(url, headers=etag(client, manager, url)), 204)
    work()
    assert receiver.messages == []
    assert client.get(url, headers=manager).status_code == 404
    assert client.get(f"{url}/deliveries", headers=manager).status_code == 404
    actions = [row["action"] for row in ok(client.get("/v1/audit?subject=" + hook["id"], headers=admin))["data"]]
    assert actions == ["webhook.delete", "webhook.change", "webhook.create"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "http://10.0.0.1/", "events": ["*"]}, "url_refused"),
        ({"url": "http://[::1]/", "events": ["*"]}, "url_refused"),
        ({"url": "http://0x7f.1/", "events": ["*"]}, "url_refused"),
        ({"url": "http://user@hooks.example/", "events": ["*"]}, None),
        ({"url": "ftp://hooks.example/", "events": ["*"]}, None),
        ({"url": "https://hooks.example/", "events": []}, None),
        ({"url": "https://hooks.example/", "events": ["article.anchors_resolved"]}, None),
        ({"url": "https://hooks.example/", "events": ["articles.*"]}, None),
        ({"url": "https://hooks.example/", "events": ["*"], "secret": "x"}, None),
    ],
)
def test_what_is_refused(client: TestClient, manager: Headers, body: Any, code: str | None) -> None:
    answer = client.post(URL, json=body, headers=manager)
    assert answer.status_code == 422
    assert code is None or answer.json()["errors"][0]["code"] == code


def test_an_event_that_does_not_exist_is_named_by_its_place(client: TestClient, manager: Headers) -> None:
    body = {"url": "https://hooks.example/", "events": ["article.*", "article.nosuch"]}
    (place,) = client.post(URL, json=body, headers=manager).json()["errors"]
    assert place["pointer"] == "/events/1"
    for known in ("'article.published'", "'article.*'"):
        assert known in place["detail"]


def test_it_needs_its_scope_and_no_limits(client: TestClient, editor: Headers, make_key: Any) -> None:
    body = {"url": "https://hooks.example/", "events": ["*"]}
    assert client.post(URL, json=body).status_code == 401
    assert client.post(URL, json=body, headers=editor).status_code == 403
    section = make.section(client, editor, "News")
    limited = make_key("webhooks:manage", sections=[section["id"]])
    assert client.post(URL, json=body, headers=limited).status_code == 403


def test_there_is_an_end(client: TestClient, manager: Headers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.webhooks.webhooks.MAX_WEBHOOKS", 1)
    body = {"url": "https://hooks.example/", "events": ["*"]}
    ok(client.post(URL, json=body, headers=manager), 201)
    assert client.post(URL, json=body, headers=manager).json()["code"] == "too_many_webhooks"


def test_a_refused_address_shows_in_the_list(
    client: TestClient, manager: Headers, hook: dict[str, Any], db: Database, work: Work, receiver: Receiver
) -> None:
    """A host name may resolve to a private address after it was accepted."""
    with db.transaction() as session:
        session.execute(sa.text("UPDATE webhook SET url = 'http://10.0.0.1/'"))
    ok(client.post(f"{URL}/{hook['id']}/test", headers=manager), 202)
    work()
    (row,) = sent(client, manager, hook)
    assert (row["state"], row["status"]) == ("waiting", None)
    assert "public internet" in row["error"]


@pytest.mark.usefixtures("hook")
def test_recipients_and_visibility_are_read_once_for_a_batch(
    client: TestClient, editor: Headers, db: Database, settings: Settings
) -> None:
    for number in range(3):
        make.comment(client, make.published(client, editor, f"{number}"))
    statements: list[str] = []
    with db.transaction() as session:
        connection = session.connection()
        entries = read_after(connection, START, 100)
        sa.event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
        enqueue_events(session, entries, site=Site.from_settings(settings))
        sent_types = session.execute(sa.select(DELIVERY.c.what)).scalars().all()
    assert sorted(sent_types) == ["article.published"] * 3 + ["comment.published"] * 3
    assert sum("JOIN api_key" in statement for statement in statements) == 1
    assert sum("UNION ALL" in statement for statement in statements) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("0", 0), ("Tue, 01 Jan 2030 12:01:00 GMT", 60), ("Tue, 01 Jan 2030 11:00:00 GMT", 0)],
)
def test_retry_after(text: str, seconds: float) -> None:
    with time_machine.travel("2030-01-01T12:00:00Z", tick=False):
        assert Answer(503, {"retry-after": text}, b"").retry_after == seconds


@pytest.mark.parametrize("text", [None, "", "soon", "-5", "1.5", "9999-99-99"])
def test_no_retry_after(text: str | None) -> None:
    assert Answer(503, {} if text is None else {"retry-after": text}, b"").retry_after is None


def test_the_id_of_a_request_goes_to_the_log_the_event_and_the_webhook(
    client: TestClient,
    editor: Headers,
    db: Database,
    hook: dict[str, Any],
    receiver: Receiver,
    work: Work,
    capsys: pytest.CaptureFixture[str],
) -> None:
    article = make.draft(client, editor)
    url = f"/v1/articles/{article['id']}/publish"
    request_id = "edge-7:a"
    answer = client.post(url, headers={**editor, "If-Match": "*", "X-Request-ID": request_id})
    assert answer.headers["x-request-id"] == request_id
    with db.connect() as connection:
        (event,) = (each for each in read_after(connection, START) if each.type == "article.published")
    assert event.request_id == request_id
    work()
    (told,) = (headers for headers, body in receiver.messages if b"article.published" in body)
    assert {name.lower(): value for name, value in told.items()}["x-request-id"] == request_id
    assert f'"request_id":"{request_id}"' in capsys.readouterr().err.replace('": "', '":"')


def test_who_sets_the_address_is_asked_what_may_be_sent_there(
    client: TestClient, manager: Headers, admin: Headers, db: Database
) -> None:
    """A webhook of an administrator names people to its own address alone."""
    body = {"url": "https://hooks.example/", "events": ["article.published"]}
    made = ok(client.post(URL, json=body, headers=admin), 201)
    url, any_version = f"{URL}/{made['id']}", {"If-Match": "*"}

    def names_people() -> bool:
        with db.connect() as connection:
            (webhook,) = list_enabled(connection, made["id"])
        return webhook["names_people"]

    assert names_people()
    ok(client.patch(url, json={"description": "Ours"}, headers={**manager, **any_version}))
    assert names_people()
    ok(client.patch(url, json={"url": "https://other.example/"}, headers={**manager, **any_version}))
    assert not names_people()
    ok(client.patch(url, json={"url": "https://hooks.example/"}, headers={**admin, **any_version}))
    assert names_people()
