"""Confirming: the token of a mail takes effect once, for as long as it says, and for nobody who made it up."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.clock import now
from app.db import Database
from app.subscriptions.opt_ins import OPT_IN, prune_opt_ins
from app.subscriptions.subscriptions import SUBSCRIBER, SUBSCRIPTION
from tests.mail.post import Mailbox, everything, links, one_click, table, text_of, token_in, work
from tests.make import Headers, bearer, ok

pytestmark = pytest.mark.portable

CONFIRM = "/v1/subscriptions/confirm"


def asked(client: TestClient, mailbox: Mailbox, email: str = "ann@mail.example", **more: Any) -> str:
    """The token in the mail that a request leads to."""
    ok(client.post("/v1/subscriptions", json={"email": email, "kind": "articles.new", **more}), 202)
    work(client)
    return token_in(mailbox.to(email)[-1])


def refused(client: TestClient, token: str) -> None:
    answer = client.post(CONFIRM, json={"token": token})
    assert ok(answer, 422)["code"] == "token_invalid"
    assert len(token) < 9 or token not in answer.text


def test_a_token_takes_effect_once(client: TestClient, db: Database, mailbox: Mailbox) -> None:
    token = asked(client, mailbox, confirm_url="https://site.example/here?a=1#top")
    assert f"https://site.example/here?a=1&token={token}#top" in links(mailbox.mails[0])
    first = ok(client.post(CONFIRM, json={"token": token}))
    assert first["subscription"]["target"] == {"type": "site", "id": None, "slug": None, "name": None}
    who, here = bearer(first["manage_token"]), f"/v1/subscriptions/{first['subscription']['id']}"
    ok(client.patch(here, json={"frequency": "weekly"}, headers=who))
    before = everything(db)
    again = ok(client.post(CONFIRM, json={"token": token}))
    assert again["subscription"]["frequency"] == "weekly", "what was changed since stays"
    assert again["manage_token"] == first["manage_token"]
    assert everything(db) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_retry_gets_the_same_answer(client: TestClient, mailbox: Mailbox) -> None:
    token = asked(client, mailbox)
    key = {"Idempotency-Key": "once"}
    first, second = (client.post(CONFIRM, json={"token": token}, headers=key) for _ in range(2))
    assert ok(first) == ok(second)
    assert second.headers["cache-control"] == "private, no-store"


def test_a_token_ends_with_what_it_gave(
    client: TestClient, mailbox: Mailbox, admin: Headers, subscribed: Callable[..., dict[str, Any]]
) -> None:
    token = asked(client, mailbox)
    who = bearer(ok(client.post(CONFIRM, json={"token": token}))["manage_token"])
    fresh = ok(client.post("/v1/subscriptions/rotate", headers=who))["manage_token"]
    refused(client, token)
    assert client.get("/v1/subscriptions", headers=who).status_code == 401
    (left,) = ok(client.get("/v1/subscriptions", headers=bearer(fresh)))["data"]
    late = asked(client, mailbox)
    ok(client.delete(f"/v1/subscriptions/{left['id']}", headers=bearer(fresh)), 204)
    refused(client, late)
    last = asked(client, mailbox, "bo@mail.example")
    complaint = {"email": "bo@mail.example", "reason": "complaint"}
    ok(client.post("/v1/suppressions", json=complaint, headers=admin), 201)
    refused(client, last)


def test_it_expires_and_what_waited_is_forgotten(client: TestClient, db: Database, mailbox: Mailbox) -> None:
    token = asked(client, mailbox)
    almost = now() - timedelta(days=2, hours=23)
    with db.transaction() as session:
        session.execute(sa.update(OPT_IN).values(created_at=almost))
        session.execute(sa.update(SUBSCRIPTION).values(created_at=almost))
        assert prune_opt_ins(session) == 0
    late = now() - timedelta(days=3, seconds=1)
    with db.transaction() as session:
        session.execute(sa.update(OPT_IN).values(created_at=late))
    refused(client, token)
    with db.transaction() as session:
        session.execute(sa.update(SUBSCRIPTION).values(created_at=late))
        assert prune_opt_ins(session) == 2
    assert (table(db, SUBSCRIBER, "id"), table(db, OPT_IN, "id")) == ([], []), "nobody needs the address any more"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_forged_tokens(client: TestClient, db: Database, mailbox: Mailbox) -> None:
    token = asked(client, mailbox)
    stop = links(mailbox.mails[0])
    unsubscribe = next(link.rpartition("/")[2] for link in stop if "/unsubscribe/" in link)
    before = everything(db)
    flipped = [token[:at] + ("0" if token[at] != "0" else "1") + token[at + 1 :] for at in range(3, len(token), 9)]
    other = "bc_" + unsubscribe.removeprefix("bu_")
    for bad in (*flipped, token[:-1], token + "0", token.upper(), "bc_", "x", other, unsubscribe, "bc_" + "é" * 64):
        refused(client, bad)
    for body in ({}, {"token": ""}, {"token": None}, {"token": "b" * 201}, {"token": token, "more": 1}, []):
        answer = client.post(CONFIRM, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert everything(db) == before
    assert ok(client.post(CONFIRM, json={"token": token}))["subscription"]["confirmed_at"]


def test_asked_again_after_having_left(
    client: TestClient, mailbox: Mailbox, subscribed: Callable[..., dict[str, Any]]
) -> None:
    first = subscribed("ann@mail.example", "articles.new", frequency="weekly")
    (mail,) = mailbox.mails
    ok(client.delete(f"/v1/subscriptions/{first['subscription']['id']}", headers=bearer(first["manage_token"])), 204)
    refused(client, token_in(mail))
    second = subscribed("ann@mail.example", "articles.new")
    assert second["subscription"]["frequency"] == "immediate"
    assert client.get("/v1/subscriptions", headers=bearer(first["manage_token"])).status_code == 401
    (held,) = ok(client.get("/v1/subscriptions", headers=bearer(second["manage_token"])))["data"]
    assert held == second["subscription"]
    ok(one_click(client, mail))
    subscribed_again = client.post("/v1/subscriptions", json={"email": "ann@mail.example", "kind": "articles.new"})
    ok(subscribed_again, 202)
    work(client)
    assert len(mailbox.mails) == 2, "whoever wants no mail at all is not asked"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_mail_for_somebody_who_has_it_already(
    client: TestClient, mailbox: Mailbox, subscribed: Callable[..., dict[str, Any]]
) -> None:
    first = subscribed("ann@mail.example", "articles.new")
    token = asked(client, mailbox)
    assert "requested it again" in text_of(mailbox.mails[-1])
    second = ok(client.post(CONFIRM, json={"token": token}))
    assert second["subscription"]["confirmed_at"] == first["subscription"]["confirmed_at"]
    assert second["manage_token"] == first["manage_token"]
