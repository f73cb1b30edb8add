"""Lists of the articles that match `q`: public ones by the index, others by their newest text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.list_parameters import Filter, ListQuery
from app.articles.listing import SORT_COLUMNS, ArticlePage, QueryShape, conditions_of
from app.articles.reading import ARTICLE, REVISION
from app.articles.rendering import CachedRow, cache_key_of, fetch_cached, select_cached
from app.db.rows import JsonObject, Statement
from app.identity.schemas import Actor
from app.publication.site import Site
from app.search.finding import BIG_INTEGER, EVERYTHING, Candidates, Ends, Search, prefer_word_index, select_matches
from app.search.previewing import refuse_unindexed
from app.search.tables import ENTRY
from app.web.paging import bind_cursor, page_of

MAX_WORDS = 12
_PART = re.compile(r'(?P<no>-)?(?:"(?P<phrase>[^"]+)"?|(?P<word>[^\s"]+))')
_SPECIAL = re.compile(r"([%_\\])")


@dataclass(frozen=True)
class Word:
    """A required or excluded word or phrase."""

    text: str
    is_excluded: bool

    @property
    def variants(self) -> tuple[str, ...]:
        """Spellings in different case: SQLite's LIKE folds ASCII only."""
        if self.text.isascii():
            return (self.text,)
        return tuple(dict.fromkeys((self.text, self.text.lower(), self.text.title(), self.text.upper())))

    @property
    def shape(self) -> tuple[bool, int]:
        """The parts that the SQL statement depends on."""
        return self.is_excluded, len(self.variants)


def _parse_words(question: str) -> list[Word]:
    """Parse a query into words and quoted phrases; `-` excludes."""
    words = []
    for part in _PART.finditer(question):
        text = " ".join((part["phrase"] or part["word"].rstrip("*")).split())
        if any(char.isalnum() for char in text):
            words.append(Word(text, part["no"] is not None))
    return words[:MAX_WORDS]


def _bind_words(words: Sequence[Word]) -> dict[str, str]:
    """Return the parameters of `_select_matching`."""
    return {
        f"word{at}_{number}": f"%{_SPECIAL.sub(_ESCAPED, variant)}%"
        for at, word in enumerate(words)
        for number, variant in enumerate(word.variants)
    }


_ESCAPED = r"\\\1"


def _contains(at: int, variants: int) -> ColumnElement[bool]:
    patterns = [sa.bindparam(f"word{at}_{number}", type_=sa.Text()) for number in range(variants)]
    columns = (REVISION.c.title, sa.func.coalesce(REVISION.c.dek, ""), REVISION.c.text)
    return sa.or_(*(column.ilike(pattern, escape="\\") for pattern in patterns for column in columns))


def _select_matching(shape: QueryShape, dialect: str, words: tuple[tuple[bool, int], ...]) -> Statement:
    """Build the SELECT of ids and sort keys of articles that match by the index or by their newest text."""
    everything = shape._replace(filters=(), bounds=(), featured=None, states=None, partner=False, includes_pages=True)
    tables, _, matches = select_matches(
        everything._replace(changed=None, editor=None, own_sections_only=False), dialect
    )
    indexed = sa.select(ENTRY.c.article_id).select_from(tables).where(*matches).correlate(None)
    newest = (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.latest_revision)
    if shape.actor is not None and shape.actor.draft_sections is not None:
        own = sorted(shape.actor.draft_sections)
        newest &= ARTICLE.c.section_id.in_(own) & REVISION.c.section_id.in_(own)
    conditions = [
        ~_contains(at, number) if excluded else _contains(at, number) for at, (excluded, number) in enumerate(words)
    ]
    unseen = ~ARTICLE.c.public | (ARTICLE.c.latest_revision > ARTICLE.c.revision)
    # Not EXISTS, for which PostgreSQL may read the texts of all revisions instead of the few that are not public.
    answers = sa.select(sa.literal_column("1")).where(newest, *conditions).limit(1).correlate(ARTICLE).scalar_subquery()
    saved = unseen & answers.is_not(None)
    key = SORT_COLUMNS[shape.sort.name.lstrip("-")].label("key")
    return sa.select(ARTICLE.c.id, key).where(ARTICLE.c.id.in_(indexed) | saved, *conditions_of(shape))


class SortedRow(CachedRow):
    """A matching article with the value that it is sorted by."""

    key: str


@lru_cache(256)
def _select_sorted(shape: QueryShape, dialect: str, among: Candidates) -> Statement:
    """Build the query for a page in an order other than the index's; all matches are read."""
    tables, _, where = select_matches(shape, dialect, among, joined=True)
    key = SORT_COLUMNS[shape.sort.name.lstrip("-")]
    if shape.paged:
        where = [*where, shape.sort.after(key, ARTICLE.c.id)]
    query = sa.select(ARTICLE.c.id, key.label("key")).select_from(tables).where(*where)
    query = query.order_by(*shape.sort.order_by(key, ARTICLE.c.id)).limit(sa.bindparam("most", type_=BIG_INTEGER))
    page = query.subquery("page")
    statement = select_cached(formats=shape.formats, editing=shape.editing, page=page)
    return statement.order_by(*shape.sort.order_by(page.c.key, page.c.id))


def _list_in_order(connection: sa.Connection, search: Search) -> ArticlePage:
    """Return a page of public articles in an order other than the index's."""
    query, sort = search.query, search.shape.sort
    key = sort.decode(query.cursor) if query.cursor else None
    values: JsonObject = {**search.bind_window(EVERYTHING), **bind_cursor(key), "most": query.limit + 1}
    values["cache_key"] = cache_key_of(search.site)
    rows = fetch_cached(connection, _select_sorted(*search.statement_key), SortedRow, values)
    page = page_of(rows, query.limit, sort, "key")
    return search.render(connection, page["data"], Ends(page["page"]["next"], page["page"]["prev"]))


def _list_in_states(connection: sa.Connection, search: Search, query: ListQuery) -> ArticlePage:
    """Return a page of articles in the requested states whose public or newest text matches.

    The index holds only public texts. The others, far fewer, are searched one by one.
    """
    sort, words = search.shape.sort, _parse_words(query.q or "")
    shape = search.shape._replace(paged=False)
    matching = _select_matching(shape, search.dialect, tuple(word.shape for word in words))
    values: JsonObject = {**search.values, **_bind_words(words), **search.bind_window(EVERYTHING)}
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
    with prefer_word_index(connection):
        rows = fetch_cached(connection, statement, SortedRow, values)
    result = page_of(rows, query.limit, sort, "key")
    return search.render(connection, result["data"], Ends(result["page"]["next"], result["page"]["prev"]), total)


def list_matching(
    connection: sa.Connection, query: ListQuery, groups: tuple[Filter, ...], actor: Actor, site: Site
) -> ArticlePage:
    """List articles that match `q`, in two statements, or one if not sorted by date."""
    search = Search(connection, query, groups, actor, site)
    if search.question.is_empty:
        return search.render(connection, [])
    if query.states is not None:
        refuse_unindexed(connection, "state")
        return _list_in_states(connection, search, query)
    with prefer_word_index(connection):
        if query.sort != "-published_at":
            refuse_unindexed(connection, "sort")
            return _list_in_order(connection, search)
        hits, ends = search.find_by_date(connection)
        rows = [row for _, row in search.read_cached(connection, hits, CachedRow)]
        return search.render(connection, rows, ends)
