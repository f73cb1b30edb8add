"""Reading everything that is public, a few hundred rows at a time, each time one range of a primary key."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from pydantic import BaseModel

from app.articles.discussion_settings import RULE_COLUMNS, join_discussion
from app.articles.reading import ARTICLE, MEDIA, NOTICE, SERIES, TAG
from app.articles.rendering import (
    CachedRow,
    cache_key_of,
    fetch_cached,
    render_articles,
    retry_on_change,
    select_cached,
)
from app.articles.site import Site
from app.changes.changes import SHOWN
from app.comments import reading as comments
from app.comments.reading import C
from app.comments.schemas import CommentOut
from app.db.columns import Row
from app.export.schemas import PictureOut, StandingNoticeOut
from app.publication.schemas import AuthorOut, SectionOut, SeriesOut, TagDetailOut
from app.publication.schemas import present_image as picture
from app.publication.taxonomies import AUTHORS, SECTIONS
from app.web.responses import dump_json

FEW, MANY = 50, 500  # rows of a chunk: articles hold their texts
_AFTER = sa.bindparam("after", type_=ARTICLE.c.id.type)
_MOST = sa.bindparam("most", type_=sa.BigInteger())
_STATE = next(column for column in RULE_COLUMNS if column.key == "set_state")


class Chunk(NamedTuple):
    """Some things as JSON, and the id after which more may come."""

    items: Sequence[bytes]
    after: str | None


class Asked(NamedTuple):
    """What every chunk of an export depends on."""

    site: Site
    formats: tuple[str, ...]


Read = Callable[[sa.Connection, str | None, Asked], Chunk]


def _chunk(rows: Sequence[Row], items: Sequence[bytes], most: int) -> Chunk:
    return Chunk(items, rows[-1]["id"] if len(rows) == most else None)


Present = Callable[[Row, str], Mapping[str, Any]]
"""Gives a row its shape; files are at the address of this API."""


def _plain(query: sa.Select[Any], model: type[BaseModel], present: Present = lambda row, _: dict(row)) -> Read:
    """How to read what has an id and a shape."""
    column = query.selected_columns["id"]
    query = query.order_by(column).limit(_MOST)

    def read(connection: sa.Connection, after: str | None, asked: Asked) -> Chunk:
        wanted = query if after is None else query.where(column > _AFTER)
        rows = connection.execute(wanted, {"after": after, "most": MANY} if after else {"most": MANY}).mappings().all()
        return _chunk(rows, [dump_json(model, present(row, asked.site.api)) for row in rows], MANY)

    return read


def _articles(connection: sa.Connection, after: str | None, asked: Asked) -> Chunk:
    """Public articles, made of their cards, with their texts."""
    ids = sa.select(ARTICLE.c.id, ARTICLE.c.id.label("key")).where(ARTICLE.c.public).order_by(ARTICLE.c.id).limit(_MOST)
    page = (ids if after is None else ids.where(ARTICLE.c.id > _AFTER)).subquery("page")
    values = {"most": FEW, "cache_key": cache_key_of(asked.site)} | ({"after": after} if after else {})

    def find(connection: sa.Connection) -> Chunk:
        query = select_cached(formats=asked.formats, page=page).order_by(page.c.id)
        rows = fetch_cached(connection, query, CachedRow, values)
        articles = render_articles(connection, rows, asked.site, asked.formats)
        return _chunk(rows, [article.json for article in articles], FEW)

    return retry_on_change(find)(connection)


def _comments() -> sa.Select[Any]:
    """Comments that readers see: published, with a public article whose discussion is not hidden."""
    hidden = sa.func.coalesce(_STATE, "open") == "hidden"
    tables = join_discussion(comments.TABLES.join(ARTICLE, ARTICLE.c.id == C.c.article_id), tally=False)
    return sa.select(*comments.COLUMNS).select_from(tables).where(C.c.state == "published", ARTICLE.c.public, ~hidden)


_SEEN_NOTICE = (NOTICE.c.scope != "article") | sa.exists().where(ARTICLE.c.id == NOTICE.c.target_id, ARTICLE.c.public)
KINDS: dict[str, Read] = {
    "section": _plain(SECTIONS.select_terms, SectionOut, lambda row, api: SECTIONS.present(dict(row), api)),
    "tag": _plain(sa.select(TAG), TagDetailOut),
    "author": _plain(AUTHORS.select_terms, AuthorOut, lambda row, api: AUTHORS.present(dict(row), api)),
    "series": _plain(sa.select(SERIES), SeriesOut),
    "media": _plain(sa.select(MEDIA).where(SHOWN), PictureOut, lambda row, api: picture(dict(row), api)),
    "notice": _plain(sa.select(NOTICE).where(_SEEN_NOTICE), StandingNoticeOut),
    "article": _articles,
    "comment": _plain(_comments(), CommentOut, lambda row, _: comments.present_comment(cast(comments.CommentRow, row))),
}
"""How each kind of thing is read, in the order in which one needs the other."""
