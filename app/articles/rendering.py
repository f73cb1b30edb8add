"""JSON of articles: cached beside their rows, built where that is stale, and put together to answers.

All splicing of JSON is done here. Counts, which change too often to be cached, and the text, neighbours and other parts
that few requests ask for, are appended to the cached object. Every answer with articles is limited to a partner's
syndication level and to the selected fields here.
"""

import contextlib
import hashlib
import json
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import NamedTuple, Protocol, TypeAlias, TypedDict, TypeVar, cast

import msgspec
import pydantic_core
import sqlalchemy as sa

from app.articles import discussion_settings as discussion
from app.articles.media_addresses import present_body
from app.articles.reading import (
    ARTICLE,
    EDITING_COLUMNS,
    PICTURED_FORMATS,
    REVISION,
    RetractionColumn,
    fetch_articles,
    pictures_column,
    present_article,
    present_editing,
)
from app.articles.schemas import TEXT_FORMATS, ArticleOut, CachedArticleOut
from app.blocks.schemas import Block
from app.blocks.to_html import render_html_with_ids
from app.core.clock import now
from app.core.ids import is_id
from app.core.models import BaseModel
from app.core.problems import InvalidParameter, NotFound, Unavailable
from app.db.columns import as_sort_text, is_among, table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject, Statement
from app.events.cache_groups import PUBLICATION_GROUP, counts_groups_of
from app.identity.permissions import refusal
from app.identity.schemas import Actor
from app.publication.schemas import Level
from app.publication.site import Site
from app.publication.tables import Generation
from app.web.fields import FieldTree as SelectedFields
from app.web.fields import dump_json, parse_fields
from app.web.paging import PageInfo

T = TypeVar("T")
MAX_READ_ATTEMPTS = 5
FieldTree: TypeAlias = SelectedFields | None
"""The `fields` parameter as `parse_fields` returns it; None: all fields."""
_GENERATION = table_of(Generation)
_COUNT_FIELDS = {"discussion", "reactions"}
PAGE_START = b'{"data":['
"""What stands in a page of a list before its first article."""


def select_generation(cache_key: sa.ColumnElement[str]) -> sa.Select[int]:
    """Select the generation of which cached JSON is fresh; no row if the site or the schema has changed."""
    return sa.select(_GENERATION.c.n).where(_GENERATION.c.id == 1, _GENERATION.c.made_for == cache_key)


CURRENT_GENERATION = select_generation(sa.bindparam("cache_key", type_=sa.String()))


def select_is_fresh() -> Column:
    """Select whether the cached JSON of an article is fresh. Takes the parameter `cache_key`."""
    return (ARTICLE.c.card_stamp == CURRENT_GENERATION.scalar_subquery()).label("is_fresh")


def splice_array(items: Iterable[bytes]) -> bytes:
    """Return a JSON array of items that are JSON already."""
    return b"".join((b"[", b",".join(items), b"]"))


def splice_object(members: JsonObject, parts: Mapping[str, bytes]) -> bytes:
    """Return a JSON object of some members, followed by others whose values are JSON already."""
    written = [_dump_members(members)] if members else []
    return b"{%b}" % b",".join([*written, *(b'"%b":%b' % (name.encode(), part) for name, part in parts.items())])


def _dump_members(members: Mapping[str, object]) -> bytes:
    return pydantic_core.to_json(members)[1:-1]


class AccessRecord(NamedTuple):
    """One article that was sent to a partner."""

    article_id: str
    revision: int
    level: Level


class AccessLog(Protocol):
    """Records which articles were sent to partners; the room `partners` implements it."""

    def note(self, key_id: str, records: Sequence[AccessRecord], /) -> None: ...


class RenderedArticle(NamedTuple):
    """Finished JSON of an article, or of an answer that holds articles, with its version and cache groups."""

    json: bytes
    ids: tuple[str, ...] = ()  # of the articles in it
    version: int | None = None  # of the article, for the ETag
    groups: tuple[str, ...] = ()  # cache groups of added parts
    counts: slice | None = None  # where the counts of the one article stand in the JSON

    def parse(self) -> JsonObject:
        """Return the JSON as a dictionary."""
        return cast(JsonObject, pydantic_core.from_json(self.json))

    def add_members(self, members: JsonObject) -> "RenderedArticle":
        """Append members to the object."""
        return self._replace(json=b"".join((self.json[:-1], b",", _dump_members(members), b"}")))

    def include(self, parts: Mapping[str, "RenderedArticle"]) -> "RenderedArticle":
        """Append parts as members, with their cache groups."""
        if not parts:
            return self
        added = b",".join(b'"%b":%b' % (name.encode(), part.json) for name, part in parts.items())
        groups = tuple(group for part in parts.values() for group in part.groups)
        return self._replace(json=b"".join((self.json[:-1], b",", added, b"}")), groups=self.groups + groups)

    def limit_to(self, actor: Actor, access_log: AccessLog, detail: str = "") -> "RenderedArticle":
        """Limit all articles in it to the caller's syndication level; 404 with this detail if nothing is left."""
        for limited in limit_for_partner(actor, access_log, [self.json]):
            return self if limited is self.json else self._replace(json=limited, counts=None)
        raise NotFound(detail)

    def select(self, fields: FieldTree) -> "RenderedArticle":
        """Select fields; all if None."""
        return self._replace(json=_select_fields([self.json], fields)[0], counts=None) if fields else self

    def cache_groups(self, *, counts: bool) -> Iterable[str]:
        """Return the cache groups of an answer with this one article, with or without its counts."""
        (article_id,) = self.ids
        shown = counts_groups_of(self.ids) if counts else ()
        return dict.fromkeys([f"article:{article_id}", PUBLICATION_GROUP, *shown, *self.groups])


_FrozenTree: TypeAlias = "tuple[tuple[str, _FrozenTree | None], ...]"
"""Selected fields as a key of a cache; None for a whole field."""


def _freeze_tree(tree: SelectedFields) -> _FrozenTree:
    return tuple([(name, _freeze_tree(inner) if isinstance(inner, Mapping) else None) for name, inner in tree.items()])


_make_typed_dict = cast(Callable[..., type], TypedDict)


def _make_selected_type(tree: _FrozenTree) -> type | types.GenericAlias:
    """Make the type of an object or list of which selected fields are read, as they stand in the JSON."""
    members: dict[str, object] = {
        name: msgspec.Raw if inner is None else _make_selected_type(inner) | None for name, inner in tree
    }
    if "__all__" in members:
        return types.GenericAlias(list, (members["__all__"],))
    return _make_typed_dict("Selected", members, total=False)


@lru_cache(256)
def _make_selector(tree: _FrozenTree) -> Callable[[bytes], object]:
    return msgspec.json.Decoder(cast(type, _make_selected_type(tree))).decode


def _select_fields(items: Iterable[bytes], fields: SelectedFields) -> list[bytes]:
    """Select fields of JSON objects as `pick_fields` does of values; what is not selected is skipped and not read."""
    select = _make_selector(_freeze_tree(fields))
    return [msgspec.json.encode(select(item)) for item in items]


_REDUCED_FIELDS: dict[str, JsonObject] = {
    "excerpt": {"text": ""},
    "headline": {"dek": None, "excerpt": "", "text": ""},
}


_TEXT_PARTS = {"anchors", "body", "head", "jsonld"}


def _reduce_article(value: JsonObject, level: Level) -> JsonObject:
    """Return an article without the fields that a level excludes, and without the text."""
    reduced = {name: inner for name, inner in value.items() if name not in _TEXT_PARTS}
    return reduced | {name: instead for name, instead in _REDUCED_FIELDS[level].items() if name in reduced}


def _limit_to_level(value: object, records: list[AccessRecord]) -> object:
    """Limit an article, and all articles nested in it, to their syndication levels; None for nothing.

    Lists lose articles that partners may not read, and objects whose `article` is one.
    """
    if isinstance(value, list):
        return [limited for item in value if (limited := _limit_to_level(item, records)) is not None]
    if not isinstance(value, dict):
        return value
    if "rights" in value:
        level = value["rights"]["syndication"]
        if level == "none":
            return None
        records.append(AccessRecord(value["id"], value["revision"], level))
        if level != "full":
            if "highlight" in value:
                value["highlight"] = _reduce_article(value["highlight"], level)
            value = _reduce_article(value, level)
    limited = {name: _limit_to_level(inner, records) for name, inner in value.items()}
    return None if value.get("article") is not None and limited["article"] is None else limited


def parse_for_partner(article: RenderedArticle, records: list[AccessRecord]) -> JsonObject | None:
    """Return an article as partners may read it, adding it to `records`; None if they may not."""
    return cast("JsonObject | None", _limit_to_level(article.parse(), records))


def limit_for_partner(actor: Actor, access_log: AccessLog, answers: Sequence[bytes]) -> Sequence[bytes]:
    """Return JSON as the caller may read it: partners get articles at their level, which is logged."""
    if not actor.is_partner:
        return answers
    records: list[AccessRecord] = []
    values = [_limit_to_level(pydantic_core.from_json(answer), records) for answer in answers]
    access_log.note(str(actor.id), records)
    return [pydantic_core.to_json(value) for value in values if value is not None]


def render_page(
    articles: Iterable[RenderedArticle], page: PageInfo, fields: FieldTree, actor: Actor, access_log: AccessLog
) -> bytes:
    """Return a page of a list as JSON, its articles limited to the caller's syndication level and to some fields."""
    rows = limit_for_partner(actor, access_log, [article.json for article in articles])
    shown = splice_array(_select_fields(rows, fields) if fields else rows)
    return b"".join((PAGE_START[:-1], shown, b',"page":', pydantic_core.to_json(page), b"}"))


def groups_of_list(members: Iterable[str], ids: Iterable[str], *, counts: bool) -> tuple[str, ...]:
    """Return the cache groups of an answer that holds these articles.

    It depends on `members`, which decide what articles are in it, on `publication` for names, notices and pictures,
    and, where it shows counts, on a group for the counts of each article.
    """
    return (*members, PUBLICATION_GROUP, *(counts_groups_of(ids) if counts else ()))


def subtree_of(tree: object, *path: str) -> FieldTree:
    """Return the selected fields of a part of an answer; None for all or none of it."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
        if isinstance(tree, Mapping) and "__all__" in tree:
            tree = tree["__all__"]
    return tree if isinstance(tree, Mapping) else None


def shows_counts(fields: FieldTree, *path: str) -> bool:
    """Whether the selected fields include counts of the articles at a path."""
    tree: object = fields
    for name in path:
        if not isinstance(tree, Mapping):
            return True
        inner = tree.get("__all__", tree)
        tree = inner.get(name, {}) if isinstance(inner, Mapping) else inner
    if isinstance(tree, Mapping):
        tree = tree.get("__all__", tree)
    return not isinstance(tree, Mapping) or bool(_COUNT_FIELDS & tree.keys())


def _iterate_names(tree: object) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for name, inner in tree.items():
            yield name
            yield from _iterate_names(inner)


def refuse_fields(tree: FieldTree, *names: str) -> None:
    """Answer 400 for selected fields that this answer does not have."""
    for name in names:
        if name in _iterate_names(tree):
            raise InvalidParameter(
                "fields", f"fields: {name} is not part of this response. Request the article itself."
            )


def check_editing(tree: FieldTree, actor: Actor) -> None:
    """Answer 401 or 403 for `fields=editing` by a caller who may not read it."""
    if tree and "editing" in tree and not actor.reads_drafts:
        raise refusal(actor, "editing needs the scope content:read or content:write.")


def parse_formats(formats: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return the formats named, in a fixed order; 400 for an unknown one."""
    if formats is None:
        return default
    names = {name.strip() for name in formats.split(",")}
    if not names <= set(TEXT_FORMATS):
        raise InvalidParameter("formats", "formats: any of html, text, markdown, blocks.")
    return tuple(name for name in TEXT_FORMATS if name in names)


def resolve_formats(formats: str | None, *trees: FieldTree, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the text formats that `formats` names or that selected fields need: `fields=body.html` needs HTML."""
    names = set(parse_formats(formats, default))
    for tree in trees:
        body = tree.get("body") if tree else None
        if isinstance(body, Mapping):
            names |= body.keys()
        elif body and not names:
            names.add("html")
    return tuple(name for name in TEXT_FORMATS if name in names)


def select_parts(model: type[BaseModel], fields: str | None, formats: str | None) -> tuple[FieldTree, tuple[str, ...]]:
    """Return the fields and text formats of listed articles; `formats` adds the text to selected fields."""
    tree: FieldTree = parse_fields(model, fields)
    names = resolve_formats(formats, tree)
    return ({**tree, "body": True} if tree and formats else tree), names


class SnapshotChanged(Exception):
    """An article changed between the two statements of a read, so its visibility has to be checked again."""


def _read_with_retries(find: Callable[[sa.Connection], T], connection: sa.Connection) -> T:
    for _ in range(MAX_READ_ATTEMPTS):
        with contextlib.suppress(SnapshotChanged):
            return find(connection)
    raise Unavailable("The articles are changing too fast to be read. Try again.")


def retry_on_change(find: Callable[[sa.Connection], T]) -> Callable[[sa.Connection], T]:
    """Wrap a read so that it is repeated on `SnapshotChanged`; the result pickles if `find` does."""
    return partial(_read_with_retries, find)


class CachedRow(TypedDict):
    """A row of `select_cached`: what `render_articles` takes."""

    id: str
    version: int
    card: bytes  # cached JSON, and below the cached rules of its discussion: only while fresh
    card_discussion: str
    is_fresh: bool
    tally: str | None


class ArticleRow(CachedRow):
    """A row of `find_cached`, with the columns that decide who may read the article."""

    public: bool
    state: str
    revision: int
    section_id: str | None
    series_id: str | None
    published_revision: int | None
    listed_at: datetime
    updated_at: datetime
    retraction: RetractionColumn | None


C = TypeVar("C", bound=CachedRow)


def fetch_cached(
    connection: sa.Connection, statement: Statement, row_type: type[C], values: Mapping[str, object]
) -> list[C]:
    """Run a statement over `select_cached`; `row_type` is `CachedRow`, or declares columns that were added to it."""
    rows = connection.execute(statement, values).mappings().all()
    if rows and not row_type.__annotations__.keys() <= rows[0].keys():
        raise TypeError(f"the statement lacks columns of {row_type.__name__}")
    return cast(list[C], rows)


_SINGLE_COLUMNS = (
    "public state revision section_id series_id published_revision listed_at updated_at retraction".split()
)


@lru_cache(16)
def cache_key_of(site: Site) -> str:
    """Return a hash of what cached JSON depends on besides the tables: the site's addresses and the schema."""
    form = json.dumps(ArticleOut.model_json_schema(), sort_keys=True)
    addresses = f"{site.url}\n{site.article_paths}\n{site.type_paths}\n{site.places}\n{site.media}\n{site.zone}"
    return hashlib.sha256(f"{addresses}\n{form}".encode()).hexdigest()


def select_cached(
    *names: str,
    formats: tuple[str, ...] = (),
    editing: bool = False,
    page: sa.Subquery | None = None,
    start: sa.FromClause | None = None,
) -> Statement:
    """Select the columns of `CachedRow`, named columns, the text as `body_{format}`, and what editors see.

    `start` joins articles to what they are selected by, without which rows have no article. Takes the parameter
    `cache_key`. In pages times are selected as text, because only the newest is ever parsed.
    """
    editing_columns = ("section_id", *EDITING_COLUMNS) if editing else ()
    selected = dict.fromkeys(["id", "version", *names, *editing_columns])
    columns: list[Column] = [*(ARTICLE.c[name] for name in selected), ARTICLE.c.card]
    columns.append(select_is_fresh())
    tables: sa.FromClause = ARTICLE if page is None else page.join(ARTICLE, ARTICLE.c.id == page.c.id)
    if start is not None:
        tables = start
    if formats:
        is_shown = (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.revision)
        tables = tables.join(REVISION, is_shown, isouter=start is not None)
        columns += [REVISION.c[name].label(f"body_{name}") for name in formats]
    if PICTURED_FORMATS.intersection(formats):
        columns.append(pictures_column())
    tables = tables.outerjoin(discussion.ARTICLE_TALLY, discussion.ARTICLE_TALLY.c.article_id == ARTICLE.c.id)
    columns += [ARTICLE.c.card_discussion, discussion.TALLY_COLUMN]
    if page is not None:
        columns += [as_sort_text(page.c.key).label("key"), as_sort_text(ARTICLE.c.updated_at).label("updated_at")]
    return sa.select(*columns).select_from(tables)


@lru_cache(64)
def _select_one(formats: tuple[str, ...], by_id: bool, editing: bool) -> Prepared[ArticleRow]:
    column = ARTICLE.c.id if by_id else ARTICLE.c.slug
    statement = select_cached(*_SINGLE_COLUMNS, formats=formats, editing=editing)
    return Prepared(statement.where(column == sa.bindparam("ref", type_=column.type)))


def find_cached(
    connection: sa.Connection, ref: str, site: Site, formats: tuple[str, ...] = (), *, editing: bool = False
) -> ArticleRow | None:
    """Find a row of `select_cached` by id or slug, without checking access: see `is_visible`."""
    values = {"ref": ref, "cache_key": cache_key_of(site)}
    return _select_one(formats, is_id(ref), editing).row(connection, values)


M = TypeVar("M", bound=Mapping[str, object])


def add_block_ids(row: M) -> M:
    """Return a row with `body_blocks` whose HTML has the ids of its blocks."""
    html = render_html_with_ids(cast("Sequence[Block]", row["body_blocks"]))
    return cast(M, {**row, "body_html": html})


class BuiltArticle(NamedTuple):
    """Cached JSON built from the tables, and the version and mark of the article that it was built from."""

    version: int
    mark: int
    json: bytes
    rules: str


def build_articles(connection: sa.Connection, ids: Sequence[str], site: Site) -> dict[str, BuiltArticle]:
    """Build the cached JSON of articles from the tables; returns it by id."""
    return {
        row["id"]: BuiltArticle(
            row["version"],
            row["card_stamp"],
            dump_json(CachedArticleOut, present_article(row, site)),
            discussion.serialize_rules(row),
        )
        for row in fetch_articles(connection, ids)
    }


@lru_cache(4096)
def _render_rules(rules: str, tally: str | None, names: tuple[str, ...]) -> tuple[datetime | None, bytes, bytes]:
    """Return when a discussion closes, and its members of the article's JSON before and after that."""
    stored, counts = discussion.parse_rules(rules), discussion.parse_tally(tally, names)
    closed = stored._replace(state="closed") if stored.state == "open" else stored
    before, after = (_dump_members(discussion.discussion_members(each, counts)) for each in (stored, closed))
    return stored.closes_at, before, after


def render_counts(rules: str, tally: str | None, names: tuple[str, ...], at: datetime) -> bytes:
    """Return the members of an article's JSON that are not cached, as they are at a moment."""
    closes_at, counts, counts_when_closed = _render_rules(rules, tally, names)
    return counts if closes_at is None or closes_at > at else counts_when_closed


def render_articles(
    connection: sa.Connection,
    rows: Sequence[CachedRow],
    site: Site,
    formats: Sequence[str] = (),
    editor: Actor | None = None,
) -> list[RenderedArticle]:
    """Render articles in the order of rows from `select_cached`; an `editor` also sees `editing` in their sections.

    Builds those that are stale with one more statement. Raises `SnapshotChanged` if one changed after its row was read.
    """
    missing = [row["id"] for row in rows if not row["is_fresh"]]
    built = build_articles(connection, missing, site) if missing else {}
    if missing and any(_has_changed(row, built.get(row["id"])) for row in rows):
        raise SnapshotChanged
    articles, at, names = [], now(), site.reactions
    for row in rows:
        article_id, cached, rules = row["id"], row["card"], row["card_discussion"]
        if built and (new := built.get(article_id)):
            cached, rules = new.json, new.rules
        counts, added = render_counts(rules, row["tally"], names, at), b""
        if formats:
            added += b"," + _dump_members({"body": present_body(row, formats, site.media)})
        if editor is not None:
            added += _render_editing(row, editor)
        written = b"".join((cached[:-1], b",", counts, added, b"}"))
        where = slice(len(cached), len(cached) + len(counts))
        articles.append(RenderedArticle(written, (article_id,), row["version"], counts=where))
    return articles


def _render_editing(row: Mapping[str, object], editor: Actor) -> bytes:
    """Return what an editor sees of an article, as a further member; nothing of other sections."""
    if not editor.reads_drafts_in(cast("str | None", row["section_id"])):
        return b""
    return b"," + _dump_members({"editing": present_editing(row)})


def _has_changed(row: CachedRow, new: BuiltArticle | None) -> bool:
    """Whether an article was deleted, or has another version, since its row was read."""
    return not row["is_fresh"] if new is None else new.version != row["version"]


class _CountsRow(TypedDict):
    id: str
    card_discussion: str
    is_fresh: bool
    tally: str | None


_COUNTS = sa.select(ARTICLE.c.id, ARTICLE.c.card_discussion, select_is_fresh(), discussion.TALLY_COLUMN).select_from(
    ARTICLE.outerjoin(discussion.ARTICLE_TALLY, discussion.ARTICLE_TALLY.c.article_id == ARTICLE.c.id)
)
_SELECT_COUNTS: Prepared[_CountsRow] = Prepared(lambda dialect: _COUNTS.where(is_among(dialect, ARTICLE.c.id, "ids")))


class CountRenewal(NamedTuple):
    """Where the counts of articles stand in a body."""

    site: Site
    ids: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]  # first byte and end, in ascending order
    version: int | None = None

    def renew(self, connection: sa.Connection, body: bytes) -> "tuple[bytes, CountRenewal] | None":
        """Return the body with the present counts, and where they stand; None if cached JSON is stale."""
        values = {"ids": self.ids, "cache_key": cache_key_of(self.site)}
        rows = {row["id"]: row for row in _SELECT_COUNTS.rows(connection, values)}
        parts, spans, read, written, moment = list[bytes](), list[tuple[int, int]](), 0, 0, now()
        for article_id, (start, end) in zip(self.ids, self.spans, strict=True):
            row = rows.get(article_id)
            if row is None or not row["is_fresh"]:
                return None
            counts = render_counts(row["card_discussion"], row["tally"], self.site.reactions, moment)
            parts += (body[read:start], counts)
            written += start - read
            spans.append((written, written + len(counts)))
            read, written = end, written + len(counts)
        return b"".join((*parts, body[read:])), self._replace(spans=tuple(spans))


def locate_counts(
    site: Site, articles: Sequence[RenderedArticle], first: int, version: int | None = None
) -> CountRenewal | None:
    """Return where the counts of articles stand in a body, of which the first begins at byte `first`.

    The articles are separated by single bytes. None where an article shows only some of its counts.
    """
    spans, start = list[tuple[int, int]](), first
    for article in articles:
        if article.counts is None:
            return None
        spans.append((start + article.counts.start, start + article.counts.stop))
        start += len(article.json) + 1
    return CountRenewal(
        site, tuple(article_id for article in articles for article_id in article.ids), tuple(spans), version
    )
