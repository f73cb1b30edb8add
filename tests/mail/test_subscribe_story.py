"""The reference page's “Subscribe / Notify of / guest”: asked for, confirmed, told of a reply once, and let go."""

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.db import Database
from app.deliveries.lanes import DELIVERY
from tests.mail.post import Mailbox, everything, links, one_click, text_of, token_in, work, worker_alone
from tests.make import Headers, bearer, ok, published, said

pytestmark = pytest.mark.portable

ANN = "ann@mail.example"


def test_notify_me_of_replies(
    client: TestClient, db: Database, editor: Headers, admin: Headers, mailbox: Mailbox
) -> None:
    article = published(client, editor, "Discussed")
    rules = {"moderation": "pre"}
    ok(client.put(f"/v1/articles/{article['id']}/discussion", json=rules, headers={**admin, "If-Match": "*"}))
    mine = said(client, article, "Who agrees?", author={"name": "Ann", "email": ANN}, notify="replies")
    work(client)
    assert mailbox.mails == [], "nothing is sent before the comment is public"
    ok(client.post(f"/v1/comments/{mine['id']}/approve", json={}, headers=admin))
    work(client)
    (asked,) = mailbox.to(ANN)
    assert "confirm" in asked["Subject"]

    reply = said(client, article, "I do.", parent_id=mine["id"])
    ok(client.post(f"/v1/comments/{reply['id']}/approve", json={}, headers=admin))
    work(client)
    assert len(mailbox.mails) == 1, "nothing more before it is confirmed"
    confirmed = ok(client.post("/v1/subscriptions/confirm", json={"token": token_in(asked)}))
    assert confirmed["subscription"]["kind"] == "comments.replies_to_me"
    work(client)
    assert len(mailbox.mails) == 1, "what came before is not told afterwards"

    second = said(client, article, "So do I.", parent_id=mine["id"])
    work(client)
    assert len(mailbox.mails) == 1, "a reply that waits is not told of"
    ok(client.post(f"/v1/comments/{second['id']}/approve", json={}, headers=admin))
    work(client)
    work(client)
    (_, told) = mailbox.to(ANN)
    assert told["Subject"] == "Ann replied to you: Discussed"
    assert "So do I." in text_of(told)
    assert f"https://site.example/discussed#comment-{second['id']}" in links(told)
    assert told["Auto-Submitted"] == "auto-generated"
    assert told["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    before = everything(db)
    for mail in mailbox.mails:
        for link in links(mail):
            path = link.partition("example")[2] or "/no-page-of-the-site"
            for accept in ("*/*", "text/html"):
                answer = client.get(path, headers={"Accept": accept}, follow_redirects=False)
                is_ours = link.startswith("https://api.example")
                assert answer.status_code == (200 if is_ours else 404), link
    assert everything(db) == before, "looking at links changes nothing"

    queued = said(client, article, "Me too.", parent_id=mine["id"])
    ok(client.post(f"/v1/comments/{queued['id']}/approve", json={}, headers=admin))
    worker_alone(client)
    with db.connect() as connection:
        waits = connection.execute(sa.select(DELIVERY.c.event).where(DELIVERY.c.state == "waiting")).scalars().all()
    assert waits == [f"comment.published:{queued['id']}"]
    assert ok(one_click(client, told)) == {"unsubscribed": True}
    last = said(client, article, "And me.", parent_id=mine["id"])
    ok(client.post(f"/v1/comments/{last['id']}/approve", json={}, headers=admin))
    work(client)
    assert len(mailbox.mails) == 2, "not even what was queued already"
    with db.connect() as connection:
        states = {row.event: row.state for row in connection.execute(sa.select(DELIVERY.c.event, DELIVERY.c.state))}
    assert states[f"comment.published:{queued['id']}"] == "cancelled"
    assert client.get("/v1/subscriptions", headers=bearer(confirmed["manage_token"])).status_code == 401
    assert ok(one_click(client, told)) == {"unsubscribed": True}, "twice is no error"
