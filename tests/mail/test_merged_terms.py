"""What stands with a term that is merged goes over to the other one: notices, subscriptions and blocks of fronts."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.mail.post import Mailbox, work
from tests.make import Headers, author, notice, ok, published

pytestmark = pytest.mark.portable

Subscribed = Callable[..., dict[str, Any]]
ANN, BO = "ann@mail.example", "bo@mail.example"


def test_what_stands_with_a_merged_author_goes_over(
    client: TestClient, mailbox: Mailbox, editor: Headers, subscribed: Subscribed
) -> None:
    old, new = author(client, editor, "Ida Lnd"), author(client, editor, "Ida Lind")
    notice(client, editor, scope="author", target_id=old["id"], placement="before", text="On leave.")
    blocks = [{"kind": "newest", "author": old["id"]}, {"kind": "newest", "author": new["id"]}]
    fresh = {**editor, "If-None-Match": "*"}
    ok(client.put("/v1/fronts/home", json={"title": "Home", "blocks": blocks}, headers=fresh), 201)
    subscribed(ANN, "articles.new", author=old["id"])
    for one in (old, new):
        subscribed(BO, "articles.new", author=one["id"])
    earlier = published(client, editor, "Earlier", authors=[old["slug"]])
    work(client)
    sent = len(mailbox.mails)

    merge = client.post(
        f"/v1/authors/{old['slug']}/merge", json={"into": new["id"]}, headers={**editor, "If-Match": "*"}
    )
    assert ok(merge, 202)["state"] == "done"
    work(client)
    assert [row["text"] for row in ok(client.get(f"/v1/articles/{earlier['id']}"))["notices"]] == ["On leave."]
    definition = ok(client.get("/v1/fronts/home/definition", headers=editor))
    assert [block["author"] for block in definition["published"]["blocks"]] == [new["id"]] * 2
    front = ok(client.get("/v1/fronts/home"))
    assert [article["slug"] for article in front["blocks"][0]["articles"]] == ["earlier"]
    published(client, editor, "Later", authors=[new["slug"]])
    work(client)
    assert sorted(str(mail["To"]) for mail in mailbox.mails[sent:]) == [ANN, BO]
