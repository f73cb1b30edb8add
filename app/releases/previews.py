"""Links that show what readers would see after a release, to whoever has the token."""

import secrets
from datetime import datetime, timedelta
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, lock_row
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.tokens import hash_token
from app.releases.reach import RELEASE, require_release
from app.releases.releases import find_release
from app.releases.tables import Release, ReleasePreview
from app.web.paging import Page, PageQuery, Sort, fetch_page

PREVIEW = table_of(ReleasePreview)
NEWEST_FIRST = Sort("-created_at", descending=True)


class PreviewRow(TypedDict):
    """A preview link."""

    id: str
    release_id: str
    hash: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


def get_preview(connection: sa.Connection, created: tuple[str, str]) -> JsonObject:
    """Return a link that was just created, with its token."""
    preview_id, token = created
    row = fetch_row(connection, sa.select(PREVIEW).where(PREVIEW.c.id == preview_id), PreviewRow)
    return {**(row or {}), "token": token}


def list_previews(connection: sa.Connection, actor: Actor, release_id: str, query: PageQuery) -> Page[PreviewRow]:
    """List the links of a release, newest first; 404 without the release."""
    if find_release(connection, actor, release_id) is None:
        raise NotFound
    statement = sa.select(PREVIEW).where(PREVIEW.c.release_id == release_id)
    return fetch_page(connection, statement, NEWEST_FIRST, PREVIEW.c.created_at, query, PreviewRow, within=release_id)


def create_preview(session: Session, actor: Actor, release_id: str, hours: int) -> tuple[str, str]:
    """Create a link to a release; return its id and its token, of which only a hash is stored.

    403 unless the caller may write in all sections of the release, whose drafts the link shows.
    """
    release = lock_row(session, Release, release_id)
    require_release(session, actor, release.id, "content:write")
    token, moment = secrets.token_urlsafe(32), now()
    row = ReleasePreview(
        id=new_id(),
        release_id=release.id,
        hash=hash_token(token),
        created_at=moment,
        expires_at=moment + timedelta(hours=hours),
    )
    session.add(row)
    record_action(session, actor, "preview.create", "release", release.id, {"preview": row.id})
    return row.id, token


def revoke_preview(session: Session, actor: Actor, release_id: str, preview_id: str) -> None:
    """Revoke a link; revoking it again changes nothing."""
    row = lock_row(session, ReleasePreview, preview_id)
    if row.release_id != release_id:
        raise NotFound
    require_release(session, actor, release_id, "content:write")
    if row.revoked_at is None:
        row.revoked_at = now()
        record_action(session, actor, "preview.revoke", "release", release_id, {"preview": row.id})


def find_release_of(connection: sa.Connection, token: str) -> tuple[str, bool] | None:
    """Return the release of a link and whether it is published; None if the link is unknown, expired or revoked."""
    is_valid = (PREVIEW.c.hash == hash_token(token)) & (PREVIEW.c.expires_at > now()) & PREVIEW.c.revoked_at.is_(None)
    query = sa.select(RELEASE.c.id, RELEASE.c.state).join(PREVIEW, PREVIEW.c.release_id == RELEASE.c.id).where(is_valid)
    row = connection.execute(query).first()
    return None if row is None else (row.id, row.state == "published")
