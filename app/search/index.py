"""Queries on the search index, newest articles first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.listing import QueryShape, conditions_of, select_filtered_ids, selective_filters
from app.articles.reading import ARTICLE
from app.db.rows import Column, Statement
from app.search.tables import ENTRY, SLOTS_PER_MICROSECOND, WORDS
from app.web.paging import Sort

BY_KEY = Sort("found", descending=True, kind=int)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BIG_INTEGER = sa.BigInteger()
# Articles scanned one by one; for more it is faster to walk the index of words.
MAX_SCANNED_ARTICLES, MAX_SCANNED_WITH_PHRASES = 3_000, 500
Candidates = Literal["all", "few", "found"]
_USE_INDEX = "SET LOCAL enable_seqscan = off"


def period_word(key: int, form: str = "%Y-%m") -> str:
    """Return the month or year of a key as the word that is indexed with articles on PostgreSQL."""
    return (_EPOCH + timedelta(microseconds=key // SLOTS_PER_MICROSECOND)).strftime(f"@{form}")


def _first_key(year: int, month: int = 1) -> int:
    """Return the first key of a month; months may exceed 12."""
    since = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC) - _EPOCH
    return since // timedelta(microseconds=1) * SLOTS_PER_MICROSECOND


class Window(NamedTuple):
    """A range of keys to search, and the period words that select it on PostgreSQL."""

    newest: int
    oldest: int
    periods: tuple[str, ...] = ()


def iterate_windows(connection: sa.Connection, newest: int, oldest: int) -> Iterator[Window]:
    """Iterate over the ranges of keys to search, newest first. SQLite needs only one: it walks its index in order.

    PostgreSQL collects all matches before it can sort them, so the last two months are searched first, then the last
    two years. Period words in the index keep other articles of a common word out.
    """
    if connection.dialect.name == "postgresql":
        last = connection.execute(_SELECT_LAST_KEY, {"newest": newest}).scalar_one_or_none()
        if last is None:
            return
        at = _EPOCH + timedelta(microseconds=last // SLOTS_PER_MICROSECOND)
        for begin, form in ((_first_key(at.year, at.month - 1), "%Y-%m"), (_first_key(at.year - 1), "%Y")):
            if newest < oldest:
                return
            if begin <= newest:
                names = tuple(dict.fromkeys((period_word(last, form), period_word(begin, form))))
                yield Window(newest, max(begin, oldest), names)
                newest = begin - 1
    if newest >= oldest:
        yield Window(newest, oldest)


_SELECT_LAST_KEY = sa.select(sa.func.max(ENTRY.c.key)).where(ENTRY.c.key <= sa.bindparam("newest", type_=BIG_INTEGER))


@lru_cache(256)
def _select_filtered(shape: QueryShape, at: int) -> tuple[Statement, Statement]:
    return select_filtered_ids(shape, at)


def find_few_candidates(
    connection: sa.Connection, shape: QueryShape, values: Mapping[str, object], *, is_plain: bool
) -> Sequence[tuple[int, str]] | None:
    """Return keys and weights of the articles that the narrowest filter leaves, if these are few.

    None if they are many, and on PostgreSQL, which plans that itself.
    """
    if connection.dialect.name != "sqlite":
        return None
    counts = {
        at: connection.execute(_select_filtered(shape, at)[1], values).scalar_one() for at in selective_filters(shape)
    }
    narrowest = min(counts, key=lambda at: counts[at], default=None)
    if narrowest is None or counts[narrowest] > (MAX_SCANNED_ARTICLES if is_plain else MAX_SCANNED_WITH_PHRASES):
        return None
    query = sa.select(ENTRY.c.key, ENTRY.c.weights).where(ENTRY.c.article_id.in_(_select_filtered(shape, narrowest)[0]))
    return [(key, weights) for key, weights in connection.execute(query, values)]


@contextmanager
def prefer_word_index(connection: sa.Connection) -> Iterator[None]:
    """Make PostgreSQL use the index of words: its planner underestimates the cost of reading all articles' words.

    The setting is local to a transaction. A session's setting would reach others behind a pooler of transactions.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    driver_connection = connection.connection.driver_connection
    assert driver_connection is not None
    if not driver_connection.autocommit:
        connection.exec_driver_sql(_USE_INDEX)
        yield
        return
    connection.exec_driver_sql(f"BEGIN READ ONLY; {_USE_INDEX}")
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.exec_driver_sql("COMMIT")  # after an error, too: nothing was written


@lru_cache(256)
def select_matches(
    shape: QueryShape, dialect: str, among: Candidates = "all", *, joined: bool = False
) -> tuple[sa.FromClause, ColumnElement[int], list[ColumnElement[bool]]]:
    """Return the tables, the key and the conditions of matching articles.

    `few`: only among the bound keys. `found`: these keys are known to match.
    """
    question: sa.BindParameter[str] = sa.bindparam("question", type_=sa.Text())
    if dialect == "sqlite":
        tables: sa.FromClause = WORDS.join(ENTRY, ENTRY.c.key == WORDS.c.rowid)
        key: Column = WORDS.c.rowid
        matches: Column = WORDS.c.search_words.op("MATCH")(question)
        if among != "all":
            keys = sa.bindparam("among", type_=BIG_INTEGER, expanding=True)
            tables, key = (ENTRY, ENTRY.c.key) if among == "found" else (tables, key)
            matches = key.in_(keys) if among == "found" else matches & key.in_(keys)
    else:
        # An expression instead of the column keeps PostgreSQL from walking the whole key index for a rare word.
        tables, key = ENTRY, ENTRY.c.key + sa.literal_column("0", BIG_INTEGER)
        matches = ENTRY.c.vector.op("@@")(sa.cast(question, sa.dialects.postgresql.TSQUERY))
    asks_more = shape.filters or shape.bounds or shape.partner or shape.featured is not None or shape.states is not None
    where = [matches, _is_in_window(key), *(() if shape.includes_pages else (ENTRY.c.listed,))]
    if not joined and not asks_more:
        return tables, key, where  # the index contains only public articles: no join is needed
    return tables.join(ARTICLE, ARTICLE.c.id == ENTRY.c.article_id), key, [*where, *conditions_of(shape)]


def _is_in_window(key: ColumnElement[int]) -> ColumnElement[bool]:
    return (key <= sa.bindparam("newest", type_=BIG_INTEGER)) & (key >= sa.bindparam("oldest", type_=BIG_INTEGER))


@lru_cache(256)
def select_newest(shape: QueryShape, dialect: str, among: Candidates) -> Statement:
    """Build the query for the newest matching articles of a window, with keys and weights."""
    tables, key, where = select_matches(shape, dialect, among)
    query = sa.select(key.label("key"), ENTRY.c.article_id.label("id"), ENTRY.c.weights)
    limit = sa.bindparam("most", type_=BIG_INTEGER)
    return query.select_from(tables).where(*where).order_by(key.desc()).limit(limit)


@lru_cache(256)
def select_count(shape: QueryShape, dialect: str, among: Candidates) -> Statement:
    """Build the query that counts matching articles of a window."""
    tables, _, where = select_matches(shape, dialect, among)
    return sa.select(sa.func.count()).select_from(tables).where(*where)


def count_public(connection: sa.Connection) -> int:
    """Count public articles."""
    return connection.execute(sa.select(sa.func.count()).where(ARTICLE.c.public)).scalar_one()


def find_orphans(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Return which of these articles are indexed although not public: none, unless the index is damaged."""
    query = (
        sa.select(ARTICLE.c.id)
        .join(ENTRY, ENTRY.c.article_id == ARTICLE.c.id)
        .where(ARTICLE.c.id.in_(list(ids)), ~ARTICLE.c.public)
    )
    return set(connection.execute(query).scalars())


def count_index_drift(connection: sa.Connection) -> tuple[int, int]:
    """Count public articles missing from the index, and indexed articles that are not public."""
    joined = sa.outerjoin(ARTICLE, ENTRY, ENTRY.c.article_id == ARTICLE.c.id)
    lacking = sa.select(sa.func.count()).select_from(joined).where(ARTICLE.c.public, ENTRY.c.key.is_(None))
    superfluous = (
        sa.select(sa.func.count())
        .select_from(ENTRY.join(ARTICLE, ARTICLE.c.id == ENTRY.c.article_id))
        .where(~ARTICLE.c.public)
    )
    return connection.execute(lacking).scalar_one(), connection.execute(superfluous).scalar_one()
