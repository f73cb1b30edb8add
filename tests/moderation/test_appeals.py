"""Appeals: by the author alone, once for each decision, and what the author is told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.core.problems import NotFound
from app.db import Database
from app.events.log import PERSON_KEY
from app.identity.schemas import ANONYMOUS, EVERYTHING, Actor
from app.moderation.appeals import (
    APPEAL,
    AlreadyAppealed,
    NotAppealable,
    SameModerator,
    appeal_decision,
    decline_appeal,
    get_decision,
    list_appeals_about,
)
from app.moderation.decisions import decide_comment
from app.moderation.forgetting import erase_person
from app.moderation.log import LOG
from app.moderation.schemas import AppealIn
from tests.make import Headers, ok
from tests.moderation.stock import by_token, comment, decide, guest, ids, participant, queued, report, state_of, stored

pytestmark = pytest.mark.portable

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


@pytest.fixture
def another(make_key: Callable[..., Headers]) -> Headers:
    """Headers of a second moderator, who may decide about appeals against the first."""
    return make_key("comments:moderate")


def test_one_person_with_two_keys_is_one_moderator(db: Database, article: Article) -> None:
    one, person = comment(db, article), new_id()
    by_key = Actor("key", new_id(), "", (EVERYTHING,), person=person)
    with db.transaction() as session:
        session.info[PERSON_KEY] = person
        decide_comment(session, by_key, one, "reject", None, False)
    plead(db, by_token(one), one)
    for actor in (Actor("person", person, "", (EVERYTHING,), person=person), replace(by_key, id=new_id())):
        with db.transaction() as session, pytest.raises(SameModerator):
            decline_appeal(session, actor, one, None)
    with db.transaction() as session:
        decline_appeal(session, Actor("key", new_id(), "", (EVERYTHING,)), one, None)


def test_a_canned_reason_states_the_ground(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one, path = comment(db, article), "/v1/moderation/reasons"
    canned = {"title": "Rude", "ground": "terms", "basis": "Rule 3", "texts": {"en": "Be kind.", "de": "Sei nett."}}
    reason = ok(client.post(path, json=canned, headers=moderator), 201)
    assert ok(client.post(path, json=canned, headers=moderator), 409)["code"] == "reason_exists"
    decide(client, moderator, one, "reject", canned=reason["id"])
    decision = hears(db, by_token(one), one)
    statement = decision["statement"]
    assert (statement["ground"], statement["basis"], statement["texts"]) == ("terms", "Rule 3", canned["texts"])
    assert (statement["automated"], statement["restriction"], decision["reason"]) == (False, "hidden", "Be kind.")
    tag = client.get(f"{path}/{reason['id']}", headers=moderator).headers["etag"]
    changed, versions = {**canned, "texts": {"en": "Be polite."}}, {**moderator, "If-Match": tag}
    assert ok(client.put(f"{path}/{reason['id']}", json=changed, headers=versions))["version"] == 2
    assert client.put(f"{path}/{reason['id']}", json=changed, headers=versions).status_code == 412
    assert client.delete(f"{path}/{reason['id']}", headers={**moderator, "If-Match": "*"}).status_code == 204
    assert ok(client.get(path, headers=moderator))["data"] == []
    assert hears(db, by_token(one), one)["reason"] == "Be kind."
    unknown = client.post(f"/v1/comments/{one}/spam", json={"canned": new_id()}, headers=moderator)
    assert unknown.status_code == 422


def test_an_appeal_is_granted_by_publishing(
    client: TestClient, db: Database, article: Article, moderator: Headers, another: Headers
) -> None:
    for refused, granted in (("reject", "approve"), ("remove", "restore")):
        one = comment(db, article)
        decide(client, moderator, one, refused)
        plead(db, by_token(one), one)
        refusal = client.post(f"/v1/comments/{one}/{granted}", headers=moderator)
        assert ok(refusal, 409)["code"] == "same_moderator"
        decide(client, another, one, granted, reason="You are right.")
        (row,) = stored(db, APPEAL, comment_id=one)
        assert (row["state"], row["answer"]) == ("granted", "You are right.")
        assert hears(db, by_token(one), one)["state"] == "published"
    assert queued(client, moderator) == []


def test_an_appeal_is_declined(
    client: TestClient, db: Database, article: Article, moderator: Headers, another: Headers
) -> None:
    for url, body in (("appeal/decline", {"reason": "It stays."}), ("reject", {"reason": "It stays."})):
        one = comment(db, article)
        decide(client, moderator, one, "reject", reason="Rude.")
        plead(db, by_token(one), one)
        refusal = client.post(f"/v1/comments/{one}/{url}", json=body, headers=moderator)
        assert ok(refusal, 409)["code"] == "same_moderator"
        ok(client.post(f"/v1/comments/{one}/{url}", json=body, headers=another))
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
    client: TestClient, db: Database, article: Article, moderator: Headers, another: Headers
) -> None:
    one = comment(db, article)
    for action, by in (("reject", moderator), ("approve", another), ("remove", moderator)):
        decide(client, by, one, action)
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
