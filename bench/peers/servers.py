"""The servers that are compared: the app as users run it, the plain peer, and isso, with the same articles."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.tables import Article, Revision
from app.comments.tables import Comment
from app.db import migrations, open_database
from app.db.columns import table_of
from bench.cases import Request, read_facts
from bench.discussion import list_guest_tokens
from bench.peers import plain
from bench.seed import Store, seed_store
from bench.servers import list_children

STORE = "broadsheet.db"
START_SECONDS = 30
MARK = "number-to-be-made-unique"  # in the texts of posted comments
TEXT = f"I have crossed it every day, and so have my neighbours. {MARK}"
ISSO_SETTINGS = """[general]
dbpath = {folder}/isso.db
host = http://localhost/
[server]
listen = http://127.0.0.1:{port}
[guard]
enabled = false
"""


class Peer(NamedTuple):
    """A running server, and its requests by the name of the case."""

    name: str
    pid: int
    port: int
    requests: dict[str, list[Request]]

    def processes(self) -> list[int]:
        """List the server's process and all below it."""
        found = [self.pid]
        for pid in found:  # grows while it is walked
            found += list_children(pid)
        return found


def _find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _running(command: list[str], port: int, log: Path, **environment: str) -> Iterator[int]:
    """Run a server until the context ends; yield its process id once it listens."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")}
    with log.open("w") as output:
        popen = subprocess.Popen(command, env={**kept, **environment}, stdout=output, stderr=output)
    try:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if popen.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{command} did not start:\n{log.read_text()[-2000:]}") from None
                time.sleep(0.05)
        yield popen.pid
    finally:
        popen.terminate()
        popen.wait(30)


def make_store(folder: Path, articles: int) -> Store:
    """Make the app's own store, as `serve` expects it."""
    url = f"sqlite:///{folder / STORE}"
    migrations.ensure_migrated(url)
    return seed_store(url, articles)


def read_contents(store: Store, number: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read the articles and comments of a store for the peers, oldest first."""
    article, revision, comment = table_of(Article), table_of(Revision), table_of(Comment)
    articles = sa.select(article, revision.c.html).join(revision, revision.c.article_id == article.c.id)
    articles = articles.where(article.c.public).order_by(article.c.published_at)
    comments = sa.select(comment).where(comment.c.state == "published").order_by(comment.c.created_at).limit(number)
    db = open_database(store.url)
    try:
        with db.connect() as connection:
            rows = [connection.execute(query).mappings().all() for query in (articles, comments)]
    finally:
        for engine in db.engines():
            engine.dispose()
    return [dict(row) for row in rows[0]], [dict(row) for row in rows[1]]


def _post(path: str, body: dict[str, Any], **headers: str) -> Request:
    return Request("POST", path, tuple(headers.items()), json.dumps(body).encode())


@contextmanager
def serve_ours(name: str, store: Store, folder: Path, cache_size: int) -> Iterator[Peer]:
    """Serve the app with its worker; it keeps no answers without a cache size."""
    facts, port, tokens = read_facts(store), _find_port(), list_guest_tokens()
    own = folder / f"{name}.db"
    shutil.copy(folder / STORE, own)  # two workers on one store would share their work
    requests = {
        "list": [Request("GET", "/v1/articles?limit=20")],
        "article": [Request("GET", f"/v1/articles/{slug}") for slug in facts.slugs],
        "comments": [Request("GET", f"/v1/articles/{facts.discussed}/comments?limit=20&view=all")],
        "post": [
            _post(f"/v1/articles/{slug}/comments", {"text": TEXT}, Authorization=f"Bearer {tokens[n % len(tokens)]}")
            for n, slug in enumerate(facts.slugs)
        ],
    }
    environment = {
        "BROADSHEET_DATABASE_URL": f"sqlite:///{own}",
        "BROADSHEET_DATA_DIR": str(folder),
        "BROADSHEET_RATE_LIMITS": "off",
        "BROADSHEET_CACHE_SIZE": str(cache_size),
        "BROADSHEET_LOG_FORMAT": "json",
    }
    command = [sys.executable, "-m", "app", "serve", "--port", str(port)]
    with _running(command, port, folder / f"{name}.log", **environment) as pid:
        yield Peer(name, pid, port, requests)


@contextmanager
def serve_plain(contents: tuple[list[dict[str, Any]], list[dict[str, Any]]], folder: Path) -> Iterator[Peer]:
    """Serve the plain peer."""
    url, port = f"sqlite:///{folder / 'plain.db'}", _find_port()
    names = ("slug", "title", "dek", "excerpt", "published_at", "html")
    engine = plain.open_engine(url)
    with Session(engine) as session:
        articles = {
            row["id"]: plain.Article(**{name: row[name] for name in names}, section="section", author="Author")
            for row in contents[0]
        }
        session.add_all(articles.values())
        session.flush()
        for row in contents[1]:
            article = articles[row["article_id"]]
            values = {"author": row["author_name"], "text": row["text"], "created_at": row["created_at"]}
            session.add(plain.Comment(article_id=article.id, state="published", **values))
            article.comments += 1
        slugs = [article.slug for article in articles.values()]
        discussed = articles[contents[1][0]["article_id"]].slug
        session.commit()
    engine.dispose()
    requests = {
        "list": [Request("GET", "/articles?limit=20")],
        "article": [Request("GET", f"/articles/{slug}") for slug in slugs],
        "comments": [Request("GET", f"/articles/{discussed}/comments?limit=20")],
        "post": [
            _post(f"/articles/{slug}/comments", {"author": f"Guest {n % 500}", "text": TEXT})
            for n, slug in enumerate(slugs)
        ],
    }
    command = [sys.executable, "-m", "bench.peers.plain", url, str(port)]
    with _running(command, port, folder / "plain.log") as pid:
        yield Peer("plain", pid, port, requests)


@contextmanager
def serve_isso(
    program: Path, contents: tuple[list[dict[str, Any]], list[dict[str, Any]]], folder: Path
) -> Iterator[Peer]:
    """Serve isso, which knows comments alone, from a virtual environment of its own."""
    port = _find_port()
    settings = folder / "isso.cfg"
    settings.write_text(ISSO_SETTINGS.format(folder=folder, port=port))
    command = [str(program), "-c", str(settings), "run"]
    with _running(command, port, folder / "isso.log"):
        pass  # makes its tables
    slugs = {row["id"]: row["slug"] for row in contents[0]}
    discussed = slugs[contents[1][0]["article_id"]]
    with sqlite3.connect(folder / "isso.db") as connection:
        threads = {slug: n for n, slug in enumerate(slugs.values(), 1)}
        rows = [(n, f"/{slug}", slug) for slug, n in threads.items()]
        connection.executemany("INSERT INTO threads (id, uri, title) VALUES (?, ?, ?)", rows)
        insert = (
            "INSERT INTO comments (tid, created, text, author, mode, remote_addr, voters, likes, dislikes, "
            "notification) VALUES (?, ?, ?, ?, 1, '127.0.0.1', x'', 0, 0, 0)"
        )
        thread = threads[discussed]
        values = [(thread, row["created_at"].timestamp(), row["text"], row["author_name"]) for row in contents[1]]
        connection.executemany(insert, values)
    connection.close()
    requests = {
        "comments": [Request("GET", f"/?uri=/{discussed}&limit=20&nested_limit=0")],
        "post": [
            _post(f"/new?uri=/{slug}", {"author": f"Guest {n % 500}", "text": TEXT}) for n, slug in enumerate(threads)
        ],
    }
    with _running(command, port, folder / "isso.log") as pid:
        yield Peer("isso", pid, port, requests)
