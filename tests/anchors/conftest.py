"""What the tests of this room say again and again."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.anchors.anchors import adjust_count, create_anchor
from app.anchors.schemas import AnchorIn
from app.db import Database
from app.events.log import advance_consumers
from app.wiring import CONSUMERS
from tests import make

Headers = dict[str, str]
TEXT = ["The ferry leaves at dawn, and nobody waves.", "Her brother bakes the bread that the harbour eats."]


def html(*paragraphs: str) -> dict[str, str]:
    return {"html": "".join(f"<p>{text}</p>" for text in paragraphs)}


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    """A public article of two paragraphs."""
    return make.published(client, editor, "Ferry", body=html(*TEXT))


@pytest.fixture
def mark(db: Database, article: dict[str, Any]) -> Callable[..., str]:
    """Mark a passage as a reader's comment does; `comments` of them are listed."""

    def mark(exact: str, comments: int = 1, **more: Any) -> str:
        with db.transaction() as session:
            anchor_id = create_anchor(session, article["id"], AnchorIn(exact=exact, **more), None)
            adjust_count(session, anchor_id, comments)
            return anchor_id

    return mark


@pytest.fixture
def work(db: Database) -> Callable[[], None]:
    """Do what the worker does with the log."""

    def work() -> None:
        with db.transaction() as session:
            while advance_consumers(session, {"handlers": CONSUMERS["handlers"]}):
                pass

    return work


@pytest.fixture
def publish(
    client: TestClient, editor: Headers, article: dict[str, Any], work: Callable[[], None]
) -> Callable[..., None]:
    """Publish another text of the article, and let the worker hear of it."""

    def publish(*paragraphs: str) -> None:
        make.patched(client, editor, article, body=html(*paragraphs))
        make.act(client, editor, article, "publish")
        work()

    return publish
