"""One click ends what a mail came from (RFC 8058); to look at a link changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.deliveries.lanes import DELIVERY
from app.subscriptions.subscriptions import SUBSCRIBER, SUBSCRIPTION
from app.subscriptions.suppressions import SUPPRESSION
from tests.mail.post import LINK, Mailbox, everything, links, one_click, table, text_of, work, worker_alone
from tests.make import Headers, act, bearer, ok, published, said, section, version

pytestmark = pytest.mark.portable

ANN = "ann@mail.example"
Subscribed = Callable[..., dict[str, Any]]


def all_mail(mail: Any) -> str:
    """The path of the link that ends everything."""
    (link,) = {link for link in LINK.findall(text_of(mail)) if "/unsubscribe/" in link} - {header(mail)}
    return str(link).partition("api.example")[2]


def header(mail: Any) -> str:
    return str(mail["List-Unsubscribe"]).strip("<>")


def click(client: TestClient, path: str) -> Any:
    return client.post(path, data={"List-Unsubscribe": "One-Click"})


def test_no_get_of_any_link_in_any_mail_changes_anything(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, article: dict[str, Any], subscribed: Subscribed
) -> None:
    subscribed(ANN, "articles.new")
    subscribed(ANN, "article.updated", article=article["id"])
    subscribed(ANN, "comments.all", article=article["id"])
    mine = said(client, article, "Mine.", author={"name": "Bo", "email": "bo@mail.example"}, notify="replies")
    correction = {"kind": "correction", "text": "See https://evil.example/?a=1&b=2"}
    ok(
        client.post(
            f"/v1/articles/{article['id']}/corrections", json=correction, headers=version(client, editor, article)
        ),
        200,
    )
    published(client, editor, "More news")
    said(client, article, "A reply: https://spam.example/x", parent_id=mine["id"])
    work(client)
    kinds = {str(mail["List-Id"]).partition(".")[0].strip("<") for mail in mailbox.mails}
    assert kinds == {"subscriptions", "articles", "article", "comments"}
    before, ours = everything(db), 0
    for mail in mailbox.mails:
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        for link in links(mail):
            path = link.partition(".example")[2] or "/"
            for accept in ("*/*", "text/html"):
                client.head(path, headers={"Accept": accept})
                answer = client.get(path, headers={"Accept": accept}, follow_redirects=False)
                if link.startswith("https://api.example"):
                    ours += 1
                    assert answer.status_code == 200
                    assert answer.headers["cache-control"] == "private, no-store"
                    assert answer.headers["content-type"].startswith("text/html") == (accept == "text/html")
    assert ours >= 2 * len(mailbox.mails)
    assert everything(db) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_click_needs_its_form_and_nothing_else(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, subscribed: Subscribed
) -> None:
    subscribed(ANN, "articles.new")
    published(client, editor, "News")
    work(client)
    link = header(mailbox.mails[-1]).partition("api.example")[2]
    before = everything(db)
    bad = [{}, {"List-Unsubscribe": "Two-Clicks"}, {"list-unsubscribe": "One-Click"}]
    for form in bad:
        assert ok(client.post(link, data=form), 422)["status"] == 422
    assert client.post(link, json={"List-Unsubscribe": "One-Click"}).status_code == 415
    for token in (
        link[:-1],
        link[:-1] + "g",
        link + "0",
        link[:40],
        "/v1/unsubscribe/" + "é" * 9,
        "/v1/unsubscribe/" + "b" * 401,
    ):
        for answer in (click(client, token), client.get(token)):
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert client.put(link).status_code == 405
    assert everything(db) == before
    page = client.get(link, headers={"Accept": "text/html"})
    assert '<form method="post"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert [row["kind"] for row in ok(client.get(link))["subscriptions"]] == ["articles.new"]
    multipart = client.post(link, files={"List-Unsubscribe": (None, "One-Click")}, headers={"Cookie": "a=b"})
    assert ok(multipart) == {"unsubscribed": True}
    assert "set-cookie" not in multipart.headers
    assert table(db, SUBSCRIPTION, "id") == []
    assert ok(click(client, link)) == {"unsubscribed": True}, "twice is no error"
    assert ok(client.get(link)) == {"everything": False, "subscriptions": []}
    assert "You will get no more of these mails" in client.get(link, headers={"Accept": "text/html"}).text


def test_what_waits_already_is_not_sent(
    client: TestClient, db: Database, mailbox: Mailbox, article: dict[str, Any], subscribed: Subscribed
) -> None:
    subscribed(ANN, "comments.all", article=article["id"])
    subscribed("bo@mail.example", "comments.all", article=article["id"])
    said(client, article, "First.")
    work(client)
    said(client, article, "Second.")
    worker_alone(client)
    assert [row for row in table(db, DELIVERY, "state") if row == "waiting"] == ["waiting"] * 2
    ok(one_click(client, mailbox.to(ANN)[-1]))
    work(client)
    said(client, article, "Third.")
    work(client)
    assert (len(mailbox.to(ANN)), len(mailbox.to("bo@mail.example"))) == (2, 4)


def test_who_leaves_a_discussion_leaves_all_of_it_and_nothing_else(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, article: dict[str, Any], subscribed: Subscribed
) -> None:
    other = published(client, editor, "Another")
    top = said(client, article, "Top.")
    subscribed(ANN, "comments.all", article=other["id"])
    subscribed(ANN, "article.updated", article=article["id"])
    first = subscribed(ANN, "comments.thread", comment=top["id"])
    said(client, article, "In the thread.", parent_id=top["id"])
    work(client)
    (thread, old) = mailbox.to(ANN)[-2:]
    here = f"/v1/subscriptions/{first['subscription']['id']}"
    ok(client.delete(here, headers=bearer(first["manage_token"])), 204)
    ok(
        client.post(
            "/v1/subscriptions",
            json={"email": ANN, "kind": "comments.all", "target": {"type": "article", "id": article["id"]}},
        ),
        202,
    )
    assert len(mailbox.to(ANN)) == 4, "three asked, one told"
    with db.transaction() as session:
        from app.subscriptions.opt_ins import OPT_IN

        session.execute(OPT_IN.delete())
    subscribed(ANN, "comments.all", article=article["id"])
    assert [row["kind"] for row in ok(client.get(header(old).partition("api.example")[2]))["subscriptions"]] == [
        "comments.all"
    ]
    ok(one_click(client, old))
    left = {(kind, target) for kind, target in table(db, SUBSCRIPTION, "kind", "target")}
    assert left == {("comments.all", f"article:{other['id']}"), ("article.updated", f"article:{article['id']}")}
    assert thread["Subject"]


def test_an_old_mail_ends_what_was_asked_for_again(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, subscribed: Subscribed
) -> None:
    news = section(client, editor, "News")
    subscribed(ANN, "articles.new", section=news["id"])
    published(client, editor, "First", section="news")
    work(client)
    old = mailbox.mails[-1]
    ok(one_click(client, old))
    assert table(db, SUBSCRIBER, "id") == []
    subscribed(ANN, "articles.new", section=news["id"])
    subscribed(ANN, "articles.new")
    ok(one_click(client, old))
    assert table(db, SUBSCRIPTION, "target") == ["site"]
    ok(click(client, all_mail(old)))
    assert (table(db, SUBSCRIPTION, "id"), table(db, SUPPRESSION, "reason")) == ([], ["unsubscribe"])


def test_never_again_holds_for_who_was_forgotten(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, subscribed: Subscribed
) -> None:
    subscribed(ANN, "articles.new")
    published(client, editor, "First")
    work(client)
    mail = mailbox.mails[-1]
    ok(one_click(client, mail))
    path = all_mail(mail)
    assert ok(client.get(path)) == {"everything": True, "subscriptions": []}
    assert "You will get no more mail from us" in client.get(path, headers={"Accept": "text/html"}).text
    done = client.post(path, data={"List-Unsubscribe": "One-Click"}, headers={"Accept": "text/html"})
    assert "You will get no more of these mails" in done.text
    ok(client.post("/v1/subscriptions", json={"email": ANN, "kind": "articles.new"}), 202)
    work(client)
    assert len(mailbox.mails) == 2
    assert table(db, SUBSCRIBER, "id") == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_many_at_once_are_ended_with_all_of_their_kind(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, reader: Callable[..., Headers]
) -> None:
    who = reader(ANN, email_verified=True)
    tags = ["one", "two", "three", "four", "five"]
    published(client, editor, "Before", tags=tags)
    wishes: list[dict[str, Any]] = [{"kind": "articles.new", "target": {"type": "tag", "slug": slug}} for slug in tags]
    wishes.append({"kind": "comments.all", "target": {"type": "article", "slug": "before"}})
    for wish in wishes:
        ok(client.post("/v1/subscriptions", json={"email": ANN, **wish}, headers=who), 202)
    work(client)
    published(client, editor, "Four tags", tags=tags[:4])
    published(client, editor, "Five tags", tags=tags)
    work(client)
    five, four = sorted(mailbox.mails, key=lambda mail: str(mail["Subject"]))  # both are due at once
    assert ("Four tags" in four["Subject"], "Five tags" in five["Subject"]) == (True, True)
    assert max(len(header(mail)) for mail in (four, five)) < 400
    assert len(ok(client.get(header(four).partition("api.example")[2]))["subscriptions"]) == 4
    assert len(ok(client.get(header(five).partition("api.example")[2]))["subscriptions"]) == 5
    ok(one_click(client, four))
    assert len(table(db, SUBSCRIPTION, "id")) == 2
    ok(one_click(client, five))
    assert table(db, SUBSCRIPTION, "kind") == ["comments.all"]
    assert act(client, editor, ok(client.get("/v1/articles/before")), "unpublish")
