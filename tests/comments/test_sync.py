"""Offline work: carried out in order, each operation for itself, and once however often it is sent."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.core.ids import new_id
from app.core.settings import Settings
from app.main import create_app
from tests import make
from tests.make import Headers, bearer, comment, ok

pytestmark = pytest.mark.portable

Article = dict[str, Any]


def post_op(article: Article, text: str, **fields: Any) -> dict[str, Any]:
    """A comment that was written offline."""
    return {"op": "post", "article": article["id"], "id": new_id(), "comment": {"text": text, **fields}}


def sync(client: TestClient, ops: list[dict[str, Any]], headers: Headers | None = None) -> dict[str, Any]:
    """The answer to a list of operations."""
    answer: dict[str, Any] = ok(client.post("/v1/sync/comments", json={"operations": ops}, headers=headers or {}))
    return answer


def results(answer: dict[str, Any]) -> list[tuple[int, str | None]]:
    """The status and the code of each operation."""
    return [(row["status"], row["code"]) for row in answer["data"]]


def shown(client: TestClient, article: Article) -> list[str]:
    """The texts that everyone sees, the earliest first."""
    page = ok(client.get(f"/v1/articles/{article['id']}/comments?view=all&sort=oldest"))
    return [row["text"] for row in page["data"]]


def test_a_thread_that_was_written_on_a_train(client: TestClient, article: Article) -> None:
    first = post_op(article, "One.", author={"name": "Ida"})
    reply = post_op(article, "Two.", parent_id=first["id"])
    ops = [
        first,
        reply,
        {"op": "edit", "id": first["id"], "changes": {"text": "One!"}},
        {"op": "delete", "id": reply["id"]},
    ]
    answer = sync(client, ops)
    assert results(answer) == [(201, None), (201, None), (200, None), (204, None)]
    assert [row["state"] for row in answer["data"]] == ["published", "published", "published", "removed"]
    assert [row["edit_token"] is not None for row in answer["data"]] == [True, True, False, False]
    assert shown(client, article) == ["One!"]
    again = sync(client, ops[:2], bearer(answer["guest_token"]))
    assert results(again) == [(200, None), (409, "id_taken")], "what its author took back is nobody's"
    assert shown(client, article) == ["One!"]


def test_the_same_list_again_posts_nothing_twice(client: TestClient, article: Article) -> None:
    ops = [post_op(article, f"{n}!", author={"name": "Ida"}) for n in range(3)]
    guest = make.guest(client)
    assert results(sync(client, ops, guest)) == [(201, None)] * 3
    assert results(sync(client, ops, guest)) == [(200, None)] * 3
    assert shown(client, article) == ["0!", "1!", "2!"]


def test_a_lost_answer_to_a_stranger_can_be_had_again(client: TestClient, article: Article) -> None:
    ops = [post_op(article, "One.", author={"name": "Ida"}), post_op(article, "Two.")]
    key = {"Idempotency-Key": new_id()}
    first = sync(client, ops, key)
    assert results(first) == [(201, None), (201, None)]
    assert first["guest_token"]
    assert sync(client, ops, key) == first
    assert shown(client, article) == ["One.", "Two."]


def test_what_fails_changes_nothing_and_stops_nothing(client: TestClient, article: Article) -> None:
    theirs = comment(client, article, "Theirs.")
    ops = [
        post_op(article, "Good.", author={"name": "Ida"}),
        post_op({"id": new_id()}, "Nowhere."),
        post_op(article, "Lost.", parent_id=new_id()),
        {"op": "edit", "id": theirs["id"], "changes": {"text": "Ha!"}},
        {"op": "delete", "id": theirs["id"]},
        {"op": "delete", "id": theirs["id"], "edit_token": "be_no"},
        {"op": "edit", "id": new_id(), "changes": {"text": "Nothing."}},
        post_op(article, "Good.", author={"name": "Ida"}),
        post_op(article, "Also good."),
    ]
    answer = sync(client, ops)
    assert results(answer) == [
        (201, None),
        (404, "not_found"),
        (422, "invalid_body"),
        (403, "forbidden"),
        (403, "forbidden"),
        (403, "forbidden"),
        (404, "not_found"),
        (409, "duplicate_comment"),
        (201, None),
    ]
    assert shown(client, article) == ["Theirs.", "Good.", "Also good."]


def test_an_edit_token_serves_for_its_comment(client: TestClient, article: Article) -> None:
    mine = comment(client, article, "Mine.")
    ops = [{"op": "edit", "id": mine["id"], "edit_token": mine["edit_token"], "changes": {"text": "Mine!"}}]
    assert results(sync(client, ops)) == [(200, None)]
    assert shown(client, article) == ["Mine!"]


def test_a_flood_is_held_up_and_not_lost(settings: Settings, admin: Headers) -> None:
    ida = {"author": {"name": "Ida"}}
    with TestClient(create_app(settings.model_copy(update={"rate_limits": "on"}), with_worker=False)) as client:
        article = make.published(client, admin)
        ops = [post_op(article, f"{n}!", **ida) for n in range(8)]
        guest = make.guest(client)
        assert results(sync(client, ops, guest)) == [(201, None)] * 6 + [(429, "rate_limited")] * 2
        with time_machine.travel(now() + timedelta(minutes=2), tick=False):
            assert results(sync(client, ops, guest)) == [(200, None)] * 6 + [(201, None)] * 2
        assert shown(client, article) == [f"{n}!" for n in range(8)]


@pytest.mark.parametrize("how", ["by hand", "by time"])
def test_written_while_open_and_sent_after_closing(
    client: TestClient, article: Article, moderator: Headers, how: str
) -> None:
    start = now()
    any_version = {**moderator, "If-Match": "*"}
    closing: dict[str, Any] = (
        {"state": "closed"} if how == "by hand" else {"closes_at": format_rfc3339(start + timedelta(hours=2))}
    )
    url = f"/v1/articles/{article['id']}/discussion"
    with time_machine.travel(start + timedelta(hours=2 if how == "by hand" else 0), tick=False):
        ok(client.put(url, json=closing, headers=any_version))
    ida = {"author": {"name": "Ida"}}
    with time_machine.travel(start + timedelta(hours=3), tick=False):
        asked = [
            post_op(article, "In time.", created_at=format_rfc3339(start + timedelta(hours=1)), **ida),
            post_op(article, "After it.", created_at=format_rfc3339(start + timedelta(hours=2, minutes=30)), **ida),
            post_op(article, "From the future.", created_at=format_rfc3339(start + timedelta(hours=4)), **ida),
            post_op(article, "No time at all.", **ida),
        ]
        answer = sync(client, asked, make.guest(client))
        assert results(answer) == [(201, None), *[(409, "discussion_closed")] * 3]
        assert answer["data"][0]["state"] == "pending"
    with time_machine.travel(start + timedelta(hours=26), tick=False):
        late = post_op(article, "A day later.", created_at=format_rfc3339(start + timedelta(hours=1)), **ida)
        assert results(sync(client, [late], make.guest(client))) == [(409, "discussion_closed")]


def test_bounds(client: TestClient, article: Article) -> None:
    for ops in ([], [post_op(article, "A.")] * 51, [{"op": "like", "id": new_id()}]):
        assert client.post("/v1/sync/comments", json={"operations": ops}).status_code == 422
    assert client.post("/v1/sync/comments", json={"operations": [post_op(article, "No name.")]}).status_code == 200
    assert shown(client, article) == []
