"""Reports: who counts how much, once; when they hide a comment; and that their words are private."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.ids import new_id
from app.core.settings import Settings
from app.db import Database
from app.identity.schemas import ANONYMOUS, Actor
from app.main import create_app
from app.moderation.forgetting import erase_person
from app.moderation.log import LOG
from app.moderation.queue import CASE
from app.moderation.reports import MAX_REPORTS_PER_HOUR, REPORT, list_reports_by, report_comment
from app.moderation.schemas import ReportIn
from tests.make import Headers, act, bearer, draft, ok, published, section
from tests.moderation.stock import C, by_token, comment, decide, guest, participant, queued, report, state_of, stored

pytestmark = pytest.mark.portable

Article = dict[str, Any]
ABUSE = ReportIn(reason="abuse")


def weight_of(db: Database, actor: Actor, comment_id: str, *addresses: str, threshold: int = 0) -> int:
    """What a report of somebody adds to a comment's weight."""
    before = sum(row["weight"] for row in stored(db, CASE, comment_id=comment_id))
    with db.transaction() as session:
        report_comment(session, actor, comment_id, ABUSE, addresses, threshold)
    return sum(row["weight"] for row in stored(db, CASE, comment_id=comment_id)) - before


def test_a_report_hides_a_comment_at_the_threshold(client: TestClient, db: Database, article: Article) -> None:
    one = comment(db, article, state="published")
    for n in range(5):
        ok(report(client, one, f"10.0.0.{n}"), 202)
    assert state_of(db, one) == "published"
    answer = report(client, one, "10.0.0.5")
    assert state_of(db, one) == "pending"
    (entry,) = stored(db, LOG, comment_id=one)
    assert (entry["actor_kind"], entry["action"], entry["state"]) == ("system", "hide", "pending")
    assert entry["reasons"] == [{"stage": "reports", "detail": "weight 3"}]
    assert ok(answer, 202) == {"received": True}
    assert report(client, one, "10.0.0.6").status_code == 404


def test_the_threshold_is_a_setting(settings: Settings, db: Database, client: TestClient, article: Article) -> None:
    one, two = comment(db, article, state="published"), comment(db, article, state="published")
    for threshold, found, state in ((1, one, "pending"), (0, two, "published")):
        changed = settings.model_copy(update={"report_threshold": threshold})
        with TestClient(create_app(changed, with_worker=False)) as own:
            for n in range(2):
                ok(report(own, found, f"10.0.0.{n}"), 202)
        assert state_of(db, found) == state


def test_a_reporter_counts_once(client: TestClient, db: Database, article: Article) -> None:
    one = comment(db, article, state="published")
    answers = [report(client, one, "10.0.0.1", reason=reason) for reason in ("abuse", "spam", "abuse")]
    assert {answer.text for answer in answers} == {'{"received":true}'}
    assert len(stored(db, REPORT, comment_id=one)) == 1
    assert weight_of(db, ANONYMOUS, one, "now", "before") == 5
    assert weight_of(db, ANONYMOUS, one, "later", "now") == 0  # the salt has changed, the reporter has not


def test_an_edited_text_may_be_reported_again(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article, state="published")
    ok(report(client, one), 202)
    decide(client, moderator, one, "approve")
    ok(report(client, one, reason="spam"), 202)
    assert [(row["reason"], row["state"]) for row in stored(db, REPORT)] == [("abuse", "dismissed")]
    with db.transaction() as session:
        session.execute(sa.update(C).values(edited_at=now() + timedelta(seconds=1), approved_text=False))
    for _ in range(2):
        ok(report(client, one, reason="spam"), 202)
    assert [(row["reason"], row["state"]) for row in stored(db, REPORT)] == [("spam", "open")]
    assert queued(client, moderator)[0]["reports"]["count"] == 1


def test_who_weighs_how_much(db: Database, article: Article) -> None:
    one = comment(db, article, state="published")
    proven, known = participant(db, confirmed_at=now()), participant(db)
    assert weight_of(db, ANONYMOUS, one, "a") == 5
    assert weight_of(db, guest(known), one, "b") == 10
    assert weight_of(db, guest(proven), one, "b") == 20  # proven: counts beside others behind its address
    assert weight_of(db, guest(proven), one, "c") == 0
    assert weight_of(db, guest(participant(db)), one, "a") == 0  # tokens cost nothing: one with the address


def test_readers_of_the_site_weigh_as_such_from_the_first_report(
    settings: Settings, db: Database, client: TestClient, article: Article
) -> None:
    """Behind one address as well: many sit in one office."""
    secret = "a secret that the site and this server share"
    knowing = settings.model_copy(update={"reader_secret": SecretStr(secret)})
    one, until = comment(db, article, state="published"), int(now().timestamp()) + 600
    with TestClient(create_app(knowing, with_worker=False)) as site:
        for name, verified in (("ann", True), ("bo", False)):
            claims = {"sub": name, "exp": until, "email": f"{name}@site.example", "email_verified": verified}
            told = site.post(
                f"/v1/comments/{one}/reports",
                json={"reason": "abuse"},
                headers=bearer(jwt.encode(claims, secret, "HS256")),
            )
            ok(told, 202)
    assert sorted(row["weight"] for row in stored(db, REPORT)) == [10, 20]
    assert state_of(db, one) == "pending"


def test_an_author_does_not_report_their_own(db: Database, article: Article) -> None:
    author = participant(db)
    one = comment(db, article, participant_id=author, state="published")
    assert weight_of(db, guest(author), one, "a") == weight_of(db, by_token(one), one, "a") == 0
    assert stored(db, REPORT) == []


def test_unfounded_reports_weigh_less_from_then_on(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    reporter = guest(participant(db, confirmed_at=now()))
    weights = []
    for verdict in ("dismiss", "dismiss", "uphold", "dismiss"):
        one = comment(db, article, state="published")
        weights.append(weight_of(db, reporter, one, "a"))
        (row,) = stored(db, REPORT, comment_id=one)
        ok(client.post(f"/v1/moderation/reports/{row['id']}/{verdict}", headers=moderator))
    assert weights == [20, 10, 6, 10]


def test_an_address_sends_so_many_an_hour(client: TestClient, db: Database, article: Article) -> None:
    for _ in range(MAX_REPORTS_PER_HOUR):
        ok(report(client, comment(db, article, state="published")), 202)
    refused = report(client, comment(db, article, state="published"))
    assert ok(refused, 429)["code"] == "rate_limited"
    assert refused.headers["retry-after"]
    ok(report(client, comment(db, article, state="published"), "10.0.0.2"), 202)


@pytest.mark.parametrize("state", ["pending", "rejected", "spam", "removed"])
def test_what_is_not_public_is_not_there(client: TestClient, db: Database, article: Article, state: str) -> None:
    missing, unseen = report(client, new_id()), report(client, comment(db, article, state=state))
    assert (
        (unseen.status_code, unseen.json()["code"])
        == (missing.status_code, missing.json()["code"])
        == (404, "not_found")
    )
    assert stored(db, REPORT) == []


def test_nor_is_what_stands_under_a_hidden_article(client: TestClient, db: Database, editor: Headers) -> None:
    article = published(client, editor, "Gone")
    one = comment(db, article, state="published")
    act(client, editor, article, "unpublish")
    assert report(client, one).status_code == 404


def test_reports_on_articles(client: TestClient, db: Database, editor: Headers, moderator: Headers) -> None:
    article = published(client, editor, "Disputed")
    body = {"reason": "copyright", "text": "Mine.", "email": "Me@site.example"}
    for ref in (article["id"], "disputed"):
        assert ok(client.post(f"/v1/articles/{ref}/reports", json=body), 202) == {"received": True}
    (row,) = ok(client.get("/v1/moderation/reports?target=article&state=open", headers=moderator))["data"]
    assert (row["target"], row["comment_id"], row["text"], row["email"]) == (
        "article",
        None,
        "Mine.",
        "me@site.example",
    )
    assert (row["article"]["slug"], row["reporter"], row["weight"]) == ("disputed", None, 0.5)
    assert ok(client.get("/v1/moderation/reports?target=comment", headers=moderator))["data"] == []
    assert ok(client.get("/v1/moderation/reports?reason=spam", headers=moderator))["data"] == []
    url = f"/v1/moderation/reports/{row['id']}"
    assert ok(client.post(f"{url}/uphold", headers=moderator))["state"] == "upheld"
    assert ok(client.post(f"{url}/uphold", headers=moderator))["state"] == "upheld"
    assert ok(client.post(f"{url}/dismiss", headers=moderator), 409)["code"] == "report_decided"
    for ref in (draft(client, editor, "Unseen")["id"], "unseen", "nowhere", new_id()):
        assert client.post(f"/v1/articles/{ref}/reports", json=body).status_code == 404


def test_a_decided_report_no_longer_counts(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article, state="published")
    for n in range(2):
        ok(report(client, one, f"10.0.0.{n}"), 202)
    first, second = stored(db, REPORT, comment_id=one)
    ok(client.post(f"/v1/moderation/reports/{first['id']}/dismiss", headers=moderator))
    (item,) = queued(client, moderator)
    assert (item["reports"]["count"], item["reports"]["weight"]) == (1, 0.5)
    ok(client.post(f"/v1/moderation/reports/{second['id']}/uphold", headers=moderator))
    assert queued(client, moderator) == []
    assert state_of(db, one) == "published"


def test_the_list_is_for_moderators_of_the_section(
    client: TestClient, db: Database, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    politics, sport = section(client, editor, "Politics"), section(client, editor, "Sport")
    one = comment(db, published(client, editor, "One", section=politics["id"]), state="published")
    ok(report(client, one), 202)
    (row,) = stored(db, REPORT)
    for where, count, status in ((politics, 1, 200), (sport, 0, 404)):
        key = make_key("comments:moderate", sections=[where["id"]])
        assert len(ok(client.get("/v1/moderation/reports", headers=key))["data"]) == count
        assert client.post(f"/v1/moderation/reports/{row['id']}/dismiss", headers=key).status_code == status
    assert client.get("/v1/moderation/reports").status_code == 401
    assert client.get("/v1/moderation/reports", headers=editor).status_code == 403


@pytest.mark.parametrize(
    "body", [{}, {"reason": "dull"}, {"reason": "spam", "text": "x" * 2001}, {"reason": "spam", "email": "nobody"}]
)
def test_what_does_not_fit_is_refused(client: TestClient, db: Database, article: Article, body: Any) -> None:
    one = comment(db, article, state="published")
    assert client.post(f"/v1/comments/{one}/reports", json=body).status_code == 422


def test_a_reporter_is_forgotten(client: TestClient, db: Database, article: Article) -> None:
    reporter, mine = participant(db, confirmed_at=now()), comment(db, article, state="published")
    one = comment(db, article, state="published")
    ok(report(client, one, "10.0.0.1", text="Secret words", email="Me@site.example"), 202)
    ok(report(client, mine, "10.0.0.2", text="They wrote: …", email="other@site.example"), 202)
    assert weight_of(db, guest(reporter), one, "a") == 20
    with db.connect() as connection:
        assert len(list_reports_by(connection, [reporter], "me@site.example")) == 2
    with db.transaction() as session:
        erase_person(session, [reporter], "ME@site.example", [mine])
    with db.connect() as connection:
        assert list_reports_by(connection, [reporter], "me@site.example") == []
    rows = stored(db, REPORT)
    assert [(row["text"], row["email"], row["participant_id"]) for row in rows] == [(None, None, None)] * 3
    assert [row["address_hash"] for row in rows if row["comment_id"] == one] == [None, None]
    assert stored(db, C, id=one)
