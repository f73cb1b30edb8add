"""Articles as JSON: cached beside their rows, and built from the tables where the cache is stale.

Both ways give the same bytes. Counts, which change too often to be cached, and the text, neighbours and other parts
that few requests ask for, are appended to the cached object.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import pydantic_core
import sqlalchemy as sa
from pydantic import BaseModel
from sqlmodel import Session

from app.articles import discussion_settings as discussion
from app.articles.media_addresses import present_body
from app.articles.reading import ARTICLE, EDITING_COLUMNS, REVISION, present_article, select_articles
from app.articles.schemas import ArticleOut, CachedArticleOut, NeighboursOut
from app.articles.site import Site
from app.articles.tables import Article
from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import Unavailable
from app.db.columns import Row, as_sort_text, table_of
from app.db.prepared import Prepared
from app.events.cache_groups import counts_groups_of
from app.identity.schemas import Actor
from app.publication.generations import adopt_cache_key
from app.publication.tables import Generation
from app.web.responses import dump_json

T = TypeVar("T")
MAX_READ_ATTEMPTS = 5
_GENERATION = table_of(Generation)
_CURRENT_GENERATION = sa.select(_GENERATION.c.n).where(
    _GENERATION.c.id == 1, _GENERATION.c.made_for == sa.bindparam("cache_key", type_=sa.String())
)
_SINGLE_COLUMNS = "public state revision section_id series_id published_revision listed_at retraction".split()


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


@lru_cache(16)
def cache_key_of(site: Site) -> str:
    """Return a hash of what cached JSON depends on besides the tables: the site's addresses and the schema."""
    form = json.dumps(ArticleOut.model_json_schema(), sort_keys=True)
    return hashlib.sha256(f"{site.url}\n{site.path}\n{site.api}\n{site.zone}\n{form}".encode()).hexdigest()


def select_cached(
    *names: str, formats: tuple[str, ...] = (), editing: bool = False, page: sa.Subquery | None = None
) -> Any:
    """Select cached JSON, whether it is fresh, named columns, the text, and what editors see.

    Takes the parameter `cache_key`. In pages times are selected as text, because only the newest is ever parsed.
    """
    names_selected = {
        **dict.fromkeys(["id", "version", *names]),
        **(dict.fromkeys([*EDITING_COLUMNS, "section_id"]) if editing else {}),
    }
    columns: list[Any] = [*(ARTICLE.c[name] for name in names_selected), ARTICLE.c.card]
    columns.append((ARTICLE.c.card_stamp == _CURRENT_GENERATION.scalar_subquery()).label("is_fresh"))
    tables: Any = ARTICLE if page is None else page.join(ARTICLE, ARTICLE.c.id == page.c.id)
    if formats:
        tables = tables.join(REVISION, (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.revision))
        columns += [REVISION.c[name].label(f"body_{name}") for name in formats]
    tables = tables.outerjoin(discussion.ARTICLE_TALLY, discussion.ARTICLE_TALLY.c.article_id == ARTICLE.c.id)
    columns += [ARTICLE.c.card_discussion, discussion.TALLY_COLUMN]
    if page is not None:
        columns += [as_sort_text(page.c.key).label("key"), as_sort_text(ARTICLE.c.updated_at).label("updated_at")]
    return sa.select(*columns).select_from(tables)


@lru_cache(64)
def _select_one(formats: tuple[str, ...], by_id: bool, editing: bool) -> Prepared[dict[str, Any]]:
    column = ARTICLE.c.id if by_id else ARTICLE.c.slug
    statement = select_cached(*_SINGLE_COLUMNS, "updated_at", formats=formats, editing=editing)
    return Prepared(statement.where(column == sa.bindparam("ref", type_=column.type)))


def find_cached(
    connection: sa.Connection, ref: str, site: Site, formats: tuple[str, ...] = (), *, editing: bool = False
) -> Row | None:
    """Find a row of `select_cached` by id or slug, whoever may read it; check `is_visible` before showing it."""
    values = {"ref": ref, "cache_key": cache_key_of(site)}
    return _select_one(formats, is_id(ref), editing).row(connection, values)


class BuiltArticle(NamedTuple):
    """Cached JSON built from the tables, and the version and mark of the article that it was built from."""

    version: int
    mark: int
    json: bytes
    rules: str


def build_articles(connection: sa.Connection, ids: Sequence[str], site: Site) -> dict[str, BuiltArticle]:
    """Build the cached JSON of articles from the tables; returns it by id."""
    rows = connection.execute(select_articles().where(ARTICLE.c.id.in_(ids))).mappings()
    return {
        row["id"]: BuiltArticle(
            row["version"],
            row["card_stamp"],
            dump_json(CachedArticleOut, present_article(row, site)),
            discussion.serialize_rules(row),
        )
        for row in rows
    }


def render_articles(
    connection: sa.Connection,
    rows: Sequence[Row],
    site: Site,
    formats: Iterable[str] = (),
    shows_editing: Callable[[Row], bool] | None = None,
) -> list[bytes]:
    """Return articles as JSON, in the order of rows from `select_cached`.

    Builds those that are stale with one more statement. Raises `SnapshotChanged` if one changed after its row was read.
    `shows_editing` tells for which rows the caller sees `editing`.
    """
    missing = [row["id"] for row in rows if not row["is_fresh"]]
    built = build_articles(connection, missing, site) if missing else {}
    if missing and any(_has_changed(row, built.get(row["id"])) for row in rows):
        raise SnapshotChanged
    items, at, names = [], now(), site.reactions
    for row in rows:
        new = built.get(row["id"]) if built else None
        cached, rules = (new.json, new.rules) if new else (row["card"], row["card_discussion"])
        members = [cached[1:-1], discussion.render_discussion(rules, row["tally"], names, at)]
        if formats:
            members.append(pydantic_core.to_json({"body": present_body(row, tuple(formats), site.api)})[1:-1])
        if shows_editing is not None and shows_editing(row):
            members.append(pydantic_core.to_json({"editing": {name: row[name] for name in EDITING_COLUMNS}})[1:-1])
        items.append(b"{%b}" % b",".join(members))
    return items


def _has_changed(row: Row, new: BuiltArticle | None) -> bool:
    """Whether an article was deleted, or has another version, since its row was read."""
    return not row["is_fresh"] if new is None else new.version != row["version"]


def merge_objects(objects: Iterable[bytes]) -> bytes:
    """Return one JSON object with the members of several."""
    return b"{%b}" % b",".join(part[1:-1] for part in objects)


@lru_cache(64)
def _select_neighbours(formats: tuple[str, ...], within: str) -> Any:
    """Select the cached JSON of both neighbours of the article at (key, id), each by one step in an index."""
    position = sa.tuple_(ARTICLE.c.listed_at, ARTICLE.c.id)
    own_position = sa.tuple_(
        sa.bindparam("key", type_=ARTICLE.c.listed_at.type), sa.bindparam("id", type_=ARTICLE.c.id.type)
    )
    column = {"section": ARTICLE.c.section_id, "series": ARTICLE.c.series_id}.get(within)
    among = (
        ARTICLE.c.listed if column is None else ARTICLE.c.listed & (column == sa.bindparam("among", type_=column.type))
    )
    before = (
        sa.select(ARTICLE.c.id)
        .where(among, position < own_position)
        .order_by(ARTICLE.c.listed_at.desc(), ARTICLE.c.id.desc())
        .limit(1)
    )
    after = (
        sa.select(ARTICLE.c.id)
        .where(among, position > own_position)
        .order_by(ARTICLE.c.listed_at, ARTICLE.c.id)
        .limit(1)
    )
    return select_cached("listed_at", "updated_at", formats=formats).where(
        ARTICLE.c.id.in_([before.scalar_subquery(), after.scalar_subquery()])
    )


def render_neighbours(
    connection: sa.Connection, row: Row, site: Site, within: str = "site", formats: tuple[str, ...] = ()
) -> tuple[bytes, list[str]]:
    """Return the public articles just before and after one as JSON of `NeighboursOut`, and their ids."""
    among = {"section": row["section_id"], "series": row["series_id"]}.get(within)
    sides = {"previous": b"null", "next": b"null"}
    rows: list[Row] = []
    if within == "site" or among is not None:
        values = {"key": row["listed_at"], "id": row["id"], "cache_key": cache_key_of(site)}
        values |= {"among": among} if within != "site" else {}
        rows = list(connection.execute(_select_neighbours(formats, within), values).mappings())
        for neighbour, article in zip(rows, render_articles(connection, rows, site, formats), strict=True):
            is_before = (neighbour["listed_at"], neighbour["id"]) < (row["listed_at"], row["id"])
            sides["previous" if is_before else "next"] = article
    body = b'{"previous":' + sides["previous"] + b',"next":' + sides["next"] + b"}"
    return body, [neighbour["id"] for neighbour in rows]


class IncludedPart(NamedTuple):
    """JSON of a part that `include` adds to an article, and the cache groups that it depends on."""

    json: bytes
    groups: tuple[str, ...]


def _include_neighbours(connection: sa.Connection, row: Row, site: Site, _actor: Actor) -> IncludedPart:
    body, ids = render_neighbours(connection, row, site)
    return IncludedPart(body, ("articles", *counts_groups_of(ids)))


class Include(NamedTuple):
    """A part that `include` can add to an article: how to read it, and its model for selecting fields."""

    read: Callable[[sa.Connection, Row, Site, Actor], IncludedPart]
    model: type[BaseModel]


def name_includes(*, related: Include, comments: Include) -> Mapping[str, Include]:
    """Return the parts that `include` can add, by name: neighbours, and those of rooms above."""
    neighbours = Include(_include_neighbours, NeighboursOut)
    return MappingProxyType({"neighbours": neighbours, "related": related, "comments": comments})


def has_stale(connection: sa.Connection, site: Site) -> bool:
    """Whether any article's cached JSON is stale; reads one index entry."""
    generation = connection.execute(_CURRENT_GENERATION, {"cache_key": cache_key_of(site)}).scalar_one_or_none()
    if generation is None:
        return True
    return (
        connection.execute(sa.select(ARTICLE.c.id).where(ARTICLE.c.card_stamp < generation).limit(1)).first()
        is not None
    )


def find_stale(connection: sa.Connection, site: Site, limit: int) -> tuple[int, list[str]]:
    """Find the current generation and up to `limit` ids of articles whose cached JSON is older."""
    generation = connection.execute(_CURRENT_GENERATION, {"cache_key": cache_key_of(site)}).scalar_one()
    query = sa.select(ARTICLE.c.id).where(ARTICLE.c.card_stamp < generation).order_by(ARTICLE.c.card_stamp).limit(limit)
    return generation, list(connection.execute(query).scalars())


_ARTICLES = table_of(Article)
MAX_REBUILT = 50  # a batch holds SQLite's writer for about 20 ms


def rebuild_stale(session: Session, site: Site) -> int:
    """Rebuild a batch of stale cached JSON; returns how many articles it had.

    The generation is read before the tables, and an article that changed meanwhile keeps its mark. So fresh JSON may
    be taken for stale, but never stale JSON for fresh.
    """
    adopt_cache_key(session, cache_key_of(site))
    session.flush()
    connection = session.connection()
    generation, ids = find_stale(connection, site, MAX_REBUILT)
    unchanged = sa.update(_ARTICLES).where(
        _ARTICLES.c.id == sa.bindparam("article"),
        _ARTICLES.c.version == sa.bindparam("seen"),
        _ARTICLES.c.card_stamp == sa.bindparam("mark"),
    )
    filled = unchanged.values(card=sa.bindparam("json"), card_discussion=sa.bindparam("rules"), card_stamp=generation)
    rows = [
        {"article": article_id, "seen": built.version, "mark": built.mark, "json": built.json, "rules": built.rules}
        for article_id, built in build_articles(connection, ids, site).items()
    ]
    if rows:
        connection.execute(filled, rows)
    return len(ids)


def invalidate(session: Session, article_id: str) -> None:
    """Mark an article's cached JSON as stale after a change that does not raise the article's version.

    Each mark is used once, so that a rebuild under way does not overwrite it.
    """
    unique_mark = sa.case((_ARTICLES.c.card_stamp > 0, 0), else_=_ARTICLES.c.card_stamp) - 1
    session.execute(sa.update(_ARTICLES).where(_ARTICLES.c.id == article_id).values(card_stamp=unique_mark))
