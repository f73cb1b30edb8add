"""Events of approval, notes, tasks and locks: told to those who read the drafts, and to nobody else."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db import Database
from app.events.staff_events import EDITORIAL_TYPES
from tests import make
from tests.live.conftest import read
from tests.make import Headers, ok
from tests.receiver import Receiver, work_through

pytestmark = pytest.mark.portable

ANY = {"If-Match": "*"}
CANARY = "Canary"
SECTIONS = ("sport", "politics")
OF_DRAFTS = ("article.*", "note.*", "task.*", "lock.*", "release.failed")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Webhooks may reach this machine."""
    return settings.model_copy(update={"outgoing_allow": ["127.0.0.0/8"]})


class Staff(NamedTuple):
    """A publication with two sections, and who works for it."""

    chief: Headers  # may do everything
    ada: make.Person  # a reporter of sport, who may set up webhooks
    manager: Headers  # sets up webhooks, and reads no drafts


@pytest.fixture
def staff(client: TestClient, db: Database, admin: Headers, make_key: Callable[..., Headers]) -> Staff:
    for name in SECTIONS:
        make.section(client, admin, name.title())
    role = {"role": "hooks", "name": "Hooks", "scopes": ["webhooks:manage"]}
    ok(client.post("/v1/roles", json=role, headers=admin), 201)
    ada = make.person(client, db, "Ada", hooks=None, reporter=["sport"])
    return Staff(admin, ada, make_key("webhooks:manage"))


def hook(client: TestClient, headers: Headers, url: str, *events: str) -> dict[str, Any]:
    sent = {"url": url, "events": list(events) or ["*"]}
    created: dict[str, Any] = ok(client.post("/v1/webhooks", json=sent, headers=headers), 201)
    return created


def work(client: TestClient, staff: Staff, section: str) -> str:
    """Something of all that editors do in a section, with the canary in each word; returns the article's id."""
    headers, words = staff.chief, f"{CANARY} {section}"
    article = make.draft(client, headers, words, section=section, body={"html": f"<p>{words}</p>"})
    url = f"/v1/articles/{article['id']}"
    ok(client.put(f"{url}/lock", headers=headers))
    ok(client.put(f"{url}/lock", headers=headers))  # renewed, of which nobody is told
    note = ok(client.post(f"{url}/notes", json={"text": words}, headers=headers), 201)
    task = {"title": words, "article": article["id"], "due_at": "2020-01-01T00:00:00Z"}
    tasks = [ok(client.post("/v1/tasks", json=one, headers=headers), 201) for one in (task, {"title": words})]
    with_etag = {**headers, **ANY}
    for verb, body in (("submit", {"note": words}), ("approve", {"revision": 1}), ("return", {"note": words})):
        ok(client.post(f"{url}/{verb}", json=body, headers=with_etag))
    ok(client.patch(f"/v1/notes/{note['id']}", json={"done": True, "assignee": staff.ada.id}, headers=with_etag))
    ok(client.patch(f"/v1/tasks/{tasks[1]['id']}", json={"done": True}, headers=with_etag))
    ok(client.delete(f"/v1/notes/{note['id']}", headers=with_etag), 204)
    ok(client.delete(f"/v1/tasks/{tasks[1]['id']}", headers=with_etag), 204)
    ok(client.delete(f"{url}/lock", headers=headers), 204)
    miss_times(client, headers, str(article["id"]), section)
    return str(article["id"])


def miss_times(client: TestClient, headers: Headers, article_id: str, section: str) -> None:
    """Schedule an article and a release whose times are over now, and which cannot become public."""
    moment, with_etag = now(), {**headers, **ANY}
    made = ok(client.post("/v1/releases", json={"name": CANARY}, headers=headers), 201)
    release, rule = f"/v1/releases/{made['id']}", f"/v1/sections/{section}/approval"
    items = {"items": [{"op": "unpublish", "article": article_id}]}  # a draft
    ok(client.put(f"{release}/items", json=items, headers=with_etag))
    ok(client.put(rule, json={"required": False}, headers=with_etag))
    at = {"at": format_rfc3339(moment - timedelta(minutes=30))}
    with time_machine.travel(moment - timedelta(hours=1)):
        for url in (f"/v1/articles/{article_id}", release):
            ok(client.put(f"{url}/schedule", json=at, headers=with_etag))
    ok(client.put(rule, json={"required": True}, headers=with_etag))


def editorial(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message["type"] in EDITORIAL_TYPES]


def articles_of(messages: list[dict[str, Any]]) -> Iterator[str | None]:
    """Yield the articles of some messages; None for those about tasks of no article."""
    for message in messages:
        data = message["data"]
        if message["type"] == "release.failed":
            assert (len(data["section_ids"]), data["code"]) == (1, "wrong_state")
            continue
        yield data["article_id"] if "article_id" in data else data["id"]


def test_editors_are_told_of_their_sections_and_nobody_else_is(
    client: TestClient, staff: Staff, settings: Settings, make_key: Callable[..., Headers]
) -> None:
    with Receiver() as of_chief, Receiver() as of_ada, Receiver() as of_manager:
        assert hook(client, staff.chief, of_chief.url)["editorial"] is True
        assert hook(client, staff.ada.headers, of_ada.url, *OF_DRAFTS)["editorial"]
        assert hook(client, staff.manager, of_manager.url)["editorial"] is False
        ids = {section: work(client, staff, section) for section in SECTIONS}
        make.published(client, staff.chief, "Public")
        work_through(settings)
    assert {message["type"] for message in editorial(of_chief.told)} == set(EDITORIAL_TYPES)
    assert set(articles_of(editorial(of_chief.told))) == {*ids.values(), None}
    assert {message["type"] for message in editorial(of_ada.told)} == set(EDITORIAL_TYPES)
    for receiver, number in ((of_chief, 2), (of_ada, 1)):
        assert [message["type"] for message in receiver.told].count("release.failed") == number
    assert set(articles_of(editorial(of_ada.told))) == {ids["sport"], None}
    assert "article.published" in of_manager.types
    assert editorial(of_manager.told) == []
    for receiver in (of_chief, of_ada, of_manager):
        assert CANARY.lower() not in str(receiver.messages).lower()
    locks = [message for message in of_ada.told if message["type"] == "lock.taken"]
    assert len(locks) == 1, "renewals are not told"

    follow = "/v1/editorial/live?last_event_id=0.0"
    for headers, articles in ((staff.chief, {*ids.values(), None}), (staff.ada.headers, {ids["sport"], None})):
        events = [event.data for event in read(client.get(follow, headers=headers))]
        assert {event["type"] for event in events} == set(EDITORIAL_TYPES)
        assert set(articles_of(events)) == articles
        assert CANARY.lower() not in str(events).lower()
    assert client.get(follow).status_code == 401
    for headers in (staff.manager, make_key("comments:moderate"), make_key("syndicate")):
        assert client.get(follow, headers=headers).status_code == 403
    public = read(client.get("/v1/live?last_event_id=0.0", headers=make_key("syndicate")))
    assert not {event.type for event in public} & set(EDITORIAL_TYPES)


@pytest.mark.parametrize("how", ["role", "suspended", "section", "key"])
def test_a_webhook_loses_them_with_the_right_of_whoever_chose_them(
    client: TestClient, staff: Staff, settings: Settings, make_key: Callable[..., Headers], how: str
) -> None:
    headers = make_key("webhooks:manage", "content:read") if how == "key" else staff.ada.headers
    with Receiver() as receiver:
        receiver.status = 500
        created = hook(client, headers, receiver.url)
        work(client, staff, "sport")
        work_through(settings)
        waiting = len(receiver.messages)
        assert waiting
        receiver.status, person = 200, f"/v1/people/{staff.ada.id}"
        if how == "suspended":
            ok(client.patch(person, json={"suspended": True}, headers=staff.chief))
        elif how == "key":
            key = ok(client.get("/v1/whoami", headers=headers))["id"]
            ok(client.delete(f"/v1/keys/{key}", headers={**staff.chief, **ANY}), 204)
        else:
            left = [{"role": "hooks"}, *([{"role": "reporter", "sections": ["politics"]}] if how == "section" else [])]
            ok(client.put(f"{person}/grants", json=left, headers=staff.chief))
        url = f"/v1/webhooks/{created['id']}"
        assert ok(client.get(url, headers=staff.chief))["editorial"] is (how == "section")
        work(client, staff, "sport")
        again = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
        ok(client.post(f"{url}/replay", json=again, headers=staff.chief), 202)
        work_through(settings, later=timedelta(days=1))
        assert set(articles_of(editorial(receiver.told[waiting:]))) <= ({None} if how == "section" else set())
        states = {row["state"] for row in ok(client.get(f"{url}/deliveries?limit=100", headers=staff.chief))["data"]}
        assert "cancelled" in states
        assert "waiting" not in states


def test_nobody_gets_at_them_by_changing_a_webhook(client: TestClient, staff: Staff) -> None:
    asked = {"url": "https://127.0.0.1/x", "events": ["note.created"]}
    refused = client.post("/v1/webhooks", json=asked, headers=staff.manager)
    assert (refused.status_code, "note.created" in refused.json()["detail"]) == (403, True)
    own, other = hook(client, staff.ada.headers, asked["url"]), hook(client, staff.chief, asked["url"])
    for headers, changed in ((staff.manager, own), (staff.manager, other), (staff.ada.headers, other)):
        for change in ({"url": "https://127.0.0.1/mine"}, {"events": ["*"]}, {"enabled": False}):
            answer = client.patch(f"/v1/webhooks/{changed['id']}", json=change, headers={**headers, **ANY})
            assert answer.status_code == 403, (change, answer.text)
    url = f"/v1/webhooks/{own['id']}"
    ok(client.patch(url, json={"url": "https://127.0.0.1/new"}, headers={**staff.ada.headers, **ANY}))
    taken = ok(client.patch(url, json={"events": ["article.*"]}, headers={**staff.chief, **ANY}))
    assert taken["editorial"] is True


def test_a_deadline_is_told_once_and_not_of_what_is_done(
    client: TestClient, staff: Staff, settings: Settings, make_key: Callable[..., Headers]
) -> None:
    headers, reader = staff.chief, make_key("content:read")

    def due() -> list[Any]:
        work_through(settings)
        events = read(client.get("/v1/editorial/live?last_event_id=0.0", headers=reader))
        return [event.data["data"]["id"] for event in events if event.type == "task.due"]

    past, future = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
    late, done, later = (
        ok(client.post("/v1/tasks", json={"title": "Call", "due_at": at}, headers=headers), 201)
        for at in (past, future, future)
    )
    for task, change in ((done, {"done": True, "due_at": past}), (later, {"title": "Call again"})):
        ok(client.patch(f"/v1/tasks/{task['id']}", json=change, headers={**headers, **ANY}))
    assert due() == due() == [late["id"]]
    ok(client.patch(f"/v1/tasks/{later['id']}", json={"due_at": past}, headers={**headers, **ANY}))
    assert due() == [late["id"], later["id"]]
