"""Preview links to unpublished revisions."""

import secrets
from datetime import datetime, timedelta
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.projection import lock_article
from app.articles.tables import Preview
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import NotFound
from app.db.columns import table_of
from app.db.rows import fetch_row
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.tokens import hash_token
from app.web.paging import Page, PageQuery, Sort, fetch_page

_PREVIEW = table_of(Preview)
NEWEST_FIRST = Sort("-created_at", descending=True)


def is_valid_preview(connection: sa.Connection, article_id: str, token: str) -> bool:
    """Whether the token belongs to a link to this article that has neither expired nor been revoked."""
    query = sa.select(_PREVIEW.c.id).where(
        _PREVIEW.c.hash == hash_token(token),
        _PREVIEW.c.article_id == article_id,
        _PREVIEW.c.expires_at > now(),
        _PREVIEW.c.revoked_at.is_(None),
    )
    return connection.execute(query).first() is not None


class PreviewRow(TypedDict):
    """A preview link."""

    id: str
    article_id: str
    hash: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


def find_preview(connection: sa.Connection, preview_id: str) -> PreviewRow | None:
    """Find a link by its id."""
    return fetch_row(connection, sa.select(_PREVIEW).where(_PREVIEW.c.id == preview_id), PreviewRow)


def list_previews(connection: sa.Connection, article_id: str, query: PageQuery) -> Page[PreviewRow]:
    """List an article's links, newest first."""
    statement = sa.select(_PREVIEW).where(_PREVIEW.c.article_id == article_id)
    return fetch_page(connection, statement, NEWEST_FIRST, _PREVIEW.c.created_at, query, PreviewRow, within=article_id)


def create_preview(session: Session, actor: Actor, ref: str, hours: int) -> tuple[str, str]:
    """Create a link to an article; returns its id and its token, of which only a hash is stored."""
    article = lock_article(session, actor, ref, None, [], scope="content:write")
    token = secrets.token_urlsafe(32)
    row = Preview(
        id=new_id(),
        article_id=article.id,
        hash=hash_token(token),
        created_at=now(),
        expires_at=now() + timedelta(hours=hours),
    )
    session.add(row)
    record_action(session, actor, "preview.create", "article", article.id, {"preview": row.id})
    return row.id, token


def revoke_preview(session: Session, actor: Actor, ref: str, preview_id: str) -> None:
    """Revoke a link; revoking it again changes nothing."""
    article = lock_article(session, actor, ref, None, [], scope="content:write")
    row = session.get(Preview, preview_id, with_for_update=True)
    if row is None or row.article_id != article.id:
        raise NotFound
    if row.revoked_at is None:
        row.revoked_at = now()
        record_action(session, actor, "preview.revoke", "article", article.id, {"preview": row.id})
