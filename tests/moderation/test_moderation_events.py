"""Moderation events: told to those who moderate, by webhook and stream, and to nobody else."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.events.staff_events import MODERATION_TYPES
from tests import make
from tests.live.conftest import read
from tests.make import Headers, ok
from tests.moderation.stock import decide, report
from tests.receiver import Receiver, work_through

pytestmark = pytest.mark.portable


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Webhooks may reach this machine, and one report hides a comment."""
    return settings.model_copy(update={"outgoing_allow": ["127.0.0.0/8"], "report_threshold": 1})


@pytest.fixture
def told(client: TestClient, moderator: Headers, article: dict[str, Any]) -> dict[str, str]:
    """Something of everything that moderation does; the comment behind each type."""
    ok(client.post("/v1/moderation/phrases", json={"text": "wait for me"}, headers=moderator), 201)
    ok(client.post("/v1/moderation/phrases", json={"text": "cheap pills", "action": "spam"}, headers=moderator), 201)
    pending = make.comment(client, article, "Do wait for me.")
    ok(client.post("/v1/moderation/queue/claim", json={"limit": 1}, headers=moderator))
    spam = make.comment(client, article, "Buy cheap pills.")
    held = make.comment(client, article, "Harmless.")
    own = {"Authorization": f"Bearer {held['edit_token']}"}
    assert (
        ok(client.patch(f"/v1/comments/{held['id']}", json={"text": "Wait for me!"}, headers=own))["state"] == "pending"
    )
    reported = make.comment(client, article, "Rude.")
    for number in range(3):
        assert report(client, reported["id"], f"10.0.{number}.1").status_code in (202, 404)
    decide(client, moderator, reported["id"], "reject", reason="Rude.")
    appeal = {"Authorization": f"Bearer {reported['edit_token']}"}
    ok(client.post(f"/v1/comments/{reported['id']}/appeal", json={"text": "Was not."}, headers=appeal), 201)
    ok(client.post(f"/v1/articles/{article['id']}/reports", json={"reason": "misinformation"}), 202)
    names = {"pending": pending, "spam": spam, "held": held, "reported": reported}
    return {name: comment["id"] for name, comment in names.items()}


def expected(told: dict[str, str], article: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        ("comment.pending", told["pending"]),
        ("comment.claimed", told["pending"]),
        ("comment.decided", told["spam"]),
        ("comment.held", told["held"]),
        ("comment.held", told["reported"]),
        ("comment.reported", told["reported"]),
        ("comment.decided", told["reported"]),
        ("comment.appealed", told["reported"]),
        ("article.reported", article["id"]),
    }


def follow(client: TestClient, headers: Headers, **query: str) -> list[Any]:
    answer = client.get("/v1/live", headers=headers, params={"last_event_id": "0.0", **query})
    assert answer.status_code == 200, answer.text
    return read(answer)


def about(events: list[Any]) -> set[tuple[str, str]]:
    return {(event.type, event.data["data"]["id"]) for event in events if event.type in MODERATION_TYPES}


def test_moderators_follow_them(
    client: TestClient, moderator: Headers, told: dict[str, str], article: dict[str, Any]
) -> None:
    events = follow(client, moderator)
    assert about(events) == expected(told, article)
    assert {"comment.published", "article.published"} <= {event.type for event in events}
    decided = [
        e.data["data"] for e in events if e.type == "comment.decided" and e.data["data"]["id"] == told["reported"]
    ]
    assert [(d["action"], d["state"], d["by"]) for d in decided] == [("reject", "rejected", "moderator")]
    assert all(event.data["data"]["cache_groups"] == [] for event in events if event.type in MODERATION_TYPES)
    chosen = follow(client, moderator, types="comment.held,article.reported")
    assert {event.type for event in chosen} == {"comment.held", "article.reported"}
    assert "Rude" not in str(events)
    own = read(client.get("/v1/moderation/live?last_event_id=0.0", headers=moderator))
    assert about(own) == expected(told, article)
    assert {event.type for event in own} <= set(MODERATION_TYPES)


def test_nobody_else_follows_them(
    client: TestClient, make_key: Callable[..., Headers], told: dict[str, str], article: dict[str, Any]
) -> None:
    integrator = make_key("syndicate")
    assert about(follow(client, integrator)) == set()
    assert about(follow(client, integrator, types="comment.*,article.*")) == set()
    assert client.get("/v1/live?types=comment.held", headers=integrator).status_code == 403
    assert client.get("/v1/moderation/live", headers=integrator).status_code == 403
    changes = ok(client.get("/v1/changes?limit=100", headers=integrator))["data"]
    assert {change["type"] for change in changes} <= {"article", "comment"}
    public = read(client.get(f"/v1/articles/{article['id']}/live?last_event_id=0.0"))
    assert not {event.type for event in public} & set(MODERATION_TYPES)


def test_a_key_of_some_sections_hears_of_these(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers], told: dict[str, str]
) -> None:
    section = make.section(client, editor, "Harbour")
    inside = make.published(client, editor, "Inside", section="harbour")
    ok(client.post(f"/v1/articles/{inside['id']}/reports", json={"reason": "other"}), 202)
    limited = make_key("comments:moderate", sections=[section["id"]])
    assert about(follow(client, limited)) == {("article.reported", inside["id"])}
    own = read(client.get("/v1/moderation/live?last_event_id=0.0", headers=limited))
    assert about(own) == {("article.reported", inside["id"])}


def test_webhooks_of_moderators_receive_them(
    client: TestClient,
    settings: Settings,
    make_key: Callable[..., Headers],
    moderator: Headers,
    article: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    manager, both = make_key("webhooks:manage"), make_key("webhooks:manage", "comments:moderate")
    with Receiver() as mine, Receiver() as others:
        hook = ok(client.post("/v1/webhooks", json={"url": mine.url, "events": ["*"]}, headers=both), 201)
        other = ok(client.post("/v1/webhooks", json={"url": others.url, "events": ["*"]}, headers=manager), 201)
        assert (hook["moderation"], other["moderation"]) == (True, False)
        told: dict[str, str] = request.getfixturevalue("told")
        work_through(settings)
        received = {(m["type"], m["data"]["id"]) for m in map(body, mine.messages)}
        assert expected(told, article) <= received
        assert not {m["type"] for m in map(body, others.messages)} & set(MODERATION_TYPES)
        assert any(body(message)["type"] == "comment.published" for message in others.messages)
    url = f"/v1/webhooks/{hook['id']}/deliveries?limit=100"
    assert {row["type"] for row in ok(client.get(url, headers=both))["data"]} >= set(MODERATION_TYPES)
    seen = ok(client.get(url, headers=manager))["data"]
    assert seen
    assert not {row["type"] for row in seen} & set(MODERATION_TYPES)


def test_no_key_gets_at_them_by_changing_a_webhook(
    client: TestClient, make_key: Callable[..., Headers], settings: Settings
) -> None:
    manager, both = make_key("webhooks:manage"), make_key("webhooks:manage", "comments:moderate")
    asked = {"url": "https://127.0.0.1/x", "events": ["comment.held"]}
    assert client.post("/v1/webhooks", json=asked, headers=manager).status_code == 403
    hook = ok(client.post("/v1/webhooks", json=asked, headers=both), 201)
    url = f"/v1/webhooks/{hook['id']}"
    for change in ({"url": "https://127.0.0.1/mine"}, {"events": ["*"]}, {"enabled": False}):
        assert client.patch(url, json=change, headers={**manager, "If-Match": "*"}).status_code == 403
    plain = ok(client.post("/v1/webhooks", json={**asked, "events": ["*"]}, headers=manager), 201)
    assert plain["moderation"] is False
    url = f"/v1/webhooks/{plain['id']}"
    assert (
        client.patch(url, json={"events": ["comment.pending"]}, headers={**manager, "If-Match": "*"}).status_code == 403
    )
    grown = ok(client.patch(url, json={"events": ["comment.*"]}, headers={**both, "If-Match": "*"}))
    assert grown["moderation"] is True


def test_a_webhook_loses_them_with_the_key_that_chose_them(
    client: TestClient, make_key: Callable[..., Headers], admin: Headers, settings: Settings, article: dict[str, Any]
) -> None:
    scopes = ["webhooks:manage", "comments:moderate"]
    section = make.section(client, admin, "Elsewhere")
    ends: list[dict[str, Any] | None] = [{"scopes": scopes[:1]}, {"sections": [section["id"]]}, None]
    for end in ends:
        key = make_key(*scopes)
        with Receiver() as receiver:
            hook = ok(client.post("/v1/webhooks", json={"url": receiver.url, "events": ["*"]}, headers=key), 201)
            url = f"/v1/keys/{ok(client.get('/v1/whoami', headers=key))['id']}"
            ok(client.delete(url, headers=admin), 204) if end is None else ok(
                client.patch(url, json=end, headers={**admin, "If-Match": "*"})
            )
            url = f"/v1/webhooks/{hook['id']}"
            assert ok(client.get(url, headers=admin))["moderation"] is False
            assert hook["id"] not in {
                row["id"] for row in ok(client.get("/v1/webhooks", headers=admin))["data"] if row["moderation"]
            }
            ok(client.post(f"/v1/articles/{article['id']}/reports", json={"reason": "other"}), 202)
            again = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
            ok(client.post(f"{url}/replay", json=again, headers=admin), 202)
            work_through(settings)
            received = {body(message)["type"] for message in receiver.messages}
            assert "article.published" in received
            assert not received & set(MODERATION_TYPES)
            taken = ok(client.patch(url, json={"events": ["*"]}, headers={**admin, "If-Match": "*"}))
            assert taken["moderation"] is True
            ok(client.delete(url, headers={**admin, "If-Match": "*"}), 204)


def body(message: tuple[Headers, bytes]) -> Any:
    return json.loads(message[1])
