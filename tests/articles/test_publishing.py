"""The states of an article."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.articles.publishing import advance_due_articles
from app.core.clock import format_rfc3339, now
from app.core.problems import Unavailable
from app.db import Database
from app.events.log import read_after
from app.events.schemas import START
from app.search.indexing import index_article
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]


def facts(db: Database) -> list[str]:
    """Names of all facts in the log that tell of articles."""
    with db.connect() as connection:
        return [entry.type for entry in read_after(connection, START, 1000) if entry.type.startswith("article.")]


def run_clock(db: Database) -> int:
    with db.transaction() as session:
        return advance_due_articles(session, index_article)


def test_what_only_the_moment_keeps_back_is_tried_again(
    client: TestClient, editor: Headers, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now() + timedelta(hours=1)
    article = make.draft(client, editor, "Later")
    url = f"/v1/articles/{article['id']}"
    make.ok(client.put(f"{url}/schedule", json={"at": format_rfc3339(at)}, headers={**editor, "If-Match": "*"}))

    def fail(*_: object) -> None:
        raise Unavailable("The store is busy.")

    with monkeypatch.context() as patch, time_machine.travel(at, tick=False):
        patch.setattr("app.articles.publishing._apply_due", fail)
        assert run_clock(db) == 1
    assert make.ok(client.get(url, headers=editor))["state"] == "scheduled"
    with time_machine.travel(at + timedelta(minutes=5), tick=False):
        assert run_clock(db) == 1
    assert make.ok(client.get(url))["state"] == "published"


def test_publishing_shows_and_unpublishing_hides(client: TestClient, editor: Headers, db: Database) -> None:
    article = make.published(client, editor, "Out", section=make.section(client, editor, "News")["slug"], tags=["t"])
    assert article["state"] == "published"
    assert article["published_at"] is not None
    assert make.titles(client) == ["Out"]
    assert client.get("/v1/sections/news").json()["articles"] == 1
    assert client.get("/v1/tags/t").json()["articles"] == 1
    make.act(client, editor, article, "unpublish")
    assert make.titles(client) == []
    assert client.get("/v1/articles/out").status_code == 404
    assert client.get("/v1/sections/news").json()["articles"] == 0
    assert client.get("/v1/tags/t").json()["articles"] == 0
    assert facts(db) == ["article.published", "article.unpublished"]


def test_readers_see_the_published_text_until_the_next_is_published(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor, "First", tags=["one"])
    changed = make.patched(client, editor, article, title="Second", tags=["two"], body={"markdown": "*New.*"})
    assert changed["title"] == "Second"
    assert changed["body"]["html"] == "<p><em>New.</em></p>"
    seen = client.get("/v1/articles/first").json()
    assert (seen["title"], seen["revision"], seen["tags"][0]["slug"]) == ("First", 1, "one")
    assert seen["body"]["html"] == "<p>Once upon a time.</p>"
    assert make.titles(client, "tag=two") == []
    latest = client.get("/v1/articles/first?revision=latest", headers=editor).json()
    assert (latest["title"], latest["tags"][0]["slug"]) == ("Second", "two")
    make.act(client, editor, article, "publish")
    seen = client.get("/v1/articles/first").json()
    assert (seen["title"], seen["revision"], seen["tags"][0]["slug"]) == ("Second", 2, "two")
    assert make.titles(client, "tag=two") == ["Second"]
    assert make.titles(client, "tag=one") == []
    assert client.get("/v1/tags/one").json()["articles"] == 0


def test_publishing_twice_changes_nothing(client: TestClient, editor: Headers, db: Database) -> None:
    article = make.published(client, editor)
    again = make.act(client, editor, article, "publish")
    assert again == article
    assert facts(db) == ["article.published"]


def test_retracting_leaves_a_reason(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor, "Wrong")
    make.act(client, editor, article, "retract", {"reason": "It was made up."})
    gone = client.get("/v1/articles/wrong")
    assert gone.status_code == 410
    assert gone.json()["reason"] == "It was made up."
    assert make.titles(client) == []
    assert client.get("/v1/articles/wrong/neighbours").status_code == 410
    resolved = client.get("/v1/resolve?path=/wrong").json()
    assert resolved == {"status": 410, "kind": "gone", "reason": "It was made up."}
    assert client.get("/v1/articles/wrong", headers=editor).json()["state"] == "retracted"


def test_withdrawing_for_legal_reasons_is_451(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor, "Court")
    make.act(client, editor, article, "retract", {"reason": "Court order.", "legal": True})
    assert client.get("/v1/articles/court").status_code == 451
    assert client.get("/v1/resolve?path=/court").json()["status"] == 451


def test_a_scheduled_article_goes_live_at_its_time_even_if_that_was_slept_through(
    client: TestClient, editor: Headers, db: Database
) -> None:
    article = make.draft(client, editor, "Tomorrow")
    at = datetime.now(UTC) + timedelta(days=1)
    url = f"/v1/articles/{article['id']}/schedule"
    scheduled = make.ok(client.put(url, json={"at": format_rfc3339(at)}, headers=make.version(client, editor, article)))
    assert scheduled["state"] == "scheduled"
    assert run_clock(db) == 0
    assert client.get("/v1/articles/tomorrow").status_code == 404
    with time_machine.travel(at + timedelta(hours=5), tick=False):
        assert run_clock(db) == 1
        assert run_clock(db) == 0
        seen = client.get("/v1/articles/tomorrow").json()
    assert datetime.fromisoformat(seen["published_at"]) == at
    assert facts(db) == ["article.published"]


def test_unscheduling_and_bad_times(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor)
    url = f"/v1/articles/{article['id']}/schedule"
    past = client.put(url, json={"at": "2020-01-01T00:00:00Z"}, headers=make.version(client, editor, article))
    assert past.status_code == 422
    future = {"at": "2999-01-01T00:00:00Z"}
    make.ok(client.put(url, json=future, headers=make.version(client, editor, article)))
    back = make.ok(client.delete(url, headers=make.version(client, editor, article)))
    assert (back["state"], back["editing"]["scheduled_at"]) == ("draft", None)
    assert client.delete(url, headers=make.version(client, editor, article)).status_code == 409


@pytest.mark.parametrize("kind", ["embargoed_until", "expires_at"])
def test_embargo_and_expiry_are_kept_by_the_clock(client: TestClient, editor: Headers, db: Database, kind: str) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    make.published(client, editor, "Timed", tags=["t"], rights={kind: format_rfc3339(at)})
    before, after = (0, 1) if kind == "embargoed_until" else (1, 0)

    def check(expected: int) -> None:
        assert len(make.titles(client)) == expected
        assert client.get("/v1/articles/timed").status_code == (200 if expected else 404)
        assert client.get("/v1/tags/t").json()["articles"] == expected
        assert len(make.titles(client, "tag=t")) == expected

    check(before)
    with time_machine.travel(at + timedelta(seconds=1), tick=False):
        assert run_clock(db) == 1
        check(after)
    assert facts(db)[-1] == ("article.published" if after else "article.unpublished")


def test_corrections_are_data(client: TestClient, editor: Headers, db: Database) -> None:
    article = make.published(client, editor, "Facts")
    make.act(client, editor, article, "corrections", {"text": "It was <b>four</b>.", "kind": "clarification"})
    seen = client.get("/v1/articles/facts").json()
    assert [(c["kind"], c["text"]) for c in seen["corrections"]] == [("clarification", "It was <b>four</b>.")]
    assert "four" not in seen["body"]["html"]
    assert facts(db)[-1] == "article.corrected"
    fresh = make.draft(client, editor, "Draft")
    refused = client.post(
        f"/v1/articles/{fresh['id']}/corrections", json={"text": "x"}, headers={**editor, "If-Match": "*"}
    )
    assert refused.status_code == 409


def test_backdating(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "Old", published_at="2001-02-03T04:05:06Z")
    make.published(client, editor, "New")
    assert make.titles(client) == ["New", "Old"]
    assert client.get("/v1/articles/old").json()["published_at"] == "2001-02-03T04:05:06Z"


@pytest.mark.parametrize(
    ("verb", "body"), [("unpublish", None), ("retract", {"reason": "r"}), ("corrections", {"text": "t"})]
)
def test_a_draft_takes_no_verbs_of_what_is_out(client: TestClient, editor: Headers, verb: str, body: Any) -> None:
    article = make.draft(client, editor)
    url = f"/v1/articles/{article['id']}/{verb}"
    answer = client.post(url, json=body, headers=make.version(client, editor, article))
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
