"""API keys and the audit log over HTTP."""

from collections.abc import Callable
from typing import Any

from starlette.testclient import TestClient

Headers = dict[str, str]
UNKNOWN = "01890000-0000-7000-8000-000000000000"


def make(client: TestClient, admin: Headers, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/keys", json={"name": "For imports", "scopes": ["content:write"], **fields}, headers=admin)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/keys/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


def test_a_key_is_shown_once(client: TestClient, admin: Headers) -> None:
    made = make(client, admin, sections=[UNKNOWN], expires_at="2999-01-01T00:00:00+02:00")
    key = made.pop("key")
    assert made == {
        "id": made["id"],
        "name": "For imports",
        "hint": key[:9],
        "scopes": ["content:write"],
        "sections": [UNKNOWN],
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
    ({"sections": ["canary"]}, "/sections/0"),
    ({"sections": ["-" * 36]}, ""),
    ({"scopes": ["admin"], "sections": [UNKNOWN]}, "/sections"),
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
