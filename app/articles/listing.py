"""Listing articles: the statement of a page for any combination of filters and order.

The text of a statement depends on its `QueryShape` alone, values are parameters, so few statements are compiled. A page
is found by walking one index, that of the order or that of the leading filter, and joining the cached JSON to its ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from math import inf
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles import rendering
from app.articles.counters import ACTIVITY, activity_column
from app.articles.list_parameters import (
    EDITOR_COLUMNS,
    SORTS,
    Filter,
    FilterQuery,
    ListQuery,
    check_editor,
    resolve_filters,
)
from app.articles.reading import (
    ARTICLE,
    ARTICLE_AUTHOR,
    ARTICLE_TAG,
    AUTHOR,
    REVISION,
    SECTION,
    SERIES,
    TAG,
    is_offered,
    visible_to,
)
from app.articles.schemas import PAGE_TYPE
from app.core.clock import just_before, start_of
from app.core.ids import is_id
from app.db.prepared import Prepared, is_fixed
from app.db.rows import Column, Statement
from app.identity.schemas import ANONYMOUS, Actor
from app.publication.section_tree import CLOSURE
from app.publication.site import Site
from app.web.paging import Page, PageInfo, Sort, bind_cursor, page_of

SORT_COLUMNS: dict[str, Column] = {
    "published_at": ARTICLE.c.listed_at,
    "updated_at": ARTICLE.c.updated_at,
    "edited_at": ARTICLE.c.edited_at,
    "created_at": ARTICLE.c.created_at,
    "title": ARTICLE.c.title_key,
}
_TERM_COLUMNS = {
    "tag": (TAG, ARTICLE_TAG.c.tag_id, ARTICLE_TAG),
    "author": (AUTHOR, ARTICLE_AUTHOR.c.author_id, ARTICLE_AUTHOR),
    "section": (SECTION, ARTICLE.c.section_id, None),
    "series": (SERIES, ARTICLE.c.series_id, None),
}
_WORD_COLUMNS = {"type": ARTICLE.c.type, "language": ARTICLE.c.language}
_LEADING_KINDS = ("tag", "author", "series", "section", "language", "type")
MAX_CHOICES = 3  # filters of which a statement chooses the one to walk, with a branch for each
MAX_BRANCHES = 32
"""Index walks merged in one statement; filters with more values become conditions instead."""
MAX_COMPARED_VALUES = 256
"""Comparisons in all merged walks together: they bound the time that compiling a new statement takes."""


class ListRow(rendering.CachedRow):
    """A row of a page: a row of `select_cached` with its sort key. Times are text."""

    key: str | int
    updated_at: str


class QueryShape(NamedTuple):
    """Everything that the text of a list's statement depends on."""

    sort: Sort
    filters: tuple[tuple[str, bool, tuple[bool, ...]], ...]
    formats: tuple[str, ...]
    paged: bool
    featured: bool | None
    bounds: tuple[str, ...]
    states: tuple[str, ...] | None
    actor: Actor | None
    editing: bool
    partner: bool = False
    includes_pages: bool = False
    inactive_by: str | None = None  # an order by activity; selects the articles without any
    changed: bool | None = None
    editor: Literal["id", "name"] | None = None
    approval: bool = False  # one state of approval
    own_sections_only: bool = False  # hide published articles outside the key's sections
    leading: int | None = None  # place of the filter whose index is walked
    resolves_inline: bool = False  # see `_can_resolve_inline`
    requires_leaf_sections: bool = False  # find nothing for sections with subsections

    @property
    def is_plain(self) -> bool:
        """Whether the index of one filter answers the query without looking at the article's row."""
        combines = len(self.filters) > 1 or self.featured is not None or bool(self.bounds) or self.includes_pages
        return not combines and self.states is None and not self.partner

    @property
    def chooses_leading(self) -> bool:
        """Whether the statement itself walks the index of that filter which has the fewest articles."""
        return self.resolves_inline and 1 < len(self.filters) <= MAX_CHOICES


def _value_parameter(at: int, number: int) -> sa.BindParameter[str]:
    """Return the parameter of one value of the filter at a place."""
    return sa.bindparam(f"g{at}_{number}", type_=sa.String())


def _names_term(table: sa.FromClause, by_id: bool, value: sa.BindParameter[str]) -> ColumnElement[bool]:
    return table.c.id == sa.bindparam(value.key, type_=table.c.id.type) if by_id else table.c.slug == value


def _term_id(
    table: sa.Table, by_id: bool, value: sa.BindParameter[str], conditions: Sequence[ColumnElement[bool]] = ()
) -> Column:
    if by_id and not conditions:
        return sa.bindparam(value.key, type_=table.c.id.type)
    return sa.select(table.c.id).where(_names_term(table, by_id, value), *conditions).scalar_subquery()


def _named_term_id(at: int, kind: str, by_id: tuple[bool, ...]) -> Column:
    """Return the id of the one term that a filter names."""
    return _term_id(_TERM_COLUMNS[kind][0], by_id[0], _value_parameter(at, 0))


def _found_term_id(at: int, kind: str, by_id: tuple[bool, ...]) -> Column:
    """Return the id of that term for rows of a page; an article's row has its only section and series."""
    _, column, links = _TERM_COLUMNS[kind]
    return column if links is None else _named_term_id(at, kind, by_id)


def _has_no_children(at: int, by_id: tuple[bool, ...]) -> ColumnElement[bool]:
    inside = (CLOSURE.c.ancestor_id == _named_term_id(at, "section", by_id)) & (CLOSURE.c.depth > 0)
    return ~sa.exists().where(inside)


def _list_parameter(name: str, type_: sa.types.TypeEngine[str]) -> sa.BindParameter[str]:
    """Return a parameter for any number of values, which do not change the text of the statement."""
    return sa.bindparam(name, expanding=True, type_=type_)


def _matches_any(column: Column, table: sa.Table, at: int, by_id: tuple[bool, ...]) -> ColumnElement[bool]:
    """Return whether a column holds the id of any row that a filter names by id or slug."""
    ways: list[ColumnElement[bool]] = []
    if True in by_id:
        ways.append(column.in_(_list_parameter(f"g{at}_ids", table.c.id.type)))
    if False in by_id:
        named = sa.select(table.c.id).where(table.c.slug.in_(_list_parameter(f"g{at}_slugs", sa.String())))
        ways.append(column.in_(named))
    return sa.or_(*ways)


def _filter_condition(
    at: int, kind: str, negative: bool, by_id: tuple[bool, ...], *, of_each: bool = False
) -> ColumnElement[bool]:
    """Return a filter as a condition on the article, `of_each` for articles that are walked one by one."""
    if kind in _WORD_COLUMNS:
        condition: ColumnElement[bool] = _WORD_COLUMNS[kind].in_(_list_parameter(f"g{at}_words", sa.String()))
    elif kind == "ids":
        condition = _matches_any(ARTICLE.c.id, ARTICLE, at, by_id)
    else:
        table, column, links = _TERM_COLUMNS[kind]
        if links is None:
            condition = sa.func.coalesce(_matches_any(column, table, at, by_id), sa.false())
        else:
            link = links.alias(f"l{at}")
            matches = (link.c.article_id == ARTICLE.c.id) & _matches_any(link.c[column.key], table, at, by_id)
            linked = sa.select(link.c.article_id).where(matches).correlate(ARTICLE)
            # OFFSET keeps PostgreSQL from reading all articles of a common term first.
            condition = (linked.offset(0) if of_each and not negative else linked).exists()
    return ~condition if negative else condition


def _editor_parameter(name: str) -> sa.BindParameter[str]:
    return sa.bindparam("editor", type_=REVISION.c[name].type)


def _bound_conditions(shape: QueryShape) -> Iterator[ColumnElement[bool]]:
    moment = ARTICLE.c.listed_at.type
    for name in shape.bounds:
        bound = sa.bindparam(name, type_=moment)
        column = ARTICLE.c.updated_at if name == "updated_after" else ARTICLE.c.listed_at
        yield column > bound if name.endswith("after") else column < bound
    if shape.changed is not None:
        yield (
            ARTICLE.c.latest_revision > ARTICLE.c.revision
            if shape.changed
            else ARTICLE.c.latest_revision <= ARTICLE.c.revision
        )
    if shape.editor is not None:
        saved = sa.or_(*(REVISION.c[name] == _editor_parameter(name) for name in EDITOR_COLUMNS[shape.editor]))
        yield ARTICLE.c.id.in_(sa.select(REVISION.c.article_id).where(saved))
    if shape.approval:
        yield ARTICLE.c.approval == sa.bindparam("approval", type_=ARTICLE.c.approval.type)
    if shape.featured is not None:
        yield ARTICLE.c.featured if shape.featured else ~ARTICLE.c.featured


def _audience_conditions(shape: QueryShape) -> Iterator[ColumnElement[bool]]:
    """Restrict articles to public ones, or to the states that an editor asked for."""
    if shape.states is None or shape.actor is None:
        yield ARTICLE.c.public if shape.includes_pages else ARTICLE.c.listed
        if shape.partner:
            yield is_offered()
        return
    yield visible_to(shape.actor)
    if shape.own_sections_only and (sections := shape.actor.draft_sections) is not None:
        yield ARTICLE.c.section_id.in_(sorted(sections))
    if not shape.includes_pages:
        yield ARTICLE.c.type != PAGE_TYPE
    if shape.states:
        yield ARTICLE.c.state.in_(shape.states)


def _has_fewest_articles(shape: QueryShape, at: int) -> Iterator[ColumnElement[bool]]:
    """Restrict a statement that has a branch for each filter to that of the term with the fewest articles."""
    if not shape.chooses_leading:
        return
    articles = _TERM_COLUMNS[shape.filters[at][0]][0].c.articles
    for other, (kind, _, by_id) in enumerate(shape.filters):
        if other != at:
            table = _TERM_COLUMNS[kind][0].alias(f"rival_{other}")
            named = sa.select(table.c.articles).where(_names_term(table, by_id[0], _value_parameter(other, 0)))
            yield articles < named.scalar_subquery() if other < at else articles <= named.scalar_subquery()


def _select_branch(shape: QueryShape, leading: int | None, number: int) -> Statement:
    """Select the ids of a page through one index: articles of one value of the leading filter, or all."""
    activity = activity_column(shape.sort.name)
    column = (
        activity
        if activity is not None
        else SORT_COLUMNS["published_at" if shape.inactive_by else shape.sort.name.lstrip("-")]
    )
    source: sa.FromClause = ARTICLE
    links: sa.Table | None = None
    key, row_id = column, ARTICLE.c.id
    where: list[ColumnElement[bool]] = []
    if activity is not None:
        source, row_id = ACTIVITY.join(ARTICLE, ARTICLE.c.id == ACTIVITY.c.article_id), ACTIVITY.c.article_id
        where.append(activity > 0)
    for at, filter_ in enumerate(shape.filters):
        if at != leading:
            where.append(_filter_condition(at, *filter_, of_each=True))
    if leading is not None:
        kind, _, by_id = shape.filters[leading]
        if kind in _WORD_COLUMNS:
            where.append(_WORD_COLUMNS[kind] == _value_parameter(leading, number))
        else:
            table, term, links = _TERM_COLUMNS[kind]
            fewest = list(_has_fewest_articles(shape, leading))
            where.append(term == _term_id(table, by_id[number], _value_parameter(leading, number), fewest))
        if links is not None:
            source = links.join(ARTICLE, ARTICLE.c.id == links.c.article_id)
            if shape.states is None and not shape.includes_pages:
                where.append(links.c.listed)
            if column is ARTICLE.c.listed_at:
                key, row_id = links.c.listed_at, links.c.article_id
                if shape.is_plain:
                    source = links  # its index has all columns needed
    if source is not links:
        where += [*_audience_conditions(shape), *_bound_conditions(shape)]
    if shape.inactive_by and (active := activity_column(shape.inactive_by)) is not None:
        where.append(~sa.exists().where(ACTIVITY.c.article_id == row_id, active > 0))
    if shape.requires_leaf_sections:
        where += [_has_no_children(at, by_id) for at, (kind, _, by_id) in enumerate(shape.filters) if kind == "section"]
    if shape.paged:
        where.append(shape.sort.after(key, row_id))
    page = sa.select(row_id.label("id"), key.label("key")).select_from(source).where(*where)
    return page.order_by(*shape.sort.order_by(key, row_id)).limit(sa.bindparam("most", type_=sa.BigInteger))


def _choose_leading_filter(filters: Sequence[Filter], counts: Mapping[int, int]) -> int | None:
    """Choose the filter whose index is walked: a positive one, that with the fewest articles, tags and authors first.

    None where a filter has too many values to merge one walk for each. `counts` are the articles by place, if known.
    """
    number = sum(len(filter_.refs) for filter_ in filters)

    def can_lead(filter_: Filter) -> bool:
        compared = (walks := len(filter_.refs)) * (1 + number - walks)
        is_indexed = filter_.kind in _LEADING_KINDS and not filter_.negative
        return is_indexed and walks <= MAX_BRANCHES and compared <= MAX_COMPARED_VALUES

    places = [at for at, filter_ in enumerate(filters) if can_lead(filter_)]
    return min(places, key=lambda at: (counts.get(at, inf), _LEADING_KINDS.index(filters[at].kind)), default=None)


def _leading_filter(shape: QueryShape) -> int | None:
    """Return the filter whose index is walked; None for lists by activity, which hold few articles."""
    return None if activity_column(shape.sort.name) is not None else shape.leading


@lru_cache(512)
def _select_ids(shape: QueryShape) -> sa.Subquery:
    leading = _leading_filter(shape)
    values = len(shape.filters[leading][2]) if leading is not None else 1
    walks = [(leading, number) for number in range(values)]
    if shape.chooses_leading:
        walks = [(at, 0) for at in range(len(shape.filters))]
    elif values == 1:
        return _select_branch(shape, leading, 0).subquery("page")
    branches = [sa.select(_select_branch(shape, at, number).subquery()) for at, number in walks]
    # Only tags and authors can find an article twice: it is in one section, but may have several of these.
    together = sa.union if leading is not None and shape.filters[leading][0] in {"tag", "author"} else sa.union_all
    merged = together(*branches).subquery()
    order = shape.sort.order_by(merged.c.key, merged.c.id)
    return sa.select(merged).order_by(*order).limit(sa.bindparam("most", type_=sa.BigInteger)).subquery("page")


@lru_cache(512)
def _select_page(shape: QueryShape) -> Prepared[ListRow] | Statement:
    ids = _select_ids(shape)
    statement = rendering.select_cached(formats=shape.formats, editing=shape.editing, page=ids)
    if shape.resolves_inline:
        terms = [(at, kind, by_id) for at, (kind, _, by_id) in enumerate(shape.filters) if kind in _TERM_COLUMNS]
        statement = statement.add_columns(
            *(_found_term_id(at, kind, by_id).label(f"term_{at}") for at, kind, by_id in terms)
        )
    statement = statement.order_by(*shape.sort.order_by(ids.c.key, ids.c.id))
    return Prepared(statement) if is_fixed(statement) else statement


def _fetch_rows(connection: sa.Connection, shape: QueryShape, values: Mapping[str, object]) -> Sequence[ListRow]:
    statement = _select_page(shape)
    if isinstance(statement, Prepared):
        return statement.rows(connection, values)
    return rendering.fetch_cached(connection, statement, ListRow, values)


def conditions_of(shape: QueryShape) -> list[ColumnElement[bool]]:
    """Return all conditions of a list, for statements that reach articles by other indexes, such as searches."""
    filters = [_filter_condition(at, *filter_) for at, filter_ in enumerate(shape.filters)]
    return [*filters, *_audience_conditions(shape), *_bound_conditions(shape)]


def shape_of(
    query: FilterQuery,
    filters: tuple[Filter, ...],
    actor: Actor,
    sort: Sort,
    site: Site,
    *,
    resolves_inline: bool = False,
    counts: Mapping[int, int] = MappingProxyType({}),
) -> tuple[QueryShape, dict[str, object]]:
    """Return the shape of a list's statement and the values of its parameters."""
    bounds = {
        name: (start_of if name.endswith("before") else just_before)(value, site.zone)
        for name in ("published_after", "published_before", "updated_after")
        if (value := getattr(query, name)) is not None
    }
    states = query.states if isinstance(query, ListQuery) else None
    changed, editor, approval = (
        (query.changed, query.editor, query.approval) if isinstance(query, ListQuery) else (None, None, None)
    )
    leading = _choose_leading_filter(filters, counts)
    shape = QueryShape(
        sort=sort.bound_to(query),
        filters=tuple(filter_.shape if at == leading else filter_.outline for at, filter_ in enumerate(filters)),
        leading=leading,
        resolves_inline=resolves_inline,
        requires_leaf_sections=resolves_inline
        and query.descendants
        and any(filter_.kind == "section" for filter_ in filters),
        formats=rendering.parse_formats(query.formats, ()),
        paged=query.cursor is not None,
        featured=query.featured,
        bounds=tuple(bounds),
        states=states,
        actor=actor if states is not None else None,
        editing=actor.reads_drafts,
        partner=actor.is_partner,
        includes_pages=any(filter_.names_pages for filter_ in filters),
        changed=changed,
        editor=None if editor is None else "id" if is_id(editor) else "name",
        approval=approval is not None,
        own_sections_only=isinstance(query, ListQuery) and query.is_for_editors,
    )
    named = {"editor": editor, "approval": approval}
    values: dict[str, object] = {**bounds, **{name: value for name, value in named.items() if value is not None}}
    for at, filter_ in enumerate(filters):
        if at == leading or resolves_inline:
            values |= {f"g{at}_{number}": ref for number, ref in enumerate(filter_.refs)}
        values[f"g{at}_words"] = filter_.refs
        values[f"g{at}_ids"] = [ref for ref in filter_.refs if is_id(ref)]
        values[f"g{at}_slugs"] = [ref for ref in filter_.refs if not is_id(ref)]
    return shape, values


def selective_filters(shape: QueryShape) -> list[int]:
    """Return the places of positive filters by tag, author, series and section."""
    return [at for at, (kind, negative, _) in enumerate(shape.filters) if kind in _TERM_COLUMNS and not negative]


def select_filtered_ids(shape: QueryShape, at: int) -> tuple[Statement, Statement]:
    """Select the ids of articles that such a filter lets through, and an upper bound of their number."""
    kind, _, by_id = shape.filters[at]
    table, column, links = _TERM_COLUMNS[kind]
    count = sa.select(sa.func.coalesce(sa.func.sum(table.c.articles), 0)).where(
        _matches_any(table.c.id, table, at, by_id)
    )
    ids = sa.select(ARTICLE.c.id if links is None else links.c.article_id).where(_matches_any(column, table, at, by_id))
    return ids.correlate(None), count


def is_quick(query: ListQuery, filters: tuple[Filter, ...]) -> bool:
    """Whether one index leads straight to the page; other queries may visit many articles to find a few."""
    number, order = len(filters) + (query.featured is not None), query.sort.lstrip("-")
    if query.q is not None or query.states is not None or (query.updated_after is not None and order != "updated_at"):
        return False
    if number and order != "published_at":
        return False  # no index has this order within a tag or section, so all its articles are sorted
    return query.count == "none" and number <= 1 and not any(filter_.negative for filter_ in filters)


def list_rows(
    connection: sa.Connection, query: ListQuery, filters: tuple[Filter, ...], actor: Actor, site: Site
) -> Page[ListRow]:
    """Return a page of articles as rows of `select_cached`, for callers that render them themselves."""
    return _find_page(connection, query, filters, actor, site)[0]


def _can_resolve_inline(query: ListQuery, filters: tuple[Filter, ...]) -> bool:
    """Whether the statement can resolve its filters itself: each names one term."""
    if query.count != "none" or query.states is not None or activity_column(query.sort) is not None:
        return False
    named = all(
        filter_.kind in _TERM_COLUMNS and not filter_.negative and len(filter_.refs) == 1 for filter_ in filters
    )
    return bool(filters) and named


def _count_articles(connection: sa.Connection, filters: Sequence[Filter]) -> dict[int, int]:
    """Return how many articles each positive filter by terms has at most, by place, if there is a choice."""
    places = [at for at, filter_ in enumerate(filters) if filter_.kind in _TERM_COLUMNS and not filter_.negative]
    if len(places) < 2:
        return {}
    counts = []
    for at in places:
        table = _TERM_COLUMNS[filters[at].kind][0]
        number = sa.select(sa.func.sum(table.c.articles)).where(table.c.id.in_(filters[at].refs))
        counts.append(number.scalar_subquery().label(f"at_{at}"))
    row = connection.execute(sa.select(*counts)).one()
    return {at: int(number or 0) for at, number in zip(places, row, strict=True)}


def _find_page(
    connection: sa.Connection, query: ListQuery, filters: tuple[Filter, ...], actor: Actor, site: Site
) -> tuple[Page[ListRow], QueryShape, tuple[Filter, ...]]:
    """Find a page of rows, with the statement's shape and the filters with ids in place of slugs.

    Takes one statement where each filter names one term by id or present slug and no section has subsections. If that
    page is empty, the filters are resolved and it is read again: a term may not exist, have a former slug, or have
    subsections.
    """
    if _can_resolve_inline(query, filters):
        shape, values = shape_of(query, filters, actor, SORTS[query.sort], site, resolves_inline=True)
        page = _fetch_page(connection, query, shape, {**values, "cache_key": rendering.cache_key_of(site)})
        if page["data"]:
            first: Mapping[str, object] = page["data"][0]
            refs = [(str(first[f"term_{at}"]),) for at in range(len(filters))]
            return page, shape, tuple(filter_._replace(refs=ref) for filter_, ref in zip(filters, refs, strict=True))
    filters = resolve_filters(connection, filters, query)
    counts = _count_articles(connection, filters)
    shape, values = shape_of(query, filters, actor, SORTS[query.sort], site, counts=counts)
    return _fetch_page(connection, query, shape, {**values, "cache_key": rendering.cache_key_of(site)}), shape, filters


def _fetch_page(
    connection: sa.Connection, query: ListQuery, shape: QueryShape, values: dict[str, object]
) -> Page[ListRow]:
    is_by_activity = activity_column(shape.sort.name) is not None
    total = None
    if query.count == "exact":
        unpaged = shape._replace(paged=False, sort=SORTS["-published_at"] if is_by_activity else shape.sort)
        count = sa.select(sa.func.count()).select_from(_select_ids(unpaged))
        total = connection.execute(count, {**values, "most": 2**62}).scalar_one()
    if is_by_activity:
        return _fetch_by_activity(connection, query, shape, values, total)
    key = shape.sort.decode(query.cursor) if query.cursor else None
    values = {**values, **bind_cursor(key), "most": query.limit + 1}
    rows = _fetch_rows(connection, shape, values)
    return page_of(rows, query.limit, shape.sort, "key", total)


def _fetch_by_activity(
    connection: sa.Connection, query: ListQuery, shape: QueryShape, values: dict[str, object], total: int | None
) -> Page[ListRow]:
    """Fetch a page by activity, continued with articles that have none by a second statement."""
    quiet = replace(shape.sort, name=f"quiet {shape.sort.name}", kind=datetime)
    parts = [shape, shape._replace(sort=quiet, inactive_by=shape.sort.name)]
    if quiet.reads_back:
        parts.reverse()
    if query.cursor is not None and parts[1].sort.is_in(query.cursor):
        del parts[0]
    rows: list[ListRow] = []
    sorts: list[Sort] = []  # of each row
    for part in parts:
        if len(rows) > query.limit:
            break
        cursor = query.cursor if part is parts[0] else None
        key = part.sort.decode(cursor) if cursor else None
        parameters = {**values, **bind_cursor(key), "most": query.limit + 1 - len(rows)}
        rows += _fetch_rows(connection, part._replace(paged=key is not None), parameters)
        sorts += [part.sort] * (len(rows) - len(sorts))
    ends = sorts[: query.limit][:: -1 if quiet.reads_back else 1] or [shape.sort]
    return page_of(rows, query.limit, ends[0], "key", total, last_sort=ends[-1])


class ArticlePage(NamedTuple):
    """A page of a list as JSON, and its filters with ids in place of slugs, for cache groups."""

    articles: list[rendering.RenderedArticle]
    page: PageInfo
    filters: tuple[Filter, ...]

    @property
    def ids(self) -> list[str]:
        """Return the ids of its articles."""
        return [article_id for article in self.articles for article_id in article.ids]


def list_of_terms(connection: sa.Connection, query: ListQuery, filters: tuple[Filter, ...], site: Site) -> ArticlePage:
    """Return a page of public articles in one statement, by filters whose references are ids already."""
    shape, values = shape_of(query, filters, ANONYMOUS, SORTS[query.sort], site)
    page = _fetch_page(connection, query, shape, {**values, "cache_key": rendering.cache_key_of(site)})
    articles = rendering.render_articles(connection, page["data"], site, shape.formats)
    return ArticlePage(articles, page["page"], filters)


class SearchArticles(Protocol):
    """Lists the articles that match `q`, as `list_articles` does; implemented by the room `search`."""

    def __call__(
        self, connection: sa.Connection, query: ListQuery, filters: tuple[Filter, ...], actor: Actor, site: Site, /
    ) -> ArticlePage: ...


def list_articles(
    connection: sa.Connection,
    query: ListQuery,
    filters: tuple[Filter, ...],
    actor: Actor,
    site: Site,
    search: SearchArticles,
) -> ArticlePage:
    """Return a page of articles."""
    check_editor(connection, query)
    if query.q is not None:
        return search(connection, query, resolve_filters(connection, filters, query), actor, site)
    page, shape, filters = _find_page(connection, query, filters, actor, site)
    articles = rendering.render_articles(
        connection, page["data"], site, shape.formats, actor if shape.editing else None
    )
    return ArticlePage(articles, page["page"], filters)
