"""Releases: many changes that become public at once, and are undone at once."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db import Database
from app.events.log import read_after
from app.events.schemas import START
from app.search.indexing import index_article
from app.wiring import timers
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
ANY = {"If-Match": "*"}
NO = "0199aaaa-0000-7000-8000-000000000000"  # an id that nothing has


def release(client: TestClient, headers: Headers, *items: dict[str, Any], name: str = "Budget") -> str:
    """A release with items, by its id."""
    made = make.ok(client.post("/v1/releases", json={"name": name}, headers=headers), 201)
    url = f"/v1/releases/{made['id']}"
    filled = make.ok(client.put(f"{url}/items", json={"items": items}, headers={**headers, **ANY}))
    assert (filled["items"], filled["state"]) == (len(items), "open")
    return url


def publish(client: TestClient, headers: Headers, url: str) -> Any:
    return make.ok(client.post(f"{url}/publish", headers={**headers, **ANY}))


def read_public(client: TestClient, *paths: str) -> list[tuple[int, bytes, str | None]]:
    """What anybody reads at these paths; of a problem only the status, as its body has the id of the request."""
    answers = [client.get(path, follow_redirects=False) for path in paths]
    return [
        (answer.status_code, answer.content if answer.is_success else b"", answer.headers.get("etag"))
        for answer in answers
    ]


@pytest.mark.both
def test_a_release_publishes_pinned_revisions_at_once(client: TestClient, editor: Headers, db: Database) -> None:
    new = make.draft(client, editor, "New")
    old = make.published(client, editor, "Old")
    gone = make.published(client, editor, "Gone")
    make.patched(client, editor, old, title="Old, pinned")
    url = release(
        client,
        editor,
        {"op": "publish", "article": new["id"]},
        {"op": "publish", "article": "old", "revision": 2},
        {"op": "unpublish", "article": gone["id"]},
    )
    make.patched(client, editor, new, title="New, edited later")
    make.patched(client, editor, old, title="Old, edited later")
    check = make.ok(client.post(f"{url}/check", headers=editor))
    assert check == {"ready": True, "problems": []}
    assert sorted(make.titles(client)) == ["Gone", "Old"]
    published = publish(client, editor, url)
    assert published["state"] == "published"
    assert sorted(make.titles(client)) == ["New", "Old, pinned"]
    assert client.get("/v1/articles/gone").status_code == 404
    items = make.ok(client.get(f"{url}/items", headers=editor))["data"]
    assert [(item["op"], item["revision"], item["title"]) for item in items] == [
        ("publish", 1, "New"),
        ("publish", 2, "Old, pinned"),
        ("unpublish", None, None),
    ]
    with db.connect() as connection:
        events = [(entry.type, entry.at) for entry in read_after(connection, START, 100)]
    assert [name for name, _ in events][-4:] == [
        "article.published",
        "article.updated",
        "article.unpublished",
        "release.published",
    ]
    again = client.post(f"{url}/publish", headers={**editor, **ANY})
    assert (again.status_code, again.json()["code"]) == (409, "release_state")


def test_a_release_with_a_failing_item_publishes_nothing(client: TestClient, editor: Headers, make_key: Any) -> None:
    section = make.section(client, editor, "News")
    inside, outside = make.draft(client, editor, "In", section="news"), make.draft(client, editor, "Out")
    wrong = make.published(client, editor, "Wrong")
    items = [{"op": "publish", "article": each["id"]} for each in (inside, outside, wrong)]
    url = release(client, editor, *items)
    other = release(client, editor, items[0], name="Other")
    make.act(client, editor, wrong, "retract", {"reason": "It was."})
    checked = make.ok(client.post(f"{url}/check", headers=editor))
    assert [(each["code"], each["severity"]) for each in checked["problems"]] == [
        ("wrong_state", "error"),
        ("in_another_release", "warning"),
    ]
    failed = client.post(f"{url}/publish", headers={**editor, **ANY})
    assert (failed.status_code, failed.json()["code"]) == (409, "wrong_state")
    assert failed.json()["item"] == {"id": checked["problems"][0]["item"], "op": "publish"}
    limited = make_key("content:read", "content:write", "content:publish", sections=[section["id"]])
    assert client.post(f"{url}/publish", headers={**limited, **ANY}).status_code == 403
    assert make.titles(client) == []
    refused = client.put(f"{other}/items", json={"items": items[1:2]}, headers={**limited, **ANY})
    assert refused.status_code == 422  # the caller does not see that draft
    assert publish(client, limited, other)["state"] == "published"
    make.act(client, editor, inside, "unpublish")
    drafts_alone = make_key("content:write")
    assert client.post(f"{url}/publish", headers={**drafts_alone, **ANY}).status_code == 403


def test_a_release_belongs_to_the_sections_that_it_changes(
    client: TestClient, admin: Headers, make_key: Any, db: Database
) -> None:
    ids = [make.section(client, admin, name)["id"] for name in ("News", "Sport")]
    news, sport = (make_key("content:read", "content:write", "content:publish", sections=[one]) for one in ids)
    article = make.draft(client, admin, "Budget", section="news")
    notice = make.notice(client, admin, scope="section", target_id="news", placement="before", text="Mind.")["id"]
    items = [{"op": "publish", "article": article["id"]}]
    change = {"op": "change_notice", "notice": notice, "body": {"text": "Mind!"}}
    new = {"op": "create_notice", "body": {"scope": "section", "target_id": "news", "placement": "after", "text": "!"}}
    urls = [release(client, admin, *them) for them in (items, [change], [new], [])]
    for headers, seen in ((news, [0, 1, 3]), (sport, [3])):
        listed = {row["id"] for row in make.ok(client.get("/v1/releases", headers=headers))["data"]}
        assert listed == {urls[at].rpartition("/")[2] for at in seen}
        assert [client.get(url, headers=headers).status_code == 200 for url in urls] == [at in seen for at in range(4)]
    for url in urls[:3]:
        for method, path, body in (
            ("PATCH", "", {"name": "X"}),
            ("PUT", "/items", {"items": []}),
            ("DELETE", "", None),
        ):
            refused = client.request(method, f"{url}{path}", json=body, headers={**sport, **ANY})
            assert refused.status_code == 403, (url, method, path)
        item = make.ok(client.get(f"{url}/items", headers=admin))["data"][0]["id"]
        assert client.delete(f"{url}/items/{item}", headers={**sport, **ANY}).status_code == 403
    for item in (change, new):
        body = {"items": [item]}
        assert client.post(f"{urls[3]}/items", json=body, headers={**sport, **ANY}).status_code == 403
        make.ok(client.post(f"{urls[3]}/items", json=body, headers={**news, **ANY}))
    at = {"at": format_rfc3339(now() + timedelta(hours=1))}
    make.ok(client.put(f"{urls[0]}/schedule", json=at, headers={**news, **ANY}))
    assert client.delete(f"{urls[0]}/schedule", headers={**sport, **ANY}).status_code == 403
    make.ok(client.delete(f"{urls[0]}/schedule", headers={**news, **ANY}))


def test_a_release_is_rolled_back_to_the_same_bytes(client: TestClient, editor: Headers) -> None:
    make.section(client, editor, "News")
    new = make.draft(client, editor, "New", section="news", tags=["one"])
    old = make.published(client, editor, "Old", section="news", tags=["one", "two"])
    gone = make.published(client, editor, "Gone", section="news")
    make.patched(client, editor, old, title="Other", tags=["three"], body={"markdown": "Other."})
    paths = [
        *("/v1/articles/new", "/v1/articles/old", "/v1/articles/gone", "/v1/articles", "/v1/articles?tag=one"),
        *("/v1/articles?section=news&formats=html", "/v1/tags/two", "/v1/sections/news", "/v1/search?q=old"),
    ]
    before = read_public(client, *paths)
    url = release(
        client,
        editor,
        {"op": "publish", "article": new["id"]},
        {"op": "publish", "article": old["id"]},
        {"op": "unpublish", "article": gone["id"]},
    )
    publish(client, editor, url)
    assert all(one != other for one, other in zip(before[:5], read_public(client, *paths[:5]), strict=True))
    then, titles = format_rfc3339(now()), make.titles(client)
    rolled_back = make.ok(client.post(f"{url}/rollback", headers={**editor, **ANY}))
    assert rolled_back["state"] == "rolled_back"
    assert read_public(client, *paths) == before
    assert make.titles(client, f"as_of={then}", editor) == titles, "the past shows what the release showed"
    fresh = client.get("/v1/articles/old", headers=editor).json()["editing"]["version"]
    changed = make.patched(client, editor, old, dek="Another")
    assert changed["editing"]["version"] > fresh + 1, "the version of the release is not given again"
    assert make.ok(client.get(f"/v1/articles/{new['id']}", headers=editor))["state"] == "unpublished"


def test_a_rollback_names_what_was_changed_since(client: TestClient, editor: Headers) -> None:
    one, two = (make.published(client, editor, title) for title in ("One", "Two"))
    for article in (one, two):
        make.patched(client, editor, article, title=f"{article['title']}, later")
    url = release(client, editor, *({"op": "publish", "article": each["id"]} for each in (one, two)))
    publish(client, editor, url)
    make.patched(client, editor, one, title="A draft that readers do not see")
    make.patched(client, editor, two, featured=True)
    refused = client.post(f"{url}/rollback", headers={**editor, **ANY})
    assert (refused.status_code, refused.json()["code"]) == (409, "item_changed")
    assert len(refused.json()["items"]) == 1
    assert sorted(make.titles(client)) == ["One, later", "Two, later"]
    make.ok(client.post(f"{url}/rollback", json={"skip_changed": True}, headers={**editor, **ANY}))
    assert sorted(make.titles(client)) == ["One", "Two, later"]


def run_timer(db: Database) -> int:
    """Let the worker publish what is due."""
    with db.transaction() as session:
        return timers(Settings(_env_file=None), index_article)["releases"].run(session)


def test_a_release_is_published_at_its_time(client: TestClient, editor: Headers, make_key: Any, db: Database) -> None:
    old, wrong = make.published(client, editor, "Old"), make.published(client, editor, "Wrong")
    make.patched(client, editor, old, title="At ten")
    items = [{"op": "publish", "article": old["id"], "revision": 2}]
    url, failing = release(client, editor, *items), release(client, editor, {"op": "unpublish", "article": "wrong"})
    at = now() + timedelta(hours=1)
    limited = make_key("content:publish", sections=[make.section(client, editor, "News")["id"]])
    body = {"at": format_rfc3339(at)}
    assert client.put(f"{url}/schedule", json=body, headers={**limited, **ANY}).status_code == 403
    for each in (url, failing):
        assert make.ok(client.put(f"{each}/schedule", json=body, headers={**editor, **ANY}))["state"] == "scheduled"
    refused = client.put(f"{url}/items", json={"items": items}, headers={**editor, **ANY})
    assert (refused.status_code, refused.json()["code"]) == (409, "release_state")
    make.patched(client, editor, old, title="After ten")
    make.act(client, editor, wrong, "unpublish")
    assert run_timer(db) == 0
    with time_machine.travel(at + timedelta(seconds=1), tick=False):
        assert (run_timer(db), run_timer(db), run_timer(db)) == (1, 1, 0)
        assert make.titles(client) == ["At ten"]
        assert make.ok(client.get(url, headers=editor))["state"] == "published"
        failed = make.ok(client.get(failing, headers=editor))
        assert (failed["state"], failed["failure"]["code"]) == ("failed", "wrong_state")
        assert failed["failure"]["item"] is not None


def test_a_release_is_not_published_for_a_key_that_was_revoked(
    client: TestClient, editor: Headers, admin: Headers, db: Database
) -> None:
    new = make.draft(client, editor, "New")
    key = make.ok(client.post("/v1/keys", json={"name": "K", "scopes": ["content:publish"]}, headers=admin), 201)
    url, at = release(client, editor, {"op": "publish", "article": new["id"]}), now() + timedelta(hours=1)
    headers = {"Authorization": f"Bearer {key['key']}", **ANY}
    make.ok(client.put(f"{url}/schedule", json={"at": format_rfc3339(at)}, headers=headers))
    make.ok(client.delete(f"/v1/keys/{key['id']}", headers=admin), 204)
    with time_machine.travel(at + timedelta(seconds=1), tick=False):
        assert run_timer(db) == 1
        assert make.titles(client) == []
        assert make.ok(client.get(url, headers=editor))["failure"]["code"] == "forbidden"


def test_fronts_notices_and_redirects_go_with_the_articles(client: TestClient, editor: Headers) -> None:
    old, new = make.published(client, editor, "Old"), make.draft(client, editor, "New")
    front = {**editor, "If-None-Match": "*"}
    make.ok(client.put("/v1/fronts/home", json={"title": "Home", "blocks": []}, headers=front), 201)
    kept = make.notice(client, editor, scope="site", placement="before", text="Kept.")
    dropped = make.notice(client, editor, scope="site", placement="before", text="Dropped.", position=1)
    moved = make.ok(client.post("/v1/redirects", json={"source": "/a", "target": "/old"}, headers=editor), 201)
    paths = [
        *("/v1/articles/old", "/v1/articles", "/v1/fronts", "/v1/fronts/home", "/v1/fronts/election"),
        *("/v1/resolve?path=/a", "/v1/resolve?path=/b"),
    ]
    before = read_public(client, *paths)
    blocks = [{"kind": "pinned", "articles": ["new"]}, {"kind": "newest"}]
    url = release(
        client,
        editor,
        {"op": "front", "front": "home", "body": {"title": "Home", "blocks": blocks}},
        {"op": "front", "front": "election", "body": {"title": "Election", "blocks": blocks[:1]}},
        {"op": "change_notice", "notice": kept["id"], "body": {"text": "Changed."}},
        {"op": "delete_notice", "notice": dropped["id"]},
        {"op": "create_notice", "body": {"scope": "article", "target_id": "old", "placement": "after", "text": "New."}},
        {"op": "change_redirect", "redirect": moved["id"], "body": {"target": "/new", "status": 302}},
        {"op": "create_redirect", "body": {"source": "/b", "status": 410}},
        {"op": "publish", "article": new["id"]},
    )
    assert make.ok(client.post(f"{url}/check", headers=editor)) == {"ready": True, "problems": []}
    assert read_public(client, *paths) == before
    publish(client, editor, url)
    home = make.ok(client.get("/v1/fronts/home"))
    assert [[article["slug"] for article in block["articles"]] for block in home["blocks"]] == [["new"], ["old"]]
    assert make.ok(client.get("/v1/fronts/election"))["title"] == "Election"
    assert [each["text"] for each in make.ok(client.get("/v1/articles/old"))["notices"]] == ["Changed.", "New."]
    assert make.ok(client.get("/v1/resolve?path=/a"))["status"] == 302
    assert make.ok(client.get("/v1/resolve?path=/b"))["status"] == 410
    make.ok(client.post(f"{url}/rollback", headers={**editor, **ANY}))
    assert read_public(client, *paths) == before
    publish(client, editor, url)
    make.ok(client.put("/v1/fronts/home", json={"title": "Later", "blocks": []}, headers={**editor, **ANY}))
    refused = client.post(f"{url}/rollback", headers={**editor, **ANY})
    assert [each["op"] for each in refused.json()["items"]] == ["front"]
    assert old["slug"] == "old"


@pytest.mark.parametrize(
    ("item", "pointer", "code"),
    [
        ({"op": "publish", "article": "nothing"}, "/items/1/article", "not_found"),
        ({"op": "publish", "article": "a", "revision": 7}, "/items/1/revision", "not_found"),
        ({"op": "unpublish", "article": "a"}, "/items/1", "duplicate"),
        (
            {"op": "front", "front": NO, "body": {"title": "F", "blocks": []}},
            "/items/1/front",
            "not_found",
        ),
        ({"op": "delete_notice", "notice": "nothing"}, "/items/1/notice", "not_found"),
    ],
)
def test_items_must_exist(client: TestClient, editor: Headers, item: Any, pointer: str, code: str) -> None:
    make.published(client, editor, "A")
    url = release(client, editor, {"op": "publish", "article": "a"})
    body = {"items": [{"op": "publish", "article": "a"}, item]}
    if item.get("revision"):
        body["items"][0] = {"op": "create_notice", "body": {"scope": "site", "placement": "before", "text": "!"}}
    answer = client.put(f"{url}/items", json=body, headers={**editor, **ANY})
    assert answer.status_code == 422
    assert (answer.json()["errors"][0]["pointer"], answer.json()["errors"][0]["code"]) == (pointer, code)


def test_a_release_publishes_approved_texts_alone(client: TestClient, editor: Headers, admin: Headers) -> None:
    make.section(client, editor, "News")
    rule = {"required": True, "roles": None, "four_eyes": False}
    make.ok(client.put("/v1/sections/news/approval", json=rule, headers={**admin, **ANY}))
    new, other = (make.draft(client, editor, title, section="news") for title in ("New", "Other"))
    url = release(client, editor, *({"op": "publish", "article": each["id"]} for each in (other, new)))
    make.ok(client.post(f"/v1/articles/{other['id']}/approve", json={"revision": 1}, headers={**admin, **ANY}))
    problems = make.ok(client.post(f"{url}/check", headers=editor))["problems"]
    assert [each["code"] for each in problems] == ["approval_required"]
    refused = client.post(f"{url}/publish", headers={**editor, **ANY})
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_required")
    assert refused.json()["item"]["id"] == problems[0]["item"]
    assert make.titles(client) == []
    make.ok(client.post(f"/v1/articles/{new['id']}/approve", json={"revision": 1}, headers={**admin, **ANY}))
    make.patched(client, editor, new, title="Nobody approved this")
    publish(client, editor, url)
    assert sorted(make.titles(client)) == ["New", "Other"]


def test_a_large_release_takes_few_statements_for_each_item(client: TestClient, editor: Headers) -> None:
    statements, numbers = list[str](), list[int]()
    engine = client.app.state.services.database.engines()[1]  # type: ignore[attr-defined]

    sa.event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for size in (2, 12):
        drafts = [make.draft(client, editor, f"Story {n}", tags=["one", "two"]) for n in range(size)]
        url = release(client, editor, *({"op": "publish", "article": each["id"]} for each in drafts))
        statements.clear()
        publish(client, editor, url)
        numbers.append(len(statements))
    assert numbers[1] - numbers[0] <= 10 * 10, "what articles bring with them is written for many of them together"
