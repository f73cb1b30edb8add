"""What a mail is made of: its parts, its headers, and that nothing a reader writes gets out of its place."""

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
import sqlalchemy as sa
from lxml import html
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.deliveries.lanes import DELIVERY, LANE
from app.deliveries.outbox import resend_deliveries
from app.identity.secrets import Vault
from app.mail.letters import MailChannel, MailWriter
from app.mail.schemas import OPT_IN_LANE, Letter
from tests.mail.post import Mailbox, table, text_of, work, worker_alone
from tests.make import Headers, ok, published, said

pytestmark = pytest.mark.portable

Subscribed = Callable[..., dict[str, Any]]
ANN = "ann@mail.example"
HEADERS = {
    *("from", "to", "subject", "date", "message-id", "in-reply-to", "references", "list-id", "list-unsubscribe"),
    *("list-unsubscribe-post", "auto-submitted", "mime-version", "content-type"),
}
HOSTILE = [
    "Re: x\r\nBcc: victim@mail.example\r\n\r\nBody",
    "a\x00b\x1b[31m\x85c\u2028d",
    "\u202egnp.exe\u2066\u200fright to left",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"><a href='javascript:alert(1)'>{{ 7*7 }}{% raw %}",
    "👩‍👩‍👧‍👦 می‌خواهم Größenwahn " * 40,
    "x" * 5000,
    "=?utf-8?q?=0D=0ABcc:_victim@mail.example?=",
    "Ærlig " * 900,
]


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> MailWriter:
    vault = Vault()
    vault._secrets = {"site": "0" * 64}
    settings = Settings(_env_file=None, site_url="https://site.example", site_name="The Exämple")
    return MailWriter(settings, vault)


def letter(title: str, name: str = "Ann", text: str = "Text.") -> Letter:
    article = {"id": "1", "title": title, "summary": title, "url": "https://site.example/a"}
    comment = {"id": "2", "name": name, "text": text, "excerpt": text, "url": "https://site.example/a#comment-2"}
    values = {"article": article, "comment": comment, "is_reply": True}
    thread = ("article.published:1", "comment.published:0")
    return Letter(ANN, "0199", "comment", values, "comments.1", thread=thread)


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_gets_out_of_its_place(writer: MailWriter, hostile: str) -> None:
    mail = writer.write("comment.published:2", letter(hostile, hostile, hostile), "The Exämple")
    raw = mail.as_bytes(policy=mail.policy)
    head = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].decode().lower() for line in head.split(b"\r\n") if not line[:1].isspace()]
    assert sorted(names) == sorted(HEADERS), "each once and no other"
    assert all(byte < 128 for byte in raw)
    assert all(len(line) <= 998 for line in raw.split(b"\r\n")), "RFC 5321 §4.5.3.1.6"
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^?]+\?[bq]\?[^?]*\?=", head)), "RFC 2047 §2"
    body = raw.partition(b"\r\n\r\n")[2]
    assert all(len(line) <= 76 for line in body.split(b"\r\n") if not line.startswith(b"--")), "RFC 2045 §6.7"
    read = message_from_bytes(raw, policy=policy.default)
    assert isinstance(read, EmailMessage)
    assert (str(read["To"]), read["Bcc"]) == (ANN, None)
    subject = str(read["Subject"])
    assert subject == writer._subject("comment", {**letter(hostile, hostile).values})
    assert len(subject) <= 200
    assert not re.search("[\r\n\x00\u2028\u202a-\u202e\u2066-\u2069]", subject)
    page = html.fromstring(text_of(read, "html"))
    assert not page.xpath("//script | //img | //@onerror | //iframe | //form")
    assert {link.partition(":")[0] for link in page.xpath("//@href")} == {"https"}
    assert "{{ 7*7 }}" not in hostile or "{{ 7*7 }}" in text_of(read), "no template is made of it"


def test_letters_and_emoji_stay_whole(writer: MailWriter) -> None:
    mail = writer.write("x", letter("👩‍👩‍👧‍👦 می‌خواهم soft\u00adhyphen \u202egnp"), "The Exämple")
    read = message_from_bytes(mail.as_bytes(policy=mail.policy), policy=policy.default)
    assert str(read["Subject"]) == "Ann replied to you: 👩‍👩‍👧‍👦 می‌خواهم softhyphen gnp"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_headers_and_threads(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, article: dict[str, Any], subscribed: Subscribed
) -> None:
    subscribed(ANN, "comments.all", article=article["id"])
    subscribed("bo@mail.example", "comments.all", article=article["id"])
    top = said(client, article, "Top.")
    said(client, article, "Reply.", parent_id=top["id"])
    work(client)
    asked, *comments = mailbox.to(ANN)
    first, second = sorted(comments, key=lambda mail: len(str(mail["References"])))  # they are sent side by side
    assert [part.get_content_type() for part in first.iter_parts()] == ["text/plain", "text/html"]
    assert first.get_content_type() == "multipart/alternative"
    assert str(first["From"]) == "The Example <noreply@site.example>"
    assert str(first["List-Id"]) == f"<comments.{article['id']}.site.example>"
    assert str(first["List-Unsubscribe"]).startswith("<https://api.example/v1/unsubscribe/bu_")
    assert asked["References"] is None
    root = str(first["References"])
    assert str(second["References"]).split() == [root, str(first["Message-ID"])]
    assert str(second["In-Reply-To"]) == str(first["Message-ID"])
    assert str(mailbox.to("bo@mail.example")[1]["Message-ID"]) != str(first["Message-ID"])
    with db.transaction() as session:
        (row,) = session.execute(
            sa.select(DELIVERY.c.endpoint, DELIVERY.c.id)
            .where(DELIVERY.c.event == f"comment.published:{top['id']}")
            .order_by(DELIVERY.c.endpoint)
            .limit(1)
        ).all()
        assert resend_deliveries(session, channel="mail", endpoint=row.endpoint, ids=[row.id]) == 1
    work(client)
    again = mailbox.mails[-1]
    ids = [str(mail["Message-ID"]) for mail in mailbox.mails]
    assert ids.count(str(again["Message-ID"])) == 2, "the same mail again can be told from a new one"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_has_just_asked_waits_behind_nobody(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, subscribed: Subscribed
) -> None:
    for number in range(3):
        subscribed(f"reader{number}@mail.example", "articles.new")
    for number in range(8):
        published(client, editor, f"News {number}")
    worker_alone(client)
    ok(client.post("/v1/subscriptions", json={"email": ANN, "kind": "articles.new"}), 202)
    worker_alone(client)
    assert table(db, LANE, "name") == ["smtp", OPT_IN_LANE]
    client.portal.call(client.app.state.services.courier.run_once)  # type: ignore[union-attr,attr-defined]
    client.portal.call(client.app.state.services.courier.wait_until_idle)  # type: ignore[union-attr,attr-defined]
    assert len(mailbox.to(ANN)) == 1
    assert len(mailbox.mails) < 3 + 24


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_replica_that_lags_loses_no_mail(
    client: TestClient, settings: Settings, lagging: Database, mailbox: Mailbox
) -> None:
    ok(client.post("/v1/subscriptions", json={"email": ANN, "kind": "articles.new"}), 202)
    worker_alone(client)
    services = client.app.state.services  # type: ignore[attr-defined]
    channel = MailChannel(settings, services.vault)

    async def send() -> Any:
        from app.deliveries.claims import claim_deliveries

        (piece,) = await lagging.write(claim_deliveries, {"mail": 60.0}, 5)
        outcome = await channel.send(lagging, piece)
        await channel.stop()
        await lagging.stop()
        return outcome

    assert client.portal is not None
    assert client.portal.call(send).result == "delivered"
    assert len(mailbox.to(ANN)) == 1
