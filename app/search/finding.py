"""Searching: the index gives the newest matching articles, which are ranked and rendered from cached JSON."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypedDict, TypeVar

import sqlalchemy as sa

from app.articles.list_parameters import SORTS, Filter, ListQuery
from app.articles.listing import SORT_COLUMNS, ArticlePage, QueryShape, resolve_filters, shape_of
from app.articles.reading import ARTICLE, list_languages
from app.articles.rendering import (
    CachedRow,
    SnapshotChanged,
    cache_key_of,
    fetch_cached,
    render_articles,
    select_cached,
)
from app.db import yield_cpu
from app.db.rows import JsonObject, Statement, fetch_rows
from app.identity.schemas import Actor
from app.publication.site import Site
from app.search import drafts
from app.search import index as entries
from app.search.index import BY_KEY, Window
from app.search.marks import extract_snippet, highlight
from app.search.questions import Question, parse_question
from app.search.schemas import MAX_RANKED, NEWEST_KEY, RankedCursor, SearchQuery
from app.search.words import WEIGHT_STEPS
from app.text.languages import STEMMERS
from app.web.paging import bind_cursor, page_of


class Hit(TypedDict):
    """A matching article in the index."""

    key: int
    id: str
    weights: str


class SortedRow(CachedRow):
    """A matching article with the value that it is sorted by."""

    key: str


class HighlightedRow(CachedRow):
    """A matching article with the texts that are highlighted."""

    title: str
    dek: str | None
    language: str
    body_text: str


R = TypeVar("R", bound=CachedRow)
_HIGHLIGHTED_COLUMNS = ("title", "dek", "language")


@lru_cache(256)
def _select_sorted(shape: QueryShape, dialect: str, among: entries.Candidates) -> Statement:
    """Build the query for a page in an order other than the index's; all matches are read."""
    tables, _, where = entries.select_matches(shape, dialect, among, joined=True)
    key = SORT_COLUMNS[shape.sort.name.lstrip("-")]
    if shape.paged:
        where = [*where, shape.sort.after(key, ARTICLE.c.id)]
    query = sa.select(ARTICLE.c.id, key.label("key")).select_from(tables).where(*where)
    query = query.order_by(*shape.sort.order_by(key, ARTICLE.c.id)).limit(
        sa.bindparam("most", type_=entries.BIG_INTEGER)
    )
    page = query.subquery("page")
    statement = select_cached(formats=shape.formats, editing=shape.editing, page=page)
    return statement.order_by(*shape.sort.order_by(page.c.key, page.c.id))


@lru_cache(64)
def _select_cached(formats: tuple[str, ...], editing: bool, highlighted: bool) -> Statement:
    ids = sa.bindparam("ids", type_=ARTICLE.c.id.type, expanding=True)
    page = (
        sa.select(ARTICLE.c.id, ARTICLE.c.listed_at.label("key"))
        .where(ARTICLE.c.public, ARTICLE.c.id.in_(ids))
        .subquery("page")
    )
    names, more = (_HIGHLIGHTED_COLUMNS, ("text",)) if highlighted else ((), ())
    columns = tuple(dict.fromkeys((*formats, *more)))
    return select_cached(*names, formats=columns, editing=editing, page=page)


class Search:
    """A search request: a query and filters, on one connection."""

    def __init__(
        self,
        connection: sa.Connection,
        query: ListQuery | SearchQuery,
        groups: tuple[Filter, ...],
        actor: Actor,
        site: Site,
    ) -> None:
        self.connection, self.query, self.actor, self.site = connection, query, actor, site
        self.groups = groups
        self.fingerprint = query.fingerprint()
        self.question = parse_question(query.q or "", self._list_indexed_languages())
        self.shape, self.values = shape_of(query, groups, actor, SORTS.get(query.sort, BY_KEY), site)
        among: entries.Candidates = "all"
        is_plain = self.question.is_plain
        if (few := entries.find_few_candidates(connection, self.shape, self.values, is_plain=is_plain)) is not None:
            self.values["among"] = [key for key, weights in yield_cpu(few) if self.question.may_be_in(weights)]
            among = "found" if is_plain else "few"
        self.statement_key = self.shape, connection.dialect.name, among

    def _list_indexed_languages(self) -> list[str]:
        """List the languages whose stems the index may have: each costs a look into it for each word."""
        groups = [group.refs for group in self.groups if group.kind == "language" and not group.negative]
        tags = [ref for refs in groups for ref in refs] or list_languages(self.connection)
        return sorted({tag.partition("-")[0].lower() for tag in tags} & STEMMERS.keys())

    def _bind_window(self, window: Window) -> JsonObject:
        """Return the parameters of a statement about a window."""
        if self.connection.dialect.name == "sqlite":
            question = self.question.fts5()
        else:
            question = self.question.tsquery()
            if window.periods:
                names = " | ".join(f"'{name}'" for name in window.periods)
                question = f"({question}) & ({names})"
        return {**self.values, "question": question, "newest": window.newest, "oldest": window.oldest}

    def bind_all(self) -> JsonObject:
        """Return the parameters of a statement about the whole index."""
        return self._bind_window(Window(NEWEST_KEY, -NEWEST_KEY))

    def newest(self, newest: int, oldest: int, limit: int) -> list[Hit]:
        """Return the newest matching articles, with keys and weights."""
        rows: list[Hit] = []
        for window in entries.iterate_windows(self.connection, newest, oldest):
            parameters = {**self._bind_window(window), "most": limit - len(rows)}
            statement = entries.select_newest(*self.statement_key)
            rows += yield_cpu(fetch_rows(self.connection, statement, Hit, parameters))
            if len(rows) >= limit:
                break
        return rows

    def total(self) -> int | None:
        """Return the number of matches, if requested."""
        if self.query.count == "none":
            return None
        if self.question.is_empty:
            return 0
        parameters = self.bind_all()
        return int(self.connection.execute(entries.select_count(*self.statement_key), parameters).scalar_one())

    def ranked(self) -> tuple[list[Hit], str | None]:
        """Return a page ranked by relevance, and the cursor of the next."""
        limit, cursor = self.query.limit, self.query.cursor
        mark = RankedCursor.decode(cursor, self.fingerprint) if cursor else None
        if mark is not None and mark.score < 0:
            return self._beyond(mark)
        window_size = MAX_RANKED - MAX_RANKED % limit  # so that only the last page is short
        if mark is None:
            window = self.newest(NEWEST_KEY, -NEWEST_KEY, window_size + 1)
            if not window:
                return [], None
            more = len(window) > window_size
            window = window[:window_size]
            bounds = window[0]["key"], window[-1]["key"], int(more)
            last_place = (1, 0)
        else:
            window = self.newest(mark.newest, mark.oldest, MAX_RANKED)
            bounds, last_place = (mark.newest, mark.oldest, mark.more), (-mark.score, -mark.key)
        each = enumerate(yield_cpu(window))
        places = sorted((-self.question.score(row["weights"]), -row["key"], at) for at, row in each)
        remaining = [place for place in places if mark is None or place[:2] > last_place]
        rows = [window[at] for _, _, at in remaining[:limit]]
        if len(remaining) > limit:
            score, key, _ = remaining[limit - 1]
            return rows, RankedCursor(-score, -key, *bounds).encode(self.fingerprint)
        return rows, RankedCursor(-1, bounds[1], *bounds).encode(self.fingerprint) if bounds[2] else None

    def _beyond(self, mark: RankedCursor) -> tuple[list[Hit], str | None]:
        rows = self.newest(mark.key - 1, -NEWEST_KEY, self.query.limit + 1)
        shown = rows[: self.query.limit]
        return shown, mark._replace(key=shown[-1]["key"]).encode(self.fingerprint) if len(rows) > len(shown) else None

    def by_date(self) -> tuple[list[Hit], str | None]:
        """Return a page of the newest, and the cursor of the next."""
        sort = BY_KEY.bound_to(self.query)
        key = sort.decode(self.query.cursor) if self.query.cursor else None
        rows = self.newest(max(int(key[0]), -NEWEST_KEY) - 1 if key else NEWEST_KEY, -NEWEST_KEY, self.query.limit + 1)  # type: ignore[arg-type]
        page = page_of(rows, self.query.limit, sort, "key")
        return page["data"], page["page"]["next"]

    def in_order(self) -> tuple[Sequence[CachedRow], str | None]:
        """Return a page in another order, as rows of cached JSON, and the cursor of the next."""
        sort = self.shape.sort
        key = sort.decode(self.query.cursor) if self.query.cursor else None
        parameters = {
            **self._bind_window(Window(NEWEST_KEY, -NEWEST_KEY)),
            **bind_cursor(key),
            "most": self.query.limit + 1,
        }
        parameters["cache_key"] = cache_key_of(self.site)
        rows = fetch_cached(self.connection, _select_sorted(*self.statement_key), SortedRow, parameters)
        page = page_of(rows, self.query.limit, sort, "key")
        return page["data"], page["page"]["next"]

    def read_cached(self, hits: Sequence[Hit], row_type: type[R]) -> list[tuple[Hit, R]]:
        """Return matches with their rows of cached JSON; raise `SnapshotChanged` if one has left the index since.

        Indexed articles that are not public are left out; `broadsheet doctor` reports a damaged index.
        """
        if not hits:
            return []
        ids = [hit["id"] for hit in hits]
        statement = _select_cached(self.shape.formats, self.shape.editing, row_type is HighlightedRow)
        values = {"ids": ids, "cache_key": cache_key_of(self.site)}
        rows = {row["id"]: row for row in yield_cpu(fetch_cached(self.connection, statement, row_type, values))}
        missing = set(ids) - rows.keys()
        if missing and missing != entries.find_orphans(self.connection, missing):
            raise SnapshotChanged
        return [(hit, rows[hit["id"]]) for hit in hits if hit["id"] in rows]

    def page(self, rows: Sequence[CachedRow], cursor: str | None, total: int | None = None) -> ArticlePage:
        """Render a page of articles."""
        editor = self.actor if self.shape.editing else None
        articles = render_articles(self.connection, rows, self.site, self.shape.formats, editor)
        total = self.total() if total is None else total
        return ArticlePage(articles, {"next": cursor, "limit": self.query.limit, "total": total}, self.groups)


def _list_in_states(search: Search) -> ArticlePage:
    """Return a page of articles in the requested states whose public or newest text matches.

    The index holds only public texts. The others, far fewer, are searched one by one.
    """
    connection, query, sort = search.connection, search.query, search.shape.sort
    words = drafts.parse_words(query.q or "")
    shape = search.shape._replace(paged=False)
    matching = drafts.select_matching(shape, connection.dialect.name, tuple(word.shape for word in words))
    values: JsonObject = {**search.values, **drafts.bind_words(words), **search.bind_all()}
    total = None
    if query.count == "exact":
        total = connection.execute(sa.select(sa.func.count()).select_from(matching.subquery()), values).scalar_one()
    key = sort.decode(query.cursor) if query.cursor else None
    column = SORT_COLUMNS[sort.name.lstrip("-")]
    if key:
        matching = matching.where(sort.after(column, ARTICLE.c.id))
    page = matching.order_by(*sort.order_by(column, ARTICLE.c.id)).limit(query.limit + 1).subquery("page")
    statement = select_cached(formats=shape.formats, editing=shape.editing, page=page)
    statement = statement.order_by(*sort.order_by(page.c.key, page.c.id))
    values |= {**bind_cursor(key), "cache_key": cache_key_of(search.site)}
    with entries.prefer_word_index(connection):
        rows = fetch_cached(connection, statement, SortedRow, values)
    result = page_of(rows, query.limit, sort, "key")
    return search.page(result["data"], result["page"]["next"], total)


def list_matching(
    connection: sa.Connection, query: ListQuery, groups: tuple[Filter, ...], actor: Actor, site: Site
) -> ArticlePage:
    """List articles that match `q`, in two statements, or one if not sorted by date."""
    search = Search(connection, query, groups, actor, site)
    if search.question.is_empty:
        return search.page([], None)
    if query.states is not None:
        return _list_in_states(search)
    with entries.prefer_word_index(connection):
        if query.sort != "-published_at":
            return search.page(*search.in_order())
        hits, cursor = search.by_date()
        return search.page([row for _, row in search.read_cached(hits, CachedRow)], cursor)


def search_articles(
    connection: sa.Connection, query: SearchQuery, groups: tuple[Filter, ...], actor: Actor, site: Site
) -> ArticlePage:
    """Return a page of search results with scores and highlights, in two statements, on PostgreSQL up to seven."""
    groups = resolve_filters(connection, groups, query)
    search = Search(connection, query, groups, actor, site)
    if search.question.is_empty:
        return search.page([], None)
    with entries.prefer_word_index(connection):
        hits, cursor = search.ranked() if query.sort == "relevance" else search.by_date()
        shown = search.read_cached(hits, HighlightedRow)
        page = search.page([row for _, row in shown], cursor)
    articles = [
        article.add_members(_present_match(search.question, hit, row))
        for article, (hit, row) in yield_cpu(zip(page.articles, shown, strict=True))
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
