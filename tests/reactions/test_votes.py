"""Votes: one for everybody, none on one's own, exact under contention, and only where readers see the comment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.articles.discussion_settings import ARTICLE_TALLY
from app.comments.reading import C
from app.comments.schemas import controversy_score, wilson_score
from app.core.clock import now
from app.db import Database
from app.db.columns import table_of
from app.events.tables import Event
from app.reactions.reactions import REACTION, VOTE
from tests.make import Headers, guest, ok, prove_guests, said
from tests.moderation.stock import comment, stored

pytestmark = pytest.mark.portable

Article = dict[str, Any]
EVENT = table_of(Event)


def voted(client: TestClient, comment_id: str, headers: Headers, value: Any) -> Any:
    """The answer to a vote."""
    return client.put(f"/v1/comments/{comment_id}/vote", json={"value": value}, headers=headers)


def reacted(client: TestClient, article: Article, headers: Headers, value: Any) -> Any:
    """The answer to a reaction."""
    return client.put(f"/v1/articles/{article['slug']}/reaction", json={"value": value}, headers=headers)


def facts(db: Database, kind: str) -> list[Any]:
    """What the log has of one kind."""
    return stored(db, EVENT, type=kind)


def test_a_vote_stands_once_and_can_be_changed(client: TestClient, db: Database, article: Article) -> None:
    one, ann, bo = said(client, article, "Well.")["id"], guest(client), guest(client)
    prove_guests(db)
    steps = [(ann, 1, 1, 0), (ann, 1, 1, 0), (bo, 1, 2, 0), (ann, -1, 1, 1), (ann, 0, 1, 0), (ann, 0, 1, 0)]
    for who, value, up, down in steps:
        answer = voted(client, one, who, value)
        assert ok(answer) == {"value": value, "votes": {"up": up, "down": down}}
        assert answer.headers["cache-control"] == "private, no-store"
        (row,) = stored(db, C, id=one)
        assert (row["best"], row["controversy"]) == (wilson_score(up, down), controversy_score(up, down))
    assert ok(client.get(f"/v1/comments/{one}"))["votes"] == {"up": 1, "down": 0}
    assert len(facts(db, "comment.voted")) == 4  # what changes nothing is no fact
    assert len(stored(db, VOTE)) == 1


def test_who_may_vote(client: TestClient, article: Article, make_key: Callable[..., Headers]) -> None:
    mine = said(client, article, "Mine.")
    token = {"Authorization": f"Bearer {mine['edit_token']}"}
    stranger = voted(client, mine["id"], {}, 1)
    assert (stranger.status_code, "/v1/guests" in stranger.text) == (401, True)
    assert voted(client, mine["id"], token, 1).status_code == 403
    assert voted(client, mine["id"], make_key("content:read"), 1).status_code == 403
    assert ok(voted(client, mine["id"], make_key("content:write"), 1))["votes"] == {"up": 1, "down": 0}
    assert ok(voted(client, mine["id"], make_key("comments:moderate"), -1))["votes"] == {"up": 1, "down": 1}
    own = voted(client, mine["id"], {"Authorization": f"Bearer {mine['guest_token']}"}, 1)
    assert (own.status_code, own.json()["code"]) == (403, "own_comment")


@pytest.mark.parametrize("value", [2, -2, "1", None, 0.5, True])
def test_other_values_are_refused(client: TestClient, article: Article, value: Any) -> None:
    one = said(client, article, "Well.")["id"]
    assert voted(client, one, guest(client), value).status_code == 422


@pytest.mark.parametrize("state", ["pending", "rejected", "spam", "removed"])
def test_what_readers_do_not_see_takes_no_votes(client: TestClient, db: Database, article: Article, state: str) -> None:
    one = comment(db, article, state=state)
    missing = voted(client, "0199aaaa-0000-7000-8000-000000000000", guest(client), 1)
    found = voted(client, one, guest(client), 1)
    assert (
        (found.status_code, found.json()["code"]) == (missing.status_code, missing.json()["code"]) == (404, "not_found")
    )
    assert stored(db, VOTE) == []


def test_a_hidden_discussion_takes_neither(client: TestClient, db: Database, article: Article, admin: Headers) -> None:
    one, ann = comment(db, article, state="published"), guest(client)
    url = f"/v1/articles/{article['id']}/discussion"
    tag = client.get(url).headers["etag"]
    ok(client.put(url, json={"state": "hidden"}, headers={**admin, "If-Match": tag}))
    assert voted(client, one, ann, 1).status_code == 404
    assert reacted(client, article, ann, "agree").status_code == 404
    assert client.get(f"/v1/me/votes?article={article['id']}", headers=ann).status_code == 404


def test_the_banned_take_no_part(client: TestClient, db: Database, article: Article, admin: Headers) -> None:
    bad, one = said(client, article, "Bad."), comment(db, article, state="published")
    headers = {"Authorization": f"Bearer {bad['guest_token']}"}
    ok(voted(client, one, headers, 1))
    ok(client.post("/v1/bans", json={"kind": "identity", "comment_id": bad["id"]}, headers=admin), 201)
    for answer in (voted(client, one, headers, -1), reacted(client, article, headers, "agree")):
        assert (answer.status_code, answer.json()["code"]) == (403, "banned")
    assert stored(db, C, id=one)[0]["upvotes"] == 1


def test_a_reaction_stands_once_and_can_be_changed(client: TestClient, db: Database, article: Article) -> None:
    ann, bo = guest(client), guest(client)
    prove_guests(db)
    none = {"agree": 0, "disagree": 0, "insightful": 0}
    steps = [
        (ann, None, {}),
        (ann, "agree", {"agree": 1}),
        (ann, "agree", {"agree": 1}),
        (bo, "agree", {"agree": 2}),
        (ann, "insightful", {"agree": 1, "insightful": 1}),
        (ann, None, {"agree": 1}),
        (ann, None, {"agree": 1}),
    ]
    for who, value, totals in steps:
        answer = reacted(client, article, who, value)
        assert ok(answer) == {"value": value, "reactions": {**none, **totals}}
    assert ok(client.get(f"/v1/articles/{article['id']}"))["reactions"] == {**none, "agree": 1}
    told = facts(db, "article.reacted")
    assert len(told) == 4
    assert {row["subject_id"] for row in told} == {article["id"]}
    assert told[0]["groups"] == [f"counts:{article['id'][-3:]}", "discussions", "activity"]
    assert told[0]["payload"] == {}
    assert [row["value"] for row in stored(db, REACTION)] == ["agree"]


def test_unknown_reactions_and_articles(client: TestClient, editor: Headers, article: Article) -> None:
    ann = guest(client)
    answer = reacted(client, article, ann, "canary")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unknown_reaction")
    assert "canary" not in answer.text
    assert client.put(f"/v1/articles/{article['id']}/reaction", json={}, headers=ann).status_code == 422
    assert reacted(client, article, {}, "agree").status_code == 401
    assert reacted(client, {"slug": "missing"}, ann, "agree").status_code == 404
    hidden = ok(client.post("/v1/articles", json={"title": "D", "body": {"html": "<p>D</p>"}}, headers=editor), 201)
    assert reacted(client, hidden, ann, "agree").status_code == 404


def test_everybody_reads_their_own(
    client: TestClient, db: Database, article: Article, editor: Headers, statements: list[str]
) -> None:
    one, two = (comment(db, article, state="published") for _ in range(2))
    ann = guest(client)
    url = f"/v1/me/votes?article={article['slug']}"
    assert ok(client.get(url, headers=ann)) == {"reaction": None, "votes": {}}
    ok(voted(client, one, ann, 1))
    ok(voted(client, two, ann, -1))
    ok(reacted(client, article, ann, "disagree"))
    del statements[:]
    answer = client.get(url, headers=ann)
    assert ok(answer) == {"reaction": "disagree", "votes": {one: 1, two: -1}}
    assert len([text for text in statements if text.lstrip().startswith("SELECT")]) <= 5
    assert answer.headers["cache-control"] == "private, no-store"
    assert ok(client.get(url, headers=guest(client))) == {"reaction": None, "votes": {}}
    assert ok(client.get(url, headers=editor)) == {"reaction": None, "votes": {}}
    assert client.get(url).status_code == 401
    token = said(client, article, "Mine.")["edit_token"]
    assert client.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 403


@pytest.mark.both
def test_many_at_once_are_counted_exactly(client: TestClient, db: Database, article: Article) -> None:
    """Twins of one voter and a crowd of others: whatever the order, the totals are those of the rows."""
    one, crowd, chance = comment(db, article, state="published"), [guest(client) for _ in range(4)], Random(7)
    names = ["agree", "disagree", "insightful", None]
    work = [(who, chance.choice([-1, 0, 1]), chance.choice(names)) for who in crowd * 6]

    def run(piece: tuple[Headers, int, str | None]) -> set[int]:
        who, value, name = piece
        return {voted(client, one, who, value).status_code, reacted(client, article, who, name).status_code}

    with ThreadPoolExecutor(8) as threads:
        assert set.union(*threads.map(run, work)) == {200}
    values = [row["value"] for row in stored(db, VOTE) if row["counted"]]
    (row,) = stored(db, C, id=one)
    assert (row["upvotes"], row["downvotes"]) == (values.count(1), values.count(-1))
    chosen = [row["value"] for row in stored(db, REACTION) if row["counted"]]
    (tally,) = stored(db, ARTICLE_TALLY, article_id=article["id"])
    assert {name: n for name, n in tally["reactions"].items() if n} == {name: chosen.count(name) for name in chosen}
    assert len(values) <= 1, "strangers at one address"
    assert len(chosen) <= 1


def test_votes_go_with_the_comment(client: TestClient, db: Database, article: Article) -> None:
    one = comment(db, article, state="published")
    ok(voted(client, one, guest(client), 1))
    with db.transaction() as session:
        session.execute(sa.delete(C).where(C.c.id == one))
    assert stored(db, VOTE) == []


def test_strangers_at_one_address_count_once(client: TestClient, db: Database, article: Article) -> None:
    one = comment(db, article, state="published")
    strangers = [guest(client) for _ in range(4)]
    assert [ok(voted(client, one, who, 1))["votes"]["up"] for who in strangers] == [1] * 4
    assert [ok(reacted(client, article, who, "agree"))["reactions"]["agree"] for who in strangers] == [1] * 4
    for who in strangers[1:]:  # what did not count takes nothing with it
        assert ok(voted(client, one, who, 0))["votes"] == {"up": 1, "down": 0}
        assert ok(reacted(client, article, who, None))["reactions"]["agree"] == 1
    assert ok(reacted(client, article, strangers[1], "disagree"))["reactions"]["disagree"] == 0
    ok(voted(client, one, strangers[0], 0))
    ok(reacted(client, article, strangers[0], None))
    assert ok(voted(client, one, strangers[1], -1)) == {"value": -1, "votes": {"up": 0, "down": 1}}
    totals = ok(reacted(client, article, strangers[1], "insightful"))["reactions"]
    assert (totals["disagree"], totals["insightful"]) == (0, 1)


def test_whose_email_is_proven_counts_for_themselves(client: TestClient, db: Database, article: Article) -> None:
    one, strangers = comment(db, article, state="published"), [guest(client) for _ in range(3)]
    for who in strangers[1:]:
        ok(voted(client, one, who, 0))
    prove_guests(db)
    assert [ok(voted(client, one, who, 1))["votes"]["up"] for who in strangers] == [1, 2, 3]


def test_an_address_counts_again_after_a_day(client: TestClient, db: Database, article: Article) -> None:
    one, first, second = comment(db, article, state="published"), guest(client), guest(client)
    ok(voted(client, one, first, 1))
    with db.transaction() as session:
        session.execute(sa.update(VOTE).values(at=now() - timedelta(hours=25)))
    assert ok(voted(client, one, second, 1))["votes"]["up"] == 2


def test_who_erases_themselves_takes_back_what_counted(client: TestClient, db: Database, article: Article) -> None:
    one, first, second = comment(db, article, state="published"), guest(client), guest(client)
    for who in (first, second):
        ok(reacted(client, article, who, "agree"))
        ok(voted(client, one, who, 1))
    for who, left in ((second, 1), (first, 0)):
        assert client.delete("/v1/me/data", headers=who).status_code == 204
        assert ok(client.get(f"/v1/articles/{article['id']}"))["reactions"]["agree"] == left
        assert ok(client.get(f"/v1/comments/{one}"))["votes"]["up"] == left
