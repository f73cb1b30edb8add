"""`python -m bench.stalls`: the longest time that each kind of public request blocks the event loop."""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

from app.core import ids
from app.core.settings import Settings
from app.main import create_app
from bench.__main__ import DATABASES, create_stores
from bench.cases import CASES, read_facts
from bench.seed import seed_store
from bench.strangers import DEAREST

TRIES = 3
GOAL = 2.0  # milliseconds
MARKS = "a" + "\u0301\u0323" * 4999
_CALLBACK = "_run"  # the method that asyncio calls of each handle
Kind = tuple[str, str, Callable[[int], str], Callable[[int], bytes | None]]


class Sent(NamedTuple):
    """The status of a request, and the longest callback of the event loop in milliseconds of CPU."""

    status: int
    stall: float
    body: bytes


class _Watch:
    """Measures every callback of asyncio's loop by the CPU time of its thread."""

    def __init__(self) -> None:
        self.longest = 0.0
        run = vars(asyncio.Handle)[_CALLBACK]

        def measured(handle: Any) -> None:
            before = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - before)

        setattr(asyncio.Handle, _CALLBACK, measured)

    async def ask(self, app: FastAPI, method: str, url: str, body: bytes | None, token: str = "") -> Sent:
        """Send a request to the app without a server."""
        path, _, query = url.partition("?")
        headers = [(b"host", b"localhost")] + ([(b"authorization", f"Bearer {token}".encode())] if token else [])
        if body is not None:
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": ""}
        scope |= {"query_string": query.encode(), "scheme": "http", "http_version": "1.1", "client": ("192.0.2.1", 1)}
        scope |= {"headers": headers, "state": {}}
        status, parts = 0, [b""]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body or b""}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        await asyncio.sleep(0.02)
        self.longest = 0.0
        await asyncio.create_task(app(scope, receive, send))
        return Sent(status, self.longest * 1000, b"".join(parts))


def _comment(text: str, n: int) -> dict[str, Any]:
    return {"text": f"{text}{n}"[-9999:], "author": {"name": "Ann"}}


def _batch(article: str, text: str, n: int) -> bytes:
    operations = [
        {"op": "post", "article": article, "id": ids.new_id(), "comment": _comment(text, n * 50 + m)} for m in range(50)
    ]
    return json.dumps({"operations": operations}).encode()


def _kinds(article: str, mine: str) -> list[Kind]:
    """Return the name, method, path and body of each kind of request, by the number of the attempt."""
    comments, own = f"/v1/articles/{article}/comments", f"/v1/comments/{mine}"
    email = partial("a{}@example.org".format)

    def to(method: str, name: str, url: str, body: Callable[[int], Any]) -> Kind:
        return name, method, lambda _n: url, lambda n: json.dumps(body(n)).encode()

    def get(name: str, url: str) -> Kind:
        return name, "GET", lambda n: url.replace("{n}", str(n)), lambda _n: None

    texts = {"plain": "Well said, all of it. ", "marks": MARKS, "links": DEAREST[1]}
    long = {name: _comment(text, 1)["text"] for name, text in texts.items()}
    return [
        *(to("POST", f"comment: {name}", comments, partial(_comment, text)) for name, text in texts.items()),
        *(
            to("POST", f"trial: {name}", f"{comments}?dry_run=true", partial(_comment, text))
            for name, text in texts.items()
        ),
        *(
            (f"batch of 50: {name}", "POST", lambda _n: "/v1/sync/comments", partial(_batch, article, text))
            for name, text in texts.items()
        ),
        *(
            to("PATCH", f"edit: {name}", f"/v1/comments/{mine}", partial(_comment_text, text))
            for name, text in long.items()
        ),
        ("160 kB of {}", "POST", lambda _n: comments, lambda _n: b"[" + b'{"a":1},' * 19_990 + b"0]"),
        ("32 kB of {}", "POST", lambda _n: comments, lambda _n: b"[" + b'{"a":1},' * 3990 + b"0]"),
        to(
            "POST",
            "report",
            f"/v1/articles/{article}/reports",
            lambda n: {"reason": "other", "text": f"{MARKS[:1900]}{n}"},
        ),
        to(
            "POST",
            "subscription",
            "/v1/subscriptions",
            lambda n: {"email": email(n), "kind": "articles.new"},
        ),
        to("PUT", "reaction", f"/v1/articles/{article}/reaction", lambda n: {"value": ("agree", "disagree")[n % 2]}),
        to("PUT", "vote", f"{own}/vote", lambda n: {"value": n % 3 - 1}),
        get("list", "/v1/articles?limit=100"),
        get("comments", f"{comments}?limit=100"),
        get("search", f"/v1/search?q={quote('ferry harbour bread ' * 9)}{{n}}"),
        get("search: marks", f"/v1/search?q={quote(MARKS[:199])}"),
        get("search: long", f"/v1/search?q={quote(MARKS[:5000])}"),
        get("feed", "/feeds/site.rss"),
    ]


def _comment_text(text: str, n: int) -> dict[str, Any]:
    return {"text": f"{text[:-9]}{n}"}


async def _measure(settings: Settings, article: str) -> list[tuple[str, set[int], float]]:
    watch, app, rows = _Watch(), create_app(settings, with_worker=False), []
    async with app.router.lifespan_context(app):
        made = await watch.ask(
            app, "POST", f"/v1/articles/{article}/comments", json.dumps(_comment("Mine.", 0)).encode()
        )
        mine = json.loads(made.body)
        for name, method, url, content in _kinds(article, mine["id"]):
            token = mine["edit_token"] if method == "PATCH" else mine["guest_token"] if method == "PUT" else ""
            sent = [await watch.ask(app, method, url(n), content(n), token) for n in range(TRIES + 1)][1:]
            rows.append((name, {one.status for one in sent}, statistics.median(one.stall for one in sent)))
    return rows


def main() -> int:
    """Print the longest callback of each kind of request."""
    parser = argparse.ArgumentParser(prog="python -m bench.stalls", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--articles", type=int, default=300)
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        create_stores(options.database, Path(folder), [options.articles]) as ([url], _),
    ):
        store = seed_store(url, options.articles)
        article = next(c for c in CASES if c.name == "article").requests(read_facts(store))[0].path.split("/")[3]
        table = Table("request", "limits", "statuses", "longest callback, ms of CPU")
        for name, rates in (("off", "off"), ("used up", "comment=1/hour")):
            settings = Settings(
                _env_file=None,
                database_url=store.url,
                data_dir=Path(folder),
                rate_limits=rates,
                log_format="json",
                flood_author=10_000,
                flood_address=10_000,
            )
            for row in asyncio.run(_measure(settings, article.partition("?")[0])):
                table.add_row(row[0], name, " ".join(map(str, sorted(row[1]))), f"{row[2]:.2f}{' !' * (row[2] > GOAL)}")
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
