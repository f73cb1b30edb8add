"""API keys and the audit log over HTTP."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.db import Database
from app.identity.tables import Audit

pytestmark = pytest.mark.portable

Headers = dict[str, str]
UNKNOWN = "01890000-0000-7000-8000-000000000000"


def make(client: TestClient, admin: Headers, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/keys", json={"name": "For imports", "scopes": ["content:write"], **fields}, headers=admin)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/keys/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


def test_a_key_is_shown_once(client: TestClient, admin: Headers) -> None:
    section = client.post("/v1/sections", json={"name": "Report"}, headers=admin).json()["id"]
    made = make(client, admin, sections=["report"], expires_at="2999-01-01T00:00:00+02:00")
    key = made.pop("key")
    assert made == {
        "id": made["id"],
        "name": "For imports",
        "hint": key[:9],
        "scopes": ["content:write"],
        "sections": [section],
        "person_id": None,
        "quota_minute": None,
        "quota_day": None,
        "created_at": made["created_at"],
        "expires_at": "2998-12-31T22:00:00Z",
        "revoked_at": None,
        "last_used_at": None,
    }
    shown = client.get(f"/v1/keys/{made['id']}", headers=admin)
    assert shown.json() == made
    listed = client.get("/v1/keys", headers=admin)
    assert listed.json()["data"][0] == made
    for answer in (shown, listed, client.get("/v1/audit", headers=admin)):
        assert key not in answer.text
        assert answer.headers["cache-control"] == "private, no-store"


def test_a_new_key_works_until_it_is_revoked(client: TestClient, admin: Headers) -> None:
    made = make(client, admin, scopes=["admin"])
    own = {"Authorization": f"Bearer {made['key']}"}
    assert client.delete(f"/v1/keys/{made['id']}", headers=admin).status_code == 204
    assert client.get("/v1/keys", headers=own).status_code == 401
    first = client.get(f"/v1/keys/{made['id']}", headers=admin).json()["revoked_at"]
    again = client.delete(f"/v1/keys/{made['id']}", headers=admin)
    assert (again.status_code, again.content) == (204, b"")
    assert client.get(f"/v1/keys/{made['id']}", headers=admin).json()["revoked_at"] == first
    assert client.delete(f"/v1/keys/{UNKNOWN}", headers=admin).status_code == 404


BAD_KEYS: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "/name"),
    ({"name": "x" * 201}, "/name"),
    ({"name": 7}, "/name"),
    ({"scopes": []}, "/scopes"),
    ({"scopes": ["canary"]}, "/scopes/0"),
    ({"scopes": "admin"}, "/scopes"),
    ({"sections": []}, "/sections"),
    ({"sections": ["canary"]}, "/sections"),
    ({"sections": [UNKNOWN]}, "/sections"),
    ({"sections": ["No Slug"]}, "/sections/0"),
    ({"sections": ["-" * 36]}, "/sections/0"),
    ({"scopes": ["admin"], "sections": [UNKNOWN]}, "/sections"),
    ({"scopes": ["public:read", "content:read"]}, "/scopes"),
    ({"scopes": ["public:read", "admin"]}, "/scopes"),
    ({"scopes": ["public:read"], "sections": [UNKNOWN]}, "/sections"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
    ({"expires_at": "2999-01-01T00:00:00"}, "/expires_at"),
    ({"expires_at": "9999-12-31T23:59:59-14:00"}, "/expires_at"),
    ({"expires_at": "0001-01-01T00:00:00+14:00"}, "/expires_at"),
    ({"hash": "canary"}, "/hash"),
]


def test_a_key_that_cannot_be(client: TestClient, admin: Headers) -> None:
    for fields, pointer in BAD_KEYS:
        body = {"name": "n", "scopes": ["content:read"], **fields}
        answer = client.post("/v1/keys", json=body, headers=admin)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), fields
        assert "canary" not in answer.text


def test_a_secret_is_not_shown_again_to_who_sends_again(client: TestClient, admin: Headers) -> None:
    body, headers = {"name": "n", "scopes": ["content:read"]}, {**admin, "Idempotency-Key": "k1"}
    key = client.post("/v1/keys", json=body, headers=headers).json()["key"]
    again = client.post("/v1/keys", json=body, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "shown_once")
    assert key not in again.text
    other = client.post("/v1/keys", json={**body, "name": "m"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    names = [row["name"] for row in client.get("/v1/keys", headers=admin).json()["data"]]
    assert sorted(names) == ["n", "test key"]


def test_keys_are_listed_page_by_page_and_field_by_field(client: TestClient, admin: Headers) -> None:
    made = [make(client, admin, name=f"key {n}")["id"] for n in range(4)]
    path, seen = "/v1/keys?limit=2&fields=id,name&count=exact", []
    while path:
        answer = client.get(path, headers=admin)
        page = answer.json()
        assert page["page"]["total"] == 5
        seen += [row["id"] for row in page["data"]]
        assert all(set(row) == {"id", "name"} for row in page["data"])
        path = answer.links["next"]["url"] if page["page"]["next"] else ""
    assert seen[:4] == made[::-1]
    assert len(set(seen)) == 5
    assert client.get(f"/v1/keys/{made[0]}?fields=hint", headers=admin).json().keys() == {"hint"}


def test_who_did_what_is_kept(client: TestClient, admin: Headers, make_key: Callable[..., Headers]) -> None:
    me = client.get("/v1/whoami", headers=admin).json()
    made = make(client, admin)
    for _ in range(2):  # the second changes nothing, so it is not told of
        client.delete(f"/v1/keys/{made['id']}", headers=admin)
    client.post("/v1/keys", json={"name": ""}, headers=admin)
    rows = client.get(f"/v1/audit?subject={made['id']}", headers=admin).json()["data"]
    assert [row["action"] for row in rows] == ["key.revoke", "key.create"]
    assert {(row["actor_kind"], row["actor_id"], row["actor_name"]) for row in rows} == {("key", me["id"], me["name"])}
    assert {(row["subject_kind"], row["subject_id"]) for row in rows} == {("key", made["id"])}
    assert rows[1]["detail"] == {"name": "For imports", "scopes": ["content:write"]}
    assert [r["subject_id"] for r in ask(client, admin, f"actor={me['id']}&action=key.create")] == [made["id"]]
    assert ask(client, admin, f"actor={UNKNOWN}") == []
    assert ask(client, admin, "action=key.cre") == []
    assert ask(client, admin, "subject=------------------------------------") == []
    assert len(ask(client, admin, "limit=1")) == 1
    assert client.get("/v1/audit", headers=make_key("content:publish")).status_code == 403


def ask(client: TestClient, admin: Headers, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/v1/audit?{query}", headers=admin).json()["data"]
    return found


def test_a_key_is_changed(client: TestClient, admin: Headers) -> None:
    for name in ("Report", "Sport"):
        client.post("/v1/sections", json={"name": name}, headers=admin)
    made = make(client, admin, sections=["report"], quota_day=7, expires_at="2999-01-01T00:00:00Z")
    url, own = f"/v1/keys/{made['id']}", {"Authorization": f"Bearer {made['key']}"}
    sport = client.get("/v1/sections/sport").json()["id"]
    body = {"name": "For sport", "scopes": ["content:read"], "sections": ["sport"], "expires_at": None, "quota_day": 8}
    changed = client.patch(url, json=body, headers=admin)
    assert changed.status_code == 200
    assert changed.json() == client.get(url, headers=admin).json()
    kept = {name: changed.json()[name] for name in body}
    assert kept == {**body, "sections": [sport]}
    assert "key" not in changed.json()
    assert client.patch(url, json={"sections": None, "quota_day": None}, headers=admin).json()["sections"] is None
    assert client.patch(url, json={}, headers=admin).status_code == 200
    actions = [row["action"] for row in ask(client, admin, f"subject_id={made['id']}")]
    assert actions == ["key.change", "key.change", "key.create"], "what changes nothing is not recorded"
    client.app.state.services.callers.keys._cached.clear()  # as a second later
    told = client.get("/v1/whoami", headers=own).json()
    assert (told["name"], told["scopes"]) == ("For sport", ["content:read"])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": None}, "/scopes"),
        ({"sections": ["nowhere"]}, "/sections"),
        ({"sections": []}, "/sections"),
        ({"scopes": ["admin"]}, "/sections"),
        ({"scopes": ["public:read"], "sections": None}, "/scopes"),
        ({"scopes": ["public:read", "content:read"]}, "/scopes"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"hash": "canary"}, "/hash"),
    ],
)
def test_a_key_cannot_be_changed_into_what_it_cannot_be(
    body: dict[str, Any], pointer: str, client: TestClient, admin: Headers
) -> None:
    client.post("/v1/sections", json={"name": "Report"}, headers=admin)
    made = make(client, admin, sections=["report"])
    answer = client.patch(f"/v1/keys/{made['id']}", json=body, headers=admin)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_publishable_key_is_marked_and_stays_publishable(client: TestClient, admin: Headers) -> None:
    made = make(client, admin, scopes=["public:read"])
    assert re.fullmatch(r"bp_[0-9a-f]{72}", made["key"])
    url = f"/v1/keys/{made['id']}"
    for scopes in (["content:read"], ["admin"], ["public:read", "content:read"]):
        answer = client.patch(url, json={"scopes": scopes}, headers=admin)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/scopes")
    changed = client.patch(url, json={"scopes": ["public:read"], "quota_day": 5}, headers=admin)
    assert (changed.status_code, changed.json()["quota_day"]) == (200, 5)


def test_only_administrators_change_keys_and_none_brings_one_back(
    client: TestClient, admin: Headers, editor: Headers
) -> None:
    made = make(client, admin)
    url = f"/v1/keys/{made['id']}"
    assert client.patch(url, json={"scopes": ["admin"]}, headers=editor).status_code == 403
    assert client.patch(f"/v1/keys/{UNKNOWN}", json={"name": "x"}, headers=admin).status_code == 404
    client.delete(url, headers=admin)
    gone = client.patch(url, json={"expires_at": None}, headers=admin)
    assert (gone.status_code, gone.json()["code"]) == (409, "key_revoked")


def test_the_audit_log_is_asked_by_time_and_kind(client: TestClient, admin: Headers) -> None:
    client.post("/v1/tags", json={"name": "Fog"}, headers=admin)
    made = make(client, admin)
    at = client.get(f"/v1/audit?subject_id={made['id']}", headers=admin).json()["data"][0]["at"]
    later = at.replace("2026-", "2027-").replace("2025-", "2026-")
    assert [row["action"] for row in ask(client, admin, "subject_kind=tag")] == ["tag.create"]
    assert [row["action"] for row in ask(client, admin, f"since={at}")] == ["key.create"]
    assert [row["action"] for row in ask(client, admin, f"until={at}")] == ["tag.create", "key.create"]
    assert ask(client, admin, f"since={later}&subject_kind=key") == []
    first = client.get("/v1/audit?subject_kind=key&limit=1", headers=admin).json()
    second = ask(client, admin, f"subject_kind=key&limit=1&cursor={first['page']['next']}")
    assert len({first["data"][0]["id"], second[0]["id"]}) == 2
    for bad in ("since=yesterday", "until=1", "subject_kind=Tag!", "subject_id=x"):
        assert client.get(f"/v1/audit?{bad}", headers=admin).status_code == 400


AUDIT_ROW: dict[str, Any] = {"actor_kind": "key", "actor_name": "", "detail": {}} | dict.fromkeys(
    ("actor_id", "subject_id")
)
AUDIT_ROW |= {"at": datetime(2026, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("subject_kind=key", "kind"),
        (f"actor={UNKNOWN}", "actor"),
        ("action=key.create", "action"),
        (f"subject_id={UNKNOWN}", "subject"),
    ],
)
def test_each_filter_of_the_audit_log_has_its_index(
    query: str, index: str, client: TestClient, admin: Headers, db: Database
) -> None:
    seen: list[tuple[str, Any]] = []
    for engine in client.app.state.services.database.engines():
        sa.event.listen(engine, "before_cursor_execute", lambda _c, _k, text, values, *_: seen.append((text, values)))
    ask(client, admin, query)
    text, values = next((text, values) for text, values in seen if "FROM audit" in text)
    explain = "EXPLAIN QUERY PLAN " if db.dialect == "sqlite" else "EXPLAIN "
    with db.engines()[1].connect() as connection:
        rows = [{**AUDIT_ROW, "id": new_id(), "action": f"other.{n}", "subject_kind": f"kind{n}"} for n in range(3000)]
        connection.execute(sa.insert(Audit), rows)
        connection.exec_driver_sql("ANALYZE audit")  # of an empty table, each index costs as much as the other
        plan = str(connection.exec_driver_sql(explain + text, values).all())
        connection.rollback()
    assert f"ix_audit_{index}" in plan
    assert "TEMP B-TREE" not in plan
