"""Who has shown that an address is theirs is not asked again; everybody else is."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.subscriptions.schemas import address_hash
from app.subscriptions.subscriptions import SUBSCRIPTION
from app.subscriptions.suppressions import SUPPRESSION, suppress_address
from tests import make
from tests.mail.post import Mailbox, table, token_in, work
from tests.make import Headers, bearer, comment, ok, said

pytestmark = pytest.mark.portable

ANN = "ann@mail.example"
Reader = Callable[..., Headers]


def ask(client: TestClient, who: Headers, email: str = ANN, kind: str = "articles.new") -> None:
    ok(client.post("/v1/subscriptions", json={"email": email, "kind": kind}, headers=who), 202)


def test_only_a_verified_address_of_ones_own_needs_no_mail(
    client: TestClient, db: Database, mailbox: Mailbox, reader: Reader
) -> None:
    ask(client, reader(ANN, email_verified=True), email="ANN@mail.example")
    work(client)
    assert (mailbox.mails, len(table(db, SUBSCRIPTION, "confirmed_at"))) == ([], 1)
    assert None not in table(db, SUBSCRIPTION, "confirmed_at")
    (mine,) = ok(client.get("/v1/subscriptions", headers=reader(ANN, email_verified=True)))["data"]
    assert mine["kind"] == "articles.new"
    for who, email in (
        (reader("bo@mail.example"), "bo@mail.example"),
        (reader("cy@mail.example", email_verified=False), "cy@mail.example"),
        (reader(ANN, email_verified=True), "dee@mail.example"),
    ):
        ask(client, who, email)
        work(client)
        assert [str(mail["To"]) for mail in mailbox.mails][-1:] == [email]
    assert len(mailbox.mails) == 3
    assert client.get("/v1/subscriptions", headers=reader("bo@mail.example")).status_code == 403
    assert ok(client.get("/v1/subscriptions", headers=reader("new@mail.example", email_verified=True)))["data"] == []


def test_a_manage_token_proves_its_own_address(
    client: TestClient, mailbox: Mailbox, subscribed: Callable[..., dict[str, Any]]
) -> None:
    who = bearer(subscribed(ANN, "articles.new")["manage_token"])
    ask(client, who, kind="articles.new")
    ask(client, who, email="bo@mail.example")
    work(client)
    assert [str(mail["To"]) for mail in mailbox.mails] == [ANN, "bo@mail.example"]
    fresh = ok(client.post("/v1/subscriptions/rotate", headers=who))["manage_token"]
    ask(client, who)
    work(client)
    assert len(mailbox.mails) == 3, "an ended token proves nothing"
    ask(client, bearer(fresh))
    work(client)
    assert len(mailbox.mails) == 3


def test_a_guest_whose_address_was_proven_with_a_comment(
    client: TestClient, db: Database, mailbox: Mailbox, article: dict[str, Any]
) -> None:
    mine = said(client, article, "Mine.", author={"name": "Ann", "email": ANN}, notify="replies")
    who = bearer(mine["guest_token"])
    ask(client, who)
    work(client)
    assert len(mailbox.mails) == 2, "a typed address is asked back, for each wish"
    (token,) = [token_in(mail) for mail in mailbox.mails if "replies" in str(mail["Subject"])]
    ok(client.post("/v1/subscriptions/confirm", json={"token": token}))
    ask(client, who, kind="comments.replies_to_me")
    second = said(client, article, "Again.", who, notify="all")
    work(client)
    assert len(mailbox.mails) == 2, "now it is proven"
    held = [kind for kind, at in table(db, SUBSCRIPTION, "kind", "confirmed_at") if at]
    assert held == ["comments.all", "comments.replies_to_me", "comments.replies_to_me"]
    stranger = said(client, article, "I am Ann, too.", author={"name": "Ann", "email": ANN}, notify="all")
    ask(client, bearer(stranger["guest_token"]))
    work(client)
    assert len(mailbox.mails) == 3, "who merely types it is nobody; the third mail is the last in six hours"
    assert second["state"] == "published"


def test_who_asks_signed_in_is_welcome_back_and_no_sooner(
    client: TestClient, db: Database, mailbox: Mailbox, reader: Reader
) -> None:
    who = reader(ANN, email_verified=True)
    with db.transaction() as session:
        suppress_address(session, address_hash(ANN), "unsubscribe")
    ask(client, {})
    work(client)
    assert (mailbox.mails, table(db, SUBSCRIPTION, "id")) == ([], [])
    assert table(db, SUPPRESSION, "reason") == ["unsubscribe"]
    ask(client, who)
    work(client)
    assert (mailbox.mails, table(db, SUPPRESSION, "id"), len(table(db, SUBSCRIPTION, "id"))) == ([], [], 1)
    for reason in ("bounce", "complaint"):
        with db.transaction() as session:
            suppress_address(session, address_hash(ANN), reason)
        ask(client, who)
        work(client)
        assert table(db, SUBSCRIPTION, "id") == [], "that is not theirs to lift"


def test_what_a_comment_asks_for(
    client: TestClient, db: Database, mailbox: Mailbox, reader: Reader, article: Any
) -> None:
    ann = reader(ANN, email_verified=True)
    mine = comment(client, article, "Mine.", headers=ann, notify="replies")
    comment(client, article, "No address.", notify="all")
    bo = reader("bo@mail.example")
    comment(client, article, "Not verified.", headers=bo, notify="all")
    work(client)
    assert [str(mail["To"]) for mail in mailbox.mails] == ["bo@mail.example"]
    held = [row for row in table(db, SUBSCRIPTION, "kind", "target", "confirmed_at") if row[2]]
    assert [row[:2] for row in held] == [("comments.replies_to_me", f"comment:{mine['id']}")]

    def edit(**fields: Any) -> list[Any]:
        ok(client.patch(f"/v1/comments/{mine['id']}", json=fields, headers=ann))
        work(client)
        return [row[0] for row in table(db, SUBSCRIPTION, "kind", "confirmed_at") if row[1]]

    assert edit(notify="all") == ["comments.all"], "one wish takes the other's place"
    (one,) = ok(client.get("/v1/subscriptions", headers=ann))["data"]
    ok(client.delete(f"/v1/subscriptions/{one['id']}", headers=ann), 204)
    assert edit(text="Mine, edited.") == [], "an edit brings nothing back"
    assert edit(notify="replies") == ["comments.replies_to_me"]
    assert edit(notify="none") == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_subscriber_has_so_many_subscriptions(
    client: TestClient, db: Database, article: Any, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.subscriptions.subscriptions.MAX_SUBSCRIPTIONS", 2)
    who, here = reader(ANN, email_verified=True), {"type": "article", "id": article["id"]}
    for kind, target in (("articles.new", None), ("comments.all", here), ("article.updated", here)):
        ok(client.post("/v1/subscriptions", json={"email": ANN, "kind": kind, "target": target}, headers=who), 202)
    ask(client, who)
    work(client)
    assert sorted(table(db, SUBSCRIPTION, "kind")) == ["articles.new", "comments.all"]


def test_whose_address_is_proven_need_not_type_it_and_finds_it_at_once(
    client: TestClient, reader: Reader, subscribed: Callable[..., Any]
) -> None:
    manage = bearer(subscribed("bo@mail.example", "articles.new")["manage_token"])
    for who in (reader(ANN, email_verified=True), manage):
        answer = client.post("/v1/subscriptions", json={"kind": "articles.new", "frequency": "daily"}, headers=who)
        assert answer.status_code == 202
        position = answer.headers["broadsheet-position"]
        found = ok(client.get(f"/v1/subscriptions?min_position={position}", headers=who))["data"]
        assert [(row["kind"], row["frequency"]) for row in found] == [("articles.new", "daily")]
        assert found[0]["confirmed_at"] is not None


def test_a_token_that_proves_no_address_needs_one(client: TestClient, reader: Reader) -> None:
    for who in ({}, make.guest(client), reader("bo@mail.example")):
        answer = client.post("/v1/subscriptions", json={"kind": "articles.new"}, headers=who)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/email")
