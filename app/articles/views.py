"""Views: what readers saw at a moment, instead of what they see now.

A view is a set of entries: articles in a revision, at an address, with facts beside the text. They are read from the
tables of revisions and terms, not from cached JSON. Names of terms and counts are those of today.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypedDict, cast

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles import reading, rendering
from app.articles.list_parameters import SORTS, Filter, ListQuery, resolve_filters
from app.articles.listing import ArticlePage
from app.articles.periods import FACTS, PERIOD, TIME_FACTS, was_public_at
from app.articles.reading import (
    ARTICLE,
    AUTHOR,
    MEDIA,
    NOTICE,
    PICTURED_FORMATS,
    REVISION,
    SERIES,
    TAG,
    FullArticleRow,
    select_text_pictures,
)
from app.articles.revisions import SECTION_COLUMNS
from app.articles.schemas import PAGE_TYPE, ListedArticleOut, SingleArticleOut
from app.articles.tables import META_COLUMNS
from app.core.clock import just_before, start_of
from app.core.ids import is_id
from app.core.models import BaseModel
from app.core.problems import InvalidParameter
from app.db.columns import Row
from app.db.rows import Column, JsonObject, Statement, fetch_rows
from app.identity.schemas import Actor
from app.publication.notices import ShownNotice
from app.publication.site import Site
from app.publication.terms import MERGE, find_merge_targets
from app.web.fields import dump_json
from app.web.paging import fetch_page

SORT_COLUMNS: Final = {"published_at": "listed_at", "updated_at": "updated_at"}
_TERM_TABLES = {"series": SERIES, "authors": AUTHOR, "tags": TAG}


class View(NamedTuple):
    """What readers see in another state of the publication."""

    entries: sa.Subquery  # columns of EntryRow
    sections: frozenset[str] | None = None  # only articles that are in these; None: any


class EntryRow(TypedDict):
    """An article as readers see it in a view."""

    id: str
    revision: int
    slug: str
    featured: bool
    published_at: datetime | None
    listed_at: datetime
    updated_at: datetime
    facts: JsonObject


def make_view_as_of(moment: datetime, actor: Actor) -> View:
    """Return what readers saw at a moment, of the sections in which the caller may read drafts."""
    columns = [PERIOD.c[name] for name in EntryRow.__annotations__ if name != "id"]
    then = sa.literal(moment, PERIOD.c.from_at.type)
    query = sa.select(PERIOD.c.article_id.label("id"), *columns).where(was_public_at(then))
    return View(query.subquery("entry"), actor.sections_for("content:read"))


def _select_entries(view: View) -> Statement:
    """Select the entries of a view, joined to their revisions."""
    entry = view.entries.c
    joined = view.entries.join(REVISION, (REVISION.c.article_id == entry.id) & (REVISION.c.n == entry.revision))
    query = sa.select(*(entry[name] for name in EntryRow.__annotations__)).select_from(joined)
    if view.sections is not None:
        query = query.where(REVISION.c.section_id.in_(sorted(view.sections)))
    return query


# ---- entries as articles


def _read_terms(
    connection: sa.Connection, table: sa.Table, ids: Iterable[str], names: Sequence[str]
) -> dict[str, JsonObject]:
    """Return rows of terms by the ids that revisions have; merged ones are those of their targets."""
    known = sorted(set(ids))
    moved = find_merge_targets(connection, known)
    present = {term_id: moved.get(term_id, term_id) for term_id in known}
    targets = sorted({target for target in present.values() if target})
    rows = connection.execute(sa.select(*(table.c[name] for name in {"id", *names})).where(table.c.id.in_(targets)))
    by_id = {row["id"]: {name: row[name] for name in names} for row in rows.mappings()} if targets else {}
    return {term_id: by_id[target] for term_id, target in present.items() if target in by_id}


class _Lookups(NamedTuple):
    """What the revisions of a page refer to, by id."""

    sections: dict[str, JsonObject]
    series: dict[str, JsonObject]
    authors: dict[str, JsonObject]
    tags: dict[str, JsonObject]
    media: dict[str, JsonObject]


def _look_up(connection: sa.Connection, revisions: Sequence[Row], media_ids: set[str]) -> _Lookups:
    names = ("id", "slug", "name")
    sections = sorted({each["section_id"] for each in revisions if each["section_id"]})
    query = sa.select(*SECTION_COLUMNS).where(reading.SECTION.c.id.in_(sections))
    rows = connection.execute(query).mappings() if sections else ()
    images = sorted(media_ids | {each["image_id"] for each in revisions if each["image_id"]})
    media = connection.execute(sa.select(MEDIA).where(MEDIA.c.id.in_(images))).mappings() if images else ()
    return _Lookups(
        {row["section_id"]: dict(row) for row in rows},
        _read_terms(connection, SERIES, [each["series_id"] for each in revisions if each["series_id"]], names),
        _read_terms(connection, AUTHOR, [term for each in revisions for term in each["authors"]], names),
        _read_terms(connection, TAG, [term for each in revisions for term in each["tags"]], names),
        {row["id"]: dict(row) for row in media},
    )


def _pick(terms: Mapping[str, JsonObject], ids: Sequence[str], *names: str) -> list[JsonObject]:
    """Return the terms with these ids, each once, with some of their columns."""
    picked = {str(terms[each]["id"]): {name: terms[each][name] for name in names} for each in ids if each in terms}
    return list(picked.values())


def _overlay(
    row: FullArticleRow, entry: EntryRow, revision: Row, found: _Lookups, formats: Sequence[str]
) -> JsonObject:
    out: JsonObject = {**row, "state": "published", "public": True, "retraction": None}
    out |= {name: revision[name] for name in ("title", "dek", "type", "language", "excerpt", "word_count")}
    out |= {"reading_minutes": revision["reading_minutes"], "revision": entry["revision"]}
    out |= {name: entry[name] for name in ("slug", "featured", "published_at", "listed_at", "updated_at")}
    facts = entry["facts"]
    out |= {name: facts.get(name) for name in FACTS} | {"corrections": facts.get("corrections") or []}
    times = {name: facts[name] for name in TIME_FACTS if facts.get(name)}
    out |= {name: datetime.fromisoformat(str(value)) for name, value in times.items()}
    seo_image = found.media.get(str(facts.get("seo_image_id")), {})
    out |= {f"seo_image_{column.key}_of": seo_image.get(column.key) for column in MEDIA.c}
    out |= found.sections.get(revision["section_id"]) or dict.fromkeys(column.key for column in SECTION_COLUMNS)
    series = found.series.get(revision["series_id"]) or {}
    out |= {f"series_{name}": series.get(name) for name in ("id", "slug", "name")}
    image = found.media.get(revision["image_id"]) or {}
    out |= {f"image_{column.key}": image.get(column.key) for column in MEDIA.c}
    out["authors"] = _pick(found.authors, revision["authors"], "id", "slug", "name")
    out["tags"] = _pick(found.tags, revision["tags"], "slug", "name")
    return out | {f"body_{name}": revision[name] for name in formats}


def _add_notices(connection: sa.Connection, rows: Sequence[JsonObject]) -> None:
    """Give each row the notices of what it is filed under in a view: from the widest scope to the narrowest."""
    places = [_list_places(row) for row in rows]
    targets = sorted({target for place in places for _, target in place if target is not None})
    query = sa.select(*(NOTICE.c[name] for name in ShownNotice.__annotations__))
    notices = fetch_rows(
        connection, query.where(NOTICE.c.target_id.is_(None) | NOTICE.c.target_id.in_(targets)), ShownNotice
    )
    for row, place in zip(rows, places, strict=True):
        ranks = {where: rank for rank, where in enumerate(place)}
        shown = [each for each in notices if (each["scope"], each["target_id"]) in ranks]
        shown.sort(key=lambda each: (ranks[each["scope"], each["target_id"]], each["position"]))
        names = ("id", "placement", "scope", "html", "text")
        row["notices"] = [{name: cast(JsonObject, each)[name] for name in names} for each in shown]


def _list_places(row: JsonObject) -> list[tuple[str, str | None]]:
    """List the scopes and targets whose notices an article shows, the widest first."""
    sections = cast("Sequence[Mapping[str, str]] | None", row["sections"]) or ()
    authors = cast(Sequence[Mapping[str, str]], row["authors"])
    places: list[tuple[str, str | None]] = [("site", None), *(("section", each["id"]) for each in sections)]
    places += [("series", cast("str | None", row["series_id"]))] if row["series_id"] else []
    return [*places, *(("author", each["id"]) for each in authors), ("article", str(row["id"]))]


def fetch_entries(
    connection: sa.Connection, entries: Sequence[EntryRow], formats: tuple[str, ...] = ()
) -> list[FullArticleRow]:
    """Return entries as rows of `select_articles`, in their order."""
    if not entries:
        return []
    rows = {row["id"]: row for row in reading.fetch_articles(connection, [entry["id"] for entry in entries])}
    pins = [(entry["id"], entry["revision"]) for entry in entries]
    names = dict.fromkeys([*META_COLUMNS, "excerpt", "word_count", "reading_minutes", *formats])
    query = sa.select(REVISION.c.article_id, *(REVISION.c[name] for name in names))
    is_pinned = sa.tuple_(REVISION.c.article_id, REVISION.c.n).in_(pins)
    revisions = {row["article_id"]: row for row in connection.execute(query.where(is_pinned)).mappings()}
    seo_images = {str(image) for entry in entries if (image := entry["facts"].get("seo_image_id"))}
    found = _look_up(connection, list(revisions.values()), seo_images)
    out = [_overlay(rows[entry["id"]], entry, revisions[entry["id"]], found, formats) for entry in entries]
    if PICTURED_FORMATS.intersection(formats):
        for row in out:
            pictures = select_text_pictures(
                sa.literal(row["id"], ARTICLE.c.id.type), sa.literal(row["revision"], sa.Integer())
            )
            row["pictures"] = connection.execute(pictures).scalar_one_or_none()
    _add_notices(connection, out)
    return [cast(FullArticleRow, row) for row in out]


def render_entries(
    connection: sa.Connection,
    entries: Sequence[EntryRow],
    site: Site,
    formats: tuple[str, ...] = (),
    model: type[BaseModel] = ListedArticleOut,
) -> list[rendering.RenderedArticle]:
    """Render entries as the JSON that readers get of them."""
    return [
        rendering.RenderedArticle(
            dump_json(model, reading.present_article(row, site, formats)), (row["id"],), row["version"]
        )
        for row in fetch_entries(connection, entries, formats)
    ]


def find_entry(connection: sa.Connection, view: View, ref: str) -> EntryRow | None:
    """Find an article of a view by its id, the slug that it has there, or its slug of today."""
    entry = view.entries.c
    today = sa.select(ARTICLE.c.id).where(ARTICLE.c.slug == ref).scalar_subquery()
    named = entry.id == ref if is_id(ref) else (entry.slug == ref) | (entry.id == today)
    query = _select_entries(view).where(named).order_by((entry.slug == ref).desc()).limit(1)
    return next(iter(fetch_rows(connection, query, EntryRow)), None)


def render_entry(
    connection: sa.Connection, view: View, ref: str, site: Site, formats: tuple[str, ...]
) -> rendering.RenderedArticle | None:
    """Render an article of a view with its text; None if it is not in the view."""
    entry = find_entry(connection, view, ref)
    if entry is None:
        return None
    (article,) = render_entries(connection, [entry], site, formats, SingleArticleOut)
    return article


# ---- lists


def _has_any(connection: sa.Connection, column: Column, ids: Sequence[str]) -> ColumnElement[bool]:
    """Select whether a JSON array of ids has any of these."""
    if connection.dialect.name == "sqlite":
        items = sa.func.json_each(column).table_valued("value")
    else:
        items = sa.func.json_array_elements_text(column).table_valued("value")
    return sa.select(sa.literal(1)).select_from(items).where(items.c.value.in_(ids)).correlate(REVISION).exists()


def _with_merged(connection: sa.Connection, ids: Sequence[str]) -> list[str]:
    """Return ids of terms with those that were merged into them, which revisions still have."""
    merged = connection.execute(sa.select(MERGE.c.source_id).where(MERGE.c.target_id.in_(ids))).scalars()
    return [*ids, *merged]


def _filter_condition(connection: sa.Connection, view: View, filter_: Filter) -> ColumnElement[bool]:
    refs = list(filter_.refs)
    match filter_.kind:
        case "tag" | "author":
            column = REVISION.c.tags if filter_.kind == "tag" else REVISION.c.authors
            condition = _has_any(connection, column, _with_merged(connection, refs))
        case "series":
            condition = sa.func.coalesce(REVISION.c.series_id.in_(_with_merged(connection, refs)), sa.false())
        case "section":
            condition = sa.func.coalesce(REVISION.c.section_id.in_(refs), sa.false())
        case "ids":
            ids, slugs = [ref for ref in refs if is_id(ref)], [ref for ref in refs if not is_id(ref)]
            condition = view.entries.c.id.in_(ids) | view.entries.c.slug.in_(slugs)
        case _:
            condition = REVISION.c[filter_.kind].in_(refs)
    return ~condition if filter_.negative else condition


def select_listed(
    connection: sa.Connection, view: View, filters: Sequence[Filter] = (), *, includes_pages: bool = False
) -> Statement:
    """Select the entries that a list with these filters has; their references are ids."""
    query = _select_entries(view).where(*(_filter_condition(connection, view, each) for each in filters))
    return query if includes_pages else query.where(REVISION.c.type != PAGE_TYPE)


def _check_query(query: ListQuery) -> None:
    """Answer 400 for parameters that views do not have."""
    extra = next((name for name in ("q", "state", "changed", "editor") if getattr(query, name) is not None), None)
    if extra is None and query.sort.lstrip("-") not in SORT_COLUMNS:
        extra = "sort"
    if extra is not None:
        orders = " Orders are published_at and updated_at." if extra == "sort" else ""
        raise InvalidParameter(extra, f"{extra}: not with as_of.{orders}")


def list_entries(
    connection: sa.Connection, view: View, query: ListQuery, filters: tuple[Filter, ...], site: Site
) -> ArticlePage:
    """Return a page of the articles of a view."""
    _check_query(query)
    filters = resolve_filters(connection, filters, query)
    entry = view.entries.c
    includes_pages = any(each.names_pages for each in filters)
    statement = select_listed(connection, view, filters, includes_pages=includes_pages)
    if query.featured is not None:
        statement = statement.where(entry.featured if query.featured else ~entry.featured)
    if query.published_after is not None:
        statement = statement.where(entry.listed_at > just_before(query.published_after, site.zone))
    if query.published_before is not None:
        statement = statement.where(entry.listed_at < start_of(query.published_before, site.zone))
    if query.updated_after is not None:
        statement = statement.where(entry.updated_at > just_before(query.updated_after, site.zone))
    column = entry[SORT_COLUMNS[query.sort.lstrip("-")]]
    page = fetch_page(connection, statement, SORTS[query.sort], column, query, EntryRow)
    formats = rendering.parse_formats(query.formats, ())
    return ArticlePage(render_entries(connection, page["data"], site, formats), page["page"], filters)
