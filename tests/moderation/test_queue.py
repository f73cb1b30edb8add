"""The queue: what waits, in which order, for whom, and how two moderators keep out of each other's way."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.ids import new_id
from app.db import Database
from app.identity.schemas import Actor, Grant
from app.moderation.log import log_decision
from app.moderation.queue import LEASE, claim_comments, list_items, prune_leases, select_waiting
from app.moderation.schemas import ClaimIn, QueueQuery
from tests.make import Headers, ok, published, section
from tests.moderation.stock import comment, decide, ids, participant, queued, report, stored

pytestmark = pytest.mark.portable

Article = dict[str, Any]


def _moderator() -> Actor:
    return Actor("key", new_id(), grants=(Grant(frozenset({"comments:moderate"})),))


def test_what_waits_stands_in_it(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    held = comment(db, article, age=5)
    reported = comment(db, article, age=9, state="published")
    for state in ("published", "rejected", "spam", "removed"):
        comment(db, article, age=1, state=state)
    ok(report(client, reported), 202)
    assert ids(queued(client, moderator)) == [reported, held]
    assert ids(queued(client, moderator, "sort=newest")) == [held, reported]
    assert ids(queued(client, moderator, "state=reported")) == [reported]
    assert ids(queued(client, moderator, "state=pending")) == [held]
    assert queued(client, moderator, "state=appealed") == []
    assert len(queued(client, moderator, "state=published")) == 2
    for state in ("rejected", "spam", "removed"):
        assert len(queued(client, moderator, f"state={state}")) == 1
    everything = queued(client, moderator, "state=any&sort=newest")
    assert [len(everything), *ids(everything)[-2:]] == [6, held, reported]
    assert ids(queued(client, moderator, "state=any&limit=1")) == [reported]
    assert ok(client.get("/v1/moderation/queue?count=exact", headers=moderator))["page"]["total"] == 2


def test_a_comment_that_waits_twice_stands_there_once(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article, state="published")
    for n in range(6):
        ok(report(client, one, f"10.0.0.{n}"), 202)
    item = queued(client, moderator)
    assert ids(item) == [one]
    assert item[0]["comment"]["state"] == "pending"
    assert item[0]["reasons"] == [{"stage": "reports", "detail": "weight 3"}]


def test_an_item_has_all_that_is_needed(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    author = participant(db, approved=4, rejected=1, confirmed_at=now())
    one = comment(db, article, "The full text.", participant_id=author, email="a@b.example", state="published")
    ok(report(client, one, "10.0.0.1", reason="spam", text="Look!", email="R@b.example"), 202)
    ok(report(client, one, "10.0.0.2", reason="spam"), 202)
    ok(report(client, one, "10.0.0.3", reason="abuse"), 202)
    (item,) = queued(client, moderator)
    assert item["comment"]["text"] == "The full text."
    assert item["comment"]["article"] == {name: article[name] for name in ("id", "slug", "title")}
    about = item["comment"]["author"]
    assert (about["email"], about["confirmed"], about["approved"], about["rejected"]) == ("a@b.example", True, 4, 1)
    assert item["reports"]["by_reason"] == {"spam": 2, "abuse": 1}
    assert (item["reports"]["count"], item["reports"]["weight"]) == (3, 1.5)
    assert item["reports"]["latest"][-1]["text"] == "Look!"
    assert item["reports"]["latest"][-1]["email"] == "r@b.example"
    assert (item["lease"], item["appeal"]) == (None, None)


def test_pages_have_everything_once(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    made = [comment(db, article, age=n % 4, state="published" if n % 3 else "pending") for n in range(13)]
    for n, one in enumerate(made):
        if n % 3:
            ok(report(client, one, f"10.0.1.{n}"), 202)
    for sort in ("oldest", "newest"):
        seen: list[str] = []
        url: str | None = f"/v1/moderation/queue?limit=3&sort={sort}"
        while url:
            answer = client.get(url, headers=moderator)
            seen += ids(ok(answer)["data"])
            url = answer.links.get("next", {}).get("url")
        assert len(seen) == 13
        assert set(seen) == set(made)


def test_filters(client: TestClient, db: Database, editor: Headers, article: Article, moderator: Headers) -> None:
    other, author = published(client, editor, "Another"), participant(db)
    here, there = comment(db, article, age=2, participant_id=author), comment(db, other, age=1)
    reported = comment(db, other, state="published")
    ok(report(client, reported, reason="illegal"), 202)
    with db.transaction() as session:
        log_decision(session, there, "system", None, "screen", "pending", [("links", "5")], article_id=other["id"])
    assert ids(queued(client, moderator, f"article={article['id']}")) == [here]
    assert ids(queued(client, moderator, "article=another")) == [there, reported]
    assert ids(queued(client, moderator, f"author={author.replace('-', '')}")) == [here]
    assert ids(queued(client, moderator, "reason=links")) == [there]
    assert ids(queued(client, moderator, "reason=illegal")) == [reported]
    assert queued(client, moderator, "reason=l_nks") == []
    assert client.get("/v1/moderation/queue?state=nonsense", headers=moderator).status_code == 400


def test_it_is_for_moderators(
    client: TestClient, db: Database, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    politics, sport = section(client, editor, "Politics"), section(client, editor, "Sport")
    one = comment(db, published(client, editor, "One", section=politics["id"]))
    comment(db, published(client, editor, "Two", section=sport["id"]))
    limited = make_key("comments:moderate", sections=[politics["id"]])
    assert ids(queued(client, limited)) == [one]
    assert client.get("/v1/moderation/queue").status_code == 401
    assert client.get("/v1/moderation/queue", headers=editor).status_code == 403


def test_a_page_takes_five_statements(
    client: TestClient, db: Database, article: Article, moderator: Headers, statements: list[str]
) -> None:
    for n in range(8):
        comment(db, article, age=n)
    queued(client, moderator)
    statements.clear()
    assert len(queued(client, moderator)) == 8
    assert len(statements) <= 5


def test_what_one_takes_is_not_given_to_another(
    client: TestClient, db: Database, article: Article, make_key: Callable[..., Headers]
) -> None:
    first, second = make_key("comments:moderate"), make_key("comments:moderate")
    made = [comment(db, article, age=9 - n) for n in range(5)]
    taken = ok(client.post("/v1/moderation/queue/claim", json={"limit": 3}, headers=first))
    assert ids(taken["data"]) == made[:3]
    assert {item["lease"]["until"] for item in taken["data"]} == {taken["until"]}
    assert ids(queued(client, second)) == made  # all see all: who works on which stands there
    again = ok(client.post("/v1/moderation/queue/claim", json={"limit": 20}, headers=second))
    assert ids(again["data"]) == made[3:]
    refused = client.post(f"/v1/comments/{made[0]}/approve", headers=second)
    assert ok(refused, 409)["code"] == "leased"
    assert client.delete(f"/v1/moderation/queue/{made[0]}/lease", headers=second).status_code == 409
    assert client.delete(f"/v1/moderation/queue/{made[0]}/lease", headers=first).status_code == 204
    assert client.delete(f"/v1/moderation/queue/{made[0]}/lease", headers=first).status_code == 204
    assert ids(ok(client.post("/v1/moderation/queue/claim", json={}, headers=second))["data"]) == [made[0], *made[3:]]
    decide(client, first, made[1], "approve")
    assert client.post(f"/v1/comments/{made[2]}/approve?force=true", headers=second).status_code == 200
    assert {row["comment_id"] for row in stored(db, LEASE)} == {made[0], made[3], made[4]}
    unknown = client.delete(f"/v1/moderation/queue/{new_id()}/lease", headers=first)
    assert unknown.status_code == 404


@pytest.mark.parametrize("body", [{"limit": 21}, {"limit": 0}, {"minutes": 16}, {"more": 1}])
def test_a_claim_is_bounded(client: TestClient, moderator: Headers, body: Any) -> None:
    assert client.post("/v1/moderation/queue/claim", json=body, headers=moderator).status_code == 422


def test_a_lease_runs_out(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    one = comment(db, article)
    with db.transaction() as session:
        past = {"comment_id": one, "key_id": new_id(), "until": now() - timedelta(seconds=1)}
        session.execute(sa.insert(LEASE).values(past))
    assert queued(client, moderator)[0]["lease"] is None
    assert ids(ok(client.post("/v1/moderation/queue/claim", json={}, headers=moderator))["data"]) == [one]
    with db.transaction() as session:
        assert prune_leases(session) == 0
        session.execute(sa.update(LEASE).values(until=now() - timedelta(seconds=1)))
        assert prune_leases(session) == 1


@pytest.mark.both
def test_two_who_claim_at_once_share_nothing(db: Database, article: Article) -> None:
    made = {comment(db, article, age=n) for n in range(24)}
    actors = [_moderator() for _ in range(4)]
    taken: dict[str, list[str]] = {str(actor.id): [] for actor in actors}
    together = threading.Barrier(len(actors))

    def work(actor: Actor) -> None:
        together.wait()
        for limit in range(3, 9):
            with db.transaction() as session:
                taken[str(actor.id)] += claim_comments(session, actor, ClaimIn(limit=limit))[0]

    threads = [threading.Thread(target=work, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owners = {row["comment_id"]: row["key_id"] for row in stored(db, LEASE)}
    for who, theirs in taken.items():
        assert {owners[one] for one in theirs} <= {who}
    assert set(owners) <= made


@pytest.mark.both
def test_an_open_claim_is_passed_by(db: Database, article: Article) -> None:
    if db.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    made = [comment(db, article, age=9 - n) for n in range(4)]
    one, two = _moderator(), _moderator()
    with db.transaction() as first, db.transaction() as second:
        assert claim_comments(first, one, ClaimIn(limit=2))[0] == made[:2]
        assert claim_comments(second, two, ClaimIn(limit=2))[0] == made[2:]


@pytest.mark.both
def test_it_walks_along_indexes(db: Database, article: Article) -> None:
    for n in range(3):
        comment(db, article, age=n)
    with db.transaction() as session:
        connection = session.connection()
        if db.dialect == "postgresql":
            for other_way in ("seqscan", "bitmapscan", "sort"):  # they are cheaper for three rows
                connection.exec_driver_sql(f"SET LOCAL enable_{other_way} = off")
        for sort, indexes in (
            ("oldest", ("ix_comment_state", "ix_moderation_case_waits")),
            ("most_reported", ("ix_moderation_case_reports",)),
            ("riskiest", ("ix_comment_risk", "ix_moderation_case_risk")),
        ):
            query = select_waiting(_moderator(), QueueQuery.model_validate({"sort": sort}), 21, db.dialect)
            text = str(query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
            explain = "EXPLAIN QUERY PLAN " if db.dialect == "sqlite" else "EXPLAIN "
            plan = "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + text.replace("%", "%%")))
            assert all(index in plan for index in indexes), plan
        assert list_items(connection, []) == []


def test_words_sections_sorts_and_counts(
    client: TestClient, db: Database, make_key: Callable[..., Headers], editor: Headers, moderator: Headers
) -> None:
    """What the filters find is found by pages of one as well, and limited keys find and count their own alone."""
    outer = section(client, editor, "Outer")
    inner = section(client, editor, "Inner", parent=outer["id"])
    here = published(client, editor, "Here", section=inner["id"])
    there = published(client, editor, "There")
    doubtful = comment(db, here, "The Éclair costs too much.", age=3, risk=700)
    plain = comment(db, there, "An eclair, please.", age=2, risk=150)
    spoken = comment(db, there, "Nothing.", age=1, state="spam", author_name="Eclair Fan")
    reported = comment(db, here, "Not bad.", state="published")
    for n in range(2):
        ok(report(client, reported, f"10.0.3.{n}"), 202)
    expected = {
        "q=ECLAIR": [doubtful, plain],
        "q=ecl*&sort=newest": [plain, doubtful],
        "q=eclair&state=any": [doubtful, plain, spoken],
        "q=eclair%20much": [doubtful],
        "q=%21%21": [],
        "section=outer": [doubtful, reported],
        f"section={inner['id']}&q=costs": [doubtful],
        "section=nowhere": [],
        "sort=riskiest": [doubtful, plain, reported],
        "sort=riskiest&state=reported": [reported],
        "sort=most_reported": [reported],
        "sort=most_reported&state=pending": [],
    }
    limited = make_key("comments:moderate", sections=[outer["id"]])
    for query, found in expected.items():
        assert ids(queued(client, moderator, query)) == found, query
        pages, address = [], f"/v1/moderation/queue?limit=1&{query}"
        following: str | None = ""
        while following is not None:
            page = ok(client.get(f"{address}&cursor={following}" if following else address, headers=moderator))
            pages += ids(page["data"])
            following = page["page"]["next"]
        assert pages == found, query
        own = [one for one in found if one in (doubtful, reported)]
        assert ids(queued(client, limited, query)) == own, query
    assert client.get("/v1/moderation/queue?sort=riskiest&state=spam", headers=moderator).status_code == 400
    counts = ok(client.get("/v1/moderation/queue/counts", headers=moderator))
    states = {"pending": 2, "spam": 1, "rejected": 0, "removed": 0, "published": 1, "reported": 1, "appealed": 0}
    assert (counts["states"], counts["reports"], counts["claimed"]) == (states, {"abuse": 2}, 0)
    own = ok(client.get("/v1/moderation/queue/counts?section=inner", headers=limited))
    assert own["states"] == states | {"pending": 1, "spam": 0}
    with db.transaction() as session:
        log_decision(session, plain, "system", None, "screen", "pending", [("links", "3 links"), ("new_author", "")])
    assert ok(client.get("/v1/moderation/queue/counts", headers=moderator))["reasons"] == {"links": 1, "new_author": 1}
    claim = {"sort": "riskiest", "limit": 2}
    claimed = ok(client.post("/v1/moderation/queue/claim", json=claim, headers=moderator))["data"]
    assert ids(claimed) == [doubtful, plain]
