"""Who hears of what: once each, never before it is public, never its author, never of what is public no more."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.clock import now
from app.db import Database
from app.deliveries.lanes import DELIVERY
from app.events.catalog import ArticlePublished
from app.events.log import emit
from app.mail.notifications import FANOUT
from tests.mail.post import Mailbox, table, text_of, token_in, work, worker_alone
from tests.make import Headers, act, author, comment, draft, ok, patched, published, said, section, version

pytestmark = pytest.mark.portable

Subscribed = Callable[..., dict[str, Any]]
ANN, BO = "ann@mail.example", "bo@mail.example"


def told(mailbox: Mailbox, start: int = 0) -> list[tuple[str, str]]:
    """To whom, and about what, mails went that ask nothing."""
    mails = [mail for mail in mailbox.mails if not str(mail["Subject"]).startswith("Please confirm")]
    return sorted((str(mail["To"]).partition("@")[0], str(mail["Subject"])) for mail in mails[start:])


def test_new_articles_once_for_each_reader(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, subscribed: Subscribed
) -> None:
    news, ida = section(client, editor, "News"), author(client, editor, "Ida")
    for name, target in (("section", news["id"]), ("author", ida["id"])):
        subscribed(ANN, "articles.new", **{name: target})
    subscribed(ANN, "articles.new", frequency="daily")
    subscribed(BO, "articles.new", frequency="weekly", section=news["id"])
    subscribed("cy@mail.example", "articles.new")
    article = draft(client, editor, "Rivers", section="news", authors=["ida"])
    work(client)
    assert told(mailbox) == [], "nothing of a draft"
    article = act(client, editor, article, "publish")
    published(client, editor, "Elsewhere")
    published(client, editor, "Long ago", published_at="2020-01-01T00:00:00Z")
    work(client)
    assert told(mailbox) == [("ann", "Rivers"), ("cy", "Elsewhere"), ("cy", "Rivers")]
    assert len({str(mail["Message-ID"]) for mail in mailbox.mails}) == len(mailbox.mails)
    patched(client, editor, article, title="Great rivers")
    act(client, editor, article, "unpublish")
    act(client, editor, article, "publish")
    work(client)
    assert len(told(mailbox)) == 3, "what comes back is no news"
    with db.transaction() as session:  # nor is what is in the log twice
        emit(session, ArticlePublished(subject_id=article["id"], slug=article["slug"], revision=2, within=[]))
    work(client)
    assert len(told(mailbox)) == 3


def test_mail_comes_from_the_name_that_editors_gave(
    client: TestClient, mailbox: Mailbox, editor: Headers, subscribed: Subscribed
) -> None:
    subscribed(ANN, "articles.new")
    ok(client.put("/v1/site", json={"name": "The Herald"}, headers={**editor, "If-Match": "*"}))
    published(client, editor, "Rivers")
    work(client)
    mail = mailbox.mails[-1]
    assert (mail["From"].addresses[0].display_name, "The Herald" in text_of(mail)) == ("The Herald", True)
    link = re.search(r"https://api.example(/v1/unsubscribe/[^\s>]+)", text_of(mail))
    assert link is not None
    assert "The Herald" in client.get(link[1], headers={"Accept": "text/html"}).text


def test_what_comes_back_is_no_news_to_those_who_came_since(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, subscribed: Subscribed
) -> None:
    article = published(client, editor, "Unnoticed")
    work(client)
    subscribed(ANN, "articles.new")
    act(client, editor, article, "unpublish")
    act(client, editor, article, "publish")
    work(client)
    assert (told(mailbox), table(db, FANOUT, "what")) == ([], [])


def test_comments_reach_those_they_concern_and_never_who_wrote_them(
    client: TestClient,
    mailbox: Mailbox,
    article: dict[str, Any],
    reader: Callable[..., Headers],
    subscribed: Subscribed,
) -> None:
    ann = reader(ANN, email_verified=True)
    top = comment(client, article, "Top.", headers=ann, notify="replies")
    bo = said(client, article, "Bo answers.", author={"name": "Bo", "email": BO}, parent_id=top["id"], notify="all")
    ok(
        client.post(
            "/v1/subscriptions",
            json={"email": ANN, "kind": "comments.all", "target": {"type": "article", "id": article["id"]}},
            headers=ann,
        ),
        202,
    )
    work(client)
    ok(client.post("/v1/subscriptions/confirm", json={"token": token_in(mailbox.to(BO)[0])}))
    assert told(mailbox) == [("ann", "Bo replied to you: Discussed")]
    subscribed("cy@mail.example", "comments.thread", comment=top["id"])
    comment(client, article, "Ann, again.", headers=ann, parent_id=bo["id"])
    work(client)
    assert told(mailbox)[1:] == [("bo", "Reader commented: Discussed"), ("cy", "Reader commented: Discussed")]
    said(client, article, "Bo, on another machine.", author={"name": "Bo", "email": BO})
    work(client)
    assert told(mailbox)[0] == ("ann", "Bo commented: Discussed"), "and not Bo, not Cy, who follows the thread alone"
    assert len(told(mailbox)) == 4


def test_nothing_of_what_is_public_no_more_when_it_is_sent(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    editor: Headers,
    admin: Headers,
    article: dict[str, Any],
    subscribed: Subscribed,
) -> None:
    subscribed(ANN, "comments.all", article=article["id"])
    subscribed(ANN, "articles.new")
    subscribed(ANN, "article.updated", article=article["id"])
    removed = said(client, article, "Soon removed.")
    gone = published(client, editor, "Soon retracted")
    later = published(client, editor, "Soon unpublished")
    correction = {"kind": "correction", "text": "It was Tuesday."}
    ok(
        client.post(
            f"/v1/articles/{article['id']}/corrections", json=correction, headers=version(client, editor, article)
        )
    )
    worker_alone(client)
    assert table(db, DELIVERY, "state").count("waiting") == 4
    ok(client.post(f"/v1/comments/{removed['id']}/remove", json={"reason": "No."}, headers=admin))
    act(client, editor, gone, "retract", {"reason": "It was wrong."})
    act(client, editor, later, "unpublish")
    act(client, editor, article, "unpublish")
    work(client)
    assert told(mailbox) == []
    assert table(db, DELIVERY, "state").count("cancelled") == 4
    act(client, editor, article, "publish")
    hidden = said(client, article, "Hidden with its discussion.")
    worker_alone(client)
    ok(
        client.put(
            f"/v1/articles/{article['id']}/discussion", json={"state": "hidden"}, headers={**admin, "If-Match": "*"}
        )
    )
    work(client)
    assert (told(mailbox), hidden["state"]) == ([], "published")


def test_removed_before_anybody_was_told_and_restored(
    client: TestClient, db: Database, mailbox: Mailbox, admin: Headers, article: dict[str, Any], subscribed: Subscribed
) -> None:
    subscribed(ANN, "comments.all", article=article["id"])
    one = said(client, article, "Hasty.")
    ok(client.post(f"/v1/comments/{one['id']}/remove", json={"reason": "No."}, headers=admin))
    work(client)
    assert (told(mailbox), table(db, FANOUT, "what")) == ([], [])
    ok(client.post(f"/v1/comments/{one['id']}/restore", json={"reason": "Yes."}, headers=admin))
    work(client)
    assert told(mailbox) == [("ann", "Ann commented: Discussed")]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_corrections_each_once(
    client: TestClient, mailbox: Mailbox, editor: Headers, article: dict[str, Any], subscribed: Subscribed
) -> None:
    subscribed(ANN, "article.updated", article=article["id"])
    patched(client, editor, article, dek="New.")
    work(client)
    assert told(mailbox) == [], "an edit is no correction"
    for text in ("Tuesday.", "Wednesday."):
        body = {"kind": "correction", "text": text}
        ok(
            client.post(
                f"/v1/articles/{article['id']}/corrections", json=body, headers=version(client, editor, article)
            )
        )
    work(client)
    work(client)
    texts = [text_of(mail) for mail in mailbox.to(ANN)[1:]]
    assert sorted("Tuesday." in text for text in texts) == [False, True], "each once; mails are sent side by side"
    assert len({str(mail["References"]) for mail in mailbox.to(ANN)[1:]}) == 1, "they stand in one thread"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_withdrawn_correction_is_told_to_nobody(
    client: TestClient, mailbox: Mailbox, editor: Headers, article: dict[str, Any], subscribed: Subscribed
) -> None:
    subscribed(ANN, "article.updated", article=article["id"])
    for text in ("Tuesday.", "Wednesday."):
        act(client, editor, article, "corrections", {"kind": "correction", "text": text})
    url = f"/v1/articles/{article['id']}/corrections/1"
    assert client.delete(url, headers={**editor, "If-Match": "*"}).is_success
    work(client)
    (mail,) = mailbox.to(ANN)[1:]
    assert "Wednesday." in text_of(mail)
    assert "Tuesday." not in text_of(mail)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_subscribes_later_is_not_told_of_before(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, article: dict[str, Any], subscribed: Subscribed
) -> None:
    said(client, article, "Before.")
    published(client, editor, "Before")
    subscribed(ANN, "comments.all", article=article["id"])
    subscribed(ANN, "articles.new")
    work(client)
    assert told(mailbox) == []


@pytest.mark.usefixtures("subscribed")
def test_many_are_told_in_steps_each_once(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    editor: Headers,
    monkeypatch: pytest.MonkeyPatch,
    reader: Callable[..., Headers],
) -> None:
    monkeypatch.setattr("app.mail.notifications.BATCH_SIZE", 3)
    section(client, editor, "News")
    for number in range(8):
        who = reader(f"reader{number}@mail.example", email_verified=True)
        for target in (None, {"type": "section", "slug": "news"})[: 1 + number % 2]:
            body = {"email": f"reader{number}@mail.example", "kind": "articles.new", "target": target}
            ok(client.post("/v1/subscriptions", json=body, headers=who), 202)
    work(client)
    published(client, editor, "News", section="news")
    work(client)
    assert sorted(str(mail["To"]) for mail in mailbox.mails) == [f"reader{n}@mail.example" for n in range(8)]


def test_a_fact_that_cannot_be_told_holds_up_no_other(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, subscribed: Subscribed
) -> None:
    subscribed(ANN, "articles.new")
    published(client, editor, "News")
    early = now() - timedelta(hours=1)
    row = {"what": "article.published", "content": {}, "at": now(), "xid": 0, "seq": 0, "due_at": early}
    with db.transaction() as session:
        session.execute(sa.insert(FANOUT).values(event="poison", created_at=early, **row))
    work(client)
    assert told(mailbox) == [("ann", "News")]
    assert [event for event, due in table(db, FANOUT, "event", "due_at") if due] == ["poison"], "it is tried again"
