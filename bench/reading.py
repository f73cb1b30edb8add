"""`python -m bench.reading`: the latency of reading related articles, alternating between a small and a large store.

The stores hold what such a read touches and nothing else: articles with their cards, and twenty links of each of some.
"""

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from sqlmodel import SQLModel

from app.articles.cached_json import rebuild_stale as refresh_cards
from app.articles.tables import Article
from app.core.settings import Settings
from app.db import Database, open_database
from app.db.columns import table_of
from app.identity.schemas import ANONYMOUS
from app.publication.site import Site
from app.related.links import find_related
from app.related.tables import RelatedLink, RelatedText
from bench.__main__ import DATABASES, create_stores
from bench.linking import Elapsed, build_article, measure_time
from bench.seed import open_bulk_connection, update_statistics

LINKED, LINKS, ROUNDS, READS = 100_000, 20, 15, 200
GOAL = 1.3
NUMBERS = {
    "sqlite": "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {0}) SELECT {1} FROM {2}, s",
    "postgresql": "SELECT {1} FROM {2}, generate_series(1::bigint, {0}) AS s(i)",
}
ID = {
    "sqlite": "printf('01900000-0000-7000-8000-%012x', {0})",
    "postgresql": "('01900000-0000-7000-8000-' || lpad(to_hex({0}), 12, '0'))::uuid",
}


def _insert_copies(connection: sa.Connection, model: type[SQLModel], number: int, **columns: str) -> None:
    """Insert copies of the first row of a table; `columns` are SQL expressions of `i`, which counts from 1."""
    table, dialect = table_of(model), connection.dialect.name
    names = [column.name for column in table.c]
    values = ", ".join(columns.get(name, f't."{name}"') for name in names)
    query = NUMBERS[dialect].format(number, values, f"(SELECT * FROM {table.name} LIMIT 1) AS t")
    quoted = ", ".join(f'"{name}"' for name in names)
    query = f"INSERT INTO {table.name} ({quoted}) {query}"
    connection.exec_driver_sql(query.replace("%", "%%") if dialect == "postgresql" else query)


def create_store(url: str, articles: int) -> Database:
    """Create a store of a number of articles."""
    db, site = open_database(url), Site.from_settings(Settings(_env_file=None))
    writes, made = db.engines()[1], 1
    SQLModel.metadata.create_all(writes)
    with db.transaction() as session:
        row = {**build_article(0, "")[0], "title": "A title of some length for a card"}
        session.execute(sa.insert(table_of(Article)), [row])
        text = {"n": 1, "article_id": row["id"], "revision": 1, "language": "en", "author_id": None, "stale": False}
        text |= {"listed_at": row["listed_at"], "terms": [], "signature": bytes(128)}
        session.execute(sa.insert(table_of(RelatedText)), [text])
        link = {"article_id": row["id"], "target_id": row["id"], "deferred": False, "score": 0}
        session.execute(sa.insert(table_of(RelatedLink)), [{**link, "terms": ["harbour", "ferry", "bridge"]}])
    while made:
        with db.transaction() as session:
            made = refresh_cards(session, site)
    ids, linked = ID[db.dialect], min(articles, LINKED)
    owner = f"(1 + (i % {linked}) * {articles // linked})"
    target = f"(1 + ({owner} * 7919 + (i / {linked}) * 104729) % {articles})"
    with writes.connect() as connection:
        open_bulk_connection(connection)
        with connection.begin():
            _insert_copies(connection, Article, articles, id=ids.format("i"), slug="'number-' || i")
            _insert_copies(connection, RelatedText, linked, n="i + 1", article_id=ids.format(owner))
            places = {"article_id": ids.format(owner), "target_id": ids.format(target), "score": "600 + i % 9000"}
            _insert_copies(connection, RelatedLink, linked * LINKS, **places)
    writes.dispose()
    update_statistics(db)
    return db


def _read(connection: sa.Connection, slug: str, site: Site) -> None:
    answer = find_related(connection, slug, ANONYMOUS, site)
    assert answer is not None
    assert len(answer.items) >= LINKS - 1  # one may be the article itself


class Round(NamedTuple):
    """Wall time and CPU time of this process in milliseconds, which on PostgreSQL excludes the server."""

    median: float
    p95: float
    cpu: float
    cpu_p95: float


def measure(stores: Sequence[tuple[Database, int]]) -> list[list[Round]]:
    """Measure each store in each round."""
    site, rng = Site.from_settings(Settings(_env_file=None)), random.Random(1)
    found: list[list[Round]] = [[] for _ in stores]
    for _ in range(ROUNDS):
        for at, (db, articles) in enumerate(stores):
            linked = min(articles, LINKED)
            times: list[Elapsed] = []
            with db.connect() as connection:
                for _ in range(READS):
                    slug = f"number-{1 + rng.randrange(linked) * (articles // linked)}"
                    times.append(measure_time(lambda slug=slug: _read(connection, slug, site)))
            wall, cpu = (sorted(kind) for kind in zip(*times, strict=True))
            found[at].append(Round(*(kind[READS * cut // 100] for kind in (wall, cpu) for cut in (50, 95))))
    return found


def main() -> int:
    """Run the benchmark; print the latencies, and how much they grow with the store."""
    parser = argparse.ArgumentParser(prog="python -m bench.reading", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", default="2000,1000000", help="sizes of the stores (default %(default)s)")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    sizes = sorted(map(int, options.articles.split(",")))
    table = Table("database", "articles", "median ms", "p95 ms", "CPU median ms", "CPU p95 ms")
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
            create_stores(dialect, Path(folder), sizes) as (found, _),
        ):
            stores = [(create_store(url, size), size) for url, size in zip(found, sizes, strict=True)]
            rounds = measure(stores)
            for size, times in zip(sizes, rounds, strict=True):
                table.add_row(
                    dialect, f"{size:,}", *(f"{statistics.median(kind):.3f}" for kind in zip(*times, strict=True))
                )
            growth = [
                statistics.median(
                    getattr(large, name) / getattr(small, name)
                    for small, large in zip(rounds[0], rounds[-1], strict=True)
                )
                for name in Round._fields
            ]
            table.add_row(dialect, f"growth (goal of p95: ≤ × {GOAL})", *(f"× {ratio:.2f}" for ratio in growth))
            for db, _ in stores:
                for engine in db.engines():
                    engine.dispose()
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
