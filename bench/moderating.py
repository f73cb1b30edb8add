"""`python -m bench.moderating`: all comments of a person are removed while others post, and how soon moderators hear.

`removal` removes the comments of one person, published on many articles, and prints how long that took, and how long
the posts of others took before it and beside it. `pending` posts comments that wait for a moderator at a steady rate,
and prints how long each takes to reach the stream of moderators and a webhook of theirs.
"""

import argparse
import asyncio
import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
import uvloop

from app.articles.tables import Article, ArticleTally
from app.comments.tables import Comment
from app.core.clock import now
from app.core.ids import new_id
from app.db import open_database
from app.db.columns import table_of
from app.db.rows import insert_into
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.identity.tables import Participant
from app.identity.tokens import hash_token, make_token
from bench.__main__ import DATABASES, create_stores
from bench.cases import Request
from bench.load import drive_in_loop, send_request
from bench.seed import empty_store, seed_store
from bench.servers import app, hook

Row = dict[str, Any]
ARTICLES, FEW_ARTICLES = 500, 60
ROWS_AT_ONCE = 5000
POSTS_PER_SECOND = 20.0
QUIET_SECONDS = 8.0  # of posts before the removal
MAX_SECONDS = 300.0
CONNECTIONS = 8
MAX_WAIT_SECONDS = 20.0  # for the last events


def _build_comments(articles: list[str], person: Row, number: int) -> Iterator[Row]:
    """Generate comments of one person in the order of time, a quarter of them replies to earlier ones of theirs."""
    rng, begin = random.Random(number), now() - timedelta(days=20)
    recent: list[Row] = []
    for n in range(number):
        comment_id, article_id = new_id(), rng.choice(articles)
        parent = next((row for row in recent if row["article_id"] == article_id), None) if n % 4 == 0 else None
        row: Row = {"id": comment_id, "article_id": article_id, "state": "published", "listed": True, "replies": 0}
        row |= {"parent_id": parent["id"] if parent else None, "root_id": parent["root_id"] if parent else comment_id}
        row |= {"under_id": parent["id"] if parent else article_id, "depth": parent["depth"] + 1 if parent else 0}
        row |= {"participant_id": person["id"], "author_id": person["public_id"], "author_name": "Busy"}
        row |= {"author_kind": "guest", "badges": [], "notify": "none", "fingerprint": f"{rng.getrandbits(128):032x}"}
        row |= {"source": "Buy.", "text": "Buy.", "html": "<p>Buy.</p>", "version": 1, "upvotes": 0, "downvotes": 0}
        row |= {"best": 0, "controversy": 0, "featured": False, "approved_text": False}
        row |= {"created_at": begin + timedelta(seconds=n * 17)}
        if parent:
            parent["replies"] += 1
        recent = [row, *recent[:3000]]
        yield row


def _seed_person(url: str, number: int) -> tuple[str, str, str]:
    """Add a person with comments; return a moderator's key, the person's public id, and an article to post on."""
    db = open_database(url)
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "bench", ["comments:moderate", "content:read", "webhooks:manage"])[1]
        table = table_of(Article)
        public = list(session.execute(sa.select(table.c.id).where(table.c.public).limit(ARTICLES + 1)).scalars())
        target, articles = public[0], public[1:]
        person: Row = {"id": new_id(), "kind": "guest", "name": "Busy", "approved": 0, "rejected": 0}
        person |= {"public_id": "0" * 31 + "1", "created_at": now(), "token_hash": hash_token(make_token("bg_"))}
        session.execute(sa.insert(table_of(Participant)).values(person))
    rows = list(_build_comments(articles, person, number))
    for start in range(0, number, ROWS_AT_ONCE):
        with db.transaction() as session:
            session.connection().execute(sa.insert(table_of(Comment)), rows[start : start + ROWS_AT_ONCE])
    with db.transaction() as session:
        tally = table_of(ArticleTally)
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["article_id"]] = counts.get(row["article_id"], 0) + 1
        for article_id, comments in counts.items():
            values = {"article_id": article_id, "comments": comments, "inline": 0, "reactions": {}}
            insert = insert_into(session, tally).values(values)
            more = tally.c.comments + insert.excluded.comments
            session.execute(insert.on_conflict_do_update(index_elements=["article_id"], set_={"comments": more}))
    for engine in db.engines():
        engine.dispose()
    return key, person["public_id"], target


def _post(port: int, article: str, number: int) -> float:
    """Post a comment and return the seconds that it took."""
    body = {"text": f"Number {number} {random.getrandbits(64):x}", "author": {"name": f"Reader {number}"}}
    request = Request("POST", f"/v1/articles/{article}/comments", (), json.dumps(body).encode())
    started = time.perf_counter()
    answer = send_request(port, request)
    assert answer.status == 201, answer
    return time.perf_counter() - started


async def _keep_posting(port: int, article: str, until: asyncio.Event, times: list[float], rate: float) -> None:
    number, started = 0, time.perf_counter()
    while not until.is_set():
        times.append(await asyncio.to_thread(_post, port, article, number))
        number += 1
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))


def _act(port: int, key: str, person: str, body: Row | None = None, action: str = "") -> Row:
    headers = (("Authorization", f"Bearer {key}"),)
    path = f"/v1/moderation/people/{person}/actions{action}"
    request = Request("POST" if body else "GET", path, headers, json.dumps(body).encode() if body else b"")
    answer = send_request(port, request)
    assert answer.status in (200, 202), answer
    return dict(json.loads(answer.body))


def _describe(times: list[float]) -> str:
    cuts = [cut * 1000 for cut in statistics.quantiles(times, n=100)]
    return f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, most {max(times) * 1000:.1f} ms of {len(times)}"


async def _drive_removal(port: int, key: str, person: str, article: str) -> list[str]:
    quiet, beside = list[float](), list[float]()
    for times, seconds in ((quiet, QUIET_SECONDS), (beside, MAX_SECONDS)):
        enough = asyncio.Event()
        posting = asyncio.create_task(_keep_posting(port, article, enough, times, POSTS_PER_SECOND))
        started = time.perf_counter()
        if times is beside:
            action = await asyncio.to_thread(_act, port, key, person, {"remove_all": True, "reason": "Spam."})
            while action["state"] != "done" and time.perf_counter() - started < seconds:
                await asyncio.sleep(0.25)
                action = await asyncio.to_thread(_act, port, key, person, None, f"/{action['id']}")
        else:
            await asyncio.sleep(seconds)
        took = time.perf_counter() - started
        enough.set()
        await posting
    return [
        f"{action['removed']:,} comments removed in {took:.1f} s ({action['state']})",
        f"posts before: {_describe(quiet)}",
        f"posts beside: {_describe(beside)}",
    ]


def measure_removal(url: str, folder: Path, comments: int) -> list[str]:
    """Remove all comments of a person through a server with its worker; return the results as lines of text."""
    empty_store(url)
    seed_store(url, ARTICLES * 2)
    key, person, article = _seed_person(url, comments)
    with app(url, folder / "app", worker=True) as process:
        time.sleep(2.0)
        used = process.tree_cpu()
        lines = uvloop.run(_drive_removal(process.port, key, person, article))
        return [*lines, f"CPU of the server {process.tree_cpu() - used:.1f} s"]


class _Stream(asyncio.Protocol):
    """Reads the stream of moderators, and notes how old each event is when it arrives."""

    def __init__(self, request: bytes, ages: list[float]) -> None:
        self._request, self._ages, self._rest = request, ages, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        arrived = time.time()
        for line in lines:
            if line.startswith(b"data: ") and b'"comment.pending"' in line:
                sent = datetime.fromisoformat(json.loads(line[6:])["timestamp"])
                self._ages.append(arrived - sent.timestamp())


async def _drive_pending(port: int, hook: int, key: str, article: str, rate: float, seconds: float) -> list[str]:
    ages, headers = list[float](), f"Host: localhost\r\nAuthorization: Bearer {key}\r\n"
    request = f"GET /v1/moderation/live HTTP/1.1\r\n{headers}\r\n".encode()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: _Stream(request, ages), "127.0.0.1", port)
    await asyncio.sleep(1.0)
    posts = (
        Request(
            "POST",
            f"/v1/articles/{article}/comments",
            (),
            json.dumps({"text": f"Number {n} {random.getrandbits(64):x}", "author": {"name": f"Reader {n}"}}).encode(),
        ).wire()
        for n in itertools.count()
    )
    posted = await drive_in_loop(port, posts, 201, CONNECTIONS, seconds, CONNECTIONS / rate)
    until = time.perf_counter() + MAX_WAIT_SECONDS
    while len(ages) < posted.requests and time.perf_counter() < until:
        await asyncio.sleep(0.1)
    transport.close()
    hooked = _read_ages(hook)
    while len(hooked) < posted.requests and time.perf_counter() < until:
        await asyncio.sleep(0.1)
        hooked = _read_ages(hook)
    return [
        f"{posted.requests} comments, {posted.requests / posted.seconds:.0f} a second",
        *(
            f"{len(got)} reached the {place}: {_describe(got)}"
            for place, got in (("stream", ages), ("hook", hooked))
            if len(got) > 1
        ),
    ]


def _read_ages(hook: int) -> list[float]:
    """Read how old the messages of comments that wait were when they came to the hook."""
    told = json.loads(send_request(hook, Request("GET", "/", (), b"")).body)
    return [age for kind, age in told if kind == "comment.pending"]


def measure_pending(url: str, folder: Path, rate: float, seconds: float) -> list[str]:
    """Post comments that wait for a moderator, and return how late they reach the stream and a webhook."""
    empty_store(url)
    seed_store(url, FEW_ARTICLES)
    key, _, article = _seed_person(url, 1)
    headers = (("Authorization", f"Bearer {key}"), ("If-Match", "*"))
    with hook(folder) as receiver, app(url, folder / "app", worker=True) as process:
        setting = Request("PUT", "/v1/discussion", headers, b'{"moderation": "pre"}')
        assert send_request(process.port, setting).status == 200
        body = json.dumps({"url": f"http://127.0.0.1:{receiver.port}/", "events": ["comment.pending"]}).encode()
        assert send_request(process.port, Request("POST", "/v1/webhooks", headers[:1], body)).status == 201
        used = process.tree_cpu()
        lines = uvloop.run(_drive_pending(process.port, receiver.port, key, article, rate, seconds))
        comments = int(lines[0].partition(" ")[0])
        return [*lines, f"CPU of the server {(process.tree_cpu() - used) / comments * 1000:.1f} ms a comment"]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.moderating", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--comments", type=int, default=100_000, help="of the person (default %(default)s)")
    parser.add_argument("--rate", type=float, default=200.0, help="comments that wait, a second (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for these (default %(default)s)")
    parser.add_argument("--only", choices=("removal", "pending"))
    options = parser.parse_args()
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
            create_stores(dialect, Path(folder), [0]) as ((url,), _),
        ):
            lines = list[str]()
            if options.only != "pending":
                lines += measure_removal(url, Path(folder), options.comments)
            if options.only != "removal":
                lines += measure_pending(url, Path(folder), options.rate, options.seconds)
            for line in lines:
                print(f"{dialect}: {line}", flush=True)


if __name__ == "__main__":
    main()
