"""Reads all public content in chunks, each of which is one range of a primary key."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar, cast

import sqlalchemy as sa

from app.articles.discussion_settings import RULE_COLUMNS, join_discussion
from app.articles.reading import ARTICLE, MEDIA, NOTICE
from app.articles.rendering import (
    CachedRow,
    cache_key_of,
    fetch_cached,
    render_articles,
    retry_on_change,
    select_cached,
)
from app.comments import reading as comments
from app.comments.reading import C
from app.comments.schemas import CommentOut
from app.comments.visibility import IS_MEDIA_SHOWN
from app.core.models import BaseModel
from app.db.rows import Statement
from app.export.everything import ARTICLES_PER_CHUNK, ROWS_PER_CHUNK
from app.export.schemas import PictureOut
from app.publication.schemas import AuthorOut, SectionOut, SeriesOut, StandingNoticeOut, TagDetailOut, present_image
from app.publication.site import Site
from app.publication.taxonomies import AUTHORS, SECTIONS, SERIES, TAGS
from app.web.fields import dump_json

_AFTER = sa.bindparam("after", type_=ARTICLE.c.id.type)
_LIMIT = sa.bindparam("most", type_=sa.BigInteger())
_STATE = next(column for column in RULE_COLUMNS if column.key == "set_state")


class Chunk(NamedTuple):
    """Objects as JSON, and the id after which there may be more."""

    items: Sequence[bytes]
    after: str | None


class ExportOptions(NamedTuple):
    """The site, and the formats of the articles' texts."""

    site: Site
    formats: tuple[str, ...]


ReadChunk = Callable[[sa.Connection, str | None, ExportOptions], Chunk]
R = TypeVar("R", bound=Mapping[str, object])
Present = Callable[[R, Site], Mapping[str, object]]
"""Shapes a row as its model, with its address on the site and files at the address of this API."""


def _make_chunk(rows: Sequence[Mapping[str, object]], items: Sequence[bytes], size: int) -> Chunk:
    return Chunk(items, str(rows[-1]["id"]) if len(rows) == size else None)


def _present_comment(row: comments.CommentRow, _: Site) -> Mapping[str, object]:
    return comments.present_comment(row)


def _present_picture(row: Mapping[str, object], site: Site) -> Mapping[str, object]:
    return present_image(row, site.media)


def _present_as_is(row: Mapping[str, object], _: Site) -> Mapping[str, object]:
    return row


def _read_by_id(query: Statement, model: type[BaseModel], present: Present[R]) -> ReadChunk:
    """Return a function that reads a chunk of the rows of a query by their `id`."""
    column = query.selected_columns["id"]
    query = query.order_by(column).limit(_LIMIT)

    def read(connection: sa.Connection, after: str | None, options: ExportOptions) -> Chunk:
        statement = query if after is None else query.where(column > _AFTER)
        values = {"most": ROWS_PER_CHUNK} | ({"after": after} if after else {})
        rows = cast(list[R], [row._asdict() for row in connection.execute(statement, values)])
        return _make_chunk(rows, [dump_json(model, present(row, options.site)) for row in rows], ROWS_PER_CHUNK)

    return read


def _read_articles(connection: sa.Connection, after: str | None, options: ExportOptions) -> Chunk:
    """Read a chunk of the public articles with their texts."""
    ids = sa.select(ARTICLE.c.id, ARTICLE.c.id.label("key")).where(ARTICLE.c.public)
    ids = ids.order_by(ARTICLE.c.id).limit(_LIMIT)
    page = (ids if after is None else ids.where(ARTICLE.c.id > _AFTER)).subquery("page")
    values = {"most": ARTICLES_PER_CHUNK, "cache_key": cache_key_of(options.site)} | ({"after": after} if after else {})

    def read(connection: sa.Connection) -> Chunk:
        query = select_cached(formats=options.formats, page=page).order_by(page.c.id)
        rows = fetch_cached(connection, query, CachedRow, values)
        articles = render_articles(connection, rows, options.site, options.formats)
        return _make_chunk(rows, [article.json for article in articles], ARTICLES_PER_CHUNK)

    return retry_on_change(read)(connection)


def _select_comments() -> Statement:
    """Select the comments that readers see: published ones on public articles whose discussion is not hidden."""
    is_hidden = sa.func.coalesce(_STATE, "open") == "hidden"
    tables = join_discussion(comments.TABLES.join(ARTICLE, ARTICLE.c.id == C.c.article_id), tally=False)
    is_shown = (C.c.state == "published", ARTICLE.c.public, ~is_hidden)
    return sa.select(*comments.COLUMNS).select_from(tables).where(*is_shown)


_IS_NOTICE_SHOWN = (NOTICE.c.scope != "article") | sa.exists().where(
    ARTICLE.c.id == NOTICE.c.target_id, ARTICLE.c.public
)
KINDS: dict[str, ReadChunk] = {
    "section": _read_by_id(SECTIONS.select_terms, SectionOut, SECTIONS.present),
    "tag": _read_by_id(TAGS.select_terms, TagDetailOut, TAGS.present),
    "author": _read_by_id(AUTHORS.select_terms, AuthorOut, AUTHORS.present),
    "series": _read_by_id(SERIES.select_terms, SeriesOut, SERIES.present),
    "media": _read_by_id(sa.select(MEDIA).where(IS_MEDIA_SHOWN), PictureOut, _present_picture),
    "notice": _read_by_id(sa.select(NOTICE).where(_IS_NOTICE_SHOWN), StandingNoticeOut, _present_as_is),
    "article": _read_articles,
    "comment": _read_by_id(_select_comments(), CommentOut, _present_comment),
}
"""Functions that read each kind of object, in an order in which objects follow those that they refer to."""
