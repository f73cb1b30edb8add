"""Sent again and again, all at once and to several servers, a comment is posted once; what is counted is exact."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.articles.tables import ArticleTally
from app.comments.reading import C
from app.core.ids import new_id
from app.core.settings import Settings
from app.db import Database
from app.db.columns import table_of
from app.main import create_app
from tests import make
from tests.make import bearer, comment, ok

pytestmark = pytest.mark.portable

TIMES, WRITERS = 10, 12
Clients = list[TestClient]
Article = dict[str, Any]


@pytest.fixture
def servers(client: TestClient, settings: Settings) -> Iterator[Clients]:
    """Two servers on one store."""
    with TestClient(create_app(settings, with_worker=False), raise_server_exceptions=False) as other:
        yield [client, other]


@pytest.fixture
def article(client: TestClient, make_key: Callable[..., make.Headers]) -> Article:
    """A published article."""
    return make.published(client, make_key("content:read", "content:write", "content:publish"))


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """The answers of calls that are all under way together."""
    with ThreadPoolExecutor(WRITERS) as threads:
        return [call.result() for call in [threads.submit(call) for call in calls]]


def check_counts(db: Database, article: Article) -> None:
    """What the rows say is what is counted."""
    tally = table_of(ArticleTally)
    with db.connect() as connection:
        rows = connection.execute(sa.select(C).where(C.c.article_id == article["id"])).mappings().all()
        counted = connection.execute(sa.select(tally.c.comments).where(tally.c.article_id == article["id"])).scalar()
    assert counted == sum(row["state"] == "published" for row in rows)
    below = Counter(row["parent_id"] for row in rows if row["listed"])
    assert {row["id"]: row["replies"] for row in rows} == {row["id"]: below[row["id"]] for row in rows}


def sending(server: TestClient, article: Article, body: dict[str, Any], headers: make.Headers) -> Callable[[], Any]:
    """A post that is still to be made."""
    return lambda: server.post(f"/v1/articles/{article['id']}/comments", json=body, headers=headers)


@pytest.mark.both
@pytest.mark.parametrize("who", ["stranger", "guest"])
def test_one_id_at_once(servers: Clients, article: Article, db: Database, who: str) -> None:
    headers = make.guest(servers[0]) if who == "guest" else {}
    body = {"id": new_id(), "text": "Once.", "author": {"name": "Ida"}}
    answers = at_once([sending(servers[n % 2], article, body, headers) for n in range(TIMES)])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: TIMES - 1}
    assert {answer.json()["id"] for answer in answers} == {body["id"]}
    told = sum(answer.json()["edit_token"] is not None for answer in answers)
    assert told == (TIMES if who == "guest" else 1), "only who has shown to be its author gets its token"
    check_counts(db, article)
    with db.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(C)).scalar_one() == 1
        participants = connection.execute(sa.text("SELECT count(*) FROM participant")).scalar_one()
        assert participants == 1
        events = sa.text("SELECT count(*) FROM event WHERE type = 'comment.published'")
        assert connection.execute(events).scalar_one() == 1


@pytest.mark.both
def test_one_key_at_once(servers: Clients, article: Article, db: Database) -> None:
    headers = {"Idempotency-Key": new_id()}
    body = {"text": "Once.", "author": {"name": "Ida"}}
    answers = at_once([sending(servers[n % 2], article, body, headers) for n in range(TIMES)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    check_counts(db, article)
    assert len(servers[0].get(f"/v1/articles/{article['id']}/comments").json()["data"]) == 1


@pytest.mark.both
def test_many_at_once_are_counted_exactly(servers: Clients, article: Article, db: Database) -> None:
    rng = random.Random(40)
    guests = [make.guest(servers[0]) for _ in range(4)]
    tops = [comment(servers[0], article, f"Top {n}.") for n in range(3)]
    nested = comment(servers[0], article, "Nested.", parent_id=tops[0]["id"], headers=bearer(tops[0]["guest_token"]))
    parents = [None, *(row["id"] for row in (*tops, nested))]
    calls = []
    for n in range(40):
        body = {"text": f"Comment {n}.", "author": {"name": "Ida"}, "parent_id": rng.choice(parents)}
        calls.append(sending(servers[n % 2], article, body, guests[n % 4] if n % 3 else {}))
    for answer in at_once(calls):
        assert ok(answer, 201)["state"] == "published"
    check_counts(db, article)
    found = servers[1].get(f"/v1/articles/{article['id']}").json()["discussion"]["comments"]
    assert found == 44
