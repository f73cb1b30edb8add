"""The harness measures a store as the API makes it, and no read takes a statement per row."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.articles.cached_json import find_stale
from app.articles.reading import ARTICLE
from app.articles.rendering import build_articles
from app.articles.tables import ArticleAuthor, ArticleTag, ArticleTally
from app.comments.reading import C
from app.core.settings import Settings
from app.db import Database, open_database
from app.db.columns import table_of
from app.publication.site import Site
from app.publication.tables import Author, Section, Series, Tag
from app.publication.taxonomies import has_misplaced_sections
from app.related.linking import LINK, TEXT
from app.related.tables import ArticleTerm
from app.search.indexing import count_index_drift, rebuild_batch
from app.search.tables import ENTRY
from bench.cases import CASES
from bench.seed import FRONT_ID, empty_store, seed_store
from bench.statements import behind, excess, explained

BATCH, COPIES = 30, 3


def _count(
    column: sa.ColumnElement[str], equal: sa.ColumnElement[str], *where: sa.ColumnElement[bool]
) -> sa.Select[tuple[int]]:
    return sa.select(sa.func.count()).where(column == equal, *where)


def check_counts(connection: sa.Connection) -> None:
    """Terms, discussions and threads are counted as if each article and comment had been counted when it came."""
    author, tag = table_of(ArticleAuthor), table_of(ArticleTag)
    for model, column in (
        (Section, ARTICLE.c.section_id),
        (Series, ARTICLE.c.series_id),
        (Author, author.c.author_id),
        (Tag, tag.c.tag_id),
    ):
        terms = table_of(model)
        listed = _count(column, terms.c.id, column.table.c.listed).scalar_subquery()
        assert connection.execute(sa.select(terms.c.slug).where(terms.c.articles != listed)).all() == []
    tally, reply = table_of(ArticleTally), C.alias()
    comments = _count(C.c.article_id, tally.c.article_id).scalar_subquery()
    assert connection.execute(sa.select(tally.c.article_id).where(tally.c.comments != comments)).all() == []
    replies = _count(reply.c.parent_id, C.c.id).scalar_subquery()
    assert connection.execute(sa.select(C.c.id).where(C.c.replies != replies)).all() == []
    assert connection.execute(sa.select(sa.func.sum(tally.c.comments))).scalar_one() > BATCH * COPIES * 9


def check_links(connection: sa.Connection) -> None:
    """Copies have texts, terms and links of their own, in the order of time."""
    target, term = ARTICLE.alias(), table_of(ArticleTerm)
    ends = LINK.join(ARTICLE, ARTICLE.c.id == LINK.c.article_id).join(target, target.c.id == LINK.c.target_id)
    apart = [
        after - before
        for before, after in connection.execute(sa.select(ARTICLE.c.listed_at, target.c.listed_at).select_from(ends))
    ]
    assert len(apart) == connection.execute(sa.select(sa.func.count()).select_from(LINK)).scalar_one() > 0
    assert max(map(abs, apart)) < timedelta(days=4)
    texts = connection.execute(sa.select(TEXT.c.listed_at).order_by(TEXT.c.n)).scalars().all()
    assert list(texts) == sorted(texts)
    assert len(texts) > BATCH * (COPIES - 1)
    lost = sa.select(term.c.n).where(term.c.n.not_in(sa.select(TEXT.c.n)))
    assert connection.execute(lost).all() == []


def check_cached(connection: sa.Connection) -> None:
    """Cached JSON is what the application would build."""
    site = Site.from_settings(Settings(_env_file=None))
    assert find_stale(connection, site, 1)[1] == []
    rows = {
        row.id: row for row in connection.execute(sa.select(ARTICLE.c.id, ARTICLE.c.card, ARTICLE.c.card_discussion))
    }
    for article_id, built in build_articles(connection, random.Random(1).sample(sorted(rows), 20), site).items():
        assert (bytes(rows[article_id].card), rows[article_id].card_discussion) == (built.json, built.rules)


def check_search(db: Database) -> None:
    """The index is what the application would build, but for places among articles of one microsecond."""

    def read() -> list[tuple[object, ...]]:
        with db.connect() as connection:
            assert count_index_drift(connection) == (0, 0)
            query = sa.select(ENTRY.c.key // 1024, ENTRY.c.article_id, ENTRY.c.listed, ENTRY.c.weights, ENTRY.c.vector)
            entries = [tuple(row) for row in connection.execute(query.order_by(ENTRY.c.article_id))]
            if db.dialect == "sqlite":
                words = "SELECT count(*) FROM search_words WHERE search_words MATCH 'council'"
                entries.append(tuple(connection.exec_driver_sql(words).one()))
            return entries

    before, after = read(), FRONT_ID
    with db.transaction() as session:
        while done := rebuild_batch(session, after):
            after = done[0]
    assert read() == before


@pytest.fixture
def url_of_copies(database_url: str, tmp_path: Path) -> str:
    """Seeding locks a SQLite file for itself, so that it cannot be the one that tests share."""
    if not database_url.startswith("sqlite"):
        return database_url
    url = f"sqlite:///{tmp_path}/copies.db"
    empty_store(url)
    return url


def test_a_store_of_copies_is_as_the_application_makes_it(url_of_copies: str, tmp_path: Path) -> None:
    store = seed_store(url_of_copies, BATCH * COPIES, BATCH)
    db = open_database(url_of_copies)
    with db.connect() as connection:
        check_counts(connection)
        check_links(connection)
        check_cached(connection)
        assert not has_misplaced_sections(connection)  # or the worker renders all cached JSON anew
        if db.dialect == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    check_search(db)
    statements = behind(store, CASES, tmp_path)
    assert excess(CASES, statements) == []
    assert "article" in explained(store, statements["list"][0])
    for engine in db.engines():
        engine.dispose()
