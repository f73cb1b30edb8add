"""Redaction: words leave a comment, and nothing is lost to moderators or hidden from its author."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.comments.tables import CommentRevision
from app.db import Database
from app.db.columns import table_of
from tests import make
from tests.make import Headers, ok
from tests.moderation.stock import stored

pytestmark = pytest.mark.portable

SAID = "Call me at *0664 123*, or 0664 123 at night."


@pytest.fixture
def said(client: TestClient, article: dict[str, Any]) -> dict[str, Any]:
    """A guest's comment, with its tokens."""
    return make.comment(client, article, SAID)


def redact(client: TestClient, headers: Headers, comment: dict[str, Any], *passages: str, **more: Any) -> Any:
    return client.post(f"/v1/comments/{comment['id']}/redact", json={"passages": passages, **more}, headers=headers)


def revisions(client: TestClient, headers: Headers, comment: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ok(client.get(f"/v1/comments/{comment['id']}/revisions", headers=headers))["data"]
    return rows


def own(comment: dict[str, Any]) -> Headers:
    return {"Authorization": f"Bearer {comment['edit_token']}"}


def test_readers_see_that_words_are_missing(
    client: TestClient, moderator: Headers, said: dict[str, Any], article: dict[str, Any]
) -> None:
    judged = ok(redact(client, moderator, said, "0664 123", reason="No phone numbers."))
    assert judged["source"] == "Call me at *[…]*, or […] at night."
    shown = ok(client.get(f"/v1/comments/{said['id']}"))
    assert shown["html"] == "<p>Call me at <em>[…]</em>, or […] at night.</p>"
    assert shown["redacted_at"] == judged["redacted_at"] is not None
    assert shown["edited_at"] is None
    assert "0664 123" not in client.get(f"/v1/articles/{article['id']}/comments").text


def test_moderators_read_what_stood_there_and_nobody_else(
    client: TestClient, moderator: Headers, editor: Headers, make_key: Callable[..., Headers], said: dict[str, Any]
) -> None:
    ok(redact(client, moderator, said, "0664 123"))
    (former,) = revisions(client, moderator, said)
    assert (former["number"], former["source"], former["replaced_by"]) == (1, SAID, "moderator")
    url = f"/v1/comments/{said['id']}/revisions"
    elsewhere = make.section(client, editor, "Elsewhere")
    assert client.get(url, headers=make_key("comments:moderate", sections=[elsewhere["id"]])).status_code == 404
    assert client.get(url, headers=editor).status_code == 403
    for headers in ({}, own(said)):
        assert client.get(url, headers=headers).status_code in (401, 403)


def test_it_stands_in_the_log_and_the_author_is_told(
    client: TestClient, moderator: Headers, said: dict[str, Any]
) -> None:
    url = f"/v1/comments/{said['id']}/decision"
    assert ok(client.get(url, headers=own(said)))["redaction"] is None
    ok(redact(client, moderator, said, "0664 123", reason="No phone numbers."))
    (entry,) = ok(client.get(f"/v1/moderation/log?comment={said['id']}", headers=moderator))["data"]
    assert (entry["action"], entry["state"], entry["note"]) == ("redact", None, "No phone numbers.")
    told = ok(client.get(url, headers=own(said)))
    assert told["redaction"] == {"at": entry["at"], "reason": "No phone numbers."}
    assert told["state"] == "published"


def test_what_the_author_writes_instead_waits(client: TestClient, moderator: Headers, said: dict[str, Any]) -> None:
    ok(redact(client, moderator, said, "0664 123"))
    changed = client.patch(f"/v1/comments/{said['id']}", json={"text": SAID}, headers=own(said))
    assert ok(changed)["state"] == "pending"
    assert client.get(f"/v1/comments/{said['id']}").status_code == 404
    assert [row["replaced_by"] for row in revisions(client, moderator, said)] == ["author", "moderator"]


def test_it_is_taken_back(client: TestClient, moderator: Headers, said: dict[str, Any]) -> None:
    url = f"/v1/comments/{said['id']}/redaction"
    assert client.delete(url, headers=moderator).status_code == 409
    for passage in ("0664 123", "at night"):
        ok(redact(client, moderator, said, passage))
    restored = ok(client.delete(url, headers=moderator))
    assert (restored["source"], restored["redacted_at"]) == (SAID, None)
    assert client.delete(url, headers=moderator).status_code == 409
    assert len(revisions(client, moderator, said)) == 3


@pytest.mark.parametrize(
    ("passages", "code"), [(["not there"], "quote_not_found"), ([SAID], "nothing_left"), ([], None), ([""], None)]
)
def test_what_cannot_be_taken_out(
    client: TestClient, moderator: Headers, said: dict[str, Any], passages: list[str], code: str | None
) -> None:
    answer = redact(client, moderator, said, *passages)
    assert answer.status_code == 422
    assert code is None or answer.json()["errors"][0]["code"] == code
    assert ok(client.get(f"/v1/comments/{said['id']}"))["redacted_at"] is None


def test_what_is_left_is_bounded_as_what_is_posted(
    client: TestClient, moderator: Headers, article: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = make.comment(client, article, "ab " * 1500 + "*and* more.")
    answer = redact(client, moderator, said, "ab")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unreadable_text")
    redacted = ok(redact(client, moderator, said, "more"))
    assert redacted["source"].endswith("*and* […].")
    monkeypatch.setattr("app.comments.rendering.MAX_MARKS", 0)  # it was posted when more was allowed
    url = f"/v1/comments/{said['id']}/redaction"
    assert ok(client.delete(url, headers=moderator))["html"].endswith("<em>and</em> more.</p>")


def test_who_may_not(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers], moderator: Headers, said: dict[str, Any]
) -> None:
    elsewhere = make.section(client, editor, "Elsewhere")
    limited = make_key("comments:moderate", sections=[elsewhere["id"]])
    for headers, status in (({}, 401), (own(said), 403), (editor, 403), (limited, 404)):
        assert redact(client, headers, said, "0664 123").status_code == status
        assert client.delete(f"/v1/comments/{said['id']}/redaction", headers=headers).status_code == status
    ok(client.post(f"/v1/comments/{said['id']}/remove", json={}, headers=moderator))
    assert redact(client, moderator, said, "0664 123").status_code == 409


def test_former_texts_of_edits_are_kept(client: TestClient, moderator: Headers, said: dict[str, Any]) -> None:
    for text in ("Second words.", "Third words."):
        ok(client.patch(f"/v1/comments/{said['id']}", json={"text": text}, headers=own(said)))
    rows = revisions(client, moderator, said)
    assert [(row["number"], row["source"], row["replaced_by"]) for row in rows] == [
        (2, "Second words.", "author"),
        (1, SAID, "author"),
    ]


@pytest.mark.parametrize("erased_by", ["comment", "person"])
def test_former_texts_are_erased_with_the_comment(
    client: TestClient, db: Database, moderator: Headers, said: dict[str, Any], erased_by: str
) -> None:
    ok(client.patch(f"/v1/comments/{said['id']}", json={"text": "Second words."}, headers=own(said)))
    guest = {"Authorization": f"Bearer {said['guest_token']}"}
    data = ok(client.get("/v1/me/data", headers=guest))
    assert [row["source"] for row in data["comment_revisions"]] == [SAID]
    if erased_by == "comment":
        ok(client.delete(f"/v1/comments/{said['id']}", headers=own(said)), 204)
    else:
        ok(client.delete("/v1/me/data", headers=guest), 204)
    assert stored(db, table_of(CommentRevision)) == []
    assert revisions(client, moderator, said) == []
