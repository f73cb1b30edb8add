"""Reading preview links."""

import hashlib
from typing import Any

import sqlalchemy as sa

from app.articles.previews.tables import Preview
from app.kit.clock import now
from app.kit.paging import PageQuery, Sort, fetch
from app.kit.schema import table_of

_PREVIEW = table_of(Preview)
NEWEST = Sort("-created_at", descending=True)


def digest(token: str) -> str:
    """How a token is kept."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def is_valid(connection: sa.Connection, article_id: str, token: str) -> bool:
    """Whether the token is that of a link to this article which neither expired nor was revoked."""
    query = sa.select(_PREVIEW.c.id).where(
        _PREVIEW.c.hash == digest(token),
        _PREVIEW.c.article_id == article_id,
        _PREVIEW.c.expires_at > now(),
        _PREVIEW.c.revoked_at.is_(None),
    )
    return connection.execute(query).first() is not None


def by_id(connection: sa.Connection, preview_id: str) -> sa.RowMapping | None:
    """One link, or None."""
    return connection.execute(sa.select(_PREVIEW).where(_PREVIEW.c.id == preview_id)).mappings().first()


def page(connection: sa.Connection, article_id: str, asked: PageQuery) -> dict[str, Any]:
    """An article's links, newest first."""
    query = sa.select(_PREVIEW).where(_PREVIEW.c.article_id == article_id)
    return fetch(connection, query, NEWEST, _PREVIEW.c.created_at, asked, within=article_id)
