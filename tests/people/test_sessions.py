"""People and their sessions: what each token is good for, and when it ends."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from sqlmodel import Session
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.settings import Settings
from app.db import Database
from app.identity.tables import Audit
from app.main import create_app
from app.people import sessions
from app.people.sessions import IDLE_LIFETIME, RETRY_LIFETIME, SESSION_LIFETIME
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]


@pytest.fixture
def uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request reads its session again, as all do after a second."""
    monkeypatch.setattr(sessions, "SESSION_CACHE_SECONDS", -1.0)


def refresh(client: TestClient, token: str, **headers: str) -> Any:
    return client.post("/v1/sign-in/refresh", json={"refresh_token": token}, headers=headers)


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def me(client: TestClient, token: str) -> int:
    status: int = client.get("/v1/people/me", headers=bearer(token)).status_code
    return status


def actions(db: Database) -> list[str]:
    with db.transaction() as session:
        return list(session.scalars(sa.select(Audit.action).where(Audit.subject_kind == "session").order_by(Audit.id)))


def test_the_caller_is_the_person(client: TestClient, db: Database) -> None:
    ada = make.person(client, db, "Ada")
    caller = client.get("/v1/whoami", headers=ada.headers).json()
    assert [caller[name] for name in ("kind", "id", "person", "name", "grants")] == [
        "person",
        ada.id,
        ada.id,
        "Ada",
        [],
    ]
    own = client.get("/v1/people/me", headers=ada.headers)
    assert own.json()["email"] == ada.email
    assert own.headers["cache-control"] == "private, no-store"
    forged = ada.access[:-1] + ("0" if ada.access[-1] != "0" else "1")
    for token in (forged, ada.refresh, "ba_", f"ba_{'0' * 128}", f"ba_{'é' * 128}", "ba_a.b.c"):
        for path in ("/v1/whoami", "/v1/articles"):
            assert client.get(path, headers={"Authorization": f"Bearer {token}".encode()}).status_code == 401
    in_query = client.get(f"/v1/people/me?access_token={ada.access}")
    assert (in_query.status_code, ada.access in in_query.text) == (401, False)


def test_a_refresh_replaces_both_tokens(client: TestClient, db: Database, uncached: None) -> None:
    ada = make.person(client, db, "Ada")
    first = refresh(client, ada.refresh)
    tokens = first.json()
    assert first.headers["cache-control"] == "private, no-store"
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 600
    assert tokens["person"] == {"id": ada.id, "name": "Ada"}
    assert len({ada.access, ada.refresh, tokens["access_token"], tokens["refresh_token"]}) == 4
    assert me(client, tokens["access_token"]) == 200
    assert me(client, ada.access) == 200, "requests under way go on"
    assert refresh(client, ada.refresh).json()["refresh_token"] == tokens["refresh_token"], "a retry"
    second = refresh(client, tokens["refresh_token"]).json()
    assert me(client, second["access_token"]) == 200
    assert me(client, ada.access) == 401, "two refreshes ago"
    assert refresh(client, second["refresh_token"]).status_code == 200


@pytest.mark.parametrize("thief", ["late", "elsewhere", "much later"])
def test_a_former_refresh_token_ends_the_session(client: TestClient, db: Database, uncached: None, thief: str) -> None:
    ada = make.person(client, db, "Ada")
    tokens = refresh(client, ada.refresh).json()
    moment, headers = now(), {}
    if thief == "late":
        moment += RETRY_LIFETIME + timedelta(seconds=2)
    elif thief == "elsewhere":
        headers = {"User-Agent": "another"}
    else:
        tokens = refresh(client, tokens["refresh_token"]).json()
        tokens = refresh(client, tokens["refresh_token"]).json()
    with time_machine.travel(moment, tick=False):
        stolen = refresh(client, ada.refresh, **headers)
        assert (stolen.status_code, stolen.json()["code"]) == (401, "session_ended")
        assert me(client, tokens["access_token"]) == 401
        assert refresh(client, tokens["refresh_token"]).json()["code"] == "session_ended"
    assert actions(db) == ["session.start", "session.reuse"]


@pytest.mark.parametrize("idle", [True, False])
def test_sessions_end_by_themselves(client: TestClient, db: Database, uncached: None, idle: bool) -> None:
    ada, start = make.person(client, db, "Ada"), now()
    token = ada.refresh
    with time_machine.travel(start + timedelta(minutes=11), tick=False):
        assert me(client, ada.access) == 401
        token = refresh(client, token).json()["refresh_token"]
    step = timedelta(days=8) if idle else timedelta(days=6)
    assert IDLE_LIFETIME < timedelta(days=8) < SESSION_LIFETIME
    moment, statuses = start + step, []
    while moment < start + SESSION_LIFETIME + step and not (idle and statuses):
        with time_machine.travel(moment, tick=False):
            answer = refresh(client, token)
            statuses.append(answer.status_code)
            token = answer.json().get("refresh_token", token)
        moment += step
    assert statuses == ([401] if idle else [200, 200, 200, 200, 401])


def test_people_end_their_own_sessions(client: TestClient, db: Database, uncached: None, admin: Headers) -> None:
    ada, eve = make.person(client, db, "Ada"), make.person(client, db, "Eve")
    other = make.sign_in(client, db, ada)
    third = make.sign_in(client, db, ada)
    listed = client.get("/v1/people/me/sessions?limit=2", headers=ada.headers).json()
    assert [row["current"] for row in listed["data"]] == [False, False]
    assert {row["client"] for row in listed["data"]} == {"testclient"}
    session = listed["data"][0]["id"]
    url = f"/v1/people/{ada.id}/sessions"
    assert client.get(url, headers=eve.headers).status_code == 403
    assert client.delete(url, headers=eve.headers).status_code == 403
    assert client.delete(f"{url}/{session}", headers=eve.headers).status_code == 403
    assert client.delete(f"/v1/people/me/sessions/{session}", headers=eve.headers).status_code == 404
    assert client.delete(f"{url}/{session}", headers=ada.headers).status_code == 204
    assert (me(client, third.access), me(client, other.access)) == (401, 200)
    assert client.delete("/v1/people/me/sessions", headers=ada.headers).status_code == 204
    assert (me(client, other.access), me(client, ada.access), me(client, eve.access)) == (401, 200, 200)
    assert client.post("/v1/sign-out", headers=admin).status_code == 403
    assert client.post("/v1/sign-out", headers=ada.headers).status_code == 204
    assert refresh(client, ada.refresh).status_code == 401
    assert me(client, ada.access) == 401


def test_who_signs_out_twice_at_once_is_signed_out(
    client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second request was let in before the first had ended the session."""
    monkeypatch.setattr(sessions, "SESSION_CACHE_SECONDS", 60.0)
    ada = make.person(client, db, "Ada")
    assert [client.post("/v1/sign-out", headers=ada.headers).status_code for _ in range(2)] == [204, 204]


@pytest.mark.parametrize("how", ["suspended", "deleted", "ended"])
def test_who_may_not_sign_in_is_refused_in_every_process(
    settings: Settings, client: TestClient, db: Database, admin: Headers, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = make.person(client, db, "Ada")
    with TestClient(create_app(settings, with_worker=False), raise_server_exceptions=False) as elsewhere:
        assert me(elsewhere, ada.access) == me(client, ada.access) == 200
        if how == "suspended":
            answer = client.patch(f"/v1/people/{ada.id}", json={"suspended": True}, headers=admin)
            assert answer.json()["state"] == "suspended"
        elif how == "deleted":
            assert client.delete(f"/v1/people/{ada.id}", headers=admin).status_code == 204
        else:
            assert client.delete(f"/v1/people/{ada.id}/sessions", headers=admin).status_code == 204
        assert sessions.SESSION_CACHE_SECONDS <= 1.0
        monkeypatch.setattr(sessions, "SESSION_CACHE_SECONDS", -1.0)  # a second later
        for process in (client, elsewhere):
            assert me(process, ada.access) == 401
            assert refresh(process, ada.refresh).status_code == 401
        if how == "suspended":
            client.patch(f"/v1/people/{ada.id}", json={"suspended": False}, headers=admin)
            assert me(client, ada.access) == 401, "the session has ended"


def test_nobody_raises_their_own_rights(client: TestClient, db: Database, admin: Headers) -> None:
    ada, eve = make.person(client, db, "Ada"), make.person(client, db, "Eve")
    for body in ({"suspended": False}, {"email": "new@example.com"}, {"name": "A", "suspended": True}):
        assert client.patch("/v1/people/me", json=body, headers=ada.headers).status_code == 403
    for body in ({"state": "active"}, {"scopes": ["admin"]}, {"grants": []}, {"password_hash": "x"}, {"id": eve.id}):
        assert client.patch("/v1/people/me", json=body, headers=ada.headers).status_code == 422
    assert client.patch(f"/v1/people/{eve.id}", json={"name": "A"}, headers=ada.headers).status_code == 403
    assert client.patch("/v1/people/me", json={"name": "Ada B"}, headers=ada.headers).json()["name"] == "Ada B"
    assert client.get(f"/v1/people/{eve.id}", headers=ada.headers).status_code == 404
    for method, path in (("GET", "/v1/people"), ("POST", "/v1/people"), ("DELETE", f"/v1/people/{eve.id}")):
        body = {"name": "X", "email": "x@example.com"} if method == "POST" else None
        assert client.request(method, path, json=body, headers=ada.headers).status_code == 403
        assert client.request(method, path, json=body).status_code == 401
    assert client.get("/v1/people/me").status_code == 401
    assert client.get("/v1/people/me", headers=admin).status_code == 404


def test_an_address_belongs_to_one_person(client: TestClient, admin: Headers, make_key: Any) -> None:
    body = {"name": "Zoë", "email": "Zoë@Bücher.example"}
    made = client.post("/v1/people", json=body, headers=admin)
    zoe = made.json()
    assert (made.status_code, zoe["state"], zoe["email"], zoe["methods"]) == (201, "invited", "zoë@bücher.example", [])
    assert made.headers["location"] == f"/v1/people/{zoe['id']}"
    again = client.post("/v1/people", json={"name": "Z", "email": "ZOE\u0308@xn--bcher-kva.example"}, headers=admin)
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")
    assert "example" not in again.text
    other = client.post("/v1/people", json={"name": "Bob", "email": "bob@example.com"}, headers=admin).json()
    url = f"/v1/people/{other['id']}"
    assert client.patch(url, json={"email": body["email"]}, headers=admin).status_code == 409
    colleague = make_key("content:write")
    listed = client.get("/v1/people", headers=colleague).json()["data"]
    assert [(row["name"], row["email"], row["methods"]) for row in listed] == [("Bob", None, None), ("Zoë", None, None)]
    assert client.get(f"/v1/people/{zoe['id']}", headers=colleague).json()["email"] is None
    assert client.delete(url, headers=admin).status_code == 204
    assert client.get(url, headers=admin).json() | {"created_at": 0} == {
        "id": other["id"],
        "name": "Bob",
        "email": None,
        "state": "deleted",
        "methods": [],
        "mails": True,
        "grants": [],
        "created_at": 0,
        "signed_in_at": None,
    }
    assert client.patch(url, json={"name": "B"}, headers=admin).json()["code"] == "person_deleted"
    assert client.post("/v1/people", json={"name": "Bo", "email": "bob@example.com"}, headers=admin).status_code == 201
    assert [row["name"] for row in client.get("/v1/people?state=deleted", headers=admin).json()["data"]] == ["Bob"]


def test_expired_sessions_are_deleted(client: TestClient, db: Database) -> None:
    make.person(client, db, "Ada")

    def prune(session: Session) -> int:
        return sessions.prune_sessions(session)

    with db.transaction() as session:
        assert prune(session) == 0
    with time_machine.travel(now() + IDLE_LIFETIME, tick=False), db.transaction() as session:
        assert prune(session) == 1


@pytest.mark.parametrize("path", ["", "/sessions", "/sessions/x", "/password", "/totp", "/passkeys/x", "/identities/x"])
def test_what_is_no_id_names_nobody(client: TestClient, admin: make.Headers, path: str) -> None:
    assert client.delete(f"/v1/people/{{0}}{path}", headers={**admin, "If-Match": "*"}).status_code == 404
