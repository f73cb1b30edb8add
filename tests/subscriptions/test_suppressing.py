"""Addresses that get nothing: who may say so, for which reasons, and who may lift it."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.subscriptions.subscriptions import SUBSCRIPTION
from tests.mail.post import Mailbox, everything, table, work, worker_alone
from tests.make import Headers, guest, ok, published, section

pytestmark = pytest.mark.portable

ALL = "/v1/suppressions"
Subscribed = Callable[..., dict[str, Any]]


def test_a_complaint_ends_everything_for_good(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    editor: Headers,
    make_key: Callable[..., Headers],
    subscribed: Subscribed,
) -> None:
    manager = make_key("subscribers:manage")
    subscribed("ann@mail.example", "articles.new")
    published(client, editor, "News")
    worker_alone(client)
    made = ok(client.post(ALL, json={"email": "Ann@Mail.example"}, headers=manager), 201)
    assert (made["reason"], set(made)) == ("complaint", {"id", "reason", "created_at", "created_by"})
    work(client)
    assert (len(mailbox.mails), table(db, SUBSCRIPTION, "id")) == (1, []), "not even what waited"
    again = ok(client.post(ALL, json={"email": "ann@mail.example", "reason": "unsubscribe"}, headers=manager), 201)
    assert (again["id"], again["reason"]) == (made["id"], "complaint"), "the graver reason stays"
    ok(client.post(ALL, json={"email": "bo@mail.example", "reason": "bounce"}, headers=manager), 201)
    listed = ok(client.get(f"{ALL}?count=exact", headers=manager))
    assert ([row["reason"] for row in listed["data"]], listed["page"]["total"]) == (["bounce", "complaint"], 2)
    assert len(ok(client.get(f"{ALL}?reason=bounce", headers=manager))["data"]) == 1
    (found,) = ok(client.get(f"{ALL}?email=ANN@mail.example", headers=manager))["data"]
    assert found == again
    assert ok(client.get(f"{ALL}?email=cy@mail.example", headers=manager))["data"] == []
    ok(client.delete(f"{ALL}/{made['id']}", headers=manager), 204)
    ok(client.delete(f"{ALL}/{made['id']}", headers=manager), 404)
    assert table(db, SUBSCRIPTION, "id") == [], "what they had does not come back"
    subscribed("ann@mail.example", "articles.new")
    stored = everything(db)
    assert "bo@mail.example" not in stored, "kept as a hash alone"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_may_and_what_is_refused(
    client: TestClient, db: Database, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    news = section(client, editor, "News")
    some = make_key("subscribers:manage", sections=[news["id"]])
    nobody = "0199aaaa-0000-7000-8000-000000000000"
    before = everything(db)
    for who, status in (
        ({}, 401),
        (guest(client), 403),
        (make_key("comments:moderate"), 403),
        (editor, 403),
        (some, 403),
    ):
        for answer in (
            client.get(ALL, headers=who),
            client.post(ALL, json={"email": "ann@mail.example"}, headers=who),
            client.delete(f"{ALL}/{nobody}", headers=who),
            client.get("/v1/subscribers", headers=who),
            client.get(f"/v1/subscribers/{nobody}", headers=who),
            client.delete(f"/v1/subscribers/{nobody}", headers=who),
        ):
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    manager = make_key("subscribers:manage")
    for body in ({}, {"email": "ann"}, {"email": "a@b.example", "reason": "dislike"}, {"email": "a@b.example", "x": 1}):
        assert client.post(ALL, json=body, headers=manager).status_code == 422
    for query in ("reason=dislike", "email=ann", "limit=0", "cursor=x", "what=1"):
        answer = client.get(f"{ALL}?{query}", headers=manager)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), query
    assert everything(db).count("suppression:") == before.count("suppression:") == 0
