"""Answers made of cards: taken as they are where they are good, put together from the tables where they are not.

Both ways give the same bytes. What moves too often to be part of a card (counts) and what few ask for (the text, the
neighbours) is added behind it.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
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
from app.db.columns import Row, as_text, table_of
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
    """An article changed between the two statements of a read: what was read last may not be for this caller."""


def _read_with_retries(find: Callable[[sa.Connection], T], connection: sa.Connection) -> T:
    for _ in range(MAX_READ_ATTEMPTS):
        with contextlib.suppress(SnapshotChanged):
            return find(connection)
    raise Unavailable("The articles change faster than they can be read.")


def retry_on_change(find: Callable[[sa.Connection], T]) -> Callable[[sa.Connection], T]:
    """A read of articles that begins again if one of them changed under it; it pickles where `find` does."""
    return partial(_read_with_retries, find)


@lru_cache(16)
def cache_key_of(site: Site) -> str:
    """What cards depend on besides the tables: the site's addresses and the form of an article."""
    form = json.dumps(ArticleOut.model_json_schema(), sort_keys=True)
    return hashlib.sha256(f"{site.url}\n{site.path}\n{site.api}\n{site.zone}\n{form}".encode()).hexdigest()


def select_cached(
    *names: str, formats: tuple[str, ...] = (), editing: bool = False, page: sa.Subquery | None = None
) -> Any:
    """SELECT of cards and whether they are good, with named columns, the text, and what editors see.

    Takes the parameter `made_for`. Times of lists come as text, for only one of them is ever looked at.
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
        columns += [as_text(page.c.key).label("key"), as_text(ARTICLE.c.updated_at).label("updated_at")]
    return sa.select(*columns).select_from(tables)


@lru_cache(64)
def _select_one(formats: tuple[str, ...], by_id: bool, editing: bool) -> Prepared:
    column = ARTICLE.c.id if by_id else ARTICLE.c.slug
    statement = select_cached(*_SINGLE_COLUMNS, "updated_at", formats=formats, editing=editing)
    return Prepared(statement.where(column == sa.bindparam("ref", type_=column.type)))


def find_cached(
    connection: sa.Connection, ref: str, site: Site, formats: tuple[str, ...] = (), *, editing: bool = False
) -> Row | None:
    """The lean row of one article by id or slug, whoever may see it; ask `is_visible` before showing it."""
    values = {"ref": ref, "cache_key": cache_key_of(site)}
    return _select_one(formats, is_id(ref), editing).row(connection, values)


class BuiltArticle(NamedTuple):
    """A card put together from the tables: what article it is of, its JSON, and what is set for the discussion."""

    version: int
    stamp: int
    card: bytes
    discussion: str


def build_articles(connection: sa.Connection, ids: Sequence[str], site: Site) -> dict[str, BuiltArticle]:
    """Cards put together from the tables, by the ids of their articles."""
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
    """Articles as JSON, in the order of lean rows; one statement more if any card is not good, or `MovedOn`.

    `edits` tells for which rows the caller sees what only editors see.
    """
    missing = [row["id"] for row in rows if not row["is_fresh"]]
    built = build_articles(connection, missing, site) if missing else {}
    if missing and any(_has_changed(row, built.get(row["id"])) for row in rows):
        raise SnapshotChanged
    items, at, names = [], now(), site.reactions
    for row in rows:
        new = built.get(row["id"]) if built else None
        card, rules = (new.card, new.discussion) if new else (row["card"], row["card_discussion"])
        item = card[:-1] + b"," + discussion.render_discussion(rules, row["tally"], names, at)
        if formats:
            item += b"," + pydantic_core.to_json({"body": present_body(row, tuple(formats), site.api)})[1:-1]
        if shows_editing is not None and shows_editing(row):
            item += b"," + pydantic_core.to_json({"editing": {name: row[name] for name in EDITING_COLUMNS}})[1:-1]
        items.append(item + b"}")
    return items


def _has_changed(row: Row, new: BuiltArticle | None) -> bool:
    """Whether the card made just now is of another version than the row, or of none."""
    return not row["is_fresh"] if new is None else new.version != row["version"]


def merge_objects(objects: Iterable[bytes]) -> bytes:
    """One JSON object with the members of several."""
    return b"{" + b",".join(part[1:-1] for part in objects) + b"}"


@lru_cache(64)
def _select_neighbours(formats: tuple[str, ...], within: str) -> Any:
    """Both neighbours of an article at (key, id): two steps in one index, then their cards."""
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
    """The public articles just before and just after this one, as JSON of `NeighboursOut`, and their ids."""
    among = {"section": row["section_id"], "series": row["series_id"]}.get(within)
    sides, rows = {"previous": b"null", "next": b"null"}, list[Row]()
    if within == "site" or among is not None:
        values = {"key": row["listed_at"], "id": row["id"], "cache_key": cache_key_of(site)}
        values |= {"among": among} if within != "site" else {}
        rows = list(connection.execute(_select_neighbours(formats, within), values).mappings())
        for neighbour, article in zip(rows, render_articles(connection, rows, site, formats), strict=True):
            is_before = (neighbour["listed_at"], neighbour["id"]) < (row["listed_at"], row["id"])
            sides["previous" if is_before else "next"] = article
    body = b'{"previous":' + sides["previous"] + b',"next":' + sides["next"] + b"}"
    return body, [other["id"] for other in rows]


class IncludedPart(NamedTuple):
    """What stands beside an article in one answer: JSON, and the cache groups of that."""

    json: bytes
    groups: tuple[str, ...]


def _include_neighbours(connection: sa.Connection, row: Row, site: Site, _actor: Actor) -> IncludedPart:
    body, ids = render_neighbours(connection, row, site)
    return IncludedPart(body, ("articles", *counts_groups_of(ids)))


class Include(NamedTuple):
    """What `include` can add to an article: how it is read, and its model, by which `fields` reaches into it."""

    read: Callable[[sa.Connection, Row, Site, Actor], IncludedPart]
    model: type[BaseModel]


# By the name that `include` has for it. Rooms above add theirs in wiring.py: this floor does not know them.
BESIDE: dict[str, Include] = {"neighbours": Include(_include_neighbours, NeighboursOut)}


def has_stale(connection: sa.Connection, site: Site) -> bool:
    """Whether any card waits to be made anew: one look at an index."""
    generation = connection.execute(_CURRENT_GENERATION, {"cache_key": cache_key_of(site)}).scalar_one_or_none()
    if generation is None:
        return True
    return (
        connection.execute(sa.select(ARTICLE.c.id).where(ARTICLE.c.card_stamp < generation).limit(1)).first()
        is not None
    )


def find_stale(connection: sa.Connection, site: Site, limit: int) -> tuple[int, list[str]]:
    """The publication's stamp, and ids of articles whose cards are older."""
    generation = connection.execute(_CURRENT_GENERATION, {"cache_key": cache_key_of(site)}).scalar_one()
    query = sa.select(ARTICLE.c.id).where(ARTICLE.c.card_stamp < generation).order_by(ARTICLE.c.card_stamp).limit(limit)
    return generation, list(connection.execute(query).scalars())


_ARTICLES = table_of(Article)
MAX_REBUILT = 50  # a batch holds SQLite's writer for about 20 ms


def rebuild_stale(session: Session, site: Site) -> int:
    """Make a batch of cards that are out of date; returns how many there were.

    The stamp is read before what the cards are made of, and an article that has changed meanwhile keeps its old mark: a
    card can be thought stale that is good, never the other way round.
    """
    adopt_cache_key(session, cache_key_of(site))
    session.flush()
    connection = session.connection()
    generation, ids = find_stale(connection, site, MAX_REBUILT)
    unchanged = sa.update(_ARTICLES).where(
        _ARTICLES.c.id == sa.bindparam("article"),
        _ARTICLES.c.version == sa.bindparam("seen"),
        _ARTICLES.c.card_stamp == sa.bindparam("stamp"),
    )
    filled = unchanged.values(card=sa.bindparam("json"), card_discussion=sa.bindparam("kept"), card_stamp=generation)
    rows = [
        {"article": article, "seen": found.version, "stamp": found.stamp, "json": found.card, "kept": found.discussion}
        for article, found in build_articles(connection, ids, site).items()
    ]
    if rows:
        connection.execute(filled, rows)
    return len(ids)


def invalidate(session: Session, article_id: str) -> None:
    """What an article shows has changed, though not the article: its card is no longer good.

    No mark is given twice, so that whoever is making the card of what was before notices it.
    """
    unique_mark = sa.case((_ARTICLES.c.card_stamp > 0, 0), else_=_ARTICLES.c.card_stamp) - 1
    session.execute(sa.update(_ARTICLES).where(_ARTICLES.c.id == article_id).values(card_stamp=unique_mark))
