"""Decisions: which may be made in which state, and what follows from each."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.core.problems import Problem
from app.db import Database
from app.db.columns import table_of
from app.identity.schemas import Actor, Grant
from app.identity.tables import Audit
from app.moderation.decisions import TRANSITIONS
from app.moderation.decisions import decide_comment as decide_about
from app.moderation.log import LOG
from app.moderation.queue import CASE, LEASE
from app.moderation.reports import REPORT
from app.moderation.schemas import Action
from tests.effort import effort
from tests.make import Headers, ok, published, section
from tests.moderation.stock import PARTICIPANT, C, comment, decide, participant, queued, report, state_of, stored

pytestmark = pytest.mark.portable

Article = dict[str, Any]
STATES = ("pending", "published", "rejected", "spam", "removed")
MODERATOR = Actor("key", new_id(), grants=(Grant(frozenset({"comments:moderate"})),))


@pytest.mark.parametrize("action", TRANSITIONS)
def test_each_may_be_made_in_some_states(
    action: Action, client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    target, sources = TRANSITIONS[action]
    for state in STATES:
        one = comment(db, article, state=state)
        answer = client.post(f"/v1/comments/{one}/{action}", json={"reason": "House rules."}, headers=moderator)
        if state in sources or state == target:
            assert ok(answer)["state"] == state_of(db, one) == target
        else:
            assert ok(answer, 409)["code"] == "wrong_comment_state"
            assert state_of(db, one) == state
            assert stored(db, LOG, comment_id=one) == []


@pytest.mark.parametrize("action", TRANSITIONS)
def test_what_its_author_removed_stays_so(
    action: str, client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article, state="removed", removed_by="author")
    answer = client.post(f"/v1/comments/{one}/{action}", headers=moderator)
    assert ok(answer, 409)["code"] == "wrong_comment_state"
    assert state_of(db, one) == "removed"


def test_the_same_again_changes_nothing(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    one = comment(db, article)
    first = decide(client, moderator, one, "reject", reason="Rude.")
    assert decide(client, moderator, one, "reject", reason="Rude again.") == first
    (entry,) = stored(db, LOG, comment_id=one)
    assert (entry["action"], entry["state"], entry["note"], entry["actor_kind"]) == (
        "reject",
        "rejected",
        "Rude.",
        "key",
    )
    assert entry["article_id"] == article["id"]
    (noted,) = stored(db, table_of(Audit), subject_id=one)
    assert (noted["action"], noted["detail"]) == ("comment.reject", {"from": "pending", "state": "rejected"})


@examples(derandomize=True, max_examples=effort("EXAMPLES", 12, long=100), deadline=None)
@given(st.lists(st.sampled_from(list(TRANSITIONS)), min_size=1, max_size=7))
def _trust_follows(db: Database, article: Article, actions: list[Action]) -> None:
    author = participant(db)
    one, state, verdict = comment(db, article, participant_id=author), "pending", None
    for action in actions:
        try:
            with db.transaction() as session:
                decide_about(session, MODERATOR, one, action, None, False)
        except Problem:
            continue
        moved = state != TRANSITIONS[action][0] or (action == "approve" and verdict is None)
        state = TRANSITIONS[action][0]
        verdict = ("approved" if state == "published" else "rejected") if moved else verdict
    row = stored(db, PARTICIPANT, id=author)[0]
    assert state_of(db, one) == state
    assert (row["approved"], row["rejected"]) == (verdict == "approved", verdict == "rejected")


@pytest.mark.long
def test_an_authors_standing_is_what_the_last_decision_says(db: Database, article: Article) -> None:
    _trust_follows(db, article)


def test_approving_dismisses_reports_and_makes_the_text_immune(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article, state="published")
    for n in range(6):
        ok(report(client, one, f"10.0.0.{n}"), 202)
    assert state_of(db, one) == "pending"
    assert decide(client, moderator, one, "approve")["approved_text"]
    assert {row["state"] for row in stored(db, REPORT, comment_id=one)} == {"dismissed"}
    for n in range(20):
        ok(report(client, one, f"10.0.1.{n}"), 202)
    assert state_of(db, one) == "published"
    assert queued(client, moderator)[0]["reports"]["count"] == 20


def test_approving_what_is_published_makes_it_immune(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article, state="published")
    assert decide(client, moderator, one, "approve")["approved_text"]
    assert [row["state"] for row in stored(db, LOG, comment_id=one)] == [None]


@pytest.mark.parametrize("action", ["reject", "spam", "remove"])
def test_refusing_upholds_reports(
    action: str, client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article, state="published")
    ok(report(client, one), 202)
    decide(client, moderator, one, action)
    assert [row["state"] for row in stored(db, REPORT, comment_id=one)] == ["upheld"]
    assert queued(client, moderator) == []
    (case,) = stored(db, CASE, comment_id=one)
    assert (case["reports"], case["weight"], case["waits"], case["verdict"]) == (0, 0, False, "rejected")


def test_a_reply_is_not_published_under_what_is_not(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    parent = comment(db, article)
    child = comment(db, article, parent_id=parent, root_id=parent, under_id=parent, depth=1)
    body = {"ids": [child, parent, child, new_id()], "action": "approve"}
    results = ok(client.post("/v1/moderation/decisions", json=body, headers=moderator))["data"]
    assert [result["code"] for result in results] == ["parent_not_published", None, None, "not_found"]
    assert [result["state"] for result in results] == [None, "published", "published", None]
    assert stored(db, C, id=child)[0]["state"] == "published"


def test_what_is_refused_among_many_leaves_nothing_behind(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    parent = comment(db, article, state="spam")
    child = comment(db, article, parent_id=parent, root_id=parent, under_id=parent, depth=1)
    ok(client.post("/v1/moderation/queue/claim", json={}, headers=moderator))
    body = {"ids": [child], "action": "approve"}
    (result,) = ok(client.post("/v1/moderation/decisions", json=body, headers=moderator))["data"]
    assert not result["done"]
    assert [row["comment_id"] for row in stored(db, LEASE)] == [child]


def test_many_at_once_are_bounded(client: TestClient, moderator: Headers) -> None:
    for ids in ([], [new_id()] * 101):
        body = {"ids": ids, "action": "approve"}
        assert client.post("/v1/moderation/decisions", json=body, headers=moderator).status_code == 422


def test_featuring(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    one = comment(db, article)
    url = f"/v1/comments/{one}/featured"
    assert ok(client.put(url, json={"value": True}, headers=moderator), 409)["code"] == "wrong_comment_state"
    decide(client, moderator, one, "approve")
    assert ok(client.put(url, json={"value": True}, headers=moderator))["featured"]
    assert ok(client.put(url, json={"value": True}, headers=moderator))["featured"]
    assert not ok(client.put(url, json={"value": False}, headers=moderator))["featured"]
    assert [row["action"] for row in stored(db, LOG, comment_id=one)] == ["approve", "feature", "unfeature"]


def test_a_key_decides_within_its_sections(
    client: TestClient, db: Database, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    politics, sport = section(client, editor, "Politics"), section(client, editor, "Sport")
    one = comment(db, published(client, editor, "One", section=politics["id"]))
    limited = make_key("comments:moderate", sections=[sport["id"]])
    missing = client.post(f"/v1/comments/{new_id()}/approve", headers=limited)
    unseen = client.post(f"/v1/comments/{one}/approve", headers=limited)
    assert (
        (unseen.status_code, unseen.json()["code"])
        == (missing.status_code, missing.json()["code"])
        == (404, "not_found")
    )
    for verb, path in (("POST", "reject"), ("PUT", "featured"), ("POST", "appeal/decline")):
        body = {"value": True} if path == "featured" else {}
        assert client.request(verb, f"/v1/comments/{one}/{path}", json=body, headers=limited).status_code == 404
    assert client.delete(f"/v1/moderation/queue/{one}/lease", headers=limited).status_code == 404
    assert state_of(db, one) == "pending"


def test_only_moderators_decide(client: TestClient, db: Database, article: Article, editor: Headers) -> None:
    one = comment(db, article)
    for action in TRANSITIONS:
        assert client.post(f"/v1/comments/{one}/{action}").status_code == 401
        assert client.post(f"/v1/comments/{one}/{action}", headers=editor).status_code == 403
