"""Notes on drafts, tasks, and who edits what."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.db import Database
from app.editorial.locks import prune_locks
from tests.make import draft, explain, ok, patched, published, section

pytestmark = pytest.mark.portable

Headers = dict[str, str]
ANY = {"If-Match": "*"}
TEXT = "<p>The council met on Monday.</p><p>It will build a bridge over the river.</p>"
BEGIN = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def colleague(make_key: Callable[..., Headers]) -> Headers:
    return make_key("content:write")


@pytest.fixture
def elsewhere(client: TestClient, admin: Headers, make_key: Callable[..., Headers]) -> Headers:
    """A key that is limited to a section in which nothing is."""
    return make_key("content:read", "content:write", sections=[section(client, admin, "Elsewhere")["id"]])


def write(client: TestClient, headers: Headers, article: Any, status: int = 201, **note: Any) -> Any:
    return ok(client.post(f"/v1/articles/{article['id']}/notes", json=note, headers=headers), status)


def listed(client: TestClient, headers: Headers, article: Any, query: str = "") -> list[Any]:
    rows: list[Any] = ok(client.get(f"/v1/articles/{article['id']}/notes{query}", headers=headers))["data"]
    return rows


def test_notes_follow_their_passage_through_drafts(client: TestClient, editor: Headers) -> None:
    article = draft(client, editor, body={"html": TEXT})
    note = write(client, editor, article, text="Which river?", anchor={"exact": "over the river"})
    assert note["anchor"]["state"] == "anchored"
    for html, state in (
        (f"<p>First of all.</p>{TEXT}", "anchored"),
        (TEXT.replace("the river", "the old river"), "changed"),
        ("<p>Quite another story.</p>", "orphaned"),
        (TEXT, "anchored"),
    ):
        patched(client, editor, article, body={"html": html})
        (found,) = listed(client, editor, article)
        assert found["anchor"]["state"] == state, html
        assert (found["anchor"]["start"] is None) == (state == "orphaned")
        text = ok(client.get(f"/v1/articles/{article['id']}?formats=text", headers=editor))["body"]["text"]
        if state == "anchored":
            assert text[found["anchor"]["start"] : found["anchor"]["end"]] == "over the river"
    assert listed(client, editor, article, "?revision=4")[0]["anchor"]["state"] == "orphaned"
    assert client.get(f"/v1/articles/{article['id']}/notes?revision=99", headers=editor).status_code == 404
    answer = client.post(
        f"/v1/articles/{article['id']}/notes", json={"text": "?", "anchor": {"exact": "no such words"}}, headers=editor
    )
    assert answer.json()["code"] == "quote_not_found"


def test_notes_are_answered_assigned_and_done(
    client: TestClient, editor: Headers, colleague: Headers, elsewhere: Headers, person: str
) -> None:
    article = draft(client, editor)
    note = write(client, editor, article, text="Who says so?", assignee=person)
    answer = write(client, colleague, article, text="The mayor.", parent=note["id"])
    for sent in ({"text": "?", "parent": answer["id"]}, {"text": "?", "assignee": "me"}):
        assert client.post(f"/v1/articles/{article['id']}/notes", json=sent, headers=editor).status_code == 422
    url = f"/v1/notes/{note['id']}"
    assert client.patch(url, json={"text": "Mine"}, headers={**colleague, **ANY}).status_code == 403
    assert client.patch(url, json={"done": True}, headers={**elsewhere, **ANY}).status_code == 404
    done = ok(client.patch(url, json={"done": True}, headers={**colleague, "If-Match": '"v1"'}))
    assert (done["done"], done["done_by"], done["version"]) == (True, "test key", 2)
    assert client.patch(url, json={"done": False}, headers={**colleague, "If-Match": '"v1"'}).status_code == 412
    assert [row["id"] for row in listed(client, editor, article, "?done=false")] == [answer["id"]]
    assert [row["id"] for row in listed(client, editor, article, f"?assignee={person}")] == [note["id"]]
    assert client.delete(url, headers={**colleague, **ANY}).status_code == 403
    ok(client.delete(url, headers={**editor, **ANY}), 204)
    assert listed(client, editor, article) == []  # the answer has gone with it


def test_readers_get_no_notes_tasks_or_locks(client: TestClient, editor: Headers, elsewhere: Headers) -> None:
    article = published(client, editor)
    write(client, editor, article, text="Canary")
    ok(client.put(f"/v1/articles/{article['id']}/lock", headers=editor))
    for path in (f"/v1/articles/{article['id']}/notes", f"/v1/articles/{article['id']}/lock", "/v1/tasks", "/v1/locks"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=elsewhere).status_code == (404 if "articles" in path else 200)
    assert ok(client.get("/v1/locks", headers=elsewhere))["data"] == []
    seen = client.get(f"/v1/articles/{article['id']}?include=lock,comments,anchors")
    assert seen.json()["lock"] is None
    assert "Canary" not in seen.text
    assert ok(client.get(f"/v1/articles/{article['id']}?include=lock", headers=editor))["lock"]["by"] == "test key"


def test_tasks_are_listed_by_their_deadline(
    client: TestClient, db: Database, admin: Headers, editor: Headers, elsewhere: Headers, person: str
) -> None:
    section(client, admin, "Politics")
    article = draft(client, editor, section="politics")
    for title, more in (
        ("Whenever", {}),
        ("Late", {"due_at": "2030-01-03T12:00:00Z", "article": article["id"]}),
        ("Soon", {"due_at": "2030-01-02T12:00:00Z", "assignee": person}),
    ):
        ok(client.post("/v1/tasks", json={"title": title, **more}, headers=editor), 201)

    def titles(query: str = "", headers: Headers = editor) -> list[str]:
        return [row["title"] for row in ok(client.get(f"/v1/tasks{query}", headers=headers))["data"]]

    assert titles() == ["Soon", "Late", "Whenever"]
    assert titles(headers=elsewhere) == ["Soon", "Whenever"]
    assert titles("?section=politics") == titles(f"?article={article['slug']}") == ["Late"]
    assert titles(f"?assignee={person}") == titles("?due_before=2030-01-03") == ["Soon"]
    assert client.get("/v1/tasks?assignee=me", headers=editor).status_code == 400
    first = ok(client.get("/v1/tasks?limit=1", headers=editor))
    second = ok(client.get(f"/v1/tasks?limit=5&cursor={first['page']['next']}", headers=editor))
    assert [row["title"] for row in (*first["data"], *second["data"])] == ["Soon", "Late", "Whenever"]
    late = second["data"][0]
    assert late["article"] == {"id": article["id"], "slug": article["slug"], "title": "A title"}
    url = f"/v1/tasks/{late['id']}"
    assert client.patch(url, json={"done": True}, headers={**elsewhere, **ANY}).status_code == 404
    changed = ok(client.patch(url, json={"done": True, "due_at": None}, headers={**editor, **ANY}))
    assert (changed["done"], changed["done_by"], changed["due_at"]) == (True, "test key", None)
    assert titles("?done=false") == ["Soon", "Whenever"]
    ok(client.delete(url, headers={**editor, **ANY}), 204)
    assert "ix_task_due" in explain(db, "SELECT id FROM task WHERE done = false ORDER BY due_order, id LIMIT 20")


def test_locks_tell_who_edits_and_are_in_nobodys_way(
    client: TestClient, db: Database, editor: Headers, colleague: Headers
) -> None:
    with time_machine.travel(BEGIN, tick=False) as clock:
        article = draft(client, editor)
        url = f"/v1/articles/{article['id']}/lock"
        assert client.get(url, headers=editor).status_code == 404
        taken = ok(client.put(url, headers=editor))
        assert taken["expires_at"] == "2030-01-01T12:02:00Z"
        clock.shift(timedelta(seconds=100))
        assert ok(client.put(url, json={"seconds": 60}, headers=editor))["since"] == taken["since"]  # renewed
        refused = ok(client.put(url, headers=colleague), 409)
        assert (refused["code"], refused["by"]) == ("article_locked", "test key")
        patched(client, colleague, article, title="Saved all the same")
        ok(client.put(url, json={"force": True}, headers=colleague))
        ok(client.delete(url, headers=editor), 204)  # that of the other stays
        assert len(ok(client.get("/v1/locks", headers=editor))["data"]) == 1
        clock.shift(timedelta(seconds=121))
        assert client.get(url, headers=editor).status_code == 404
        ok(client.put(url, headers=editor))
        ok(client.delete(url, headers=editor), 204)
        ok(client.put(url, headers=editor))
        clock.shift(timedelta(hours=1))
        with db.transaction() as session:
            assert prune_locks(session) == 1
