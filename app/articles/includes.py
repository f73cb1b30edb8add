"""Parts that `include` adds to an article: its neighbours, and those that rooms above give."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypedDict

import sqlalchemy as sa

from app.articles import rendering
from app.articles.reading import ARTICLE
from app.articles.schemas import NeighboursOut
from app.core.models import BaseModel
from app.core.problems import InvalidParameter
from app.db.rows import Statement
from app.events.cache_groups import ARTICLES_GROUP, counts_groups_of
from app.identity.schemas import Actor
from app.publication.site import Site


class ListPosition(TypedDict):
    """The columns of an article by which its neighbours are found."""

    id: str
    section_id: str | None
    series_id: str | None
    listed_at: datetime


class _NeighbourRow(rendering.CachedRow):
    listed_at: datetime


@lru_cache(64)
def _select_neighbours(formats: tuple[str, ...], within: str) -> Statement:
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
    return rendering.select_cached("listed_at", "updated_at", formats=formats).where(
        ARTICLE.c.id.in_([before.scalar_subquery(), after.scalar_subquery()])
    )


def render_neighbours(
    connection: sa.Connection, row: ListPosition, site: Site, within: str = "site", formats: tuple[str, ...] = ()
) -> rendering.RenderedArticle:
    """Return the public articles just before and just after one as JSON of `NeighboursOut`."""
    among = {"section": row["section_id"], "series": row["series_id"]}.get(within)
    sides = {"previous": b"null", "next": b"null"}
    rows: list[_NeighbourRow] = []
    if within == "site" or among is not None:
        values = {"key": row["listed_at"], "id": row["id"], "cache_key": rendering.cache_key_of(site)}
        values |= {"among": among} if within != "site" else {}
        rows = rendering.fetch_cached(connection, _select_neighbours(formats, within), _NeighbourRow, values)
        for neighbour, article in zip(rows, rendering.render_articles(connection, rows, site, formats), strict=True):
            is_before = (neighbour["listed_at"], neighbour["id"]) < (row["listed_at"], row["id"])
            sides["previous" if is_before else "next"] = article.json
    return rendering.RenderedArticle(rendering.splice_object({}, sides), tuple(neighbour["id"] for neighbour in rows))


class ReadPart(Protocol):
    """Reads a part that `include` adds to a rendered article, as JSON with its cache groups."""

    def __call__(
        self,
        connection: sa.Connection,
        row: ListPosition,
        article: rendering.RenderedArticle,
        site: Site,
        actor: Actor,
        /,
    ) -> rendering.RenderedArticle: ...


class Include(NamedTuple):
    """A part that `include` can add to an article: how to read it, and its model for selecting fields."""

    read: ReadPart
    model: type[BaseModel]


def _include_neighbours(
    connection: sa.Connection, row: ListPosition, _article: rendering.RenderedArticle, site: Site, _actor: Actor
) -> rendering.RenderedArticle:
    part = render_neighbours(connection, row, site)
    return part._replace(groups=(ARTICLES_GROUP, *counts_groups_of(part.ids)))


def parse_include(include: str | None, available: Mapping[str, Include], others: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the parts to include, of articles or of others; 400 for unknown ones."""
    names = dict.fromkeys(part.strip() for part in include.split(",")) if include is not None else {}
    if not names.keys() <= {*available, *others}:
        raise InvalidParameter("include", f"include: any of {', '.join((*available, *others))}.")
    return list(names)


def name_includes(**above: Include) -> Mapping[str, Include]:
    """Return the parts that `include` can add, by name: neighbours, and those of rooms above."""
    return MappingProxyType({"neighbours": Include(_include_neighbours, NeighboursOut), **above})
