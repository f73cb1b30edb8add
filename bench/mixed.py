"""`python -m bench.mixed`: the speed of reads while others vote, react and comment, and of the same reads alone."""

import argparse
import itertools
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from app.articles.tables import Article
from app.core.clock import now
from app.db import open_database
from app.db.columns import table_of
from app.identity.tables import Participant
from bench.__main__ import DATABASES, create_stores
from bench.cases import Facts, Request, read_facts
from bench.discussion import list_guest_tokens
from bench.load import Slice, drive, send_request
from bench.seed import Store, seed_store
from bench.servers import Process, app, read_cpu

CONNECTIONS, ROUNDS, GOAL = 16, 5, 0.5
VOTES, COMMENTS = 0.04, 0.01  # shares of the requests; half of the former are reactions
LISTS, THREADS = 0.2, 0.15  # shares of the reads; the others are articles
DISCUSSED = 300  # articles with a comment to vote on
SAMPLE = 200_000  # requests, which are then repeated


class Crowd:
    """Readers who prefer new articles (Zipf), and voters and writers who prefer the same ones."""

    def __init__(self, slugs: list[str], facts: Facts) -> None:
        self._slugs, self._random = slugs, random.Random(len(slugs))
        self._weights = list(itertools.accumulate(1 / rank for rank in range(1, len(slugs) + 1)))
        self._lists = ["/v1/articles", f"/v1/articles?tag={facts.common}", f"/v1/articles?section={facts.section}"]
        self._lists.append("/v1/articles?fields=id,title,slug,dek&limit=50")
        self._author, *self._guests = [(("Authorization", f"Bearer {token}"),) for token in list_guest_tokens()]
        self._comments: dict[str, str] = {}  # one on each discussed article

    def start_discussions(self, process: Process) -> None:
        """Post a comment on the most read articles."""
        for slug in self._slugs[:DISCUSSED]:
            request = self._comment(slug)._replace(headers=self._author)  # nobody votes on their own comment
            answer = send_request(process.port, request)
            self._comments[slug] = json.loads(answer.body)["id"]

    def paths(self) -> list[Request]:
        """List all requests of readers."""
        articles = [f"/v1/articles/{slug}" for slug in self._slugs]
        return [Request("GET", path) for path in (*self._lists, *articles, *(f"{path}/comments" for path in articles))]

    def reads(self) -> Iterator[Request]:
        """Generate reads."""
        while True:
            share, path = self._random.random(), f"/v1/articles/{self._choose()}"
            if share < LISTS:
                path = self._random.choice(self._lists)
            elif share < LISTS + THREADS:
                path += "/comments"
            yield Request("GET", path)

    def requests(self) -> Iterator[Request]:
        """Generate reads with writes among them."""
        for read in self.reads():
            share, slug = self._random.random(), self._choose()
            if share < COMMENTS:
                yield self._comment(slug)
            elif share < COMMENTS + VOTES / 2:
                yield self._write(
                    "PUT", f"/v1/articles/{slug}/reaction", {"value": self._random.choice(["agree", "disagree", None])}
                )
            elif share < COMMENTS + VOTES and slug in self._comments:
                body = {"value": self._random.choice([1, -1, 0])}
                yield self._write("PUT", f"/v1/comments/{self._comments[slug]}/vote", body)
            else:
                yield read

    def _choose(self) -> str:
        return self._random.choices(self._slugs, cum_weights=self._weights)[0]

    def _comment(self, slug: str) -> Request:
        text = f"I have crossed it {self._random.getrandbits(64)} times."
        return self._write("POST", f"/v1/articles/{slug}/comments", {"text": text})

    def _write(self, method: str, path: str, body: dict[str, object]) -> Request:
        return Request(method, path, self._random.choice(self._guests), json.dumps(body).encode())


def _prepare(store: Store) -> list[str]:
    """Confirm the guests, so that each vote counts; return the slugs of all listed articles, newest first."""
    article, guest, db = table_of(Article), table_of(Participant), open_database(store.url)
    with db.connect() as connection:
        connection.execute(sa.update(guest).values(confirmed_at=now()))
        connection.commit()
        newest = sa.select(article.c.slug).where(article.c.listed).order_by(article.c.listed_at.desc())
        slugs = list(connection.execute(newest).scalars())
    for engine in db.engines():
        engine.dispose()
    return slugs


def _wires(requests: Iterator[Request]) -> list[bytes]:
    return [request.wire() for request in itertools.islice(requests, SAMPLE)]


def _drive(process: Process, wires: Iterator[bytes], seconds: float) -> tuple[float, Slice]:
    """Return the CPU seconds per request, and the slice."""
    before = read_cpu(process.pid)
    load = drive(process.port, wires, status=None, connections=CONNECTIONS, seconds=seconds)
    return (read_cpu(process.pid) - before) / load.requests, load


def _count_hits(process: Process) -> tuple[float, float]:
    """Return how many reads were answered from memory, and how many there were."""
    text = send_request(process.port, Request("GET", "/metrics")).body.decode()
    lines = [line.split() for line in text.splitlines() if line.startswith("broadsheet_kept_answers_total{")]
    by_outcome = {name.partition('"')[2].partition('"')[0]: float(value) for name, value in lines}
    return by_outcome["hit"], sum(by_outcome.values())


def main() -> int:
    """Print both; return 1 if the mix is slower than the goal allows."""
    parser = argparse.ArgumentParser(prog="python -m bench.mixed", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="sqlite")
    parser.add_argument("--articles", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each turn (default %(default)s)")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    table, missed = Table("database", "load", "requests/s", "CPU µs", "p50 ms", "p99 ms", "hits"), 0
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
            create_stores(dialect, Path(name), [options.articles]) as ([url], _),
        ):
            store = seed_store(url, options.articles)
            crowd = Crowd(_prepare(store), read_facts(store))
            with app(url, Path(name), cache_size=64) as process:
                crowd.start_discussions(process)
                everything = [request.wire() for request in crowd.paths()]
                calm, mixed = itertools.cycle(_wires(crowd.reads())), itertools.cycle(_wires(crowd.requests()))
                turns: dict[str, list[tuple[float, Slice, float]]] = {"reads": [], "mixed": []}
                for number in range(ROUNDS + 1):
                    for load, wires in (("reads", calm), ("mixed", mixed)):
                        if load == "reads":  # keep again what was evicted
                            _drive(process, itertools.cycle(everything), 2 * options.seconds)
                        before = _count_hits(process)
                        used, found = _drive(process, wires, options.seconds)
                        hits, reads = (now - then for now, then in zip(_count_hits(process), before, strict=True))
                        if number:
                            turns[load].append((used, found, hits / reads))
        rates = {load: [found.requests / found.seconds for _, found, _ in each] for load, each in turns.items()}
        for load, each in turns.items():
            cuts = [statistics.median(getattr(found, cut) for _, found, _ in each) * 1000 for cut in ("p50", "p99")]
            used, share = (statistics.median(turn[at] for turn in each) for at in (0, 2))
            figures = (f"{statistics.median(rates[load]):,.0f}", f"{used * 1e6:.0f}", *(f"{cut:.2f}" for cut in cuts))
            table.add_row(dialect, load, *figures, f"{share:.3f}")
        ratio = statistics.median(one / two for one, two in zip(rates["mixed"], rates["reads"], strict=True))
        missed += ratio < GOAL
        table.add_row(dialect, "mixed / reads", f"{ratio:.2f}", "", "", "", f"goal ≥ {GOAL}")
    console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
