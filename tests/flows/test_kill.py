"""A server that is killed under load loses nothing that it acknowledged and does nothing twice.

`KILLS=60 pytest tests/flows/test_kill.py` kills more often than the suite does, and on PostgreSQL as well.
"""

import asyncio
import random
import signal
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pysqlite3.dbapi2 as sqlite
import pytest
import sqlalchemy as sa

from app.core.settings import Settings
from app.db import Database
from app.identity import keys
from app.identity.schemas import SYSTEM
from tests.conftest import Report
from tests.effort import effort
from tests.make import ok
from tests.served import ServerProcess, serving

KILLS = effort("KILLS", 1, long=20)
STORES = ["sqlite", "postgresql"] if KILLS > 1 else ["sqlite"]
MAX_WRITES = 24  # that are acknowledged before a kill: a server that has just started takes 20 ms of CPU for each
CLIENTS = 16


@dataclass
class Job:
    """One article to make and publish, and what the server has acknowledged of it."""

    number: int
    article: dict[str, Any] | None = None
    etag: str = ""
    published: bool = False


@dataclass
class Ledger:
    """What clients know when the server dies."""

    key: str
    jobs: list[Job] = field(default_factory=list)
    todo: list[Job] = field(default_factory=list)
    acknowledged: int = 0
    replayed: int = 0

    def next(self) -> Job:
        """A job that was interrupted, or a new one."""
        if self.todo:
            return self.todo.pop()
        self.jobs.append(Job(len(self.jobs)))
        return self.jobs[-1]


async def _work(http: httpx2.AsyncClient, job: Job, ledger: Ledger) -> None:
    """Make and publish one article; each request has a key, so that it can be sent again after a crash."""
    if job.article is None:
        body = {"title": f"Article {job.number}", "section": "news", "tags": ["shared", f"t{job.number % 5}"]}
        answer = await http.post("/v1/articles", json=body, headers={"Idempotency-Key": f"create-{job.number}"})
        job.article, job.etag = ok(answer, 201), answer.headers["etag"]
        ledger.acknowledged += 1
        ledger.replayed += "idempotency-replayed" in answer.headers
    url = f"/v1/articles/{job.article['id']}/publish"
    answer = await http.post(url, headers={"Idempotency-Key": f"publish-{job.number}", "If-Match": job.etag})
    assert ok(answer)["state"] == "published"
    job.published = True
    ledger.acknowledged += 1
    ledger.replayed += "idempotency-replayed" in answer.headers


async def _load(server: ServerProcess, ledger: Ledger, most: int | None) -> None:
    """Write from all sides until so many writes are acknowledged, then kill; without a number, finish what is open."""
    enough = ledger.acknowledged + most if most else None
    headers = {"Authorization": f"Bearer {ledger.key}"}

    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30) as http:

        async def client() -> None:
            while enough or ledger.todo:
                job = ledger.next()
                try:
                    await _work(http, job, ledger)
                except httpx2.TransportError:
                    ledger.todo.append(job)
                    return
                if enough and ledger.acknowledged >= enough:  # at some moment of the next writes
                    asyncio.get_running_loop().call_later(random.uniform(0, 0.05), server.kill)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))


def _check_file(path: str) -> list[Any]:
    """Return what SQLite finds wrong with a file.

    FTS5 compares the file with a view of its segments that a connection keeps, and which is out of date after a merge
    by another process: hence a new connection, where those of an engine may be kept ones.
    """
    with closing(sqlite.connect(path)) as connection:
        return list(connection.execute("PRAGMA integrity_check").fetchall())


def check(db: Database, ledger: Ledger) -> None:
    """What was acknowledged is there, once, with its fact; what is counted is right; the file is whole."""
    with db.snapshot() as connection:

        def rows(statement: str) -> list[Any]:
            return list(connection.execute(sa.text(statement)).all())

        if db.dialect == "sqlite":
            assert _check_file(str(db.engines()[0].url.database)) == [("ok",)]
            assert rows("PRAGMA foreign_key_check") == []
        state = {str(article): value for article, value in rows("SELECT id, state FROM article")}
        titles = [row[0] for row in rows("SELECT title FROM article")]
        told = [str(row[0]) for row in rows("SELECT subject_id FROM event WHERE type = 'article.published'")]
        assert len(titles) == len(set(titles)), "an article was made twice"
        assert len(told) == len(set(told)), "a publication was told twice"
        made = [job for job in ledger.jobs if job.article]
        assert {job.article["id"] for job in made if job.article} <= set(state), "an acknowledged article is lost"
        out = {job.article["id"] for job in made if job.article and job.published}
        assert {state[found] for found in out} <= {"published"}, "an acknowledged publication is lost"
        assert set(told) == {found for found, value in state.items() if value == "published"}
        assert out <= set(told), "a publication without its fact"
        for kind, links in (("section", "article"), ("tag", "article_tag")):
            recount = f"SELECT count(*) FROM {links} l WHERE l.{kind}_id = t.id AND l.listed"
            assert rows(f"SELECT slug, articles FROM {kind} t WHERE articles <> ({recount})") == []
        audit = rows("SELECT count(*) FROM audit WHERE action IN ('article.create', 'article.publish')")[0][0]
        assert audit == len(state) + len(told), "each action is in the audit log once"
        assert rows("SELECT count(*) FROM revision")[0][0] == len(state)
        assert rows("SELECT count(*) FROM replay WHERE status IS NULL")[0][0] == 0


@pytest.mark.long
@pytest.mark.parametrize("database_url", STORES, indirect=True)
def test_nothing_is_lost_or_doubled(settings: Settings, db: Database, report: Report) -> None:
    url, data = settings.database, settings.data_dir
    with db.transaction() as session:
        ledger = Ledger(keys.create_api_key(session, SYSTEM, "writer", ["content:write", "content:publish"])[1])
    killed = 0
    for turn in range(KILLS):
        with serving(url, data) as server:
            if not turn:
                headers = {"Authorization": f"Bearer {ledger.key}"}
                ok(httpx2.post(f"{server.url}/v1/sections", json={"name": "News"}, headers=headers), 201)
            asyncio.run(_load(server, ledger, random.randint(1, MAX_WRITES)))
            killed += server.process.wait(30) == -signal.SIGKILL
        check(db, ledger)
    with serving(url, data) as server:
        asyncio.run(_load(server, ledger, None))
    check(db, ledger)
    assert all(job.published for job in ledger.jobs)
    with db.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM article")).scalar_one() == len(ledger.jobs)
    report(kills=killed, acknowledged=ledger.acknowledged, replayed=ledger.replayed)
    assert killed == KILLS
