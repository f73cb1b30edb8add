"""Whoever holds many network addresses of one range sends few mails from all of them."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from app.subscriptions.opt_ins import MAX_MAILS_BY_ORIGIN
from tests.mail.post import Mailbox, work
from tests.make import ok, said

pytestmark = pytest.mark.portable


def from_(client: TestClient, host: str) -> TestClient:
    return TestClient(client.app, client=(host, 50000), raise_server_exceptions=False)


def ask(client: TestClient, email: str) -> None:
    ok(client.post("/v1/subscriptions", json={"email": email, "kind": "articles.new"}), 202)


@pytest.mark.parametrize(
    "hosts",
    [
        [f"2001:db8:7:{number:x}::1" for number in range(16)],  # one /48
        [f"192.0.2.{number}" for number in range(16)],  # one /24
    ],
)
def test_few_mails_from_one_range_of_networks(
    client: TestClient,
    mailbox: Mailbox,
    article: dict[str, Any],
    hosts: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MAX_MAILS_BY_ORIGIN, "near_range", 12)
    for number, host in enumerate(hosts):
        if number % 2:
            author = {"name": "Ann", "email": f"reader{number}@mail.example"}
            said(from_(client, host), article, f"Number {number}.", author=author, notify="replies")
        else:
            ask(from_(client, host), f"reader{number}@mail.example")
        if number % 5 == 4:
            work(client)
    work(client)
    assert len(mailbox.mails) == 12
