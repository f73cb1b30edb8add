"""What a mail server says no to: for good, for now, and what that means for an address."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.clock import now
from app.db import Database
from app.deliveries.lanes import DELIVERY, LANE
from app.subscriptions.subscriptions import SUBSCRIBER
from app.subscriptions.suppressions import SUPPRESSION
from tests.mail.post import Mailbox, everything, table, work
from tests.make import Headers, ok, published

pytestmark = pytest.mark.portable

ANN, BO = "ann@mail.example", "bo@mail.example"


def due_again(db: Database) -> None:
    """Let the next attempts and turns be now."""
    with db.transaction() as session:
        for found in (DELIVERY, LANE):
            session.execute(
                sa.update(found).where(found.c.due_at.is_not(None)).values(due_at=now() - timedelta(seconds=1))
            )
        session.execute(sa.update(LANE).values(resumes_at=None))


def test_refusals(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    editor: Headers,
    admin: Headers,
    subscribed: Callable[..., dict[str, Any]],
) -> None:
    for email in (ANN, BO, "cy@mail.example", "dee@mail.example"):
        subscribed(email, "articles.new")
    mailbox.refuse = {
        ANN: f"550 5.1.1 <{ANN}> is no mailbox",
        BO: "450 4.2.1 come back later",
        "cy@mail.example": "554 5.7.1 not from you",
    }
    published(client, editor, "First")
    published(client, editor, "Second")
    work(client)
    assert [str(mail["To"]) for mail in mailbox.mails[4:]] == ["dee@mail.example"] * 2
    assert table(db, SUPPRESSION, "reason") == ["bounce"]
    assert table(db, SUBSCRIBER, "email") == [BO, "cy@mail.example", "dee@mail.example"]
    states = [row for row in table(db, DELIVERY, "state", "status") if row[0] != "delivered"]
    assert states.count(("dead", 554)) == 2, "a policy is not the mailbox's fault"
    assert states.count(("waiting", 450)) == 2
    assert ("dead", 550) in states
    assert "is no mailbox" in everything(db)
    assert everything(db).count(ANN) == 0, "addresses are not kept"
    ok(client.post("/v1/subscriptions", json={"email": ANN, "kind": "articles.new"}), 202)
    mailbox.refuse = {}
    due_again(db)
    work(client)
    assert [str(mail["To"]) for mail in mailbox.mails[6:]] == [BO] * 2, "and nothing to the mailbox that is none"


def test_a_server_that_refuses_us_for_now_or_our_sender_loses_nothing(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, subscribed: Callable[..., dict[str, Any]]
) -> None:
    subscribed(ANN, "articles.new")
    published(client, editor, "News")
    mailbox.content = "451 4.3.0 try again"
    work(client)
    mailbox.content = "250 taken"
    mailbox.sender = "550 5.7.1 who are you"
    due_again(db)
    work(client)
    waits = [row for row in table(db, DELIVERY, "state", "status", "attempts") if row[0] != "delivered"]
    assert waits == [("waiting", 550, 2)], "an operator can put that right"
    mailbox.sender = "250 ok"
    due_again(db)
    work(client)
    assert str(mailbox.mails[-1]["Subject"]) == "News"
    assert set(table(db, DELIVERY, "state")) == {"delivered"}
