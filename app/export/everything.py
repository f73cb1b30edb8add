"""Reading everything that the publication holds, public or not, a chunk at a time; never a token or a hash."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from app.articles.reading import ARTICLE, MEDIA, NOTICE, REVISION, SERIES, TAG, present_article, select_articles
from app.articles.schemas import TEXT_FORMATS, SingleArticleOut
from app.articles.site import Site
from app.articles.tables import Address
from app.comments.reading import C
from app.db.columns import table_of
from app.identity.tables import Participant
from app.publication.media_library import present_media as picture
from app.publication.taxonomies import AUTHORS, SECTIONS

FILES_WITH_US = ""  # no address of this server: its files are, or are not, taken along
FEW, MANY = 50, 500  # rows of a chunk: articles hold their texts
_ADDRESS, _PARTICIPANT = table_of(Address), table_of(Participant)
_NOT_OUT = {"version", "skeleton", "parent_id", "parent_slug", "parent_name", "image_id", "key"}
_SAID = (
    "id article_id parent_id root_id depth anchor_id state featured upvotes downvotes author_id author_name "
    "author_kind badges email source html text created_at edited_at removed_by"
).split()
TERMS: dict[str, tuple[sa.Select[Any], Any]] = {
    "section": (SECTIONS.select_terms, partial(SECTIONS.present, api=FILES_WITH_US)),
    "tag": (sa.select(TAG), dict),
    "author": (AUTHORS.select_terms, partial(AUTHORS.present, api=FILES_WITH_US)),
    "series": (sa.select(SERIES), dict),
    "media": (sa.select(MEDIA), partial(picture, api=FILES_WITH_US)),
    "notice": (sa.select(NOTICE), dict),
}
"""How the small things are read, and the shape that they have outside."""


def _chunks(
    connection: sa.Connection, query: sa.Select[Any], keys: Sequence[Any], most: int
) -> Iterator[Sequence[sa.RowMapping]]:
    """The rows of a query in the order of some of its columns, each chunk one range of an index."""
    names = [column.key for column in keys]
    query, last = query.order_by(*keys).limit(most), None
    while True:
        asked = query if last is None else query.where(sa.tuple_(*keys) > sa.tuple_(*map(_bound, keys)))
        values: dict[str, Any] = {} if last is None else {f"after_{name}": last[name] for name in names}
        rows = connection.execute(asked, values).mappings().all()
        if rows:
            yield rows
        if len(rows) < most:
            return
        last = rows[-1]


def _bound(column: Any) -> Any:
    return sa.bindparam(f"after_{column.key}", type_=column.type)


def terms(connection: sa.Connection, kind: str) -> Iterator[dict[str, Any]]:
    """Sections, tags, authors, series, media or notices."""
    query, shape = TERMS[kind]
    for rows in _chunks(connection, query, [query.selected_columns["id"]], MANY):
        for row in rows:
            yield {name: value for name, value in shape(row).items() if _is_told(name)}


def _is_told(name: str) -> bool:
    return name not in _NOT_OUT and not name.startswith("picture_")


def articles(connection: sa.Connection, site: Site) -> Iterator[list[dict[str, Any]]]:
    """All articles in whatever state, as editors see what is laid out of them, with their texts in every format."""
    for rows in _chunks(connection, select_articles(TEXT_FORMATS), [ARTICLE.c.id], FEW):
        yield [_article(row, site) for row in rows]


def _article(row: sa.RowMapping, site: Site) -> dict[str, Any]:
    shown = SingleArticleOut.model_validate(
        present_article(row, replace(site, api=FILES_WITH_US), TEXT_FORMATS, editing=True)
    )
    return {**shown.model_dump(exclude_unset=True), "public": row["public"], "retraction": row["retraction"]}


def revisions(connection: sa.Connection) -> Iterator[sa.RowMapping]:
    """Everything that editors ever saved."""
    for rows in _chunks(connection, sa.select(REVISION), [REVISION.c.article_id, REVISION.c.n], FEW):
        yield from rows


def addresses(connection: sa.Connection, ids: Sequence[str] | None = None) -> Iterator[sa.RowMapping]:
    """Former slugs and paths: of some articles, or all."""
    query = sa.select(_ADDRESS.c.address, _ADDRESS.c.article_id)
    query = query if ids is None else query.where(_ADDRESS.c.article_id.in_(ids))
    for rows in _chunks(connection, query, [_ADDRESS.c.address], MANY):
        yield from rows


def discussed(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    """Which of some articles have any comments."""
    there = sa.select(sa.literal(1)).where(C.c.article_id == ARTICLE.c.id).exists()
    return set(connection.execute(sa.select(ARTICLE.c.id).where(ARTICLE.c.id.in_(ids), there)).scalars())


def comments(connection: sa.Connection, article_id: str | None = None) -> Iterator[sa.RowMapping]:
    """Comments in whatever state, with who wrote them as they said: of an article, by time, or all."""
    profile = sa.select(_PARTICIPANT.c.author_id).where(_PARTICIPANT.c.id == C.c.participant_id).scalar_subquery()
    query = sa.select(*(C.c[name] for name in _SAID), profile.label("profile_id"))
    if article_id is not None:  # in an order that no index has: sorted once, and taken as it comes
        query = query.where(C.c.article_id == article_id).order_by(C.c.created_at, C.c.depth, C.c.id)
        yield from connection.execute(query.execution_options(yield_per=MANY)).mappings()
        return
    for rows in _chunks(connection, query, [C.c.id], MANY):
        yield from rows


def sizes(connection: sa.Connection) -> tuple[int, int]:
    """How many articles and comments there are."""
    counts = [connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (ARTICLE, C)]
    return counts[0], counts[1]


def languages(connection: sa.Connection) -> str | None:
    """The language that most articles are in."""
    most = (
        sa.select(ARTICLE.c.language)
        .group_by(ARTICLE.c.language)
        .order_by(sa.func.count().desc(), ARTICLE.c.language)
        .limit(1)
    )
    return connection.execute(most).scalar_one_or_none()
