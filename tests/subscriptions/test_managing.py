"""Managing one's own subscriptions by the token that confirming gave."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.subscriptions.subscriptions import SUBSCRIBER, SUBSCRIPTION
from tests.mail.post import Mailbox, everything, table, work, worker_alone
from tests.make import Headers, bearer, guest, ok, published, said

pytestmark = pytest.mark.portable

MINE = "/v1/subscriptions"
Subscribed = Callable[..., dict[str, Any]]


def test_one_lists_changes_and_ends_ones_own(
    client: TestClient, db: Database, article: dict[str, Any], subscribed: Subscribed
) -> None:
    first = subscribed("ann@mail.example", "comments.all", article=article["id"])
    second = subscribed("ann@mail.example", "articles.new", frequency="weekly")
    theirs = subscribed("bo@mail.example", "articles.new")
    who = bearer(second["manage_token"])
    answer = client.get(MINE, headers=who)
    assert [row["kind"] for row in ok(answer)["data"]] == ["comments.all", "articles.new"]
    assert ok(answer)["page"] == {"next": None, "prev": None, "limit": 1000, "total": 2}
    assert answer.headers["cache-control"] == "private, no-store"
    assert ok(client.get(f"{MINE}?fields=kind", headers=who))["data"] == [
        {"kind": "comments.all"},
        {"kind": "articles.new"},
    ]
    here = f"{MINE}/{first['subscription']['id']}"
    assert ok(client.patch(here, json={"frequency": "daily"}, headers=who))["frequency"] == "daily"
    assert ok(client.patch(here, json={}, headers=who))["frequency"] == "daily"
    for body in ({"frequency": "hourly"}, {"frequency": None}, {"kind": "articles.new"}, []):
        assert ok(client.patch(here, json=body, headers=who), 422)["status"] == 422
    before = everything(db)
    for other in (theirs["subscription"]["id"], "0199aaaa-0000-7000-8000-000000000000", "x"):
        missing = client.patch(f"{MINE}/{other}", json={"frequency": "daily"}, headers=who)
        assert (missing.status_code, client.delete(f"{MINE}/{other}", headers=who).status_code) == (404, 404)
    assert everything(db) == before
    ok(client.delete(here, headers=who), 204)
    ok(client.delete(here, headers=who), 404)
    ok(client.delete(f"{MINE}/{second['subscription']['id']}", headers=who), 204)
    assert client.get(MINE, headers=who).status_code == 401, "with the last subscription the address is forgotten"
    assert table(db, SUBSCRIBER, "email") == ["bo@mail.example"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_may_not(client: TestClient, article: dict[str, Any], admin: Headers, subscribed: Subscribed) -> None:
    token = subscribed("ann@mail.example", "articles.new")["manage_token"]
    edit = said(client, article, "Mine.")["edit_token"]
    flipped = token[:-1] + ("0" if token[-1] != "0" else "1")
    older = token[:35] + "00000000" + token[43:]
    for who, status in (
        ({}, 401),
        (bearer(flipped), 401),
        (bearer(older), 401),
        (guest(client), 403),
        (admin, 403),
        (bearer(edit), 403),
    ):
        for answer in (
            client.get(MINE, headers=who),
            client.post(f"{MINE}/rotate", headers=who),
            client.delete(f"{MINE}/0199aaaa-0000-7000-8000-000000000000", headers=who),
        ):
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    url = f"/v1/articles/{article['id']}/comments"
    posted = client.post(url, json={"text": "As Ann.", "author": {"name": "Ann"}}, headers=bearer(token))
    assert posted.status_code == 403, "it is for subscriptions alone"


def test_a_new_token_ends_the_ones_before(client: TestClient, subscribed: Subscribed) -> None:
    who = bearer(subscribed("ann@mail.example", "articles.new")["manage_token"])
    key = {**who, "Idempotency-Key": "turn"}
    fresh = ok(client.post(f"{MINE}/rotate", headers=key))["manage_token"]
    assert client.get(MINE, headers=who).status_code == 401
    newest = ok(client.post(f"{MINE}/rotate", headers=bearer(fresh)))["manage_token"]
    assert client.get(MINE, headers=bearer(fresh)).status_code == 401
    assert len(ok(client.get(MINE, headers=bearer(newest)))["data"]) == 1


def test_erasing_ends_everything_even_what_waits(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, article: dict[str, Any], subscribed: Subscribed
) -> None:
    who = bearer(subscribed("ann@mail.example", "articles.new")["manage_token"])
    subscribed("ann@mail.example", "comments.all", article=article["id"], frequency="daily")
    subscribed("bo@mail.example", "articles.new")
    told = ok(client.get("/v1/me/data", headers=who))
    assert (told["email"], len(told["subscriptions"]), len(told["mails"])) == ("ann@mail.example", 2, 2)
    published(client, editor, "News")
    said(client, article, "A comment.")
    worker_alone(client)
    ok(
        client.post(
            MINE,
            json={
                "email": "ann@mail.example",
                "kind": "article.updated",
                "target": {"type": "article", "id": article["id"]},
            },
        ),
        202,
    )
    ok(client.delete("/v1/me/data", headers=who), 204)
    sent = len(mailbox.mails)
    work(client)
    assert [str(mail["To"]) for mail in mailbox.mails[sent:]] == ["bo@mail.example"]
    assert (table(db, SUBSCRIBER, "email"), len(table(db, SUBSCRIPTION, "id"))) == (["bo@mail.example"], 1)
    assert client.get(MINE, headers=who).status_code == 401
    assert "ann@mail.example" not in everything(db)
