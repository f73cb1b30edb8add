"""However much is asked for, few mails ask back: for one mailbox, from one network, of the whole site."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.settings import Settings
from app.db import Database
from app.subscriptions.opt_ins import MAX_MAILS_PER_NETWORK, OPT_IN, REQUEST
from app.subscriptions.subscriptions import SUBSCRIBER
from tests.effort import effort
from tests.mail.post import Mailbox, table, work
from tests.make import Headers, said

pytestmark = pytest.mark.portable

REQUESTS = effort("REQUESTS", 12, long=2000)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The same, of a site that sends few mails."""
    return settings.model_copy(update={"opt_in_limit": 30})


def from_(client: TestClient, host: str) -> TestClient:
    return TestClient(client.app, client=(host, 50000), raise_server_exceptions=False)


def ask(client: TestClient, email: str, **more: Any) -> None:
    answer = client.post("/v1/subscriptions", json={"email": email, "kind": "articles.new", **more})
    assert (answer.status_code, answer.content) == (202, b'{"accepted":true}')


def age(db: Database, **time: float) -> None:
    with db.transaction() as session:
        session.execute(sa.update(OPT_IN).values(created_at=now() - timedelta(**time)))


@pytest.mark.long
def test_three_mails_to_one_mailbox_in_six_hours(
    client: TestClient, db: Database, mailbox: Mailbox, article: dict[str, Any], editor: Headers
) -> None:
    kinds: list[dict[str, Any]] = [
        {"kind": "articles.new"},
        {"kind": "articles.new", "frequency": "daily"},
        {"kind": "comments.all", "target": {"type": "article", "id": article["id"]}},
        {"kind": "article.updated", "target": {"type": "article", "id": article["id"]}},
    ]
    written = ["ann@gmail.com", "a.n.n@gmail.com", "Ann+1@Gmail.com", "ann+two@googlemail.com"]
    for number in range(REQUESTS):
        ask(from_(client, f"10.0.{number // 250}.{number % 250}"), written[number % 4], **kinds[number % 4])
        if number % 500 == 499:
            work(client)
    said(client, article, "First.", author={"name": "Ann", "email": "ann@gmail.com"}, notify="replies")
    said(client, article, "Second.", author={"name": "Ann", "email": "a.nn@gmail.com"}, notify="all")
    work(client)
    assert len(mailbox.mails) == 3
    assert len(table(db, OPT_IN, "id")) == 3, "nothing is kept of what is beyond it"
    assert table(db, REQUEST, "id") == []
    assert len(table(db, SUBSCRIBER, "id")) <= 3
    age(db, hours=5, minutes=59)
    ask(client, "ann@gmail.com")
    work(client)
    assert len(mailbox.mails) == 3
    age(db, hours=6, seconds=1)
    ask(client, "ann@gmail.com")
    work(client)
    assert len(mailbox.mails) == 4


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_so_many_from_one_network_and_of_the_whole_site(client: TestClient, db: Database, mailbox: Mailbox) -> None:
    here = [from_(client, f"2001:db8:1:2::{n + 1}") for n in range(3)]
    for number in range(MAX_MAILS_PER_NETWORK + 4):
        ask(here[number % 3], f"reader{number}@mail.example")
    work(client)
    assert len(mailbox.mails) == MAX_MAILS_PER_NETWORK, "one IPv6 network is one"
    for number in range(15):
        ask(from_(client, f"10.1.1.{number + 1}"), f"other{number}@mail.example")
    work(client)
    assert len(mailbox.mails) == 30, "so many in an hour"
    age(db, hours=1, seconds=1)
    ask(here[0], "late@mail.example")
    ask(from_(client, "10.2.2.2"), "last@mail.example")
    work(client)
    assert Counter(str(mail["To"]) for mail in mailbox.mails[30:]) == {"last@mail.example": 1}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_request_that_cannot_be_looked_at_holds_up_no_other(
    client: TestClient, db: Database, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.mail.notifications.opt_ins.process_request", _choosy(client))
    ask(client, "poison@mail.example")
    ask(client, "ann@mail.example")
    work(client)
    assert [str(mail["To"]) for mail in mailbox.mails] == ["ann@mail.example"]
    assert table(db, REQUEST, "email") == ["poison@mail.example"], "it is looked at again later"
    with db.transaction() as session:
        old = {"created_at": now() - timedelta(hours=2), "due_at": now()}
        session.execute(sa.update(REQUEST).values(old))
    work(client)
    assert table(db, REQUEST, "email") == []


def _choosy(client: TestClient) -> Any:
    from app.subscriptions.opt_ins import process_request

    def choosy(session: Any, row: Any, most: int) -> Any:
        if row["email"].startswith("poison"):
            session.execute(sa.text("SELECT * FROM no_such_table"))
        return process_request(session, row, most)

    return choosy


def test_the_sites_limit_stops_strangers_before_subscribers(client: TestClient, db: Database, mailbox: Mailbox) -> None:
    for number in range(31):
        ask(from_(client, f"10.{number}.0.1"), f"reader{number}@mail.example")
    work(client)
    assert len(mailbox.mails) == 30
    with db.transaction() as session:
        session.execute(
            sa.update(SUBSCRIBER).where(SUBSCRIBER.c.email == "reader0@mail.example").values(confirmed_at=now())
        )
    ask(from_(client, "10.99.0.1"), "stranger@mail.example")
    ask(from_(client, "10.98.0.1"), "reader0@mail.example", frequency="daily")
    work(client)
    assert str(mailbox.mails[-1]["To"]) == "reader0@mail.example"
    assert len(mailbox.mails) == 31
