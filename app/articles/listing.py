"""What the filters of a list name: terms by their ids, sections with all inside of them, languages with variants."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.activity import ACTIVITY, column_of
from app.articles.cached_json import finished, lean, made_for
from app.articles.list_parameters import EDITORS_SORTS, SORTS, FilterQuery, Group, ListQuery
from app.articles.partners import offered
from app.articles.reading import AUTHOR, BY, SECTION, SERIES, TAG, TAGGED, A, R, chosen_formats, sees_drafts, visible_to
from app.articles.schemas import PAGE
from app.articles.site import Site
from app.core.clock import just_before, starts_at
from app.core.ids import is_id
from app.core.problems import InvalidParameter
from app.db.columns import table_of
from app.identity.schemas import Actor
from app.identity.tables import ApiKey
from app.publication.references import TERMS, Kind, resolve_references
from app.publication.section_tree import CLOSURE
from app.web.paging import Sort, bindings, page_of

_KEY = table_of(ApiKey)


def _languages() -> sa.Select[tuple[str]]:
    """All languages that articles have: one step in an index for each."""
    found = sa.select(sa.func.min(A.c.language).label("tag")).cte("languages", recursive=True)
    later = sa.select(sa.func.min(A.c.language)).where(A.c.language > found.c.tag).correlate(found).scalar_subquery()
    found = found.union_all(sa.select(later).where(found.c.tag.is_not(None)))
    return sa.select(found.c.tag).where(found.c.tag.is_not(None))


_LANGUAGES = _languages()


def resolve_groups(connection: sa.Connection, groups: Sequence[Group], query: FilterQuery) -> tuple[Group, ...]:
    """Filters with the ids of what they name, also by a former slug; 400 for what does not exist.

    One statement for sections, tags, authors and series, one for languages, none where neither is named.
    """
    refs: dict[Kind, list[str]] = {}
    for group in groups:
        if group.kind in TERMS:
            refs.setdefault(cast(Kind, group.kind), []).extend(group.refs)
    known = resolve_references(connection, refs) if refs else {}
    spoken: list[str] = []
    if any(group.kind == "language" for group in groups):
        spoken = [row.tag for row in connection.execute(_LANGUAGES)]
    resolved = []
    for group in groups:
        if group.kind in TERMS:
            kind = cast(Kind, group.kind)
            if any((kind, ref) not in known for ref in group.refs):
                raise InvalidParameter(kind, f"{kind}: there is no such {kind}.")
            found = [known[kind, ref] for ref in group.refs]
            ids = [row_id for one in found for row_id in (one.ids if query.descendants else (one.id,))]
            group = replace(group, refs=tuple(sorted(set(ids))))
        elif group.kind == "language":
            ranges = tuple(f"{ref}-" for ref in group.refs)
            variants = {tag for tag in spoken if tag in group.refs or tag.startswith(ranges)}
            group = replace(group, refs=tuple(sorted(variants)) or group.refs)
        resolved.append(group)
    return tuple(resolved)


def check_editor(connection: sa.Connection, query: ListQuery) -> None:
    """400 for an editor who is no key and never saved a text."""
    if query.editor is None:
        return
    by_id = is_id(query.editor)
    key = (_KEY.c.id if by_id else _KEY.c.name) == query.editor
    saved = (R.c.actor_id if by_id else R.c.actor_name) == query.editor
    if not connection.execute(sa.select(sa.exists().where(key) | sa.exists().where(saved))).scalar_one():
        raise InvalidParameter("editor", "editor: there is no key with this id or name.")


COLUMNS: dict[str, ColumnElement[Any]] = {
    "published_at": A.c.listed_at,
    "updated_at": A.c.updated_at,
    "edited_at": A.c.edited_at,
    "created_at": A.c.created_at,
    "title": A.c.title_key,
}
FIND: dict[str, Callable[..., dict[str, Any]]] = {}
"""The room above that finds words, by the parameter that it serves; called like `page`."""
_TERMS = {
    "tag": (TAG, TAGGED.c.tag_id, TAGGED),
    "author": (AUTHOR, BY.c.author_id, BY),
    "section": (SECTION, A.c.section_id, None),
    "series": (SERIES, A.c.series_id, None),
}
_WORDS = {"type": A.c.type, "language": A.c.language}
_LEADING = ("tag", "author", "series", "section", "language", "type")
MAX_BRANCHES = 32
"""Walks of one index that are merged; of more values (a section with very many inside) articles are filtered."""
MAX_COMPARED = 256
"""Values that all walks together compare with: a statement that is new costs time by their number, for anybody."""


@dataclass(frozen=True)
class Shape:
    """Everything that the text of a list's statement depends on; the values come as parameters."""

    sort: Sort
    groups: tuple[tuple[str, bool, tuple[bool, ...]], ...]
    formats: tuple[str, ...]
    paged: bool
    featured: bool | None
    bounds: tuple[str, ...]
    states: tuple[str, ...] | None
    actor: Actor | None
    editing: bool
    partner: bool = False
    pages: bool = False  # whether these are asked for
    quiet: str | None = None  # an order by activity, of which these are the articles without any
    changed: bool | None = None
    editor: Literal["actor_id", "actor_name"] | None = None
    own: bool = False  # only what a key limited to sections may edit
    walked: int | None = None  # the filter whose index leads; of all others the number of values does not matter
    looks_up: bool = False  # filters name one term each, which the statement finds by itself; see `_looks_up`
    childless: bool = False  # and it finds nothing for a section that has others inside

    @property
    def is_plain(self) -> bool:
        """Whether one index answers it: what combines filters may look at many articles to find a few."""
        combines = len(self.groups) > 1 or self.featured is not None or bool(self.bounds) or self.pages
        return not combines and self.states is None and not self.partner


def _value(group: int, number: int) -> sa.BindParameter[str]:
    return sa.bindparam(f"g{group}_{number}", type_=sa.String())


def _term_id(table: sa.Table, by_id: bool, value: sa.BindParameter[str]) -> ColumnElement[Any]:
    if by_id:
        return sa.bindparam(value.key, type_=table.c.id.type)
    return sa.select(table.c.id).where(table.c.slug == value).scalar_subquery()


def _named_term(at: int, kind: str, by_id: tuple[bool, ...]) -> ColumnElement[Any]:
    """The id of the one term that a filter names."""
    return _term_id(_TERMS[kind][0], by_id[0], _value(at, 0))


def _has_no_children(at: int, by_id: tuple[bool, ...]) -> ColumnElement[bool]:
    inside = (CLOSURE.c.ancestor_id == _named_term(at, "section", by_id)) & (CLOSURE.c.depth > 0)
    return ~sa.exists().where(inside)


def _any_of(name: str, type_: Any) -> sa.BindParameter[Any]:
    """Any number of values: the text of the statement does not depend on it."""
    return sa.bindparam(name, expanding=True, type_=type_)


def _is_any(column: ColumnElement[Any], table: sa.Table, at: int, by_id: tuple[bool, ...]) -> ColumnElement[bool]:
    """Whether a column holds the id of any row that a filter names by id or slug."""
    ways: list[ColumnElement[bool]] = []
    if True in by_id:
        ways.append(column.in_(_any_of(f"g{at}_ids", table.c.id.type)))
    if False in by_id:
        named = sa.select(table.c.id).where(table.c.slug.in_(_any_of(f"g{at}_slugs", sa.String())))
        ways.append(column.in_(named))
    return sa.or_(*ways)


def _condition(at: int, kind: str, negative: bool, by_id: tuple[bool, ...]) -> ColumnElement[bool]:
    """A filter as a predicate on the article."""
    if kind in _WORDS:
        found: ColumnElement[bool] = _WORDS[kind].in_(_any_of(f"g{at}_words", sa.String()))
    elif kind == "ids":
        found = _is_any(A.c.id, A, at, by_id)
    else:
        table, column, links = _TERMS[kind]
        if links is None:
            found = sa.func.coalesce(_is_any(column, table, at, by_id), sa.false())
        else:
            other = links.alias(f"l{at}")
            here = (other.c.article_id == A.c.id) & _is_any(other.c[column.key], table, at, by_id)
            found = sa.exists().where(here).correlate(A)
    return ~found if negative else found


def _bounds(shape: Shape) -> Iterator[ColumnElement[bool]]:
    moment = A.c.listed_at.type
    for name in shape.bounds:
        bound = sa.bindparam(name, type_=moment)
        column = A.c.updated_at if name == "updated_after" else A.c.listed_at
        yield column > bound if name.endswith("after") else column < bound
    if shape.changed is not None:
        yield A.c.latest_revision > A.c.revision if shape.changed else A.c.latest_revision <= A.c.revision
    if shape.editor is not None:
        saved = R.c[shape.editor]
        yield A.c.id.in_(sa.select(R.c.article_id).where(saved == sa.bindparam("editor", type_=saved.type)))
    if shape.featured is not None:
        yield A.c.featured if shape.featured else ~A.c.featured


def _who(shape: Shape) -> Iterator[ColumnElement[bool]]:
    """Public articles, or the states that an editor asked for."""
    if shape.states is None or shape.actor is None:
        yield A.c.public if shape.pages else A.c.listed
        if shape.partner:
            yield offered()
        return
    yield visible_to(shape.actor)
    if shape.own and shape.actor.sections is not None:
        yield A.c.section_id.in_(sorted(shape.actor.sections))
    if not shape.pages:
        yield A.c.type != PAGE
    if shape.states:
        yield A.c.state.in_(shape.states)


def _branch(shape: Shape, leading: int | None, number: int) -> sa.Select[Any]:
    """The ids of a page as one index gives them: the articles of one value of the leading filter, or all."""
    busy = column_of(shape.sort.name)
    column = busy if busy is not None else COLUMNS["published_at" if shape.quiet else shape.sort.name.lstrip("-")]
    source: Any = A
    links: sa.Table | None = None
    key, row_id = column, A.c.id
    where: list[ColumnElement[bool]] = []
    if busy is not None:
        source, row_id = ACTIVITY.join(A, A.c.id == ACTIVITY.c.article_id), ACTIVITY.c.article_id
        where.append(busy > 0)
    for at, group in enumerate(shape.groups):
        if at != leading:
            where.append(_condition(at, *group))
    if leading is not None:
        kind, _, by_id = shape.groups[leading]
        if kind in _WORDS:
            where.append(_WORDS[kind] == _value(leading, number))
        else:
            table, term, links = _TERMS[kind]
            where.append(term == _term_id(table, by_id[number], _value(leading, number)))
        if links is not None:
            source = links.join(A, A.c.id == links.c.article_id)
            if shape.states is None and not shape.pages:
                where.append(links.c.listed)
            if column is A.c.listed_at:
                key, row_id = links.c.listed_at, links.c.article_id
                if shape.is_plain:
                    source = links  # its index has all that is asked
    if source is not links:
        where += [*_who(shape), *_bounds(shape)]
    if shape.quiet and (active := column_of(shape.quiet)) is not None:
        where.append(~sa.exists().where(ACTIVITY.c.article_id == row_id, active > 0))
    if shape.childless:
        where += [_has_no_children(at, by_id) for at, (kind, _, by_id) in enumerate(shape.groups) if kind == "section"]
    if shape.paged:
        where.append(shape.sort.after(key, row_id))
    page = sa.select(row_id.label("id"), key.label("key")).select_from(source).where(*where)
    return page.order_by(*shape.sort.order_by(key, row_id)).limit(sa.bindparam("most", type_=sa.BigInteger))


def _choose_walked(groups: Sequence[Group]) -> int | None:
    """The filter whose index is walked: a positive one, tags and authors first; none if that were too many walks."""
    number = sum(len(group.refs) for group in groups)
    for kind in _LEADING:
        for at, group in enumerate(groups):
            walks = len(group.refs)
            compared = walks * (1 + number - walks)
            if group.kind == kind and not group.negative and walks <= MAX_BRANCHES and compared <= MAX_COMPARED:
                return at
    return None


def _leading(shape: Shape) -> int | None:
    """The filter whose index is walked; none where few are looked at anyway."""
    return None if column_of(shape.sort.name) is not None else shape.walked


@lru_cache(512)
def _ids(shape: Shape) -> sa.Subquery:
    leading = _leading(shape)
    values = len(shape.groups[leading][2]) if leading is not None else 1
    if values == 1:
        return _branch(shape, leading, 0).subquery("page")
    branches = [sa.select(_branch(shape, leading, number).subquery()) for number in range(values)]
    # An article stands in one section, but may have several of the tags: only then some are found twice.
    together = sa.union if leading is not None and shape.groups[leading][0] in {"tag", "author"} else sa.union_all
    merged = together(*branches).subquery()
    order = shape.sort.order_by(merged.c.key, merged.c.id)
    return sa.select(merged).order_by(*order).limit(sa.bindparam("most", type_=sa.BigInteger)).subquery("page")


@lru_cache(512)
def _statement(shape: Shape) -> sa.Select[Any]:
    ids = _ids(shape)
    found = lean(formats=shape.formats, editing=shape.editing, page=ids)
    if shape.looks_up:
        terms = [(at, kind, by_id) for at, (kind, _, by_id) in enumerate(shape.groups) if kind in _TERMS]
        found = found.add_columns(*(_named_term(at, kind, by_id).label(f"term_{at}") for at, kind, by_id in terms))
    return cast("sa.Select[Any]", found.order_by(*shape.sort.order_by(ids.c.key, ids.c.id)))


def conditions(shape: Shape) -> list[ColumnElement[bool]]:
    """All that a list asks of an article, for statements that come to articles by another way than its indexes."""
    filters = [_condition(at, *group) for at, group in enumerate(shape.groups)]
    return [*filters, *_who(shape), *_bounds(shape)]


def shape_of(
    query: FilterQuery, groups: tuple[Group, ...], actor: Actor, sort: Sort, site: Site, *, looks_up: bool = False
) -> tuple[Shape, dict[str, Any]]:
    """What a list's statement depends on, and the values of its parameters."""
    bounds = {
        name: (starts_at if name.endswith("before") else just_before)(value, site.zone)
        for name in ("published_after", "published_before", "updated_after")
        if (value := getattr(query, name)) is not None
    }
    states = query.states if isinstance(query, ListQuery) else None
    changed, editor = (query.changed, query.editor) if isinstance(query, ListQuery) else (None, None)
    walked = _choose_walked(groups)
    shape = Shape(
        sort=sort.bound_to(query),
        groups=tuple(group.shape if at == walked else group.outline for at, group in enumerate(groups)),
        walked=walked,
        looks_up=looks_up,
        childless=looks_up and query.descendants and any(group.kind == "section" for group in groups),
        formats=chosen_formats(query.formats, ()),
        paged=query.cursor is not None,
        featured=query.featured,
        bounds=tuple(bounds),
        states=states,
        actor=actor if states is not None else None,
        editing=sees_drafts(actor),
        partner=actor.is_partner,
        pages=any(group.names_pages for group in groups),
        changed=changed,
        editor=None if editor is None else "actor_id" if is_id(editor) else "actor_name",
        own=changed is not None or editor is not None or sort.name in EDITORS_SORTS,
    )
    values: dict[str, Any] = {**bounds, **({} if editor is None else {"editor": editor})}
    for at, group in enumerate(groups):
        if at == walked or looks_up:
            values |= {f"g{at}_{number}": ref for number, ref in enumerate(group.refs)}
        values[f"g{at}_words"] = group.refs
        values[f"g{at}_ids"] = [ref for ref in group.refs if is_id(ref)]
        values[f"g{at}_slugs"] = [ref for ref in group.refs if not is_id(ref)]
    return shape, values


def leading(shape: Shape) -> list[int]:
    """The places of filters that name what they want: tags, authors, series, sections."""
    return [at for at, (kind, negative, _) in enumerate(shape.groups) if kind in _TERMS and not negative]


def left_by(shape: Shape, at: int) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """The ids of the articles that such a filter leaves, and how many public ones these are at most."""
    kind, _, by_id = shape.groups[at]
    table, column, links = _TERMS[kind]
    many = sa.select(sa.func.coalesce(sa.func.sum(table.c.articles), 0)).where(_is_any(table.c.id, table, at, by_id))
    left = sa.select(A.c.id if links is None else links.c.article_id).where(_is_any(column, table, at, by_id))
    return left.correlate(None), many


def is_quick(query: ListQuery, groups: tuple[Group, ...]) -> bool:
    """Whether one index leads straight to the page; anything else may walk far for a few articles."""
    filters = len(groups) + (query.featured is not None)
    if query.q is not None or query.states is not None or query.updated_after is not None:
        return False
    if filters and query.sort.lstrip("-") != "published_at":
        return False  # no index has this order within a tag or section: all of it is sorted
    return query.count == "none" and filters <= 1 and not any(group.negative for group in groups)


def rows(
    connection: sa.Connection, query: ListQuery, groups: tuple[Group, ...], actor: Actor, site: Site
) -> dict[str, Any]:
    """A page of articles as lean rows: see `_find_page`; one statement more to count."""
    return _find_page(connection, query, groups, actor, site)[0]


def _looks_up(query: ListQuery, groups: tuple[Group, ...]) -> bool:
    """Whether the statement of a list can find by itself what its filters name: terms, one by one."""
    if query.count != "none" or query.states is not None or column_of(query.sort) is not None:
        return False
    named = all(group.kind in _TERMS and not group.negative and len(group.refs) == 1 for group in groups)
    return bool(groups) and named


def _find_page(
    connection: sa.Connection, query: ListQuery, groups: tuple[Group, ...], actor: Actor, site: Site
) -> tuple[dict[str, Any], Shape, tuple[Group, ...]]:
    """A page of articles as lean rows, and the filters with the ids of what they name.

    One statement where each filter names one term by what it is called now and sections have none inside. A page that
    it leaves empty is asked for again once that was looked at: a term may not exist, be known by a former slug, or
    have others inside.
    """
    if _looks_up(query, groups):
        shape, values = shape_of(query, groups, actor, SORTS[query.sort], site, looks_up=True)
        found = _rows(connection, query, shape, {**values, "made_for": made_for(site)})
        if rows := found["data"]:
            return found, shape, tuple(replace(group, refs=(rows[0][f"term_{n}"],)) for n, group in enumerate(groups))
    groups = resolve_groups(connection, groups, query)
    shape, values = shape_of(query, groups, actor, SORTS[query.sort], site)
    return _rows(connection, query, shape, {**values, "made_for": made_for(site)}), shape, groups


def _rows(connection: sa.Connection, query: ListQuery, shape: Shape, values: dict[str, Any]) -> dict[str, Any]:
    is_busy = column_of(shape.sort.name) is not None
    total = None
    if query.count == "exact":
        all_of_it = replace(shape, paged=False, sort=SORTS["-published_at"] if is_busy else shape.sort)
        everything = sa.select(sa.func.count()).select_from(_ids(all_of_it))
        total = connection.execute(everything, {**values, "most": 2**62}).scalar_one()
    if is_busy:
        return _most_active(connection, query, shape, values, total)
    key = shape.sort.decode(query.cursor) if query.cursor else None
    values = {**values, **bindings(key), "most": query.limit + 1}
    found = connection.execute(_statement(shape), values).mappings().all()
    return page_of(found, query.limit, shape.sort, "key", total)


def _most_active(
    connection: sa.Connection, query: ListQuery, shape: Shape, values: dict[str, Any], total: int | None
) -> dict[str, Any]:
    """A page of articles by activity, and where these end, of those without any: one statement more there."""
    found: list[sa.RowMapping] = []
    quiet = replace(
        shape,
        sort=replace(shape.sort, name=f"quiet {shape.sort.name}", kind=datetime),
        quiet=shape.sort.name,
        paged=query.cursor is not None and replace(shape.sort, name=f"quiet {shape.sort.name}").is_in(query.cursor),
    )
    if not quiet.paged:
        key = shape.sort.decode(query.cursor) if query.cursor else None
        asked = {**values, **bindings(key), "most": query.limit + 1}
        found += connection.execute(_statement(shape), asked).mappings()
    active = len(found)
    if active <= query.limit:
        key = quiet.sort.decode(query.cursor) if query.cursor and quiet.paged else None
        asked = {**values, **bindings(key), "most": query.limit + 1 - active}
        found += connection.execute(_statement(quiet), asked).mappings()
    last_of = shape.sort if query.limit <= active else quiet.sort
    return page_of(found, query.limit, last_of, "key", total)


def page(
    connection: sa.Connection, query: ListQuery, groups: tuple[Group, ...], actor: Actor, site: Site
) -> dict[str, Any]:
    """A page of articles as JSON, with what cache groups say of it."""
    check_editor(connection, query)
    if query.q is not None:
        return FIND["q"](connection, query, resolve_groups(connection, groups, query), actor, site)
    found, shape, groups = _find_page(connection, query, groups, actor, site)
    edits = (lambda row: actor.may_in(row["section_id"])) if shape.editing else None
    articles = finished(connection, found["data"], site, shape.formats, edits)
    ids = [row["id"] for row in found["data"]]
    return {**found, "data": articles, "ids": ids, "resolved": groups}
