"""Making and revoking preview links."""

import secrets
from datetime import timedelta

from sqlmodel import Session

from app.articles.actions import lock
from app.articles.previews.queries import digest
from app.articles.previews.tables import Preview
from app.identity.audit.actions import record
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.problems import NotFound


def create(session: Session, actor: Actor, ref: str, hours: int) -> tuple[str, str]:
    """Make a link to an article; returns its id and its token, which is kept only as a hash."""
    article = lock(session, actor, ref, None, [])
    token = secrets.token_urlsafe(32)
    row = Preview(
        id=new_id(),
        article_id=article.id,
        hash=digest(token),
        created_at=now(),
        expires_at=now() + timedelta(hours=hours),
    )
    session.add(row)
    record(session, actor, "preview.create", "article", article.id, {"preview": row.id})
    return row.id, token


def revoke(session: Session, actor: Actor, ref: str, preview_id: str) -> None:
    """End a link; revoking twice changes nothing."""
    article = lock(session, actor, ref, None, [])
    row = session.get(Preview, preview_id, with_for_update=True)
    if row is None or row.article_id != article.id:
        raise NotFound
    if row.revoked_at is None:
        row.revoked_at = now()
        record(session, actor, "preview.revoke", "article", article.id, {"preview": row.id})
