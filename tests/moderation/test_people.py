"""A person as moderators see them: notes, bans that nobody notices, and the removal of everything."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.ids import new_id
from app.db import Database
from app.moderation import person_actions
from app.moderation.appeals import appeal_decision
from app.moderation.log import log_decision
from app.moderation.person_actions import advance_actions
from app.moderation.schemas import AppealIn
from app.moderation.transparency import write_csv
from tests.make import Headers, ok, published, section
from tests.moderation.stock import C, by_token, comment, participant, report, state_of, stored

pytestmark = pytest.mark.portable

Article = dict[str, Any]


def post(client: TestClient, article: Article, text: str, headers: Headers | None = None, **fields: Any) -> Any:
    """A guest's comment."""
    body = {"text": text, "author": {"name": "Guest"}, **fields}
    return client.post(f"/v1/articles/{article['id']}/comments", json=body, headers=headers or {})


def work(db: Database) -> int:
    """Let the worker do what is due; returns the number of its transactions."""
    rounds = 0
    while True:
        with db.transaction() as session:
            if not advance_actions(session):
                return rounds
        rounds += 1


def test_a_person_is_shown_with_what_belongs_to_them(
    client: TestClient, db: Database, make_key: Callable[..., Headers], editor: Headers, moderator: Headers
) -> None:
    mine, empty = section(client, editor, "Mine"), section(client, editor, "Empty")
    here, there = published(client, editor, "Here", section=mine["id"]), published(client, editor, "There")
    author = participant(db, email="zed@b.example")
    public_id = author.replace("-", "")
    first = comment(db, here, "One.", participant_id=author, state="published", age=5)
    comment(db, there, "Two.", participant_id=author, state="spam")
    ok(report(client, first), 202)
    path = f"/v1/moderation/people/{public_id}"
    answer = client.get(path, headers=moderator)
    person = ok(answer)
    assert (person["comments"]["published"], person["comments"]["spam"], person["reports_of"]) == (1, 1, 1)
    assert "zed@b.example" not in answer.text
    limited, other = (make_key("comments:moderate", sections=[one]) for one in (mine["id"], empty["id"]))
    assert ok(client.get(path, headers=limited))["comments"]["spam"] == 0
    assert len(ok(client.get(f"{path}/comments", headers=limited))["data"]) == 1
    assert len(ok(client.get(f"{path}/reports", headers=limited))["data"]) == 1
    assert len(ok(client.get(f"{path}/comments?state=spam", headers=moderator))["data"]) == 1
    assert client.get(path, headers=other).status_code == 404
    assert client.get(path).status_code == 401
    note = ok(client.post(f"{path}/notes", json={"text": "Was warned."}, headers=moderator), 201)
    assert ok(client.get(f"{path}/notes", headers=limited))["data"] == []
    assert client.delete(f"{path}/notes/{note['id']}", headers=limited).status_code == 404
    assert ok(client.get(f"{path}/notes", headers=moderator))["data"] == [note]
    assert client.post(f"{path}/actions", json={"ban": "full"}, headers=limited).status_code == 403
    for body in (
        {},
        {"until": "2050-01-01T00:00:00Z", "remove_all": True},
        {"ban": "full", "until": "2020-01-01T00:00:00Z"},
    ):
        assert client.post(f"{path}/actions", json=body, headers=moderator).status_code == 422
    done = ok(client.post(f"{path}/actions", json={"remove_all": True}, headers=limited), 202)
    assert work(db) > 0
    assert ok(client.get(f"{path}/actions/{done['id']}", headers=limited))["removed"] == 1
    assert state_of(db, first) == "removed"
    assert client.delete(f"{path}/notes/{note['id']}", headers=moderator).status_code == 204


@pytest.mark.both
def test_all_comments_are_removed_and_restored(
    client: TestClient, db: Database, article: Article, moderator: Headers, monkeypatch: Any
) -> None:
    """Threads, counts and tombstones are as they would be after the removal of each, and as before when undone."""
    monkeypatch.setattr(person_actions, "CHUNK_SIZE", 2)
    monkeypatch.setattr(person_actions, "MAX_BATCH_SECONDS", 0.0)
    first = ok(post(client, article, "To begin with, a thought."), 201)
    me = {"Authorization": f"Bearer {first['guest_token']}"}
    own = ok(post(client, article, "I answer my own thought.", me, parent_id=first["id"]), 201)
    for n in range(3):
        ok(post(client, article, f"And a further one, number {n}.", me), 201)
    answered = ok(post(client, article, "This one is answered by others.", me), 201)
    other = ok(post(client, article, "What I think of that.", parent_id=answered["id"]), 201)
    waiting = comment(db, article, participant_id=stored(db, C, id=own["id"])[0]["participant_id"])
    thread = f"/v1/articles/{article['id']}/comments?replies=5"
    before = ok(client.get(thread))
    path = f"/v1/moderation/people/{first['author']['id']}/actions"
    body = {"ban": "full", "remove_all": True, "reason": "Spam.", "ground": "terms"}
    action = ok(client.post(path, json=body, headers=moderator), 202)
    assert (action["state"], action["removed"]) == ("removing", 0)
    assert post(client, article, "And now?", me).status_code == 403
    assert work(db) >= 4
    action = ok(client.get(f"{path}/{action['id']}", headers=moderator))
    assert (action["state"], action["removed"]) == ("done", 7)
    left = ok(client.get(thread))["data"]
    assert [(one["id"], one["state"]) for one in left] == [(answered["id"], "removed")]
    assert [one["id"] for one in left[0]["first_replies"]["data"]] == [other["id"]]
    decision = ok(client.get(f"/v1/comments/{own['id']}/decision", headers=me))
    assert (decision["reason"], decision["statement"]["ground"]) == ("Spam.", "terms")
    assert (decision["statement"]["restriction"], decision["statement"]["automated"]) == ("removed", False)
    undo = ok(client.post(f"{path}/{action['id']}/undo", headers=moderator), 202)
    assert undo["state"] == "restoring"
    work(db)
    undo = ok(client.get(f"{path}/{action['id']}", headers=moderator))
    assert (undo["state"], undo["restored"]) == ("undone", 7)
    assert ok(client.get(thread)) == before
    assert state_of(db, waiting) == "pending"
    assert client.post(f"{path}/{action['id']}/undo", headers=moderator).status_code == 409
    ok(post(client, article, "Here I am again.", me), 201)


def test_a_shadow_ban_is_seen_by_nobody(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    first = ok(post(client, article, "Before the ban, in public."), 201)
    me = {"Authorization": f"Bearer {first['guest_token']}"}
    path = f"/v1/moderation/people/{first['author']['id']}/actions"
    action = ok(client.post(path, json={"ban": "shadow"}, headers=moderator), 202)
    with db.connect() as connection:
        last = connection.execute(sa.text("SELECT max(seq) FROM event")).scalar_one()
    hidden = ok(post(client, article, "After the ban, zqxhidden.", me), 201)
    reply = ok(post(client, article, "I answer myself, zqxhidden.", me, parent_id=hidden["id"]), 201)
    assert (hidden["state"], reply["state"]) == ("published", "published")
    edit = {"text": "Changed, zqxhidden."}
    assert ok(client.patch(f"/v1/comments/{hidden['id']}", json=edit, headers=me))["state"] == "published"
    assert ok(client.get(f"/v1/comments/{hidden['id']}", headers=me))["state"] == "published"
    assert [one["state"] for one in ok(client.get("/v1/me/comments", headers=me))["data"]] == ["published"] * 3
    decision = ok(client.get(f"/v1/comments/{hidden['id']}/decision", headers=me))
    assert (decision["state"], decision["action"], decision["statement"]) == ("published", None, None)
    copy = ok(client.get("/v1/me/data", headers=me))
    assert ({one["state"] for one in copy["comments"]}, copy["bans"]) == ({"published"}, [])
    address = f"/v1/articles/{article['id']}"
    for read in (f"{address}/comments", f"{address}/comments?view=all", f"{address}?include=comments", "/v1/changes"):
        assert "zqxhidden" not in client.get(read).text
        assert hidden["id"] not in client.get(read).text
    assert client.get(f"/v1/comments/{hidden['id']}").status_code == 404
    assert (
        client.get(
            f"/v1/comments/{hidden['id']}",
            headers={"Authorization": f"Bearer {ok(client.post('/v1/guests'), 201)['guest_token']}"},
        ).status_code
        == 404
    )
    with db.connect() as connection:
        types = connection.execute(sa.text("SELECT DISTINCT type FROM event WHERE seq > :last"), {"last": last})
        assert set(types.scalars()) == {"comment.decided"}
    person = ok(client.get(f"/v1/moderation/people/{first['author']['id']}", headers=moderator))
    assert (person["shadowed"], person["bans"][0]["shadow"]) == (2, True)
    assert len(ok(client.get("/v1/bans?shadow=true&state=active", headers=moderator))["data"]) == 1
    assert ok(client.get("/v1/bans?state=expired", headers=moderator))["data"] == []
    assert ok(client.post(f"/v1/comments/{hidden['id']}/approve", headers=moderator))["shadow"] is False
    assert ok(client.get(f"/v1/comments/{hidden['id']}"))["state"] == "published"
    ok(client.post(f"{path}/{action['id']}/undo", headers=moderator), 202)
    again = ok(post(client, article, "After it was lifted.", me), 201)
    assert ok(client.get(f"/v1/comments/{again['id']}"))["state"] == "published"


def test_a_period_is_reported(
    client: TestClient, db: Database, article: Article, make_key: Callable[..., Headers], moderator: Headers
) -> None:
    """What happened is counted by kind, as JSON and as CSV, without names; limited keys are refused."""
    first, second = (comment(db, article, state="published") for _ in range(2))
    for n, one in enumerate((first, second)):
        ok(report(client, one, f"10.0.9.{n}", reason="illegal"), 202)
    ok(client.post(f"/v1/comments/{first}/remove", json={"ground": "law"}, headers=moderator))
    with db.transaction() as session:
        log_decision(session, second, "system", None, "hide", "pending", [("reports", "")])
        appeal_decision(session, by_token(first), first, AppealIn(text="No."))
    ok(client.post("/v1/bans", json={"kind": "email", "value": "zqx@b.example"}, headers=moderator), 201)
    path = "/v1/moderation/transparency?from=2000-01-01&until=2000-12-31"
    assert ok(client.get(path, headers=moderator))["actions"] == []
    day = now().date()
    path = f"/v1/moderation/transparency?from={day - timedelta(days=2)}&until={day + timedelta(days=2)}"
    told = ok(client.get(path, headers=moderator))
    notice = {"reason": "illegal", "target": "comment", "received": 2, "open": 1, "upheld": 1, "dismissed": 0}
    assert told["notices"] == [notice]
    assert told["actions"] == [
        {"action": "hide", "ground": None, "automated": True, "number": 1},
        {"action": "remove", "ground": "law", "automated": False, "number": 1},
    ]
    assert (told["automated_share"], told["appeals"]) == (0.5, {"open": 1, "granted": 0, "declined": 0})
    assert told["bans"] == {"created": 1, "lifted": 0, "in_force": 1}
    table = client.get(f"{path}&format=csv", headers=moderator)
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    lines = {"notices,illegal comment,received,2", "actions,remove law by people,number,1", "bans,created,,1"}
    assert lines <= set(table.text.splitlines())
    assert client.get(f"{path}T", headers=moderator).status_code == 400
    backwards = path.replace("from", "x").replace("until", "from").replace("x", "until")
    assert client.get(backwards, headers=moderator).status_code == 400
    limited = make_key("comments:moderate", sections=[new_id()])
    assert client.get(path, headers=limited).status_code == 403


def test_titles_are_no_formulas_in_spreadsheets() -> None:
    lines = write_csv({"reasons": {"=1+1": 2, "Spam": 1}}).decode().splitlines()
    assert lines[1:] == ["reasons,'=1+1,,2", "reasons,Spam,,1"]


def test_notes_and_reasons_are_erased_with_the_person(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    first = ok(post(client, article, "Erase me, please."), 201)
    path = f"/v1/moderation/people/{first['author']['id']}"
    ok(client.post(f"{path}/notes", json={"text": "Rude in private, too."}, headers=moderator), 201)
    body = {"remove_all": True, "reason": "Names somebody."}
    ok(client.post(f"{path}/actions", json=body, headers=moderator), 202)
    me = {"Authorization": f"Bearer {first['guest_token']}"}
    assert client.delete("/v1/me/data", headers=me).status_code in (200, 204)
    person = ok(client.get(path, headers=moderator))
    assert (person["erased"], person["name"], person["notes"]) == (True, None, 0)
    (action,) = ok(client.get(f"{path}/actions", headers=moderator))["data"]
    assert (action["reason"], action["state"]) == (None, "done")
    assert client.post(f"{path}/notes", json={"text": "Again."}, headers=moderator).status_code == 404
