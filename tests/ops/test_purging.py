"""A purged article leaves nothing behind: no table holds a word of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from tests import make
from tests.ops.personal.test_personal_data import backed_up
from tests.receiver import Receiver, work_through

pytestmark = pytest.mark.portable

Headers = dict[str, str]
WORD = "Quaxolith"  # in no other text


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Webhooks may reach this machine."""
    return settings.model_copy(update={"outgoing_allow": ["127.0.0.0/8"]})


def purge(client: TestClient, admin: Headers, article: dict[str, Any], **more: str) -> Any:
    headers = {**admin, "If-Match": "*", **more}
    return client.post(f"/v1/articles/{article['id']}/purge", json={"reason": "Order 12/3."}, headers=headers)


def traces(db: Database) -> list[str]:
    """Columns of any table, indexes of the search included, that hold the word in whatever letter case."""
    found = []
    with db.connect() as connection:
        for table in sa.inspect(connection).get_table_names():
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"').mappings():
                for column, value in row.items():
                    text = bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
                    if WORD.lower()[:8] in text.lower():
                        found.append(f"{table}.{column}")
    return sorted(set(found))


def story(client: TestClient, admin: Headers) -> dict[str, Any]:
    """An article with everything that can stand with one; all of it holds the word."""
    headers = {**admin, "Idempotency-Key": "made"}
    body = {"title": f"The {WORD}", "dek": WORD, "body": {"html": f"<p>A {WORD} was seen.</p><p>Yes.</p>"}}
    article = make.ok(client.post("/v1/articles", json=body, headers=headers), 201)
    url = f"/v1/articles/{article['id']}"
    make.act(client, admin, article, "publish")
    make.patched(client, admin, article, slug=f"the-{WORD.lower()}-again", title=f"{WORD}!")
    make.act(client, admin, article, "publish")
    make.act(client, admin, article, "corrections", {"text": f"No {WORD}."})
    change = {**admin, "If-Match": "*"}
    make.ok(client.patch(f"{url}/corrections/1", json={"text": f"A {WORD}."}, headers=change))
    comment = make.comment(client, article, f"I saw the {WORD}.")
    reply = make.comment(client, article, f"Not a {WORD}.", parent_id=comment["id"])
    report = {"reason": "other", "text": f"{WORD}?"}
    make.ok(client.post(f"/v1/comments/{reply['id']}/reports", json=report), 202)
    make.ok(client.post(f"{url}/reports", json=report), 202)
    make.ok(client.post(f"/v1/comments/{reply['id']}/remove", json={"reason": f"{WORD}."}, headers=change))
    make.ok(client.post(f"{url}/anchors", json={"exact": WORD, "question": f"Which {WORD}?"}, headers=admin), 201)
    make.ok(client.post(f"{url}/previews", json={}, headers=admin), 201)
    make.ok(client.put(f"{url}/discussion", json={"prompt": f"{WORD}?"}, headers=change))
    make.notice(client, admin, scope="article", target_id=article["id"], placement="both", text=f"{WORD} ahead.")
    return article


def test_no_word_of_it_is_left(
    client: TestClient, admin: Headers, db: Database, settings: Settings, tmp_path: Path
) -> None:
    with Receiver() as receiver:
        hook = {"url": receiver.url, "events": ["*"]}
        make.ok(client.post("/v1/webhooks", json=hook, headers=admin), 201)
        other = make.published(client, admin, "Another")
        article = story(client, admin)
        work_through(settings)
        refused = purge(client, admin, article)
        assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state"), "readers see it"
        make.act(client, admin, article, "retract", {"reason": f"The {WORD} was none."})
        work_through(settings)
        assert "revision.text" in traces(db)
        begin = make.ok(client.get("/v1/changes", headers=admin))["page"]["next"]
        assert purge(client, admin, article).status_code == 204
        assert traces(db) == []
        work_through(settings)
        assert traces(db) == [], "nothing brings it back"
        assert backed_up(db, tmp_path).lower().count(WORD.lower().encode()) == 0
    for ref in (article["id"], article["slug"], f"the-{WORD.lower()}-again"):
        assert client.get(f"/v1/articles/{ref}").status_code == 404
    assert purge(client, admin, article).status_code == 404
    changes = make.ok(client.get(f"/v1/changes?cursor={begin}", headers=admin))["data"]
    assert [(one["op"], one["id"]) for one in changes if one["type"] == "article"] == [("delete", article["id"])]
    rows = make.ok(client.get(f"/v1/audit?subject_id={article['id']}", headers=admin))["data"]
    assert (rows[0]["action"], rows[0]["detail"]) == ("article.purge", {"reason": "Order 12/3."})
    assert make.titles(client) == ["Another"]
    assert make.ok(client.get(f"/v1/articles/{other['id']}/related"))["data"] == []


def test_who_may_purge_what(
    client: TestClient, admin: Headers, editor: Headers, make_key: Callable[..., Headers], db: Database
) -> None:
    draft = make.draft(client, editor)
    assert purge(client, editor, draft).status_code == 403
    url = f"/v1/articles/{draft['id']}/purge"
    assert client.post(url, json={"reason": "x"}, headers=admin).status_code == 428
    assert client.post(url, json={"reason": "x"}, headers={**admin, "If-Match": '"v9"'}).status_code == 412
    for body in ({}, {"reason": ""}, {"reason": "x", "force": True}):
        assert client.post(url, json=body, headers={**admin, "If-Match": "*"}).status_code == 422
    first = purge(client, admin, draft, **{"Idempotency-Key": "once"})
    again = purge(client, admin, draft, **{"Idempotency-Key": "once"})
    assert (first.status_code, again.status_code) == (204, 204)
    assert again.headers["idempotency-replayed"] == "true"
    with db.connect() as connection:
        types = set(connection.execute(sa.text("SELECT type FROM event")).scalars())
    assert "article.purged" not in types, "nobody outside has heard of a draft"
