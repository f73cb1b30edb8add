"""What the tests of this room say again and again."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.events.log import advance_consumers
from app.related.linking import rebuild_stale_lists
from app.wiring import CONSUMERS
from tests import make

Headers = dict[str, str]
FERRY = "The ferry crosses the harbour at dawn with the bakery's bread, and the harbour master counts the passengers."
PORT = "Passengers of the harbour ferry wait for the bakery to open, while the harbour master closes the gates at noon."
COURT = "Judges of the supreme court heard the appeal of the minister over pensions, and the ruling comes in autumn."
LAWS = "The minister lost the appeal: the supreme court left pensions as they were in a ruling judges call narrow."


@pytest.fixture
def work(db: Database) -> Callable[[], None]:
    """Do what the worker does with the log and with lists that wait."""

    def work() -> None:
        with db.transaction() as session:
            while advance_consumers(session, {"related": CONSUMERS["related"]}):
                pass
            while rebuild_stale_lists(session):
                pass

    return work


@pytest.fixture
def publish(client: TestClient, editor: Headers) -> Callable[..., dict[str, Any]]:
    """A published article with this text."""

    def publish(title: str, text: str, **fields: Any) -> dict[str, Any]:
        return make.published(client, editor, title, body={"html": f"<p>{text}</p>"}, **fields)

    return publish


def related(client: TestClient, article: dict[str, Any], query: str = "", headers: Headers | None = None) -> Any:
    """The related links of an article."""
    return make.ok(client.get(f"/v1/articles/{article['id']}/related?{query}", headers=headers or {}))["data"]


def titles(client: TestClient, article: dict[str, Any], query: str = "", headers: Headers | None = None) -> list[str]:
    """Their titles."""
    return [row["article"]["title"] for row in related(client, article, query, headers)]
