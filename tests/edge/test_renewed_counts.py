"""Counts of articles are renewed in kept answers, which are then the same as if the app had made them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.db import Database
from app.publication.tables import Generation
from app.web.responses import decompress
from tests.make import Headers, comment, guest, ok, published

pytestmark = pytest.mark.portable

PATHS = (
    "/v1/articles",
    "/v1/articles?formats=text&limit=2",
    "/v1/articles/a-ferry",
    "/v1/articles/a-ferry?formats=text",
)
KEPT = {"cache-status", "x-request-id", "age", "last-modified"}


@pytest.fixture
def article(client: TestClient, editor: Headers, make_cards: Callable[[], None]) -> dict[str, Any]:
    for title in ("A bridge", "A ferry", "A tunnel"):
        published(client, editor, title, body={"html": f"<p>{title}.</p>" * 200})
    make_cards()
    return ok(client.get("/v1/articles/a-ferry"))  # not the newest, nor the oldest


def look_at_all(client: TestClient, coding: str = "identity") -> dict[str, httpx2.Response]:
    return {path: client.get(path, headers={"Accept-Encoding": coding}) for path in PATHS}


def parse(answer: httpx2.Response) -> Any:
    is_zstd = answer.headers.get("content-encoding") == "zstd"  # which the client leaves as it is
    return json.loads(decompress(answer.content, "zstd") if is_zstd else answer.content)


def expect_fresh(client: TestClient, coding: str = "identity", *, renewed: bool) -> None:
    """Expect that answers are as if they were not kept, and whether they were renewed."""
    for path, answer in look_at_all(client, coding).items():
        made = client.get(path, headers={"Accept-Encoding": coding, "Cookie": "not=kept"})
        assert made.headers["cache-status"] == "Broadsheet; fwd=bypass"
        assert (answer.status_code, parse(answer)) == (200, parse(made))
        assert {name: value for name, value in answer.headers.items() if name not in KEPT} == {
            name: value for name, value in made.headers.items() if name not in KEPT
        }
        assert (answer.headers["cache-status"] == "Broadsheet; hit") is renewed, path


def react(client: TestClient, value: str | None = "agree") -> None:
    ok(client.put("/v1/articles/a-ferry/reaction", json={"value": value}, headers=guest(client)))


@pytest.mark.both
@pytest.mark.parametrize("coding", ["identity", "gzip", "br", "zstd"])
def test_what_readers_change_is_renewed(coding: str, client: TestClient, article: dict[str, Any], db: Database) -> None:
    before = look_at_all(client, coding)
    for _ in range(11):  # the number becomes longer
        comment(client, article)
    react(client)
    expect_fresh(client, coding, renewed=db.dialect == "sqlite")
    comment(client, article)
    expect_fresh(client, coding, renewed=db.dialect == "sqlite")
    for path, former in before.items():
        tags = {"Accept-Encoding": coding, "If-None-Match": former.headers["etag"]}
        answer = client.get(path, headers=tags)
        assert answer.status_code == 200
        assert client.get(path, headers={**tags, "If-None-Match": answer.headers["etag"]}).status_code == 304


@pytest.mark.both
def test_rules_are_renewed_with_the_counts(
    client: TestClient, make_key: Any, make_cards: Callable[[], None], article: dict[str, Any], db: Database
) -> None:
    look_at_all(client)
    closing = datetime.now(UTC) + timedelta(hours=1)
    rules, key = (
        {"closes_at": closing.isoformat(), "prompt": "Who pays?"},
        make_key("comments:moderate", "content:publish"),
    )
    ok(client.put(f"/v1/articles/{article['id']}/discussion", json=rules, headers={**key, "If-Match": "*"}))
    expect_fresh(client, renewed=False)
    make_cards()
    react(client)
    expect_fresh(client, renewed=db.dialect == "sqlite")
    with time_machine.travel(closing + timedelta(seconds=1)):
        expect_fresh(client, renewed=False)
        assert ok(client.get("/v1/articles/a-ferry"))["discussion"]["state"] == "closed"


def test_what_is_not_made_of_fresh_parts_is_made_anew(
    client: TestClient, article: dict[str, Any], db: Database
) -> None:
    look_at_all(client)
    with db.transaction() as session:
        session.execute(sa.update(Generation).values(n=Generation.n + 1))
    react(client)
    expect_fresh(client, renewed=False)


def test_other_changes_evict_what_waits_to_be_renewed(
    client: TestClient, editor: Headers, article: dict[str, Any]
) -> None:
    look_at_all(client)
    react(client)
    published(client, editor, "A bicycle")
    ok(client.patch("/v1/articles/a-ferry", json={"title": "Two ferries"}, headers={**editor, "If-Match": "*"}))
    ok(client.post("/v1/articles/a-ferry/publish", headers={**editor, "If-Match": "*"}))
    expect_fresh(client, renewed=False)
