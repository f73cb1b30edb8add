"""Changing a comment and taking it back: by its author in time, and by moderators."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.comments.reading import C
from app.core.clock import now
from app.core.settings import Settings
from app.db import Database
from app.main import create_app
from tests import make
from tests.make import Headers, bearer, comment, ok

pytestmark = pytest.mark.portable

Article = dict[str, Any]


def edit(client: TestClient, told: dict[str, Any], headers: Headers, **changes: Any) -> Any:
    """The answer to a change of a comment."""
    return client.patch(f"/v1/comments/{told['id']}", json=changes, headers=headers)


def remove(client: TestClient, told: dict[str, Any], headers: Headers) -> Any:
    """The answer to a comment's being taken back."""
    return client.delete(f"/v1/comments/{told['id']}", headers=headers)


def read(client: TestClient, told: dict[str, Any], headers: Headers | None = None) -> Any:
    """A comment as somebody sees it."""
    return client.get(f"/v1/comments/{told['id']}", headers=headers or {})


def test_an_author_edits_by_either_token(client: TestClient, article: Article) -> None:
    told = comment(client, article, "Frist.")
    assert told["edited_at"] is None
    for token, text in ((told["guest_token"], "First."), (told["edit_token"], "First!")):
        changed = ok(edit(client, told, bearer(token), text=text))
        assert (changed["text"], changed["state"]) == (text, "published")
        assert changed["edited_at"] is not None
    assert read(client, told).json()["text"] == "First!"


def test_nobody_else_edits(client: TestClient, article: Article) -> None:
    told, other = comment(client, article, "Mine."), comment(client, article, "Theirs.")
    for headers in (make.guest(client), bearer(other["edit_token"]), bearer(other["guest_token"])):
        assert edit(client, told, headers, text="Ha!").status_code == 403
        assert remove(client, told, headers).status_code == 403
    assert edit(client, told, {}, text="Ha!").status_code == 401
    assert remove(client, told, {}).status_code == 401
    forged = told["edit_token"][:-1] + ("0" if told["edit_token"][-1] != "0" else "1")
    assert edit(client, told, bearer(forged), text="Ha!").status_code == 401
    assert read(client, told).json()["text"] == "Mine."


def test_the_window_closes(client: TestClient, article: Article) -> None:
    told = comment(client, article, "Early.")
    mine = bearer(told["edit_token"])
    with time_machine.travel(now() + timedelta(minutes=14), tick=False):
        ok(edit(client, told, mine, text="In time."))
    with time_machine.travel(now() + timedelta(minutes=16), tick=False):
        answer = edit(client, told, mine, text="Late.")
        assert (answer.status_code, answer.json()["code"]) == (409, "edit_window_closed")
        ok(edit(client, told, mine, text="In time."))  # which changes nothing
        ok(edit(client, told, mine, notify="replies"))
        ok(remove(client, told, mine), 204)
    assert read(client, told).status_code == 404


def test_a_changed_text_is_judged_again(client: TestClient, article: Article, moderator: Headers) -> None:
    told = comment(client, article, "Harmless.")
    ok(client.post("/v1/moderation/phrases", json={"text": "cheap watches"}, headers=moderator), 201)
    changed = ok(edit(client, told, bearer(told["edit_token"]), text="Buy cheap watches!"))
    assert changed["state"] == "pending"
    assert read(client, told).status_code == 404
    assert ok(read(client, told, bearer(told["edit_token"])))["text"] == "Buy cheap watches!"
    assert client.get(f"/v1/articles/{article['id']}").json()["discussion"]["comments"] == 0
    again = ok(edit(client, told, bearer(told["edit_token"]), text="Harmless after all."))
    assert again["state"] == "pending", "what waits goes on waiting"


def test_nobody_rewrites_what_others_said(
    client: TestClient, article: Article, moderator: Headers, admin: Headers
) -> None:
    told = comment(client, article, "My words.")
    for headers in (moderator, admin):
        for change in ({"text": "Words put in your mouth."}, {"notify": "all"}):
            assert edit(client, told, headers, **change).status_code == 403
    assert ok(read(client, told))["text"] == "My words."


def test_moderators_edit_what_they_wrote_themselves(
    client: TestClient, article: Article, moderator: Headers, editor: Headers
) -> None:
    told, other = (comment(client, article, f"Staff {n}.", headers=who) for n, who in enumerate((moderator, editor)))
    with time_machine.travel(now() + timedelta(days=3), tick=False):
        assert ok(edit(client, told, moderator, text="Better."))["text"] == "Better."
        assert edit(client, other, editor, text="Better.").json()["code"] == "edit_window_closed"
    ok(remove(client, told, moderator), 204)
    assert edit(client, told, moderator, text="Back.").json()["code"] == "edit_window_closed"


def test_a_key_of_other_sections_does_not_reach(
    client: TestClient, editor: Headers, make_key: Any, article: Article
) -> None:
    other = make.section(client, editor, "Elsewhere")
    told = comment(client, article)
    limited = make_key("comments:moderate", sections=[other["id"]])
    assert edit(client, told, limited, text="Ha!").status_code == 404
    assert remove(client, told, limited).status_code == 404


@pytest.mark.parametrize("has_reply", [False, True])
def test_what_an_author_takes_back_is_gone(client: TestClient, db: Database, article: Article, has_reply: bool) -> None:
    told = comment(client, article, "Regretted.", author={"name": "Ida", "email": "ida@x.example"})
    if has_reply:
        comment(client, article, "I am not.", parent_id=told["id"])
    for status in (204, 404):
        ok(remove(client, told, bearer(told["edit_token"])), status)
    with db.connect() as connection:
        kept = dict(connection.execute(sa.select(C).where(C.c.id == told["id"])).mappings().one())
    assert (kept["state"], kept["removed_by"]) == ("removed", "author")
    assert not any(word in str(kept) for word in ("Regretted", "Ida", "ida@", told["author"]["id"]))
    assert (kept["address_hash"], kept["request"], kept["fingerprint"]) == (None, None, "")
    page = ok(client.get(f"/v1/articles/{article['id']}/comments"))["data"]
    assert [(row["state"], row["author"], row["text"]) for row in page] == [("removed", None, None)] * has_reply
    assert client.get(f"/v1/articles/{article['id']}").json()["discussion"]["comments"] == int(has_reply)


def test_what_waited_about_it_is_settled(client: TestClient, article: Article, moderator: Headers) -> None:
    told = comment(client, article, "Hm.")
    ok(client.post(f"/v1/comments/{told['id']}/reports", json={"reason": "abuse"}), 202)
    assert len(ok(client.get("/v1/moderation/queue", headers=moderator))["data"]) == 1
    ok(remove(client, told, bearer(told["edit_token"])), 204)
    assert ok(client.get("/v1/moderation/queue", headers=moderator))["data"] == []
    assert ok(client.get("/v1/moderation/reports?state=open", headers=moderator))["data"] == []


def test_nobody_restores_what_its_author_took_back_last(
    client: TestClient, article: Article, moderator: Headers
) -> None:
    told = comment(client, article, "Hm.")
    ok(remove(client, told, moderator), 204)
    ok(client.post(f"/v1/comments/{told['id']}/appeal", json={"text": "Why?"}, headers=bearer(told["edit_token"])), 201)
    ok(remove(client, told, bearer(told["edit_token"])), 204)
    answer = client.post(f"/v1/comments/{told['id']}/restore", headers=moderator)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_comment_state")
    assert ok(client.get("/v1/moderation/queue", headers=moderator))["data"] == []


def test_taking_back_gives_no_room_for_more(settings: Settings, admin: Headers) -> None:
    """Who posts and takes back, again and again, floods all the same."""
    limits = {"rate_limits": "on", "flood_author": 3}
    with TestClient(create_app(settings.model_copy(update=limits), with_worker=False)) as client:
        article, guest = make.published(client, admin), make.guest(client)
        for n in range(3):
            told = comment(client, article, f"{n}!", author={"name": "Ida"}, headers=guest)
            ok(remove(client, told, guest), 204)
        answer = client.post(f"/v1/articles/{article['id']}/comments", json={"text": "4!"}, headers=guest)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
