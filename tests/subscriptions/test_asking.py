"""Asking for a subscription: what can be asked for, and that the answer tells nothing of the address."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.subscriptions.opt_ins import REQUEST
from app.subscriptions.subscriptions import SUBSCRIPTION
from tests.mail.post import Mailbox, one_click, table, token_in, work
from tests.make import Headers, author, bearer, draft, guest, ok, published, said, section, series

pytestmark = pytest.mark.portable

ASK = "/v1/subscriptions"


def ask(client: TestClient, kind: str, headers: Headers | None = None, **more: Any) -> Any:
    body = {"email": "ann@mail.example", "kind": kind, **more}
    return client.post(ASK, json=body, headers=headers or {})


def test_every_kind_with_every_target_of_its_own(client: TestClient, db: Database, editor: Headers) -> None:
    news, ida = section(client, editor, "News"), author(client, editor, "Ida")
    saga = series(client, editor, "Saga")
    article = published(client, editor, "Discussed", section="news", tags=["rivers"])
    tag = ok(client.get("/v1/tags/rivers"))
    me = guest(client)
    top = said(client, article, "First.", me, author={"name": "Ann"})
    reply = said(client, article, "Second.", me, parent_id=top["id"])
    wishes: list[tuple[str, dict[str, Any] | None, str]] = [
        ("comments.all", {"type": "article", "slug": "discussed"}, f"article:{article['id']}"),
        ("article.updated", {"type": "article", "id": article["id"].upper()}, f"article:{article['id']}"),
        ("comments.thread", {"type": "comment", "id": reply["id"]}, f"comment:{top['id']}"),
        ("comments.replies_to_me", {"type": "comment", "id": reply["id"]}, f"comment:{reply['id']}"),
        ("articles.new", None, "site"),
        ("articles.new", {"type": "section", "slug": "news"}, f"section:{news['id']}"),
        ("articles.new", {"type": "author", "id": ida["id"]}, f"author:{ida['id']}"),
        ("articles.new", {"type": "series", "slug": "saga"}, f"series:{saga['id']}"),
        ("articles.new", {"type": "tag", "slug": "rivers"}, f"tag:{tag['id']}"),
    ]
    for (kind, target, _), frequency in zip(wishes, ["immediate", "daily", "weekly"] * 3, strict=True):
        more = {"target": target} if target else {}
        assert ok(ask(client, kind, me, frequency=frequency, **more), 202) == {"accepted": True}
    ok(ask(client, "comments.replies_to_me", me), 202)
    asked = table(db, REQUEST, "kind", "target")
    mine = [target for kind, target in asked if target.startswith("participant:")]
    assert len(mine) == 1
    assert sorted([(kind, stored) for kind, _, stored in wishes] + [("comments.replies_to_me", mine[0])]) == asked
    assert {row[0] for row in table(db, REQUEST, "frequency", "id")} == {"immediate", "daily", "weekly"}


def test_what_cannot_be_asked_for(client: TestClient, db: Database, editor: Headers, admin: Headers) -> None:
    hidden = draft(client, editor, "Not yet")
    article = published(client, editor, "Discussed")
    theirs = said(client, article, "Not yours.")
    site, there = {"type": "article", "slug": "discussed"}, {"type": "comment", "id": theirs["id"]}
    nowhere = "0199aaaa-0000-7000-8000-000000000000"
    refused: list[tuple[dict[str, Any], str, str]] = [
        ({"kind": "comments.some"}, "/kind", ""),
        ({"kind": "articles.new", "frequency": "hourly"}, "/frequency", ""),
        ({"kind": "articles.new", "email": "ann"}, "/email", ""),
        (
            {"kind": "articles.new", "email": f"ann@{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 20}.example"},
            "/email",
            "",
        ),
        ({"kind": "articles.new", "email": "ann@mail.example\r\nBcc: bo@mail.example"}, "/email", ""),
        ({"kind": "articles.new", "email": "ann\x00@mail.example"}, "/email", ""),
        ({"kind": "articles.new", "email": "=?utf-8?q?=0D=0ABcc=3A_bo?=@mail.example"}, "/email", ""),
        ({"kind": "articles.new", "email": None}, "/email", ""),
        ({"kind": "articles.new", "more": 1}, "/more", ""),
        ({"kind": "articles.new", "target": site}, "/target", "unknown_target"),
        ({"kind": "comments.all"}, "/target", "unknown_target"),
        ({"kind": "comments.thread"}, "/target", "unknown_target"),
        ({"kind": "article.updated"}, "/target", "unknown_target"),
        ({"kind": "comments.all", "target": there}, "/target", "unknown_target"),
        ({"kind": "comments.all", "target": {"type": "article", "slug": "not-yet"}}, "/target", "unknown_target"),
        ({"kind": "comments.all", "target": {"type": "article", "id": hidden["id"]}}, "/target", "unknown_target"),
        ({"kind": "comments.all", "target": {"type": "article", "slug": "nowhere"}}, "/target", "unknown_target"),
        ({"kind": "comments.thread", "target": {"type": "comment", "id": nowhere}}, "/target", "unknown_target"),
        ({"kind": "comments.replies_to_me", "target": there}, "/target", "unknown_target"),
        ({"kind": "articles.new", "target": {"type": "section", "slug": "none"}}, "/target", "unknown_target"),
        ({"kind": "articles.new", "target": {"type": "section"}}, "/target", ""),
        ({"kind": "articles.new", "target": {"type": "tag", "id": nowhere, "slug": "x"}}, "/target", ""),
        ({"kind": "articles.new", "target": {"type": "site"}}, "/target/type", ""),
        ({"kind": "articles.new", "confirm_url": "https://evil.example/confirm"}, "/confirm_url", "foreign_page"),
        ({"kind": "articles.new", "confirm_url": "https://site.example@evil.example/"}, "/confirm_url", ""),
        ({"kind": "articles.new", "confirm_url": "http://site.example/confirm"}, "/confirm_url", "foreign_page"),
        ({"kind": "articles.new", "confirm_url": "https://site.example:444/"}, "/confirm_url", "foreign_page"),
        ({"kind": "articles.new", "confirm_url": "javascript:alert(1)"}, "/confirm_url", ""),
    ]
    for body, pointer, code in refused:
        answer = client.post(ASK, json={"email": "ann@mail.example", **body})
        problem = ok(answer, 422)
        assert answer.headers["content-type"] == "application/problem+json", body
        assert [error["pointer"] for error in problem["errors"]] == [pointer], (body, problem)
        assert not code or problem["code"] == code
        assert "ann" not in answer.text, "what was sent is not repeated"
    assert ok(ask(client, "comments.replies_to_me"), 401)
    assert ok(ask(client, "comments.replies_to_me", admin), 403), "a key writes no comments that readers answer"
    assert ok(client.post(ASK, content=b"{", headers={"Content-Type": "application/json"}), 400)
    assert table(db, REQUEST, "id") == []


@pytest.mark.usefixtures("article")
def test_the_answer_is_always_the_same(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    admin: Headers,
    subscribed: Callable[..., dict[str, Any]],
    statements: list[str],
) -> None:
    subscribed("known@mail.example", "articles.new")
    subscribed("gone@mail.example", "articles.new")
    for mail in mailbox.to("gone@mail.example"):
        ok(one_click(client, mail))
    complaint = {"email": "angry@mail.example", "reason": "complaint"}
    ok(client.post("/v1/suppressions", json=complaint, headers=admin), 201)
    for _ in range(5):
        ok(client.post(ASK, json={"email": "much@mail.example", "kind": "articles.new"}), 202)
    work(client)
    found = []
    client.post(ASK, json={"email": "warm@mail.example", "kind": "articles.new"})
    for name in ("new", "known", "gone", "angry", "much", "Known"):
        del statements[:]
        answer = client.post(ASK, json={"email": f"{name}@mail.example", "kind": "articles.new"})
        headers = {key: value for key, value in answer.headers.items() if key not in ("date", "x-request-id")}
        headers.pop("broadsheet-position", None)
        found.append((answer.status_code, answer.content, headers, list(statements)))
    assert found == [found[0]] * 6
    assert found[0][:2] == (202, b'{"accepted":true}')


def test_what_is_asked_for_again_keeps_one_subscription(
    client: TestClient, db: Database, mailbox: Mailbox, article: dict[str, Any]
) -> None:
    target = {"type": "article", "id": article["id"]}
    for email, frequency in (("ann@mail.example", "daily"), ("ANN@Mail.Example", "weekly")):
        ok(
            client.post(ASK, json={"email": email, "kind": "comments.all", "target": target, "frequency": frequency}),
            202,
        )
        work(client)
    first, second = mailbox.to("ann@mail.example")
    assert table(db, SUBSCRIPTION, "frequency", "confirmed_at") == [("daily", None)]
    one = ok(client.post(f"{ASK}/confirm", json={"token": token_in(second)}))
    assert one["subscription"]["frequency"] == "weekly", "what is confirmed is what this mail asked"
    assert one["subscription"]["target"] == {**target, "slug": "discussed", "name": "Discussed"}
    other = ok(client.post(f"{ASK}/confirm", json={"token": token_in(first)}))
    assert (other["subscription"]["id"], other["subscription"]["frequency"]) == (one["subscription"]["id"], "daily")
    assert len(ok(client.get(ASK, headers=bearer(other["manage_token"])))["data"]) == 1
