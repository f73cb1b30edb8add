"""No mail has a private word, nor one of somebody who was erased; no string spoils a mail, a log line or a metric."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app.core.clock import now
from app.db import Database
from tests.contract.hostile import NAUGHTY
from tests.effort import IS_LONG
from tests.flows.test_private import CANARY, plant
from tests.mail.post import Mailbox, work, worker_alone
from tests.make import Headers, author, bearer, comment, ok, published, said, section, series
from tests.moderation.stock import decide

pytestmark = pytest.mark.portable

Subscribed = Callable[..., dict[str, Any]]
HEADERS = {
    *("Subject", "From", "To", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    *("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Auto-Submitted", "Reply-To", "Precedence"),
}


def read(mailbox: Mailbox) -> str:
    """Every header and every decoded part of all mails."""
    parts: list[str] = []
    for mail in mailbox.mails:
        parts += [f"{name}: {value}" for name, value in mail.items()]
        parts += [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    return "\n".join(parts)


def follow(subscribed: Subscribed, article: dict[str, Any]) -> None:
    """Subscribe to everything, at once and in digests."""
    for number, frequency in enumerate(("immediate", "daily")):
        subscribed(f"n{number}@mail.example", "articles.new", frequency)
        for kind in ("comments.all", "article.updated"):
            subscribed(f"{kind[:4]}{number}@mail.example", kind, frequency, article=article["id"])


def test_no_private_word_is_mailed(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    article: dict[str, Any],
    editor: Headers,
    make_key: Callable[..., Headers],
    subscribed: Subscribed,
) -> None:
    follow(subscribed, article)
    moderator = make_key("comments:moderate")
    section(client, editor, "Closed")
    author(client, editor, "Ann")
    series(client, editor, "Long")
    plant(client, editor, db)
    ok(client.post("/v1/moderation/phrases", json={"text": f"{CANARY}phrase"}, headers=moderator), 201)
    open_one = said(client, article, "In the open.", author={"name": "Bo", "email": f"{CANARY}@mail.example"})
    assert comment(client, article, f"{CANARY}phrase {CANARY}pending")["state"] == "pending"
    for verb in ("reject", "spam", "remove"):
        hidden = said(client, article, f"{CANARY}{verb}", parent_id=open_one["id"], author={"name": f"{CANARY}name"})
        decide(client, moderator, hidden["id"], verb, reason=f"{CANARY}reason")
    edited = said(client, article, f"{CANARY}edited", author={"name": "Cy"})
    ok(client.patch(f"/v1/comments/{edited['id']}", json={"text": "Better."}, headers=bearer(edited["edit_token"])))
    erased = said(client, article, f"{CANARY}erased", author={"name": f"{CANARY}erased"})
    removed = said(client, article, f"{CANARY}removed", author={"name": f"{CANARY}removed"})
    worker_alone(client)  # the mails are about to be sent
    decide(client, moderator, removed["id"], "remove", reason=f"{CANARY}reason")
    ok(client.delete("/v1/me/data", headers=bearer(erased["guest_token"])), 204)
    work(client)
    with time_machine.travel(now() + timedelta(hours=23)):  # an hour later two of the articles are out
        work(client)
    mails = read(mailbox)
    assert "In the open." in mails
    assert "Better." in mails
    assert [line for line in mails.splitlines() if CANARY in line.lower()] == []


def test_no_string_spoils_a_mail_a_log_line_or_a_metric(
    client: TestClient,
    mailbox: Mailbox,
    article: dict[str, Any],
    editor: Headers,
    subscribed: Subscribed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    follow(subscribed, article)
    strings = NAUGHTY if IS_LONG else random.sample(NAUGHTY, 12)
    for string in strings:
        fields = {"title": string, "dek": string, "body": {"markdown": string}}
        made = client.post("/v1/articles", content=json.dumps(fields), headers=editor)
        if made.status_code == 201:
            client.post(f"/v1/articles/{made.json()['id']}/publish", headers={**editor, "If-Match": "*"})
        said_so = {"text": string, "author": {"name": string}}
        client.post(f"/v1/articles/{article['id']}/comments", content=json.dumps(said_so))
        encoded = string.encode("utf-8", "surrogatepass")[:2000]
        client.get("/v1/articles", params={"q": encoded, string.encode("ascii", "replace")[:2000].decode(): "1"})
        client.get("/v1/whoami", headers={b"X-Request-ID": encoded[:200], b"Authorization": b"Bearer " + encoded[:200]})
    published(client, editor, "The last one")
    capsys.readouterr()
    work(client)
    with time_machine.travel(now() + timedelta(hours=23)):
        work(client)
    metrics = client.get("/metrics").text
    assert len(list(text_string_to_metric_families(metrics))) > 10
    for line in capsys.readouterr().err.splitlines():
        assert json.loads(line)["event"]
    assert any("The last one" in str(mail["Subject"]) for mail in mailbox.mails)
    for mail in mailbox.mails:
        assert set(mail.keys()) <= HEADERS
        assert all(len(mail.get_all(name, [])) == 1 for name in mail.keys())  # noqa: SIM118  has each name once
        assert not any(set(str(value)) & set("\r\n\0") for value in mail.values())
        assert [part.defects for part in mail.walk() if part.defects] == []
