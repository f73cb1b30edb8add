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
from app.articles.events import counts_groups
from app.articles.media_addresses import shown_body
from app.articles.reading import EDITING, A, R, present, whole
from app.articles.schemas import ArticleOut, CardOut, NeighboursOut
from app.articles.site import Site
from app.articles.tables import Article
from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import Unavailable
from app.db.columns import Row, as_text, table_of
from app.identity.schemas import Actor
from app.publication.generations import adopt
from app.publication.tables import Stamp
from app.web.responses import dump

T = TypeVar("T")
TRIES = 5
_STAMP = table_of(Stamp)
_N = sa.select(_STAMP.c.n).where(_STAMP.c.id == 1, _STAMP.c.made_for == sa.bindparam("made_for", type_=sa.String()))
_SINGLE = "public state revision section_id series_id published_revision listed_at retraction".split()


class MovedOn(Exception):
    """An article changed between the two statements of a read: what was read last may not be for this caller."""


def _steadily(find: Callable[[sa.Connection], T], connection: sa.Connection) -> T:
    for _ in range(TRIES):
        with contextlib.suppress(MovedOn):
            return find(connection)
    raise Unavailable("The articles change faster than they can be read.")


def steady(find: Callable[[sa.Connection], T]) -> Callable[[sa.Connection], T]:
    """A read of articles that begins again if one of them changed under it; it pickles where `find` does."""
    return partial(_steadily, find)


@lru_cache(16)
def made_for(site: Site) -> str:
    """What cards depend on besides the tables: the site's addresses and the form of an article."""
    form = json.dumps(ArticleOut.model_json_schema(), sort_keys=True)
    return hashlib.sha256(f"{site.url}\n{site.path}\n{site.api}\n{site.zone}\n{form}".encode()).hexdigest()


def lean(*names: str, formats: tuple[str, ...] = (), editing: bool = False, page: sa.Subquery | None = None) -> Any:
    """SELECT of cards and whether they are good, with named columns, the text, and what editors see.

    Takes the parameter `made_for`. Times of lists come as text, for only one of them is ever looked at.
    """
    wanted = {
        **dict.fromkeys(["id", "version", *names]),
        **(dict.fromkeys([*EDITING, "section_id"]) if editing else {}),
    }
    columns: list[Any] = [*(A.c[name] for name in wanted), A.c.card]
    columns.append((A.c.card_stamp == _N.scalar_subquery()).label("good"))
    tables: Any = A if page is None else page.join(A, A.c.id == page.c.id)
    if formats:
        tables = tables.join(R, (R.c.article_id == A.c.id) & (R.c.n == A.c.revision))
        columns += [R.c[name].label(f"body_{name}") for name in formats]
    tables = tables.outerjoin(discussion.T, discussion.T.c.article_id == A.c.id)
    columns += [A.c.card_discussion, discussion.TALLY]
    if page is not None:
        columns += [as_text(page.c.key).label("key"), as_text(A.c.updated_at).label("updated_at")]
    return sa.select(*columns).select_from(tables)


@lru_cache(64)
def _single(formats: tuple[str, ...], by_id: bool, editing: bool) -> Any:
    column = A.c.id if by_id else A.c.slug
    return lean(*_SINGLE, "updated_at", formats=formats, editing=editing).where(
        column == sa.bindparam("ref", type_=column.type)
    )


def by_ref(
    connection: sa.Connection, ref: str, site: Site, formats: tuple[str, ...] = (), *, editing: bool = False
) -> Row | None:
    """The lean row of one article by id or slug, whoever may see it; ask `is_visible` before showing it."""
    values = {"ref": ref, "made_for": made_for(site)}
    return connection.execute(_single(formats, is_id(ref), editing), values).mappings().first()


class Made(NamedTuple):
    """A card put together from the tables: what article it is of, its JSON, and what is set for the discussion."""

    version: int
    stamp: int
    card: bytes
    discussion: str


def made(connection: sa.Connection, ids: Sequence[str], site: Site) -> dict[str, Made]:
    """Cards put together from the tables, by the ids of their articles."""
    rows = connection.execute(whole().where(A.c.id.in_(ids))).mappings()
    return {
        row["id"]: Made(row["version"], row["card_stamp"], dump(CardOut, present(row, site)), discussion.kept(row))
        for row in rows
    }


def finished(
    connection: sa.Connection,
    rows: Sequence[Row],
    site: Site,
    formats: Iterable[str] = (),
    edits: Callable[[Row], bool] | None = None,
) -> list[bytes]:
    """Articles as JSON, in the order of lean rows; one statement more if any card is not good, or `MovedOn`.

    `edits` tells for which rows the caller sees what only editors see.
    """
    missing = [row["id"] for row in rows if not row["good"]]
    fresh = made(connection, missing, site) if missing else {}
    if missing and any(_moved_on(row, fresh.get(row["id"])) for row in rows):
        raise MovedOn
    found, at, names = [], now(), site.reactions
    for row in rows:
        new = fresh.get(row["id"]) if fresh else None
        card, kept = (new.card, new.discussion) if new else (row["card"], row["card_discussion"])
        item = card[:-1] + b"," + discussion.shown_json(kept, row["tally"], names, at)
        if formats:
            item += b"," + pydantic_core.to_json({"body": shown_body(row, tuple(formats), site.api)})[1:-1]
        if edits is not None and edits(row):
            item += b"," + pydantic_core.to_json({"editing": {name: row[name] for name in EDITING}})[1:-1]
        found.append(item + b"}")
    return found


def _moved_on(row: Row, new: Made | None) -> bool:
    """Whether the card made just now is of another version than the row, or of none."""
    return not row["good"] if new is None else new.version != row["version"]


def joined(objects: Iterable[bytes]) -> bytes:
    """One JSON object with the members of several."""
    return b"{" + b",".join(part[1:-1] for part in objects) + b"}"


@lru_cache(64)
def _beside(formats: tuple[str, ...], within: str) -> Any:
    """Both neighbours of an article at (key, id): two steps in one index, then their cards."""
    here = sa.tuple_(A.c.listed_at, A.c.id)
    there = sa.tuple_(sa.bindparam("key", type_=A.c.listed_at.type), sa.bindparam("id", type_=A.c.id.type))
    column = {"section": A.c.section_id, "series": A.c.series_id}.get(within)
    among = A.c.listed if column is None else A.c.listed & (column == sa.bindparam("among", type_=column.type))
    before = sa.select(A.c.id).where(among, here < there).order_by(A.c.listed_at.desc(), A.c.id.desc()).limit(1)
    after = sa.select(A.c.id).where(among, here > there).order_by(A.c.listed_at, A.c.id).limit(1)
    return lean("listed_at", "updated_at", formats=formats).where(
        A.c.id.in_([before.scalar_subquery(), after.scalar_subquery()])
    )


def neighbours(
    connection: sa.Connection, row: Row, site: Site, within: str = "site", formats: tuple[str, ...] = ()
) -> tuple[bytes, list[str]]:
    """The public articles just before and just after this one, as JSON of `NeighboursOut`, and their ids."""
    among = {"section": row["section_id"], "series": row["series_id"]}.get(within)
    sides, others = {"previous": b"null", "next": b"null"}, list[Row]()
    if within == "site" or among is not None:
        values = {"key": row["listed_at"], "id": row["id"], "made_for": made_for(site)}
        values |= {"among": among} if within != "site" else {}
        others = list(connection.execute(_beside(formats, within), values).mappings())
        for other, article in zip(others, finished(connection, others, site, formats), strict=True):
            is_before = (other["listed_at"], other["id"]) < (row["listed_at"], row["id"])
            sides["previous" if is_before else "next"] = article
    body = b'{"previous":' + sides["previous"] + b',"next":' + sides["next"] + b"}"
    return body, [other["id"] for other in others]


class Beside(NamedTuple):
    """What stands beside an article in one answer: JSON, and the cache groups of that."""

    json: bytes
    groups: tuple[str, ...]


def _neighbours_beside(connection: sa.Connection, row: Row, site: Site, _actor: Actor) -> Beside:
    body, ids = neighbours(connection, row, site)
    return Beside(body, ("articles", *counts_groups(ids)))


class Include(NamedTuple):
    """What `include` can add to an article: how it is read, and its model, by which `fields` reaches into it."""

    read: Callable[[sa.Connection, Row, Site, Actor], Beside]
    model: type[BaseModel]


# By the name that `include` has for it. Rooms above add theirs in wiring.py: this floor does not know them.
BESIDE: dict[str, Include] = {"neighbours": Include(_neighbours_beside, NeighboursOut)}


def has_stale(connection: sa.Connection, site: Site) -> bool:
    """Whether any card waits to be made anew: one look at an index."""
    n = connection.execute(_N, {"made_for": made_for(site)}).scalar_one_or_none()
    if n is None:
        return True
    return connection.execute(sa.select(A.c.id).where(A.c.card_stamp < n).limit(1)).first() is not None


def stale(connection: sa.Connection, site: Site, most: int) -> tuple[int, list[str]]:
    """The publication's stamp, and ids of articles whose cards are older."""
    n = connection.execute(_N, {"made_for": made_for(site)}).scalar_one()
    query = sa.select(A.c.id).where(A.c.card_stamp < n).order_by(A.c.card_stamp).limit(most)
    return n, list(connection.execute(query).scalars())


_ARTICLE = table_of(Article)
MOST = 50  # a batch holds SQLite's writer for about 20 ms


def refresh(session: Session, site: Site) -> int:
    """Make a batch of cards that are out of date; returns how many there were.

    The stamp is read before what the cards are made of, and an article that has changed meanwhile keeps its old mark: a
    card can be thought stale that is good, never the other way round.
    """
    adopt(session, made_for(site))
    session.flush()
    connection = session.connection()
    n, ids = stale(connection, site, MOST)
    own = sa.update(_ARTICLE).where(
        _ARTICLE.c.id == sa.bindparam("article"),
        _ARTICLE.c.version == sa.bindparam("seen"),
        _ARTICLE.c.card_stamp == sa.bindparam("stamp"),
    )
    filled = own.values(card=sa.bindparam("json"), card_discussion=sa.bindparam("kept"), card_stamp=n)
    rows = [
        {"article": article, "seen": found.version, "stamp": found.stamp, "json": found.card, "kept": found.discussion}
        for article, found in made(connection, ids, site).items()
    ]
    if rows:
        connection.execute(filled, rows)
    return len(ids)


def spoil(session: Session, article_id: str) -> None:
    """What an article shows has changed, though not the article: its card is no longer good.

    No mark is given twice, so that whoever is making the card of what was before notices it.
    """
    bad = sa.case((_ARTICLE.c.card_stamp > 0, 0), else_=_ARTICLE.c.card_stamp) - 1
    session.execute(sa.update(_ARTICLE).where(_ARTICLE.c.id == article_id).values(card_stamp=bad))
