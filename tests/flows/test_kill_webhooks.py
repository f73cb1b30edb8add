"""Servers and workers that are killed while comments are posted: a webhook hears of each what it is, once.

`KILLS=300 pytest tests/flows/test_kill_webhooks.py` kills more often than the suite does, on PostgreSQL as well.
"""

import asyncio
import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
import time_machine

from app.core.clock import now
from app.core.ids import new_id
from app.core.settings import Settings
from app.db import Database, open_database
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.identity.secrets import Vault
from app.services import build_courier, build_worker
from tests import processes
from tests.conftest import Report
from tests.effort import effort
from tests.make import ok
from tests.processes import Process
from tests.receiver import Receiver

KILLS = effort("KILLS", 2, long=40)
STORES = ["sqlite", "postgresql"] if KILLS > 2 else ["sqlite"]
WORKERS = {"sqlite": 1, "postgresql": 3}
CLIENTS = 8


@dataclass
class Ledger:
    """What clients know when the servers die."""

    articles: tuple[str, str]  # one whose comments are published, one whose comments wait
    todo: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    replayed: int = 0
    refused: int = 0

    def next(self) -> tuple[str, dict[str, Any]]:
        """A comment that was interrupted, or a new one."""
        if self.todo:
            return self.todo.pop()
        comment_id = new_id()
        text = f"This is what number {comment_id} has to say."
        return random.choice(self.articles), {"id": comment_id, "text": text, "author": {"name": "Ida"}}


@contextmanager
def process(environment: dict[str, str], log: Path, *command: str) -> Iterator[Process]:
    """A process of its own, which is killed and never asked to stop."""
    with log.open("ab") as out:
        found = processes.start(*command, environment={**os.environ, **environment}, stderr=out)
        try:
            yield found
        finally:
            found.kill()
            found.wait()


def address(log: Path, after: int, server: Process) -> str:
    """Where a server listens, as soon as its log says so."""
    waiter = threading.Event()
    while server.poll() is None:
        for line in log.read_bytes()[after:].splitlines():
            if b'"listening"' in line and line.endswith(b"}"):
                return str(json.loads(line)["url"])
        waiter.wait(0.01)
    raise AssertionError(log.read_text())


async def _load(url: str, ledger: Ledger, most: int | None, doomed: list[Process]) -> None:
    """Post from all sides until so many are acknowledged, then kill; without a number, finish what is open."""
    enough = len(ledger.acknowledged) + most if most else None

    async with httpx2.AsyncClient(base_url=url, timeout=60) as http:

        async def client() -> None:
            while enough or ledger.todo:
                article, body = job = ledger.next()
                try:
                    answer = await http.post(f"/v1/articles/{article}/comments", json=body)
                except httpx2.TransportError:
                    ledger.todo.append(job)
                    return
                if answer.status_code == 503:  # on a machine that is too busy, writes are given up after a while
                    ledger.todo.append(job)
                    ledger.refused += 1
                    continue
                assert answer.status_code in (200, 201), answer.text
                ledger.replayed += answer.status_code == 200
                ledger.acknowledged.add(body["id"])
                if enough and len(ledger.acknowledged) >= enough:
                    for victim in doomed:
                        asyncio.get_running_loop().call_later(random.uniform(0, 0.2), victim.kill)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))


def prepared(db: Database, url: str, receiver: Receiver) -> Ledger:
    """Two articles, one of them moderated before, and a webhook."""
    scopes = ["content:write", "content:publish", "comments:moderate", "webhooks:manage"]
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "writer", scopes)[1]
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}", "If-Match": "*"}, timeout=60) as http:
        ids = []
        for title in ("Open", "Waiting"):
            article = ok(http.post("/v1/articles", json={"title": title}), 201)
            ok(http.post(f"/v1/articles/{article['id']}/publish"))
            ids.append(article["id"])
        ok(http.put(f"/v1/articles/{ids[1]}/discussion", json={"moderation": "pre"}))
        ok(http.post("/v1/webhooks", json={"url": receiver.url, "events": ["comment.*"]}), 201)
    return Ledger((ids[0], ids[1]))


async def _finish(settings: Settings) -> None:
    """What any worker does later: read the log to its end, and send what the dead ones had taken."""
    db = open_database(settings.database)
    await db.start()
    worker = build_worker(db, settings)
    courier = build_courier(db, settings, Vault())
    with time_machine.travel(now() + timedelta(minutes=10)):  # every lease is over
        while await worker.run_once():
            pass
        while await courier.run_once():
            await courier.wait_until_idle()
    await courier.stop()
    await db.stop()


def check(db: Database, ledger: Ledger, receiver: Receiver) -> dict[str, int]:
    """What was acknowledged is there; what is published and what waits was told as such, once by its id."""
    with db.connect() as connection:
        states = {str(row[0]): row[1] for row in connection.execute(sa.text("SELECT id, state FROM comment"))}
        left = connection.execute(sa.text("SELECT count(*) FROM delivery WHERE finished_at IS NULL")).scalar()
    assert left == 0
    assert ledger.acknowledged <= set(states), "an acknowledged comment is lost"
    effects: dict[str, dict[str, Any]] = {}
    for headers, body in receiver.messages:
        first = effects.setdefault(headers["webhook-id"], json.loads(body))
        assert first == json.loads(body), "the same id says the same"
    assert {message["type"] for message in effects.values()} == {"comment.published", "comment.pending"}
    for state in ("published", "pending"):
        told = Counter(message["data"]["id"] for message in effects.values() if message["type"] == f"comment.{state}")
        assert set(told) == {found for found, value in states.items() if value == state}
        assert set(told.values()) == {1}
    published = {found for found, state in states.items() if state == "published"}
    assert len(published) < len(states)
    repeats = len(receiver.messages) - len(effects)
    return {"comments": len(states), "published": len(published), "told": len(effects), "repeats": repeats}


def check_store(db: Database, ledger: Ledger) -> None:
    """What was acknowledged is there, with its event once, and is counted; to be true after each kill."""
    with db.snapshot() as connection:

        def rows(statement: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(sa.text(statement))]

        states = {str(comment): state for comment, state in rows("SELECT id, state FROM comment")}
        told = Counter(str(row[0]) for row in rows("SELECT subject_id FROM event WHERE type LIKE 'comment.p%'"))
        published = rows("SELECT article_id, count(*) FROM comment WHERE state = 'published' GROUP BY article_id")
        counted = rows("SELECT article_id, comments FROM article_tally WHERE comments > 0")
    assert ledger.acknowledged <= set(states), "an acknowledged comment is lost"
    assert told == Counter(list(states)), "each comment has its event once"
    assert sorted(counted) == sorted(published)


def killing(settings: Settings, log: Path, receiver: Receiver) -> dict[str, int]:
    """Kill, again and again, then look; what was seen."""
    environment = {
        "BROADSHEET_DATABASE_URL": settings.database,
        "BROADSHEET_DATA_DIR": str(settings.data_dir),
        "BROADSHEET_RATE_LIMITS": "off",
        "BROADSHEET_LOG_FORMAT": "json",
        "BROADSHEET_OUTGOING_ALLOW": "127.0.0.0/8",
    }
    db, killed = open_database(settings.database), 0
    log.touch()
    ledger: Ledger | None = None
    rounds = max(1, KILLS // (1 + WORKERS[db.dialect]))
    for turn in range(rounds + 1):
        last, after = turn == rounds, log.stat().st_size
        with ExitStack() as stack:
            server = stack.enter_context(process(environment, log, "serve", "--port", "0", "--no-worker"))
            url = address(log, after, server)
            ledger = ledger or prepared(db, url, receiver)
            doomed = [server]
            for _ in range(WORKERS[db.dialect]):
                doomed.append(stack.enter_context(process(environment, log, "worker")))
            asyncio.run(_load(url, ledger, None if last else random.randint(5, 40), [] if last else doomed))
            for victim in [] if last else doomed:
                victim.kill()  # unless it was already: the load ends with the server
                killed += victim.wait(60) == -signal.SIGKILL
        check_store(db, ledger)
    assert ledger is not None
    errors = [line for line in log.read_text().splitlines() if '"level":"error"' in line]
    assert [line for line in errors if '"database failed"' not in line] == []
    assert len(errors) <= ledger.refused
    asyncio.run(_finish(settings))
    figures = {"kills": killed, "replayed": ledger.replayed, "refused": ledger.refused, **check(db, ledger, receiver)}
    asyncio.run(db.stop())
    return figures


@pytest.mark.long
@pytest.mark.parametrize("database_url", STORES, indirect=True)
def test_each_published_comment_is_told(settings: Settings, tmp_path: Path, report: Report) -> None:
    settings = settings.model_copy(update={"outgoing_allow": ["127.0.0.0/8"]})
    with Receiver() as receiver:
        figures = killing(settings, tmp_path / "log", receiver)
    report(**figures)
