"""Searching: the index gives the newest matching articles, which are ranked and rendered from cached JSON."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, TypedDict, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.list_parameters import SORTS, Filter, ListQuery, list_languages, resolve_filters
from app.articles.listing import (
    ArticlePage,
    QueryShape,
    conditions_of,
    select_filtered_ids,
    selective_filters,
    shape_of,
)
from app.articles.reading import ARTICLE
from app.articles.rendering import (
    CachedRow,
    SnapshotChanged,
    cache_key_of,
    render_articles,
    select_cached,
)
from app.db import yield_cpu
from app.db.columns import TSQUERY, is_among
from app.db.overlay import overlay_of
from app.db.prepared import Prepared, is_fixed
from app.db.rows import Column, JsonObject, Statement, fetch_rows
from app.identity.schemas import Actor
from app.publication.site import Site
from app.search.previewing import find_unindexed
from app.search.questions import WEIGHT_STEPS, Question, extract_snippet, highlight, parse_question
from app.search.schemas import MAX_RANKED, NEWEST_KEY, RankedCursor, SearchQuery
from app.search.tables import ENTRY, EPOCH, SLOTS_PER_MICROSECOND, WORDS, period_word
from app.text.inputs import MAX_INT63
from app.text.languages import STEMMERS
from app.web.paging import PageInfo, Sort, page_of

BY_KEY = Sort("found", descending=True, kind=int)
BIG_INTEGER = sa.BigInteger()
# Articles scanned one by one; for more it is faster to walk the index of words.
MAX_SCANNED_ARTICLES, MAX_SCANNED_WITH_PHRASES = 3_000, 500
Candidates = Literal["all", "few", "found"]
_USE_INDEX = "SET LOCAL enable_seqscan = off"
R = TypeVar("R", bound=CachedRow)


class Hit(TypedDict):
    """A matching article in the index."""

    key: int
    id: str
    weights: str


class Ends(NamedTuple):
    """The cursors of the page after this one and of that before."""

    next: str | None = None
    prev: str | None = None


Page: TypeAlias = tuple[list[Hit], Ends]
"""A page of matches, and where the list goes on."""


class HighlightedRow(CachedRow):
    """A matching article with the texts that are highlighted."""

    title: str
    dek: str | None
    language: str
    body_text: str


def _first_key(year: int, month: int = 1) -> int:
    """Return the first key of a month; months may exceed 12."""
    since = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC) - EPOCH
    return since // timedelta(microseconds=1) * SLOTS_PER_MICROSECOND


class Window(NamedTuple):
    """A range of keys to search, and the period words that select it on PostgreSQL."""

    newest: int
    oldest: int
    periods: tuple[str, ...] = ()


EVERYTHING = Window(NEWEST_KEY, -NEWEST_KEY)


def iterate_windows(connection: sa.Connection, newest: int, oldest: int) -> Iterator[Window]:
    """Iterate over the ranges of keys to search, newest first. SQLite needs only one: it walks its index in order.

    PostgreSQL collects all matches before it can sort them, so the last two months are searched first, then the last
    two years. Period words in the index keep other articles of a common word out.
    """
    if connection.dialect.name == "postgresql":
        last = connection.execute(_SELECT_LAST_KEY, {"newest": newest}).scalar_one_or_none()
        if last is None:
            return
        at = EPOCH + timedelta(microseconds=last // SLOTS_PER_MICROSECOND)
        for begin, form in ((_first_key(at.year, at.month - 1), "%Y-%m"), (_first_key(at.year - 1), "%Y")):
            if newest < oldest:
                return
            if begin <= newest:
                names = tuple(dict.fromkeys((period_word(last, form), period_word(begin, form))))
                yield Window(newest, max(begin, oldest), names)
                newest = begin - 1
    if newest >= oldest:
        yield Window(newest, oldest)


def iterate_windows_back(connection: sa.Connection, newest: int, oldest: int) -> Iterator[Window]:
    """Iterate over the ranges of keys to search, oldest first, as `iterate_windows` does newest first."""
    if connection.dialect.name == "postgresql":
        first = connection.execute(_SELECT_FIRST_KEY, {"oldest": oldest}).scalar_one_or_none()
        if first is None:
            return
        at = EPOCH + timedelta(microseconds=first // SLOTS_PER_MICROSECOND)
        for end, form in ((_first_key(at.year, at.month + 2), "%Y-%m"), (_first_key(at.year + 2), "%Y")):
            if newest < oldest:
                return
            names = tuple(dict.fromkeys((period_word(first, form), period_word(end - 1, form))))
            yield Window(min(end - 1, newest), oldest, names)
            oldest = end
    if newest >= oldest:
        yield Window(newest, oldest)


_SELECT_FIRST_KEY = sa.select(sa.func.min(ENTRY.c.key)).where(ENTRY.c.key >= sa.bindparam("oldest", type_=BIG_INTEGER))
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
        matches = ENTRY.c.vector.op("@@")(sa.cast(question, TSQUERY))
    asks_more = shape.filters or shape.bounds or shape.partner or shape.featured is not None or shape.states is not None
    where = [matches, _is_in_window(key), *(() if shape.includes_pages else (ENTRY.c.listed,))]
    if not joined and not asks_more:
        return tables, key, where  # the index contains only public articles: no join is needed
    return tables.join(ARTICLE, ARTICLE.c.id == ENTRY.c.article_id), key, [*where, *conditions_of(shape)]


def _is_in_window(key: ColumnElement[int]) -> ColumnElement[bool]:
    return (key <= sa.bindparam("newest", type_=BIG_INTEGER)) & (key >= sa.bindparam("oldest", type_=BIG_INTEGER))


@lru_cache(256)
def _select_nearest(shape: QueryShape, dialect: str, among: Candidates, *, back: bool) -> Prepared[Hit] | Statement:
    """Build the query for the newest matching articles of a window, or the oldest."""
    tables, key, where = select_matches(shape, dialect, among)
    query = sa.select(key.label("key"), ENTRY.c.article_id.label("id"), ENTRY.c.weights).select_from(tables)
    order = key.asc() if back else key.desc()
    statement = query.where(*where).order_by(order).limit(sa.bindparam("most", type_=BIG_INTEGER))
    return Prepared(statement) if is_fixed(statement) else statement


@lru_cache(256)
def _select_count(shape: QueryShape, dialect: str, among: Candidates) -> Statement:
    """Build the query that counts matching articles of a window."""
    tables, _, where = select_matches(shape, dialect, among)
    return sa.select(sa.func.count()).select_from(tables).where(*where)


def _find_orphans(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Return which of these articles are indexed although not public: none, unless the index is damaged."""
    query = (
        sa.select(ARTICLE.c.id)
        .join(ENTRY, ENTRY.c.article_id == ARTICLE.c.id)
        .where(ARTICLE.c.id.in_(list(ids)), ~ARTICLE.c.public)
    )
    return set(connection.execute(query).scalars())


@lru_cache(64)
def _select_cached(dialect: str, formats: tuple[str, ...], editing: bool, highlighted: bool) -> Prepared[CachedRow]:
    page = (
        sa.select(ARTICLE.c.id, ARTICLE.c.listed_at.label("key"))
        .where(ARTICLE.c.public, is_among(dialect, ARTICLE.c.id, "ids"))
        .subquery("page")
    )
    names, texts = (("title", "dek", "language"), ("text",)) if highlighted else ((), ())
    columns = tuple(dict.fromkeys((*formats, *texts)))
    return Prepared(select_cached(*names, formats=columns, editing=editing, page=page))


class Search:
    """A search request: a query and filters, as the index takes them. Its methods each take a connection."""

    def __init__(
        self,
        connection: sa.Connection,
        query: ListQuery | SearchQuery,
        groups: tuple[Filter, ...],
        actor: Actor,
        site: Site,
    ) -> None:
        self.query, self.groups, self.actor, self.site = query, groups, actor, site
        self.dialect = connection.dialect.name
        self.fingerprint = query.fingerprint()
        self.question = parse_question(query.q or "", self._list_indexed_languages(connection))
        self.shape, self.values = shape_of(query, groups, actor, SORTS.get(query.sort, BY_KEY), site)
        among: Candidates = "all"
        is_plain = self.question.is_plain
        if (few := find_few_candidates(connection, self.shape, self.values, is_plain=is_plain)) is not None:
            self.values["among"] = [key for key, weights in yield_cpu(few) if self.question.may_be_in(weights)]
            among = "found" if is_plain else "few"
        self.statement_key = self.shape, self.dialect, among
        self.unindexed: list[Hit] = []
        if overlay_of(connection) is not None:
            found = find_unindexed(connection, self.shape, self.values, self.question)
            self.unindexed = [Hit(key=key, id=article_id, weights=weights) for key, article_id, weights in found]

    def _list_indexed_languages(self, connection: sa.Connection) -> list[str]:
        """List the languages whose stems the index may have: each costs a look into it for each word."""
        groups = [group.refs for group in self.groups if group.kind == "language" and not group.negative]
        tags = [ref for refs in groups for ref in refs] or list_languages(connection)
        return sorted({tag.partition("-")[0].lower() for tag in tags} & STEMMERS.keys())

    def bind_window(self, window: Window) -> JsonObject:
        """Return the parameters of a statement about a window."""
        if self.dialect == "sqlite":
            question = self.question.fts5()
        else:
            question = self.question.tsquery()
            if window.periods:
                names = " | ".join(f"'{name}'" for name in window.periods)
                question = f"({question}) & ({names})"
        return {**self.values, "question": question, "newest": window.newest, "oldest": window.oldest}

    def find_nearest(
        self, connection: sa.Connection, newest: int, oldest: int, limit: int, *, back: bool = False
    ) -> list[Hit]:
        """Return the newest matching articles between two keys, or, reading back, the oldest ones, oldest first."""
        statement, hits = _select_nearest(*self.statement_key, back=back), list[Hit]()
        windows = iterate_windows_back if back else iterate_windows
        for window in windows(connection, newest, oldest):
            values = {**self.bind_window(window), "most": limit - len(hits)}
            if isinstance(statement, Prepared):
                hits += statement.rows(connection, values)
            else:
                hits += fetch_rows(connection, statement, Hit, values)
            if len(hits) >= limit:
                break
        if self.unindexed:
            hits += [hit for hit in self.unindexed if oldest <= hit["key"] <= newest]
            hits = sorted(hits, key=lambda hit: hit["key"], reverse=not back)[:limit]
        return hits

    def _count(self, connection: sa.Connection) -> int | None:
        """Return the number of matches, if requested."""
        if self.query.count == "none":
            return None
        if self.question.is_empty:
            return 0
        statement = _select_count(*self.statement_key)
        return int(connection.execute(statement, self.bind_window(EVERYTHING)).scalar_one()) + len(self.unindexed)

    def find_ranked(self, connection: sa.Connection) -> Page:
        """Find a page by relevance, and beyond the newest matches, which alone are ranked, by date."""
        limit, cursor = self.query.limit, self.query.cursor
        if cursor is None:
            size = MAX_RANKED - MAX_RANKED % limit  # so that only the last page is short
            window = self.find_nearest(connection, NEWEST_KEY, -NEWEST_KEY, size + 1)
            if not window:
                return [], Ends()
            more, window = len(window) > size, window[:size]
            mark = RankedCursor(MAX_INT63, 0, window[0]["key"], window[-1]["key"], int(more))
            hits, ends = self._rank(window, mark, back=False)
            return hits, ends._replace(prev=None)
        mark, back = RankedCursor.decode(cursor, self.fingerprint)
        if mark.score < 0 and (page := self._find_beyond(connection, mark, back=back)) is not None:
            return page
        return self._rank(self.find_nearest(connection, mark.newest, mark.oldest, MAX_RANKED), mark, back=back)

    def _find_beyond(self, connection: sa.Connection, mark: RankedCursor, *, back: bool) -> Page | None:
        """Find a page of what is older than the ranked window, by date; None where the page before is in the window."""
        limit = self.query.limit
        if back:
            hits = self.find_nearest(connection, mark.oldest - 1, mark.key + 1, limit + 1, back=True)
            if not hits:
                return None
        else:
            hits = self.find_nearest(connection, mark.key - 1, -NEWEST_KEY, limit + 1)
        shown, is_cut = hits[:limit][:: -1 if back else 1], len(hits) > limit
        first, last = (shown[0]["key"], shown[-1]["key"]) if shown else (mark.key - 1, mark.key)
        following = mark._replace(key=last).encode(self.fingerprint) if back or is_cut else None
        return shown, Ends(following, mark._replace(key=first).encode(self.fingerprint, before=True))

    def _rank(self, window: list[Hit], mark: RankedCursor, *, back: bool) -> Page:
        """Return the page after a mark, or before it: the best, and of equal ones the newest, first."""
        score, limit = self.question.score, self.query.limit
        places = sorted((-score(hit["weights"]), -hit["key"], at) for at, hit in enumerate(yield_cpu(window)))
        if back:
            end = bisect_left(places, (-mark.score, -mark.key)) if mark.score >= 0 else len(places)
            start = max(0, end - limit)
        else:
            start = bisect_left(places, (-mark.score, -mark.key, len(places)))
            end = min(start + limit, len(places))
        following = previous = None
        if start < end < len(places):
            following = mark._replace(score=-places[end - 1][0], key=-places[end - 1][1]).encode(self.fingerprint)
        elif mark.more and end == len(places):
            following = mark._replace(score=-1, key=mark.oldest).encode(self.fingerprint)
        if start < end and start > 0:
            at = mark._replace(score=-places[start][0], key=-places[start][1])
            previous = at.encode(self.fingerprint, before=True)
        return [window[at] for _, _, at in places[start:end]], Ends(following, previous)

    def find_by_date(self, connection: sa.Connection) -> Page:
        """Find a page of the newest."""
        sort, limit = BY_KEY.bound_to(self.query), self.query.limit
        key = sort.decode(self.query.cursor) if self.query.cursor else None
        at = min(max(int(cast(int, key[0])), 1 - NEWEST_KEY), NEWEST_KEY - 1) if key else NEWEST_KEY
        newest, oldest = (NEWEST_KEY, at + 1) if sort.reads_back else (at - 1 if key else at, -NEWEST_KEY)
        hits = self.find_nearest(connection, newest, oldest, limit + 1, back=sort.reads_back)
        page = page_of(hits, limit, sort, "key")
        return page["data"], Ends(page["page"]["next"], page["page"]["prev"])

    def read_cached(self, connection: sa.Connection, hits: Sequence[Hit], row_type: type[R]) -> list[tuple[Hit, R]]:
        """Return matches with their rows of cached JSON; raise `SnapshotChanged` if one has left the index since.

        Indexed articles that are not public are left out; `broadsheet doctor` reports a damaged index.
        """
        if not hits:
            return []
        ids = [hit["id"] for hit in hits]
        statement = _select_cached(self.dialect, self.shape.formats, self.shape.editing, row_type is HighlightedRow)
        values = {"ids": ids, "cache_key": cache_key_of(self.site)}
        rows = {row["id"]: cast(R, row) for row in statement.rows(connection, values)}
        missing = set(ids) - rows.keys()
        if missing and missing != _find_orphans(connection, missing):
            raise SnapshotChanged
        return [(hit, rows[hit["id"]]) for hit in hits if hit["id"] in rows]

    def render(
        self, connection: sa.Connection, rows: Sequence[CachedRow], ends: Ends = Ends(), total: int | None = None
    ) -> ArticlePage:
        """Render a page of articles; their total, if it was not counted already, is counted on request."""
        editor = self.actor if self.shape.editing else None
        articles = render_articles(connection, rows, self.site, self.shape.formats, editor)
        total = self._count(connection) if total is None else total
        page: PageInfo = {"next": ends.next, "prev": ends.prev, "limit": self.query.limit, "total": total}
        return ArticlePage(articles, page, self.groups)


def search_articles(
    connection: sa.Connection, query: SearchQuery, groups: tuple[Filter, ...], actor: Actor, site: Site
) -> ArticlePage:
    """Return a page of search results with scores and highlights, in two statements, on PostgreSQL up to seven."""
    groups = resolve_filters(connection, groups, query)
    search = Search(connection, query, groups, actor, site)
    if search.question.is_empty:
        return search.render(connection, [])
    with prefer_word_index(connection):
        hits, ends = search.find_ranked(connection) if query.sort == "relevance" else search.find_by_date(connection)
        results = search.read_cached(connection, hits, HighlightedRow)
        page = search.render(connection, [row for _, row in results], ends)
    articles = [
        article.add_members(_present_match(search.question, hit, row))
        for article, (hit, row) in yield_cpu(zip(page.articles, results, strict=True))
    ]
    return page._replace(articles=articles)


def _present_match(question: Question, hit: Hit, row: HighlightedRow) -> JsonObject:
    """Return the score and highlights of a match."""
    language, dek = row["language"], row["dek"]
    return {
        "score": round(question.score(hit["weights"]) / (WEIGHT_STEPS * len(question.required)), 4),
        "highlight": {
            "title": highlight(row["title"], question, language),
            "dek": highlight(dek, question, language) if dek is not None else None,
            "text": extract_snippet(row["body_text"], question, language),
        },
    }
