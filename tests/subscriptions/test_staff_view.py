"""What staff see of subscribers, and what forgetting one does."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.mail.post import Mailbox, work
from tests.make import Headers, ok, published

pytestmark = pytest.mark.portable

ALL = "/v1/subscribers"


def emails(client: TestClient, who: Headers, query: str = "") -> list[str]:
    return [row["email"] for row in ok(client.get(f"{ALL}?{query}", headers=who))["data"]]


def test_subscribers(
    client: TestClient,
    mailbox: Mailbox,
    editor: Headers,
    make_key: Callable[..., Headers],
    article: dict[str, Any],
    subscribed: Callable[..., dict[str, Any]],
) -> None:
    manager = make_key("subscribers:manage")
    subscribed("ann@mail.example", "articles.new")
    subscribed("ann@mail.example", "comments.all", article=article["id"], frequency="weekly")
    subscribed("bo@mail.example", "articles.new")
    ok(client.post("/v1/subscriptions", json={"email": "cy@mail.example", "kind": "articles.new"}), 202)
    work(client)
    ann, bo, cy = (f"{name}@mail.example" for name in ("ann", "bo", "cy"))
    assert emails(client, manager) == [cy, bo, ann], "newest first"
    first = ok(client.get(f"{ALL}?limit=2&count=exact", headers=manager))
    assert (len(first["data"]), first["page"]["total"]) == (2, 3)
    assert emails(client, manager, f"limit=2&cursor={first['page']['next']}") == [ann]
    for query, found in {
        "state=pending": [cy],
        "state=confirmed": [bo, ann],
        "kind=comments.all": [ann],
        "kind=articles.new": [bo, ann],
        "target=site": [bo, ann],
        f"target=article:{article['id']}": [ann],
        "email=ANN@mail.example": [ann],
        "email=dee@mail.example": [],
    }.items():
        assert emails(client, manager, query) == found, query
    for query in ("state=x", "kind=x", "target=article:x", f"target=article:{'a' * 36}", "email=x", "sort=email"):
        assert client.get(f"{ALL}?{query}", headers=manager).status_code == 400, query
    shown = ok(client.get(f"{ALL}?email={ann}", headers=manager))["data"][0]
    one = ok(client.get(f"{ALL}/{shown['id']}", headers=manager))
    assert (shown["subscriptions"], [row["kind"] for row in one["all"]]) == (2, ["articles.new", "comments.all"])
    ok(client.delete(f"{ALL}/{shown['id']}", headers=manager), 204)
    ok(client.get(f"{ALL}/{shown['id']}", headers=manager), 404)
    ok(client.delete(f"{ALL}/{shown['id']}", headers=manager), 404)
    sent = len(mailbox.mails)
    published(client, editor, "News")
    work(client)
    assert [str(mail["To"]) for mail in mailbox.mails[sent:]] == [bo]
    subscribed(ann, "articles.new")
