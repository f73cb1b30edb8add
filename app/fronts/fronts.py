"""Fronts: curated pages of blocks of articles."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypedDict

import sqlalchemy as sa
from sqlmodel import Session, select

from app.articles import rendering
from app.articles.counters import ACTIVITY, activity_column
from app.articles.reading import ARTICLE, ARTICLE_AUTHOR, ARTICLE_TAG, select_visible_ids
from app.core.clock import format_rfc3339, now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, Invalid, NotFound, StaleVersion
from app.db.columns import table_of
from app.db.rows import Column, JsonObject, Statement, fetch_row, get_row
from app.events.catalog import AuthorDeleted, FrontChanged, FrontDeleted, LoggedEvent, SeriesDeleted, TagDeleted
from app.events.log import emit
from app.fronts.periods import write_period
from app.fronts.schemas import FILTERS, MAX_ARTICLES, BlockIn, FrontContent, FrontIn, FrontsQuery, Kind
from app.fronts.tables import Front
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication.section_tree import find_inside
from app.publication.site import Site
from app.publication.tables import Author, Section, Series, Tag, Term
from app.publication.terms import require_all_sections, require_terms, take_name_lock
from app.text.inputs import is_slug
from app.web import etag
from app.web.paging import Sort, fetch_page

MAX_FRONTS = 500
_TERM_TABLES: dict[str, type[Term]] = {"section": Section, "series": Series, "tag": Tag, "author": Author}


class Block(TypedDict):
    """A block as stored; `limit` is null for pinned articles, `days` unless the block is ranked by activity."""

    kind: Kind
    title: str | None
    limit: int | None
    articles: list[str] | None
    days: int | None
    only: dict[str, str]  # the id or word of at most one filter, by its name


class Version(TypedDict):
    """A version of a front as stored; `at` is RFC 3339."""

    title: str
    blocks: list[Block]
    at: str


class FrontRow(TypedDict):
    """A front with its versions."""

    id: str
    slug: str
    published: Version | None
    draft: Version | None
    version: int
    created_at: datetime
    updated_at: datetime


class FrontNames(NamedTuple):
    """The id and the slug of a front."""

    id: str
    slug: str


class TooManyFronts(Conflict, code="too_many_fronts", title="There are too many fronts"):
    """The publication has reached the maximum number of fronts."""


def _resolve_pins(session: Session, actor: Actor, refs: list[str], pointer: str) -> list[str]:
    """Resolve articles that the caller may see, in their order; 422 for others."""
    ids, slugs = [ref for ref in refs if is_id(ref)], [ref for ref in refs if not is_id(ref)]
    query = (
        select_visible_ids(actor).add_columns(ARTICLE.c.slug).where(ARTICLE.c.id.in_(ids) | ARTICLE.c.slug.in_(slugs))
    )
    ids_by_ref: dict[str, str] = {}
    for row in session.execute(query):
        ids_by_ref[row.id] = ids_by_ref[row.slug] = row.id
    for at, ref in enumerate(refs):
        if ref not in ids_by_ref:
            raise Invalid("The article does not exist.", pointer=f"{pointer}/{at}", code="not_found")
    return list(dict.fromkeys(ids_by_ref[ref] for ref in refs))


def _build_block(session: Session, actor: Actor, data: BlockIn, pointer: str) -> Block:
    """Return a block as stored, with resolved references; 422 for members that exclude each other."""
    only = {name: value for name in FILTERS if (value := getattr(data, name)) is not None}
    is_ranked = data.kind in {"discussed", "reacted"}
    misplaced = {
        "articles": data.articles is not None and data.kind != "pinned",
        "limit": data.limit is not None and data.kind == "pinned",
        "days": data.days is not None and not is_ranked,
        **dict.fromkeys(only, data.kind == "pinned"),
    }
    for name, is_wrong in misplaced.items():
        if is_wrong:
            raise Invalid(f"{name} is not for a block of this kind.", pointer=f"{pointer}/{name}", code="misplaced")
    if len(only) > 1:
        raise Invalid(
            "Send at most one of section, series, tag, author and type.",
            pointer=f"{pointer}/{list(only)[1]}",
            code="one_of",
        )
    if data.kind == "pinned" and not data.articles:
        raise Invalid("A pinned block needs `articles`.", pointer=f"{pointer}/articles", code="missing")
    for name in only.keys() & _TERM_TABLES.keys():
        only[name] = require_terms(session, _TERM_TABLES[name], [only[name]], f"{pointer}/{name}")[0]
    return {
        "kind": data.kind,
        "title": data.title,
        "limit": None if data.kind == "pinned" else data.limit or 8,
        "articles": _resolve_pins(session, actor, data.articles, f"{pointer}/articles") if data.articles else None,
        "days": (data.days or 7) if is_ranked else None,
        "only": only,
    }


def _lock_front(session: Session, ref: str) -> Front | None:
    column = Front.id if is_id(ref) else Front.slug
    return session.exec(select(Front).where(column == ref).with_for_update()).first()


def save_front(
    session: Session, actor: Actor, ref: str, data: FrontIn, versions: frozenset[int] | None, new: bool
) -> str:
    """Create a front if `new`, else replace an existing one; 412 otherwise. Return its id."""
    row = _lock_or_create(session, actor, ref, new)
    blocks = build_blocks(session, actor, data)
    if row.version:
        sent: JsonObject = {"title": data.title, "blocks": blocks}
        newest = row.draft or row.published or {}
        etag.check_version(row.version, versions, [name for name, value in sent.items() if newest.get(name) != value])
    _store_version(session, row, data.title, blocks, data.state, now())
    record_action(session, actor, "front.save", "front", row.id, {"slug": row.slug, "state": data.state})
    return row.id


def _lock_or_create(session: Session, actor: Actor, ref: str, new: bool) -> Front:
    """Lock a front, or create it if `new`; 404 or 412 where it is the other way round."""
    require_all_sections(actor, "content:publish")
    if not is_id(ref) and (not is_slug(ref) or len(ref) > 200):
        raise NotFound
    take_name_lock(session, f"front:{ref}")
    row = _lock_front(session, ref)
    if row is not None and new:
        raise StaleVersion(current_version=row.version)
    if row is None:
        if not new or is_id(ref):
            raise NotFound
        if session.execute(sa.select(sa.func.count()).select_from(Front)).scalar_one() >= MAX_FRONTS:
            raise TooManyFronts
        moment = now()
        row = Front(id=new_id(), slug=ref, version=0, published=None, draft=None, created_at=moment, updated_at=moment)
        session.add(row)
    return row


def build_blocks(session: Session, actor: Actor, data: FrontContent) -> list[Block]:
    """Return the blocks of a front as stored, with resolved references; 422 for those that are invalid."""
    blocks = [_build_block(session, actor, block, f"/blocks/{at}") for at, block in enumerate(data.blocks)]
    if sum(block["limit"] or len(block["articles"] or ()) for block in blocks) > MAX_ARTICLES:
        raise Invalid(f"A front has at most {MAX_ARTICLES} articles.", pointer="/blocks", code="too_long")
    return blocks


class FrontState(TypedDict):
    """What a front shows and has as its draft, to put back later; `updated_at` is RFC 3339."""

    published: JsonObject | None
    draft: JsonObject | None
    version: int
    updated_at: str


def get_front_state(session: Session, front_id: str) -> FrontState | None:
    """Return the state of a front, locked until the transaction ends; None without one."""
    row = _lock_front(session, front_id)
    if row is None:
        return None
    return {
        "published": row.published,
        "draft": row.draft,
        "version": row.version,
        "updated_at": format_rfc3339(row.updated_at),
    }


def publish_front(session: Session, actor: Actor, ref: str, data: FrontContent, moment: datetime) -> str:
    """Publish a front with this content, creating it where there is none; its draft stays. Return its id."""
    row = _lock_or_create(session, actor, ref, new=not is_id(ref) and _lock_front(session, ref) is None)
    draft = row.draft
    _store_version(session, row, data.title, build_blocks(session, actor, data), "published", moment)
    row.draft = draft
    record_action(session, actor, "front.save", "front", row.id, {"slug": row.slug, "state": "published"})
    return row.id


def restore_front(session: Session, actor: Actor, front_id: str, state: FrontState | None, moment: datetime) -> None:
    """Let readers see again what a front showed in a former state; delete one that did not exist."""
    require_all_sections(actor, "content:publish")
    row = _lock_front(session, front_id)
    if row is None:
        raise NotFound
    write_period(session, row, state and state["published"], moment)
    if state is None or state["published"] is None:
        emit(session, FrontDeleted(subject_id=row.id, slug=row.slug))
    else:
        emit(session, FrontChanged(subject_id=row.id, slug=row.slug))
    record_action(session, actor, "front.restore", "front", row.id, {"slug": row.slug})
    if state is None:
        session.delete(row)
        return
    row.published, row.version = state["published"], row.version + 1
    row.updated_at = datetime.fromisoformat(state["updated_at"])


def _store_version(session: Session, row: Front, title: str, blocks: list[Block], state: str, moment: datetime) -> None:
    """Store a version as draft or published, and emit an event when it is published."""
    version: JsonObject = {"title": title, "blocks": blocks, "at": format_rfc3339(moment)}
    if state == "draft":
        row.draft = version
    else:
        row.published, row.draft = version, None
    row.version, row.updated_at = row.version + 1, moment
    if state == "published":
        write_period(session, row, version, moment)
        emit(session, FrontChanged(subject_id=row.id, slug=row.slug))


def delete_front(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete a front and its draft."""
    require_all_sections(actor, "content:publish")
    row = _lock_front(session, ref)
    if row is None:
        raise NotFound
    etag.check_version(row.version, versions, [])
    if row.published is not None:
        write_period(session, row, None, now())
        emit(session, FrontDeleted(subject_id=row.id, slug=row.slug))
    record_action(session, actor, "front.delete", "front", row.id, {"slug": row.slug})
    session.delete(row)


FRONT = table_of(Front)
MAX_INDEX_WALKS = 50  # index walks per block; the articles of more sections are sorted instead
BY_SLUG = Sort("slug", kind=str)
_COLUMNS = {"section": ARTICLE.c.section_id, "series": ARTICLE.c.series_id, "type": ARTICLE.c.type}
_LINKS = {
    "tag": (ARTICLE_TAG, ARTICLE_TAG.c.tag_id),
    "author": (ARTICLE_AUTHOR, ARTICLE_AUTHOR.c.author_id),
}
_SELECT_BY = {
    name: sa.select(FRONT).where(FRONT.c[name] == sa.bindparam("ref", type_=FRONT.c[name].type))
    for name in ("id", "slug")
}


class Source(NamedTuple):
    """The source of a block's articles: everything that its SQL depends on."""

    kind: str
    days: int | None
    filter: str | None
    values: int = 0  # number of filter values: the section and its subsections


def find_front(connection: sa.Connection, ref: str) -> FrontRow | None:
    """Return a front by id or slug, or None, without checking access."""
    if not is_id(ref) and not is_slug(ref):
        return None
    return fetch_row(connection, _SELECT_BY["id" if is_id(ref) else "slug"], FrontRow, {"ref": ref})


def _present_version(version: Version | None) -> JsonObject | None:
    if version is None:
        return None
    blocks = [{**block, **{name: block["only"].get(name) for name in FILTERS}} for block in version["blocks"]]
    return {**version, "blocks": blocks}


def present_definition(row: FrontRow) -> JsonObject:
    """Return a row in the shape of `FrontDefinition`."""
    return {**row, "published": _present_version(row["published"]), "draft": _present_version(row["draft"])}


def get_definition(connection: sa.Connection, front_id: str) -> JsonObject:
    """Return the definition of a front that exists."""
    return present_definition(get_row(connection, _SELECT_BY["id"], FrontRow, {"ref": front_id}))


def list_fronts(connection: sa.Connection, filters: FrontsQuery, site: Site, *, all_versions: bool) -> JsonObject:
    """List fronts that readers see; with `all_versions` all of them, with their definitions."""
    query = sa.select(FRONT) if all_versions else sa.select(FRONT).where(FRONT.c.published.is_not(None))
    page = fetch_page(connection, query, BY_SLUG, FRONT.c.slug, filters, FrontRow)
    return {**page, "data": [_present_listed(row, site, all_versions=all_versions) for row in page["data"]]}


def _present_listed(row: FrontRow, site: Site, *, all_versions: bool) -> JsonObject:
    shown = row["published"] or row["draft"]
    assert shown is not None, "a front has a version"
    listed = {"id": row["id"], "slug": row["slug"], "title": shown["title"], "updated_at": shown["at"]}
    return {**(present_definition(row) if all_versions else {}), **listed, "url": site.url_of("front", row["slug"])}


def _select_block(number: int, source: Source) -> Statement:
    """Build the query for the ids of a block, best first."""
    if source.filter == "section" and source.days is None and 1 < source.values <= MAX_INDEX_WALKS:
        walks = [sa.select(_select_best(number, source, [at]).subquery()) for at in range(source.values)]
        every = sa.union_all(*walks).subquery(f"all_{number}")
        best = sa.select(every).order_by(every.c.key.desc(), every.c.id.desc())
        best = best.limit(sa.bindparam(f"most_{number}", type_=sa.BigInteger))
    else:
        best = _select_best(number, source, range(source.values))
    rows = best.subquery(f"block_{number}")
    place = sa.func.row_number().over(order_by=(rows.c.key.desc(), rows.c.id.desc()))
    return sa.select(sa.literal_column(str(number)).label("block"), place.label("place"), rows.c.id)


def _select_best(number: int, source: Source, values: Sequence[int]) -> Statement:
    """Build the query for the first ids of a block with some filter values; one index walk for a single value."""
    activity = activity_column(f"-{source.kind}_{source.days}d")
    tables: sa.FromClause = ARTICLE
    key: Column = ARTICLE.c.listed_at
    row_id: Column = ARTICLE.c.id
    where: list[sa.ColumnElement[bool]] = [ARTICLE.c.listed]
    if activity is not None:
        tables, key, row_id = (
            ACTIVITY.join(ARTICLE, ARTICLE.c.id == ACTIVITY.c.article_id),
            activity,
            ACTIVITY.c.article_id,
        )
        where.append(activity > 0)
    if source.filter in _COLUMNS:
        column = _COLUMNS[source.filter]
        names = [sa.bindparam(f"only_{number}_{at}", type_=column.type) for at in values]
        where.append(column == names[0] if len(names) == 1 else column.in_(names))
    elif source.filter is not None:
        links, column = _LINKS[source.filter]
        term_id = sa.bindparam(f"only_{number}_0", type_=column.type)
        if activity is None:
            tables, key, row_id, where = (
                links,
                links.c.listed_at,
                links.c.article_id,
                [links.c.listed, column == term_id],
            )
        else:
            where.append(sa.exists().where(links.c.article_id == ARTICLE.c.id, column == term_id).correlate(ARTICLE))
    query = sa.select(row_id.label("id"), key.label("key")).select_from(tables).where(*where)
    return query.order_by(key.desc(), row_id.desc()).limit(sa.bindparam(f"most_{number}", type_=sa.BigInteger))


@lru_cache(256)
def _select_ids(sources: tuple[tuple[int, Source], ...]) -> sa.Executable:
    """Build one statement for the ids of all blocks."""
    branches = [_select_block(number, source) for number, source in sources]
    return branches[0] if len(branches) == 1 else sa.union_all(*branches)


@lru_cache(1)
def _select_articles() -> Statement:
    ids = sa.bindparam("ids", type_=ARTICLE.c.id.type, expanding=True)
    return rendering.select_cached().where(ARTICLE.c.public, ARTICLE.c.id.in_(ids))


def _find_candidates(connection: sa.Connection, blocks: Sequence[Block]) -> list[list[str]]:
    """Find the candidates of each block: its limit plus the number of articles in earlier blocks."""
    candidates: list[list[tuple[int, str]]] = [[] for _ in blocks]
    sources: list[tuple[int, Source]] = []
    values: dict[str, object] = {}
    before = 0
    inside = find_inside(connection, [block["only"]["section"] for block in blocks if block["only"].get("section")])
    for number, block in enumerate(blocks):
        limit = block["limit"]
        if limit is None:  # pinned
            candidates[number] = list(enumerate(block["articles"] or ()))
            before += len(candidates[number])
            continue
        only = next(iter(block["only"]), None)
        filter_values = [block["only"][only]] if only is not None else []
        if only == "section":
            filter_values = inside[filter_values[0]]
        sources.append((number, Source(block["kind"], block["days"], only, len(filter_values))))
        values[f"most_{number}"] = limit + before
        values |= {f"only_{number}_{at}": value for at, value in enumerate(filter_values)}
        before += limit
    if sources:
        for row in connection.execute(_select_ids(tuple(sources)), values):
            candidates[row.block].append((row.place, row.id))
    return [[article_id for _, article_id in sorted(rows)] for rows in candidates]


def choose_articles(blocks: Sequence[Block], candidates: Sequence[Sequence[str]]) -> list[list[str]]:
    """Choose the articles of each block: those not shown by earlier blocks, up to its limit."""
    shown: set[str] = set()
    chosen: list[list[str]] = []
    for block, ids in zip(blocks, candidates, strict=True):
        unshown = [article_id for article_id in dict.fromkeys(ids) if article_id not in shown]
        chosen.append(unshown if block["limit"] is None else unshown[: block["limit"]])
        shown.update(chosen[-1])
    return chosen


def is_indexed(version: Version) -> bool:
    """Whether all blocks are read by index walks; ranked blocks with a filter are not."""
    return not any(block["days"] and block["only"] for block in version["blocks"])


def render_front(connection: sa.Connection, row: FrontRow, version: Version, site: Site) -> rendering.RenderedArticle:
    """Render a front as JSON of `FrontOut`.

    Pinned articles that are not public are left out. Raises `SnapshotChanged` if another article is no longer
    public.
    """
    blocks = version["blocks"]
    chosen = choose_articles(blocks, _find_candidates(connection, blocks))
    ids = [article_id for block in chosen for article_id in block]
    articles_json: dict[str, bytes] = {}
    if ids:
        values = {"ids": ids, "cache_key": rendering.cache_key_of(site)}
        rows = rendering.fetch_cached(connection, _select_articles(), rendering.CachedRow, values)
        articles_json = {article.ids[0]: article.json for article in rendering.render_articles(connection, rows, site)}
    return splice_front(FrontNames(row["id"], row["slug"]), version, chosen, articles_json, site)


def splice_front(
    name: FrontNames, version: Version, chosen: Sequence[Sequence[str]], articles_json: Mapping[str, bytes], site: Site
) -> rendering.RenderedArticle:
    """Put the JSON of a front together from that of the articles chosen for its blocks."""
    parts = []
    for block, article_ids in zip(version["blocks"], chosen, strict=True):
        if block["kind"] != "pinned" and not articles_json.keys() >= set(article_ids):
            raise rendering.SnapshotChanged
        articles = rendering.splice_array(
            articles_json[article_id] for article_id in article_ids if article_id in articles_json
        )
        parts.append(rendering.splice_object({"kind": block["kind"], "title": block["title"]}, {"articles": articles}))
    front: JsonObject = {
        "id": name.id,
        "slug": name.slug,
        "title": version["title"],
        "url": site.url_of("front", name.slug),
        "updated_at": version["at"],
    }
    return rendering.RenderedArticle(
        rendering.splice_object(front, {"blocks": rendering.splice_array(parts)}), tuple(articles_json)
    )


def follow_merge(session: Session, entry: LoggedEvent) -> None:
    """Replace a merged term by the remaining one in the filters of blocks."""
    match entry.event:
        case TagDeleted(into=str(into)) | AuthorDeleted(into=str(into)) | SeriesDeleted(into=str(into)) as event:
            _replace_in_fronts(session, event.singular, event.subject_id, into)


def _replace_in_fronts(session: Session, kind: str, old: str, into: str) -> None:
    for front in session.exec(select(Front).with_for_update()):
        for name in ("published", "draft"):
            layout: Version | None = getattr(front, name)
            if layout and any(block["only"].get(kind) == old for block in layout["blocks"]):
                blocks = [_replace_term(block, kind, old, into) for block in layout["blocks"]]
                setattr(front, name, {**layout, "blocks": blocks})
                if name == "published":
                    write_period(session, front, front.published, now())
                    emit(session, FrontChanged(subject_id=front.id, slug=front.slug))


def _replace_term(block: Block, kind: str, old: str, new: str) -> Block:
    if block["only"].get(kind) != old:
        return block
    return {**block, "only": {**block["only"], kind: new}}
