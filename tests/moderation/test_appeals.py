"""Appeals: by the author alone, once for each decision, and what the author is told."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.core.problems import NotFound
from app.db import Database
from app.identity.schemas import ANONYMOUS, Actor
from app.moderation.appeals import (
    APPEAL,
    AlreadyAppealed,
    NotAppealable,
    appeal_decision,
    get_decision,
    list_appeals_about,
)
from app.moderation.forgetting import erase_person
from app.moderation.log import LOG
from app.moderation.schemas import AppealIn
from tests.make import Headers, ok
from tests.moderation.stock import by_token, comment, decide, guest, ids, participant, queued, report, state_of, stored

Article = dict[str, Any]
PLEASE = AppealIn(text="Please look again.")


def plead(db: Database, actor: Actor, comment_id: str) -> None:
    """An appeal that is made."""
    with db.transaction() as session:
        appeal_decision(session, actor, comment_id, PLEASE)


def hears(db: Database, actor: Actor, comment_id: str) -> dict[str, Any]:
    """What a caller is told of a decision."""
    with db.connect() as connection:
        return get_decision(connection, comment_id, actor)


@pytest.mark.parametrize("action", ["reject", "spam", "remove"])
def test_a_decision_is_appealed_once(
    action: str, client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    author = participant(db)
    one = comment(db, article, participant_id=author)
    decide(client, moderator, one, action, reason="House rules.")
    before = hears(db, guest(author), one)
    assert (before["action"], before["by"], before["reason"]) == (action, "moderator", "House rules.")
    assert (before["may_appeal"], before["appeal"]) == (True, None)
    plead(db, by_token(one), one)
    (item,) = queued(client, moderator, "state=appealed")
    assert item["appeal"]["text"] == "Please look again."
    assert ids(queued(client, moderator)) == [one]
    for actor in (by_token(one), guest(author)):
        with pytest.raises(AlreadyAppealed):
            plead(db, actor, one)
    assert hears(db, guest(author), one)["appeal"]["state"] == "open"
    assert not hears(db, guest(author), one)["may_appeal"]


def test_an_appeal_is_granted_by_publishing(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    for refused, granted in (("reject", "approve"), ("remove", "restore")):
        one = comment(db, article)
        decide(client, moderator, one, refused)
        plead(db, by_token(one), one)
        decide(client, moderator, one, granted, reason="You are right.")
        (row,) = stored(db, APPEAL, comment_id=one)
        assert (row["state"], row["answer"]) == ("granted", "You are right.")
        assert hears(db, by_token(one), one)["state"] == "published"
    assert queued(client, moderator) == []


def test_an_appeal_is_declined(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    for url, body in (("appeal/decline", {"reason": "It stays."}), ("reject", {"reason": "It stays."})):
        one = comment(db, article)
        decide(client, moderator, one, "reject", reason="Rude.")
        plead(db, by_token(one), one)
        ok(client.post(f"/v1/comments/{one}/{url}", json=body, headers=moderator))
        found = hears(db, by_token(one), one)
        assert (found["reason"], found["appeal"]["state"], found["appeal"]["answer"]) == (
            "Rude.",
            "declined",
            "It stays.",
        )
        with pytest.raises(AlreadyAppealed):
            plead(db, by_token(one), one)
        again = client.post(f"/v1/comments/{one}/appeal/decline", headers=moderator)
        assert ok(again, 409)["code"] == "no_appeal"
        assert [row["action"] for row in stored(db, LOG, comment_id=one)] == ["reject", "appeal", "decline"]
    assert queued(client, moderator) == []


def test_another_decision_may_be_appealed_again(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article)
    for action in ("reject", "approve", "remove"):
        decide(client, moderator, one, action)
        if action != "approve":
            plead(db, by_token(one), one)
    assert [row["state"] for row in stored(db, APPEAL, comment_id=one)] == ["granted", "open"]


def test_what_reports_hid_may_be_appealed(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article, state="published")
    for n in range(6):
        ok(report(client, one, f"10.0.0.{n}"), 202)
    found = hears(db, by_token(one), one)
    assert (found["action"], found["by"], found["may_appeal"]) == ("hide", "system", True)
    plead(db, by_token(one), one)
    assert ids(queued(client, moderator)) == [one]


def test_what_a_rule_refused_may_be_appealed(db: Database, article: Article) -> None:
    one = comment(db, article, state="spam")
    plead(db, by_token(one), one)
    with pytest.raises(AlreadyAppealed):
        plead(db, by_token(one), one)


@pytest.mark.parametrize(
    "fields", [{"state": "pending"}, {"state": "published"}, {"state": "removed", "removed_by": "author"}]
)
def test_there_must_be_a_decision(db: Database, article: Article, fields: dict[str, str]) -> None:
    one = comment(db, article, **fields)
    with pytest.raises(NotAppealable):
        plead(db, by_token(one), one)
    assert not hears(db, by_token(one), one)["may_appeal"]


def test_it_is_the_authors_alone(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    one, other = comment(db, article, state="rejected"), comment(db, article, state="rejected")
    for actor in (ANONYMOUS, by_token(other), guest(participant(db)), Actor("key", new_id())):
        with pytest.raises(NotFound):
            plead(db, actor, one)
        with pytest.raises(NotFound):
            hears(db, actor, one)
    for comment_id in (one, new_id()):
        assert client.get(f"/v1/comments/{comment_id}/decision").status_code == 404
        assert client.post(f"/v1/comments/{comment_id}/appeal", json={"text": "Please."}).status_code == 404
    assert ok(client.get(f"/v1/comments/{one}/decision", headers=moderator))["state"] == "rejected"
    assert state_of(db, one) == "rejected"


def test_words_about_erased_comments_are_blanked(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article)
    decide(client, moderator, one, "reject", reason="You wrote …")
    plead(db, by_token(one), one)
    with db.connect() as connection:
        assert list_appeals_about(connection, [one])[0]["text"] == "Please look again."
    with db.transaction() as session:
        erase_person(session, [], None, [one])
    assert [row["text"] for row in stored(db, APPEAL)] == [""]
    assert {row["note"] for row in stored(db, LOG)} == {None}
