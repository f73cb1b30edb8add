"""Many editors change one article at once: each version has one author, and nobody's work is lost.

`EDITS=200 pytest tests/flows/test_concurrent_edits.py` edits more often than the suite does.
"""

import asyncio
import random
from collections import Counter
from itertools import pairwise
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.articles.tables import Revision
from app.db import Database
from app.db.columns import table_of
from tests.effort import effort
from tests.make import ok

EDITS, CLIENTS = effort("EDITS", 12, long=200), 4
Headers = dict[str, str]


def in_text(word: str) -> bool:
    """Whether an edit changes the text too."""
    return word.endswith("0")


async def _create(http: httpx2.AsyncClient) -> str:
    answer = await http.post("/v1/articles", json={"title": "Ours", "dek": "", "body": {"html": "<p>Begin</p>"}})
    found: str = ok(answer, 201)["id"]
    return found


async def _edit(http: httpx2.AsyncClient, url: str, word: str) -> int:
    """Read, add a word to the standfirst, now and then to the text as well, write; again while others come first."""
    for _ in range(1000):
        read = await http.get(url, params={"formats": "text"})
        seen = ok(read)
        change: dict[str, Any] = {"dek": f"{seen['dek'] or ''} {word}"}
        if in_text(word):
            change["body"] = {"html": f"<p>{seen['body']['text']} {word}</p>"}
        written = await http.patch(url, json=change, headers={"If-Match": read.headers["etag"]})
        if written.status_code == 200:
            return int(ok(written)["editing"]["version"])
        problem = ok(written, 412)
        assert problem["code"] == "stale_version"
        assert problem["current_version"] > seen["editing"]["version"]
        assert problem["fields"] == sorted(change), "of the fields that were sent, those that differ"
    raise AssertionError("an edit never came through")


async def _all(address: str, editor: Headers) -> tuple[str, list[int]]:
    limits = httpx2.Limits(max_connections=CLIENTS)
    async with httpx2.AsyncClient(base_url=address, headers=editor, limits=limits, timeout=60) as http:
        url = f"/v1/articles/{await _create(http)}"
        words = [f"w{n}" for n in range(EDITS)]
        random.shuffle(words)
        waiting = iter(words)

        async def client() -> list[int]:
            return [await _edit(http, url, word) for word in waiting]

        won = await asyncio.gather(*(client() for _ in range(CLIENTS)))
        final = ok(await http.get(url, params={"formats": "text"}))
    assert Counter(final["dek"].split()) == Counter(words)
    assert Counter(final["body"]["text"].split()) == Counter(["Begin", *filter(in_text, words)])
    assert (final["editing"]["version"], final["editing"]["latest_revision"]) == (EDITS + 1, EDITS + 1)
    return final["id"], [version for versions in won for version in versions]


@pytest.mark.long
def test_many_edits_of_one_article(address: str, editor: Headers, db: Database) -> None:
    article, versions = asyncio.run(_all(address, editor))
    assert sorted(versions) == list(range(2, EDITS + 2)), "exactly one success for each version"
    with db.connect() as connection:
        revisions = table_of(Revision)
        rows = connection.execute(
            sa.select(revisions.c.n, revisions.c.dek).where(revisions.c.article_id == article).order_by(revisions.c.n)
        ).all()
    assert [row.n for row in rows] == list(range(1, EDITS + 2))
    for old, new in pairwise(rows):
        assert new.dek.startswith(old.dek or ""), "each edit stands on the one before"
