"""Roles and grants: who may do what in which sections, and how soon a change of that acts."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.main import create_app
from app.people import sessions
from app.people.grants import LastAdmin
from app.people.people import set_grants
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
ROLES = {
    "reporter": {"content:read", "content:write"},
    "editor": {"content:read", "content:write", "content:approve", "content:publish"},
    "desk": {
        *("content:read", "content:write", "content:approve", "content:publish"),
        *("comments:moderate", "subscribers:manage"),
    },
    "moderator": {"comments:moderate"},
    "admin": {"admin"},
}


@pytest.fixture(autouse=True)
def uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request reads its session and its key again, as all do after a second."""
    monkeypatch.setattr(sessions, "SESSION_CACHE_SECONDS", -1.0)
    monkeypatch.setattr(keys, "KEY_CACHE_SECONDS", -1.0)


def give(client: TestClient, admin: Headers, person: make.Person, *grants: dict[str, Any], status: int = 200) -> Any:
    return make.ok(client.put(f"/v1/people/{person.id}/grants", json=list(grants), headers=admin), status)


def test_the_roles_that_are_built_in(client: TestClient, db: Database, admin: Headers) -> None:
    listed = make.ok(client.get("/v1/roles", headers=admin))["data"]
    assert {role["role"]: set(role["scopes"]) for role in listed} == ROLES
    for role in ROLES:
        assert client.delete(f"/v1/roles/{role}", headers=admin).json()["code"] == "built_in_role"
        assert client.patch(f"/v1/roles/{role}", json={"name": "x"}, headers=admin).status_code == 409
        new = {"role": role, "name": "x", "scopes": ["content:read"]}
        assert client.post("/v1/roles", json=new, headers=admin).json()["code"] == "role_exists"
        ada = make.person(client, db, f"Ada {role}".replace(" ", "-"), **{role: None})
        caller = make.ok(client.get("/v1/whoami", headers=ada.headers))
        assert caller["grants"] == [{"role": role, "scopes": sorted(ROLES[role]), "sections": None}]
        assert (caller["sections"], set(caller["scopes"])) == (None, ROLES[role])


def test_a_role_holds_in_its_sections_and_what_is_inside_them(
    client: TestClient, db: Database, editor: Headers, admin: Headers
) -> None:
    ids = {name: make.section(client, editor, name)["id"] for name in ("News", "Sport")}
    ids["Local"] = make.section(client, editor, "Local", parent="news")["id"]
    ada = make.person(client, db, "Ada")
    given = give(client, admin, ada, {"role": "reporter", "sections": ["news"]}, {"role": "moderator"})
    assert given["grants"] == [
        {"role": "moderator", "sections": None, "provider": None},
        {"role": "reporter", "sections": [ids["News"]], "provider": None},
    ]
    caller = make.ok(client.get("/v1/whoami", headers=ada.headers))
    assert [grant["sections"] for grant in caller["grants"]] == [None, sorted([ids["News"], ids["Local"]])]
    for section, status in (("news", 201), ("local", 201), ("sport", 403), (None, 403)):
        body = {"title": "On the bridge", "section": section}
        assert client.post("/v1/articles", json=body, headers=ada.headers).status_code == status, section
    draft = make.draft(client, editor, "Scores", section="sport")
    url = f"/v1/articles/{draft['id']}"
    assert client.get(url, headers=ada.headers).status_code == 404
    make.ok(client.patch("/v1/sections/sport", json={"parent": "local"}, headers={**editor, "If-Match": "*"}))
    assert client.get(url, headers=ada.headers).status_code == 200, "a section that moved is followed"
    any_version = {**ada.headers, "If-Match": "*"}
    assert client.post(f"{url}/publish", headers=any_version).status_code == 403
    assert client.patch(url, json={"title": "The scores"}, headers=any_version).status_code == 200
    saved = make.ok(client.get(f"{url}/revisions", headers=editor))["data"][0]
    assert [saved[name] for name in ("actor_id", "actor_name", "person_id")] == [ada.id, "Ada", ada.id]
    give(client, admin, ada, {"role": "moderator", "sections": ["sport"]})
    assert client.get(url, headers=ada.headers).status_code == 404
    make.ok(client.patch("/v1/sections/sport", json={"parent": None}, headers={**editor, "If-Match": "*"}))
    assert make.ok(client.get("/v1/people/me", headers=ada.headers))["grants"] == [
        {"role": "moderator", "sections": [ids["Sport"]], "provider": None}
    ]


def test_each_scope_holds_where_it_was_given(client: TestClient, db: Database, editor: Headers) -> None:
    """Who writes in one section and publishes in another cannot publish in the first, nor read drafts everywhere."""
    for name in ("A", "B", "C"):
        make.section(client, editor, name)
    drafts = {name: make.draft(client, editor, f"In {name}", section=name)["id"] for name in "abc"}
    public = {name: make.published(client, editor, f"Out in {name}", section=name)["id"] for name in "abc"}
    ada = make.person(client, db, "Ada", reporter=["a"], editor=["b"], moderator=["c"])
    any_version = {**ada.headers, "If-Match": "*"}

    def statuses(call: Callable[[str], Any], ids: dict[str, str]) -> list[int]:
        return [call(ids[name]).status_code for name in "abc"]

    assert statuses(lambda id_: client.get(f"/v1/articles/{id_}", headers=ada.headers), drafts) == [200, 200, 404]
    listed = make.ok(client.get("/v1/articles?state=draft", headers=ada.headers))["data"]
    assert {row["id"] for row in listed} == {drafts["a"], drafts["b"]}
    url = "/v1/articles/{}/publish"
    assert statuses(lambda id_: client.post(url.format(id_), headers=any_version), drafts) == [403, 200, 404]
    patch = {"featured": True}  # readers see it at once
    assert statuses(lambda id_: client.patch(f"/v1/articles/{id_}", json=patch, headers=any_version), public) == [
        403,
        200,
        403,
    ]
    close = {"state": "closed"}
    assert statuses(
        lambda id_: client.put(f"/v1/articles/{id_}/discussion", json=close, headers=any_version), public
    ) == [403, 403, 200]
    moved = client.patch(f"/v1/articles/{public['b']}", json={"section": "c"}, headers=any_version)
    assert moved.status_code == 403
    bulk = {"operations": [{"op": "publish", "article": drafts["a"], "if_match": "*"}]}
    answer = client.post("/v1/articles/bulk", json=bulk, headers=ada.headers)
    assert '"status":403' in answer.text.replace(" ", "")
    for path, body in (("tags", {"name": "x"}), ("notices", {"scope": "site", "placement": "before", "text": "!"})):
        assert client.post(f"/v1/{path}", json=body, headers=ada.headers).status_code == 403


def test_a_role_of_the_publication(client: TestClient, db: Database, admin: Headers, editor: Headers) -> None:
    new = {"role": "columnist", "name": "Columnist", "scopes": ["content:write", "content:read"]}
    made = client.post("/v1/roles", json=new, headers=admin)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/roles/columnist")
    ada = make.person(client, db, "Ada", columnist=None)
    assert client.post("/v1/webhooks", json={"url": "https://x.example"}, headers=ada.headers).status_code == 403
    make.ok(client.patch("/v1/roles/columnist", json={"scopes": ["comments:moderate"]}, headers=admin))
    assert make.ok(client.get("/v1/whoami", headers=ada.headers))["scopes"] == ["comments:moderate"]
    assert client.delete("/v1/roles/columnist", headers=admin).json()["code"] == "role_in_use"
    give(client, admin, ada)
    assert make.ok(client.get("/v1/whoami", headers=ada.headers))["grants"] == []
    assert client.get("/v1/articles?state=draft", headers=ada.headers).status_code == 403
    assert client.delete("/v1/roles/columnist", headers=admin).status_code == 204
    assert client.get("/v1/roles/columnist", headers=editor).status_code == 404
    for scopes in (["admin"], ["syndicate"], ["public:read"], [], ["content:all"]):
        assert client.post("/v1/roles", json={**new, "scopes": scopes}, headers=admin).status_code == 422
    for grant in ({"role": "columnist"}, {"role": "admin", "sections": ["x"]}, {"role": "editor", "sections": ["no"]}):
        give(client, admin, ada, grant, status=422)
    give(client, admin, ada, {"role": "editor"}, {"role": "editor"}, status=422)


def test_somebody_stays_administrator(client: TestClient, db: Database, editor: Headers) -> None:
    ada, bob = make.person(client, db, "Ada", admin=None), make.person(client, db, "Bob", editor=None)
    for headers in (bob.headers, editor):
        give(client, headers, bob, {"role": "admin"}, status=403)
    url = f"/v1/people/{ada.id}"
    attempts = [
        lambda: client.put(f"{url}/grants", json=[{"role": "editor"}], headers=ada.headers),
        lambda: client.patch(url, json={"suspended": True}, headers=ada.headers),
        lambda: client.delete(url, headers=ada.headers),
    ]
    assert [attempt().json()["code"] for attempt in attempts] == ["last_admin"] * 3
    give(client, ada.headers, bob, {"role": "admin"})
    give(client, ada.headers, ada)
    give(client, ada.headers, ada, {"role": "admin"}, status=403)
    give(client, bob.headers, bob, status=409)


def test_a_key_does_no_more_than_the_person_it_belongs_to(
    client: TestClient, db: Database, admin: Headers, editor: Headers
) -> None:
    here, there = (make.section(client, editor, name)["id"] for name in ("Here", "There"))
    ada = make.person(client, db, "Ada", editor=["here"])
    new: dict[str, Any] = {"name": "Ada's tool", "scopes": ["content:write"], "person_id": ada.id}
    for wrong in ({}, {"sections": ["there"]}, {"sections": ["here"], "scopes": ["comments:moderate"]}):
        answer = client.post("/v1/keys", json={**new, **wrong}, headers=admin)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "exceeds_person")
    made = make.ok(client.post("/v1/keys", json={**new, "sections": ["here"]}, headers=admin), 201)
    assert made["person_id"] == ada.id
    key = {"Authorization": f"Bearer {made['key']}"}
    caller = make.ok(client.get("/v1/whoami", headers=key))
    assert (caller["person"], caller["id"]) == (ada.id, made["id"])
    assert caller["grants"] == [{"role": None, "scopes": ["content:write"], "sections": [here]}]
    draft = make.ok(client.post("/v1/articles", json={"title": "T", "section": "here"}, headers=key), 201)
    entries = make.ok(client.get(f"/v1/audit?person={ada.id}", headers=admin))["data"]
    saved = next(row for row in entries if row["action"] == "article.create")
    assert [saved[name] for name in ("actor_kind", "actor_id", "person_id")] == ["key", made["id"], ada.id]
    by_person = make.ok(client.get(f"/v1/articles?editor={ada.id}", headers=editor))["data"]
    assert [row["id"] for row in by_person] == [draft["id"]]
    give(client, admin, ada, {"role": "editor", "sections": [there]})
    assert make.ok(client.get("/v1/whoami", headers=key))["grants"] == []
    give(client, admin, ada, {"role": "reporter"})
    assert client.get(f"/v1/articles/{draft['id']}", headers=key).status_code == 200
    make.ok(client.patch(f"/v1/people/{ada.id}", json={"suspended": True}, headers=admin))
    assert client.get("/v1/whoami", headers=key).status_code == 401
    make.ok(client.patch(f"/v1/people/{ada.id}", json={"suspended": False}, headers=admin))
    assert client.get("/v1/whoami", headers=key).status_code == 200


def test_webhooks_follow_the_roles_of_who_set_their_events(client: TestClient, db: Database, admin: Headers) -> None:
    scopes = ["comments:moderate", "webhooks:manage"]
    make.ok(client.post("/v1/roles", json={"role": "watch", "name": "Watch", "scopes": scopes}, headers=admin), 201)
    ada, bob = make.person(client, db, "Ada", admin=None), make.person(client, db, "Bob", watch=None)
    url = "/v1/webhooks"
    hooks = {
        person.name: make.ok(
            client.post(url, json={"url": f"https://{person.name}.example", "events": ["*"]}, headers=person.headers),
            201,
        )
        for person in (ada, bob)
    }
    assert {name: hook["moderation"] for name, hook in hooks.items()} == {"Ada": True, "Bob": True}
    make.section(client, ada.headers, "News")
    worker = client.app.state.services.worker  # type: ignore[attr-defined]
    assert client.portal is not None
    while client.portal.call(worker.run_once):
        pass
    told = {
        name: [
            row["payload"]["data"].get("person_id", "nobody is named")
            for row in make.ok(client.get(f"{url}/{hook['id']}/deliveries", headers=admin))["data"]
            if row["type"].startswith("section.")
        ]
        for name, hook in hooks.items()
    }
    assert told == {"Ada": [ada.id], "Bob": ["nobody is named"]}
    give(client, admin, bob, {"role": "editor"})
    assert make.ok(client.get(f"{url}/{hooks['Bob']['id']}", headers=admin))["moderation"] is False


def test_a_change_acts_in_every_process(
    settings: Settings, client: TestClient, db: Database, admin: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert max(sessions.SESSION_CACHE_SECONDS, keys.KEY_CACHE_SECONDS) <= 1.0
    ada = make.person(client, db, "Ada", editor=None)
    new = {"name": "Ada's", "scopes": ["content:publish"], "person_id": ada.id}
    key = make.bearer(make.ok(client.post("/v1/keys", json=new, headers=admin), 201)["key"])
    with TestClient(create_app(settings, with_worker=False)) as elsewhere:

        def scopes() -> list[list[str]]:
            return [
                make.ok(process.get("/v1/whoami", headers=headers))["scopes"]
                for process in (client, elsewhere)
                for headers in (ada.headers, key)
            ]

        assert scopes() == [sorted(ROLES["editor"]), ["content:publish"]] * 2
        give(client, admin, ada, {"role": "reporter"})
        monkeypatch.setattr(sessions, "SESSION_CACHE_SECONDS", -1.0)  # a second later
        monkeypatch.setattr(keys, "KEY_CACHE_SECONDS", -1.0)
        assert scopes() == [sorted(ROLES["reporter"]), []] * 2


def test_two_administrators_cannot_both_lose_the_role_at_once(client: TestClient, db: Database) -> None:
    people = [make.person(client, db, name, admin=None).id for name in ("Ada", "Bob")]
    together, outcomes = threading.Barrier(2), []

    def take(person_id: str) -> None:
        together.wait()
        try:
            with db.transaction() as session:
                set_grants(session, SYSTEM, person_id, [])
            outcomes.append("taken")
        except LastAdmin:
            outcomes.append("kept")

    threads = [threading.Thread(target=take, args=(person_id,)) for person_id in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["kept", "taken"]
