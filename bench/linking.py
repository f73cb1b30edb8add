"""`python -m bench.linking`: the time to link an article in a large store, and to read its links.

The store is synthetic: words and topics follow Zipf's law, so that every eighth article has the most frequent topic.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from sqlmodel import SQLModel

from app.articles.cached_json import rebuild_stale as refresh_cards
from app.articles.tables import Article, Revision
from app.core.ids import new_id
from app.core.settings import Settings
from app.db import Database, open_database
from app.db.columns import table_of
from app.identity.schemas import ANONYMOUS
from app.publication.site import Site
from app.related.linking import rebuild_stale_lists, refresh_links
from app.related.links import find_related
from app.related.similarity import weigh_stems
from app.related.tables import ArticleTerm, RelatedTerm, RelatedText
from bench.__main__ import DATABASES, create_stores
from bench.seed import FIRST, Store, open_bulk_connection, update_statistics
from bench.statements import explained, recorded

VOCABULARY, TOPICS, TOPIC_WORDS, WORDS = 200_000, 2_000, 40, 400
ON_TOPIC = 0.25  # of the words
CHUNK = 2_000
Row = dict[str, Any]
Text = Sequence[int]


class _Texts:
    """Generates texts as numbers of words."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._words = list(accumulate(1 / (n + 10) for n in range(VOCABULARY)))
        self._topics = list(accumulate(1 / (n + 1) for n in range(TOPICS)))
        self._of = [[self.rng.randrange(100, VOCABULARY) for _ in range(TOPIC_WORDS)] for _ in range(TOPICS)]

    def one(self) -> Text:
        rng = self.rng
        topic = self._of[rng.choices(range(TOPICS), cum_weights=self._topics)[0]]
        special = round(WORDS * ON_TOPIC)
        words = rng.choices(range(VOCABULARY), cum_weights=self._words, k=WORDS - special)
        return array("I", [*words, *rng.choices(topic, k=special)])


def _word(number: int) -> str:
    """Return a word that a stemmer does not change."""
    return f"x{number}q"


def build_article(n: int, text: str) -> tuple[Row, Row]:
    """Return the rows of an article and its revision."""
    at = FIRST + timedelta(minutes=30 * n)
    same: Row = {"title": f"Number {n}", "dek": None, "type": "article", "language": "en", "section_id": None}
    same |= {"series_id": None, "image_id": None, "excerpt": "", "word_count": WORDS, "reading_minutes": 2}
    row = {
        **same,
        "id": new_id(),
        "slug": f"number-{n}",
        "state": "published",
        "public": True,
        "listed": True,
        "version": 1,
    }
    row |= {"revision": 1, "latest_revision": 1, "published_revision": 1, "created_at": at, "published_at": at}
    row |= {"updated_at": at, "listed_at": at, "featured": False, "corrections": [], "card_stamp": 0}
    revision = {
        **same,
        "article_id": row["id"],
        "n": 1,
        "created_at": at,
        "actor_name": "bench",
        "html": "",
        "text": text,
    }
    return row, {**revision, "markdown": "", "blocks": [], "authors": [], "tags": []}


def _seed(connection: sa.Connection, texts: Sequence[Text]) -> None:
    """Write the terms of all texts as if each had been published last."""
    have = Counter(word for text in texts for word in set(text))
    numbers = {word: number for number, word in enumerate(have, 1)}
    words = [(numbers[word], _word(word), articles) for word, articles in have.items()]
    words.append((len(words) + 1, "", len(texts)))
    rows = [{"id": number, "language": "en", "stem": stem, "articles": articles} for number, stem, articles in words]
    connection.execute(sa.insert(table_of(RelatedTerm)), rows)
    for start in range(0, len(texts), CHUNK):
        found: dict[str, list[Row]] = {"article": [], "revision": [], "text": [], "term": []}
        for n, text in enumerate(texts[start : start + CHUNK], start):
            row, revision = build_article(n, "")
            counts = {_word(word): count for word, count in Counter(text).items()}
            weights = weigh_stems(counts, {_word(word): have[word] for word in set(text)}, len(texts))
            terms = [[numbers[int(word[1:-1])], weight, word] for word, weight in weights.items()]
            about = {"n": n + 1, "article_id": row["id"], "revision": 1, "language": "en", "author_id": None}
            about |= {"listed_at": row["listed_at"], "stale": False, "signature": random.Random(n).randbytes(128)}
            found["article"].append(row)
            found["revision"].append(revision)
            found["text"].append({**about, "terms": terms})
            found["term"] += [{"term_id": term, "n": n + 1, "weight": weight} for term, weight, _ in terms]
        for model, rows in zip((Article, Revision, RelatedText, ArticleTerm), found.values(), strict=True):
            connection.execute(sa.insert(table_of(model)), rows)
    if connection.dialect.name == "postgresql":
        for name, column in (("related_text", "n"), ("related_term", "id")):
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'), (SELECT max({column}) FROM {name}))"
            )


def _fill(url: str, texts: Sequence[Text]) -> Database:
    db = open_database(url)
    writes = db.engines()[1]
    SQLModel.metadata.create_all(writes)
    with writes.connect() as connection:
        open_bulk_connection(connection)
        with connection.begin():
            _seed(connection, texts)
    writes.dispose()
    update_statistics(db)
    return db


class Elapsed(NamedTuple):
    """Wall time and CPU time of this process in milliseconds, which on PostgreSQL excludes the server."""

    wall: float
    cpu: float


def measure_time(work: Callable[[], Any]) -> Elapsed:
    """Measure the time of a function."""
    started = time.perf_counter(), time.process_time()
    work()
    return Elapsed((time.perf_counter() - started[0]) * 1000, (time.process_time() - started[1]) * 1000)


def _publish(db: Database, n: int, text: Text) -> str:
    row, revision = build_article(n, " ".join(map(_word, text)))
    with db.transaction() as session:
        session.execute(sa.insert(table_of(Article)), [row])
        session.execute(sa.insert(table_of(Revision)), [revision])
    return str(row["id"])


def _link(db: Database, article_id: str) -> None:
    with db.transaction() as session:
        refresh_links(session, article_id)


def _relink(db: Database) -> None:
    with db.transaction() as session:
        rebuild_stale_lists(session, 1)


def _read(connection: sa.Connection, article_id: str, site: Site) -> None:
    found = find_related(connection, article_id, ANONYMOUS, site)
    assert found is None or len(found.items) <= 20


def _measure(db: Database, texts: Sequence[Text], first: int) -> Iterator[tuple[str, list[Elapsed]]]:
    ids = [_publish(db, first + n, text) for n, text in enumerate(texts)]
    yield "link one more article", [measure_time(lambda id_=id_: _link(db, id_)) for id_ in ids]
    site = Site.from_settings(Settings(_env_file=None))
    made = 1
    while made:
        with db.transaction() as session:
            made = refresh_cards(session, site)
    with db.connect() as connection:
        for name in ("read links, first time", "read links, again"):
            yield name, [measure_time(lambda id_=id_: _read(connection, id_, site)) for id_ in ids]
    text = table_of(RelatedText)
    with db.transaction() as session:
        session.execute(sa.update(text).where(text.c.n <= 100).values(stale=True))
    yield "make one list anew", [measure_time(lambda: _relink(db)) for _ in range(100)]


def _explain(console: Console, url: str, db: Database, text: Text, n: int) -> None:
    """Print the query plans of linking and reading."""
    article_id = _publish(db, n, text)
    with recorded() as sent:
        _link(db, article_id)
        with db.connect() as connection:
            _read(connection, article_id, Site.from_settings(Settings(_env_file=None)))
    seen = set()
    for statement in sent:
        if (
            statement.sql.lstrip().startswith(("SELECT", "WITH"))
            and statement.sql not in seen
            and "FROM" in statement.sql
        ):
            seen.add(statement.sql)
            console.print(f"\n{' '.join(statement.sql.split())[:300]}", style="dim", highlight=False)
            console.print(explained(Store(db.dialect, url, n, ""), statement), highlight=False)


def main() -> int:
    """Run the benchmark and print the times."""
    parser = argparse.ArgumentParser(prog="python -m bench.linking", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--more", type=int, default=200, help="articles to publish (default %(default)s)")
    parser.add_argument("--explain", action="store_true", help="print query plans as well")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 200)
    source = _Texts(options.articles)
    texts = [source.one() for _ in range(options.articles + options.more + 1)]
    table = Table("database", "what", "median ms", "p95 ms", "median CPU ms", "p95 CPU ms")
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
            create_stores(dialect, Path(folder), [options.articles]) as ([url], _),
        ):
            db = _fill(url, texts[: options.articles])
            console.print(f"{dialect}: {options.articles:,} articles seeded", style="dim")
            for what, times in _measure(db, texts[options.articles : -1], options.articles):
                shown = []
                for kind in zip(*times, strict=True):
                    shown += [statistics.median(kind), sorted(kind)[int(len(kind) * 0.95)]]
                table.add_row(dialect, what, *(f"{figure:.2f}" for figure in shown))
            if options.explain:
                _explain(console, url, db, texts[-1], options.articles + options.more)
            for engine in db.engines():
                engine.dispose()
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
