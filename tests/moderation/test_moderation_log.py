"""The moderation log: who may read it, and by what it is filtered."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.db import Database
from app.moderation.log import log_decision
from tests.make import Headers, ok, published, section
from tests.moderation.stock import comment, decide

pytestmark = pytest.mark.portable

Article = dict[str, Any]


def read(client: TestClient, headers: Headers, query: str = "") -> list[str]:
    """The actions in the log."""
    return [row["action"] for row in ok(client.get(f"/v1/moderation/log?{query}", headers=headers))["data"]]


def test_what_was_decided_stands_there_newest_first(
    client: TestClient, db: Database, article: Article, make_key: Callable[..., Headers]
) -> None:
    first, second = make_key("comments:moderate"), make_key("comments:moderate")
    one, two = comment(db, article), comment(db, article)
    decide(client, first, one, "approve", reason="Good.")
    decide(client, second, one, "remove")
    decide(client, second, two, "spam")
    with db.transaction() as session:
        log_decision(session, two, "system", None, "screen", "pending", [("links", "5")], article_id=article["id"])
    assert read(client, first) == ["screen", "spam", "remove", "approve"]
    assert read(client, first, f"comment={one}") == ["remove", "approve"]
    assert read(client, first, f"article={article['id']}") == ["screen", "spam", "remove", "approve"]
    assert read(client, first, f"article={new_id()}") == []
    assert read(client, first, "action=spam") == ["spam"]
    who = ok(client.get("/v1/whoami", headers=second))["id"]
    assert read(client, first, f"actor={who}") == ["spam", "remove"]
    page = ok(client.get("/v1/moderation/log?limit=1&fields=reasons,note", headers=first))
    assert page["data"] == [{"reasons": [{"stage": "links", "detail": "5"}], "note": None}]
    assert page["page"]["next"]


def test_it_is_for_moderators_of_the_section(
    client: TestClient, db: Database, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    politics, sport = section(client, editor, "Politics"), section(client, editor, "Sport")
    decide(client, make_key("admin"), comment(db, published(client, editor, "One", section=sport["id"])), "approve")
    assert read(client, make_key("comments:moderate", sections=[sport["id"]])) == ["approve"]
    assert read(client, make_key("comments:moderate", sections=[politics["id"]])) == []
    assert client.get("/v1/moderation/log").status_code == 401
    assert client.get("/v1/moderation/log", headers=editor).status_code == 403
