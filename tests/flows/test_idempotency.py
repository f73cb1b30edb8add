"""Clients that send a POST again and again, all at once, have done it once."""

import asyncio
import random
from collections import defaultdict

import httpx2
import pytest
import sqlalchemy as sa

from app.articles.tables import Article
from app.db import Database
from app.db.columns import table_of
from app.identity.tables import Audit
from tests.effort import effort
from tests.make import ok

KEYS, TIMES, CLIENTS = effort("KEYS", 8, long=100), 10, 50
Headers = dict[str, str]


def count(db: Database, table: sa.Table) -> int:
    """How many rows there are."""
    with db.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


async def _storm(address: str, editor: Headers) -> dict[int, list[httpx2.Response]]:
    answers: dict[int, list[httpx2.Response]] = defaultdict(list)
    numbers = [number for number in range(KEYS) for _ in range(TIMES)]
    random.shuffle(numbers)
    waiting = iter(numbers)
    limits = httpx2.Limits(max_connections=CLIENTS)

    async with httpx2.AsyncClient(base_url=address, headers=editor, limits=limits, timeout=60) as http:

        async def client() -> None:
            for number in waiting:
                headers = {"Idempotency-Key": f"order-{number}"}
                body = {"title": f"Article {number}", "tags": ["shared", f"t{number % 7}"]}
                answer = await http.post("/v1/articles", json=body, headers=headers)
                while answer.status_code == 409 and answer.json()["code"] == "request_in_progress":
                    answer = await http.post("/v1/articles", json=body, headers=headers)
                answers[number].append(answer)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return answers


@pytest.mark.long
def test_many_posts_with_few_keys(address: str, editor: Headers, db: Database) -> None:
    answers = asyncio.run(_storm(address, editor))
    assert {answer.status_code for found in answers.values() for answer in found} == {201}
    ids = set()
    for number, found in answers.items():
        assert len(found) == TIMES
        assert len({answer.content for answer in found}) == 1, "every answer for a key is the same"
        for name in ("etag", "location", "broadsheet-position"):
            assert len({answer.headers[name] for answer in found}) == 1, name
        assert sum("idempotency-replayed" not in answer.headers for answer in found) == 1, "one of them did the work"
        assert found[0].json()["title"] == f"Article {number}"
        ids.add(found[0].json()["id"])
    assert len(ids) == KEYS
    assert count(db, table_of(Article)) == KEYS
    with db.connect() as connection:
        made = sa.select(sa.func.count()).where(table_of(Audit).c.action == "article.create")
        assert connection.execute(made).scalar_one() == KEYS


async def _mixed(address: str, editor: Headers) -> list[httpx2.Response]:
    async with httpx2.AsyncClient(base_url=address, headers=editor, timeout=60) as http:
        headers = {"Idempotency-Key": "one"}
        bodies = [{"title": f"Body {number}"} for number in range(20)]
        return list(await asyncio.gather(*(http.post("/v1/articles", json=body, headers=headers) for body in bodies)))


def test_one_key_with_other_bodies_at_once(address: str, editor: Headers, db: Database) -> None:
    answers = asyncio.run(_mixed(address, editor))
    assert sorted(answer.status_code for answer in answers)[0] == 201
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(refused) == len(answers) - 1
    assert {ok(answer, 422)["code"] for answer in refused} == {"idempotency_key_reused"}
    assert count(db, table_of(Article)) == 1


def test_a_key_belongs_to_one_address_and_one_caller(
    address: str, editor: Headers, admin: Headers, db: Database
) -> None:
    with httpx2.Client(base_url=address, timeout=60) as http:
        key = {"Idempotency-Key": "same"}
        first = ok(http.post("/v1/articles", json={"title": "A"}, headers={**editor, **key}), 201)
        other = ok(http.post("/v1/articles", json={"title": "A"}, headers={**admin, **key}), 201)
        assert first["id"] != other["id"]
        answer = http.post("/v1/sections", json={"name": "A"}, headers={**editor, **key})
        assert ok(answer, 422)["code"] == "idempotency_key_reused"


def test_a_refused_request_does_not_use_up_its_key(address: str, editor: Headers, db: Database) -> None:
    with httpx2.Client(base_url=address, headers={**editor, "Idempotency-Key": "again"}, timeout=60) as http:
        assert http.post("/v1/articles", json={"title": "A", "section": "later"}).status_code == 422
        ok(http.post("/v1/sections", json={"name": "Later"}, headers={"Idempotency-Key": "other"}), 201)
        article = ok(http.post("/v1/articles", json={"title": "A", "section": "later"}), 201)
        assert article["section"]["slug"] == "later"
