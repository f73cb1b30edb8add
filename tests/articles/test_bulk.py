"""Many changes in one request: each stands or fails by itself."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]


def send(client: TestClient, headers: Headers, *operations: dict[str, Any], **more: str) -> Any:
    body = {"operations": [{"if_match": "*", **operation} for operation in operations]}
    return client.post("/v1/articles/bulk", json=body, headers={**headers, **more})


def test_each_is_carried_out_by_itself(client: TestClient, editor: Headers) -> None:
    one, two, three = (make.draft(client, editor, title)["id"] for title in ("One", "Two", "Three"))
    rows = make.ok(
        send(
            client,
            editor,
            {"op": "patch", "article": one, "body": {"title": "First"}},
            {"op": "publish", "article": one},
            {"op": "unpublish", "article": two},
            {"op": "publish", "article": "two", "if_match": '"v1"'},
            {"op": "publish", "article": two, "if_match": '"v9"'},
            {"op": "schedule", "article": three, "body": {"at": "2999-01-01T00:00:00Z"}},
            {"op": "unschedule", "article": three},
            {"op": "delete", "article": three},
            {"op": "retract", "article": one, "body": {"reason": "Wrong."}},
            {"op": "publish", "article": "nowhere", "if_match": None},
            {"op": "patch", "article": two, "body": {"section": "nowhere"}},
        )
    )["data"]
    assert [row["status"] for row in rows] == [200, 200, 409, 200, 412, 200, 200, 204, 200, 428, 422]
    codes = [row["code"] for row in rows if row["code"]]
    assert codes == ["wrong_state", "stale_version", "precondition_required", "invalid_body"]
    assert (rows[1]["id"], rows[1]["etag"]) == (one, f'"v{rows[1]["version"]}"')
    assert (rows[4]["etag"], rows[4]["version"]) == (rows[3]["etag"], rows[3]["version"])
    assert rows[10]["errors"][0]["pointer"] == "/section"
    assert make.titles(client) == ["Two"]
    assert client.get(f"/v1/articles/{one}").status_code == 410
    assert client.get(f"/v1/articles/{three}", headers=editor).status_code == 404


def test_each_asks_for_its_own_scope_and_section(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    section = make.section(client, editor, "Sport")["id"]
    inside, outside = (make.draft(client, editor, "In", section="sport"), make.draft(client, editor, "Out"))
    writer = make_key("content:read", "content:write")
    patch = {"op": "patch", "article": inside["id"], "body": {"dek": "More."}}
    rows = make.ok(send(client, writer, patch, {"op": "publish", "article": inside["id"]}))["data"]
    assert [row["status"] for row in rows] == [200, 403]
    limited = make_key("content:read", "content:write", "content:publish", sections=[section])
    rows = make.ok(send(client, limited, *({"op": "publish", "article": one["id"]} for one in (inside, outside))))
    assert [row["status"] for row in rows["data"]] == [200, 404]
    assert send(client, make_key("content:read"), patch).status_code == 403


def test_sent_again_it_does_only_what_was_not_done(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor)["id"]
    patch = {"op": "patch", "article": article, "body": {"title": "Other"}}
    operations = (patch, {"op": "retract", "article": article, "body": {"reason": "x"}})
    first = make.ok(send(client, editor, *operations, **{"Idempotency-Key": "k"}))
    make.act(client, editor, {"id": article}, "publish")
    again = make.ok(send(client, editor, *operations, **{"Idempotency-Key": "k"}))
    assert again["data"][0] == first["data"][0]
    assert [row["status"] for row in again["data"]] == [200, 200], "what was refused is tried again"
    other = send(client, editor, patch, **{"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_what_cannot_be_sent(client: TestClient, editor: Headers) -> None:
    publish = {"op": "publish", "article": "a"}
    for operations in ([], [publish] * 101, [{"op": "explode", "article": "a"}], [{**publish, "more": 1}]):
        assert send(client, editor, *operations).status_code == 422
    assert send(client, editor, {"op": "unpublish", "article": "a", "body": {}}).status_code == 422


def test_an_editor_approves_pairs_of_articles_and_revisions(
    client: TestClient, db: Database, admin: Headers, make_key: Callable[..., Headers]
) -> None:
    make.section(client, admin, "Politics")
    rule = {"required": True, "four_eyes": True}
    make.ok(client.put("/v1/approval", json=rule, headers={**admin, "If-Match": "*"}))
    ada = make.person(client, db, "Ada", editor=["politics"]).headers
    reporter = make_key("content:read", "content:write")
    one, two, outside = (
        make.draft(client, reporter, name, **more)
        for name, more in (("One", {"section": "politics"}), ("Two", {"section": "politics"}), ("Out", {}))
    )
    own = make.draft(client, ada, "Own", section="politics")
    drafts = (one, two, outside, own)
    submitted = ({"op": "submit", "article": each["id"], "body": {"note": "Please."}} for each in drafts)
    rows = make.ok(send(client, reporter, *submitted))["data"]
    assert [row["status"] for row in rows] == [200] * 4
    make.patched(client, reporter, two, title="Two, written on")
    approver = make_key("content:read", "content:approve")

    def approve(article: dict[str, Any], n: int, **more: Any) -> dict[str, Any]:
        return {"op": "approve", "article": article["id"], "body": {"revision": n}, **more}

    rows = make.ok(
        send(
            client,
            ada,
            approve(one, 1),
            approve(two, 1),  # the revision that was read, though another one is newer
            approve(two, 9),
            approve(two, 2, if_match='"v1"'),
            approve(own, 1),
            approve(outside, 1),
            {"op": "publish", "article": one["id"], "body": {"revision": 1}},
            {"op": "publish", "article": two["id"]},
            {"op": "return", "article": two["id"], "body": {"revision": 1, "note": "No."}},
        )
    )["data"]
    assert [row["status"] for row in rows] == [200, 200, 422, 412, 403, 404, 200, 409, 200]
    assert [row["code"] for row in rows if row["code"]] == [
        "invalid_body",
        "stale_version",
        "four_eyes",
        "not_found",
        "approval_required",
    ]
    assert make.titles(client) == ["One"]
    steps = make.ok(client.get(f"/v1/articles/{two['id']}/approval", headers=ada))["data"]
    assert [step["action"] for step in steps] == ["returned", "approved", "submitted"]
    for refused in ({"op": "approve", "article": two["id"]}, {"op": "return", "article": two["id"], "body": {}}):
        assert send(client, ada, refused).status_code == 422
    rows = make.ok(send(client, reporter, approve(outside, 1)))["data"]
    assert [row["status"] for row in rows] == [403]
    patch = {"op": "patch", "article": outside["id"], "body": {"title": "Mine"}}
    rows = make.ok(send(client, approver, approve(outside, 1), patch))["data"]
    assert [row["status"] for row in rows] == [200, 403]
