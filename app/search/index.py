"""The index: where articles stand that answer, newest first."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.listing import QueryShape, conditions_of, select_filtered_ids, selective_filters
from app.articles.reading import ARTICLE
from app.search.tables import ENTRY, SLOTS_PER_MICROSECOND, WORDS
from app.web.paging import Sort

BY_KEY = Sort("found", descending=True, kind=int)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BIG_INTEGER = sa.BigInteger()
MAX_SCANNED_ARTICLES, MAX_SCANNED_WITH_PHRASES = (
    3_000,
    500,
)  # articles that are looked at one by one: of more it is faster to walk what has the words
Candidates = Literal["all", "few", "found"]


def period_word(key: int, form: str = "%Y-%m") -> str:
    """The month or year of a key, as a word that stands beside the words of articles on PostgreSQL."""
    return (_EPOCH + timedelta(microseconds=key // SLOTS_PER_MICROSECOND)).strftime(f"@{form}")


def _first_key(year: int, month: int = 1) -> int:
    """The first key of a month, months counted on beyond a year."""
    since = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC) - _EPOCH
    return since // timedelta(microseconds=1) * SLOTS_PER_MICROSECOND


class Window(NamedTuple):
    """Keys among which articles are looked for, and words that PostgreSQL finds them by."""

    newest: int
    oldest: int
    periods: tuple[str, ...] = ()


def iterate_windows(connection: sa.Connection, newest: int, oldest: int) -> Iterator[Window]:
    """Where to look in turn. SQLite walks its index from the newest on and stops by itself.

    PostgreSQL gets all that answer before it knows which are the newest: so the last two months are asked first, then
    the last two years. Their names are words of the index, and so the rest of a common word's articles is skipped.
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
def _select_filtered(shape: QueryShape, at: int) -> tuple[sa.Select[Any], sa.Select[Any]]:
    return select_filtered_ids(shape, at)


def find_few_candidates(
    connection: sa.Connection, shape: QueryShape, values: dict[str, Any], *, is_plain: bool
) -> Sequence[tuple[int, str]] | None:
    """Keys and weights of what the narrowest filter leaves, if that is little: else SQLite walks what has the words.

    None if it is much, and on PostgreSQL, which decides that by itself.
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
    """Let the index of words lead. PostgreSQL does not reckon what reading the words of all articles costs instead."""
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.exec_driver_sql("SET enable_seqscan = off")
    try:
        yield
    finally:
        if not connection.invalidated:  # lost with what was set
            connection.exec_driver_sql("RESET enable_seqscan")


@lru_cache(256)
def select_matches(
    shape: QueryShape, dialect: str, among: Candidates = "all", *, joined: bool = False
) -> tuple[sa.FromClause, ColumnElement[int], list[ColumnElement[bool]]]:
    """Where the articles that answer stand, their key, and what must hold of them.

    `few`: only among these keys; `found`: these are known to answer.
    """
    question: sa.BindParameter[str] = sa.bindparam("question", type_=sa.Text())
    if dialect == "sqlite":
        tables: Any = WORDS.join(ENTRY, ENTRY.c.key == WORDS.c.rowid)
        key: Any = WORDS.c.rowid
        matches: Any = WORDS.c.search_words.op("MATCH")(question)
        if among != "all":
            keys = sa.bindparam("among", type_=BIG_INTEGER, expanding=True)
            tables, key = (ENTRY, ENTRY.c.key) if among == "found" else (tables, key)
            matches = key.in_(keys) if among == "found" else matches & key.in_(keys)
    else:
        # Not the bare column: PostgreSQL would walk all of its index for a rare word, for it thinks none so rare.
        tables, key = ENTRY, ENTRY.c.key + sa.literal_column("0", BIG_INTEGER)
        matches = ENTRY.c.vector.op("@@")(sa.cast(question, sa.dialects.postgresql.TSQUERY))
    asks_more = shape.filters or shape.bounds or shape.partner or shape.featured is not None or shape.states is not None
    where = [matches, _is_in_window(key), *(() if shape.includes_pages else (ENTRY.c.listed,))]
    if not joined and not asks_more:
        return tables, key, where  # only what is public is in the index: no look at any article
    return tables.join(ARTICLE, ARTICLE.c.id == ENTRY.c.article_id), key, [*where, *conditions_of(shape)]


def _is_in_window(key: ColumnElement[int]) -> ColumnElement[bool]:
    return (key <= sa.bindparam("newest", type_=BIG_INTEGER)) & (key >= sa.bindparam("oldest", type_=BIG_INTEGER))


@lru_cache(256)
def select_newest(shape: QueryShape, dialect: str, among: Candidates) -> sa.Select[Any]:
    """The newest articles of a window that answer, with their keys and weights."""
    tables, key, where = select_matches(shape, dialect, among)
    query = sa.select(key.label("key"), ENTRY.c.article_id.label("id"), ENTRY.c.weights)
    limit = sa.bindparam("most", type_=BIG_INTEGER)
    return query.select_from(tables).where(*where).order_by(key.desc()).limit(limit)


@lru_cache(256)
def select_count(shape: QueryShape, dialect: str, among: Candidates) -> sa.Select[Any]:
    """How many articles of a window answer."""
    tables, _, where = select_matches(shape, dialect, among)
    return sa.select(sa.func.count()).select_from(tables).where(*where)


def count_public(connection: sa.Connection) -> int:
    """How many articles there are to index."""
    return connection.execute(sa.select(sa.func.count()).where(ARTICLE.c.public)).scalar_one()


def find_orphans(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Which of these articles the index has though they are not public: none, unless it was harmed."""
    query = (
        sa.select(ARTICLE.c.id)
        .join(ENTRY, ENTRY.c.article_id == ARTICLE.c.id)
        .where(ARTICLE.c.id.in_(list(ids)), ~ARTICLE.c.public)
    )
    return set(connection.execute(query).scalars())


def count_index_drift(connection: sa.Connection) -> tuple[int, int]:
    """How many public articles the index lacks, and how many others it has."""
    joined = sa.outerjoin(ARTICLE, ENTRY, ENTRY.c.article_id == ARTICLE.c.id)
    lacking = sa.select(sa.func.count()).select_from(joined).where(ARTICLE.c.public, ENTRY.c.key.is_(None))
    superfluous = (
        sa.select(sa.func.count())
        .select_from(ENTRY.join(ARTICLE, ARTICLE.c.id == ENTRY.c.article_id))
        .where(~ARTICLE.c.public)
    )
    return connection.execute(lacking).scalar_one(), connection.execute(superfluous).scalar_one()
