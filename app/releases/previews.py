"""Links that show what readers would see after a release, to whoever has the token."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE, REVISION
from app.articles.views import View
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, Statement, fetch_row, fetch_rows, lock_row
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.tokens import hash_token
from app.publication import notices
from app.publication.notice_targets import NoticeArticles
from app.publication.schemas import NoticeIn, NoticePatch
from app.releases.items import ITEM
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


# ---- what a link shows


def _select_present(release_id: str | None) -> Statement:
    """Select what readers see now, without the articles that a release changes."""
    columns = [ARTICLE.c[name] for name in "id revision slug featured published_at listed_at updated_at".split()]
    query = sa.select(*columns, sa.cast(sa.null(), sa.JSON).label("facts")).where(ARTICLE.c.public)
    if release_id is None:
        return query
    changed = sa.select(ITEM.c.article_id).where(ITEM.c.release_id == release_id, ITEM.c.article_id.is_not(None))
    return query.where(ARTICLE.c.id.not_in(changed))


def _select_released(release_id: str, moment: datetime) -> Statement:
    """Select what readers would see of the articles that a release publishes, by the rules of publishing."""
    at = sa.literal(moment, ARTICLE.c.listed_at.type)
    was_seen = sa.exists().where(REVISION.c.article_id == ARTICLE.c.id, REVISION.c.published_at.is_not(None))
    is_dated = ARTICLE.c.published_at.is_not(None) & (ARTICLE.c.backdated | was_seen)
    published = sa.case((is_dated, ARTICLE.c.published_at), else_=at)
    is_shown = ARTICLE.c.public & (ARTICLE.c.revision == ITEM.c.revision)
    updated = sa.case(
        (is_shown, ARTICLE.c.updated_at),
        (ARTICLE.c.public | (ARTICLE.c.updated_at < published), sa.case((ARTICLE.c.public, at), else_=published)),
        else_=ARTICLE.c.updated_at,
    )
    return (
        sa.select(
            ARTICLE.c.id,
            ITEM.c.revision,
            ARTICLE.c.slug,
            ARTICLE.c.featured,
            published.label("published_at"),
            published.label("listed_at"),
            updated.label("updated_at"),
            sa.cast(sa.null(), sa.JSON).label("facts"),
        )
        .join(ITEM, ITEM.c.article_id == ARTICLE.c.id)
        .where(
            ITEM.c.release_id == release_id,
            ITEM.c.op == "publish",
            ARTICLE.c.state != "retracted",
            ARTICLE.c.embargoed_until.is_(None) | (ARTICLE.c.embargoed_until <= at),
            ARTICLE.c.expires_at.is_(None) | (ARTICLE.c.expires_at > at),
        )
    )


class _OtherItem(TypedDict):
    id: str
    op: str
    target: str | None
    body: JsonObject | None


def _preview_notices(
    connection: sa.Connection, articles: NoticeArticles, items: Sequence[_OtherItem]
) -> dict[str, notices.ShownNotice | None]:
    """Return the notices that a release changes, by their ids; a new one has that of its item."""
    changed: dict[str, notices.ShownNotice | None] = {}
    for item in items:
        target = str(item["target"])
        if item["op"] == "create_notice":
            data = NoticeIn.model_validate(item["body"])
            changed[item["id"]] = notices.preview_new(connection, articles, item["id"], data)
        elif item["op"] == "change_notice":
            changed[target] = notices.preview_change(connection, target, NoticePatch.model_validate(item["body"]))
        elif item["op"] == "delete_notice":
            changed[target] = None
    return changed


def find_view(connection: sa.Connection, token: str, articles: NoticeArticles) -> View | None:
    """Find what the holder of a token sees; None if the token is unknown, expired or revoked.

    After the release was published that is what everybody sees.
    """
    moment = now()
    is_valid = (PREVIEW.c.hash == hash_token(token)) & (PREVIEW.c.expires_at > moment) & PREVIEW.c.revoked_at.is_(None)
    query = sa.select(RELEASE.c.id, RELEASE.c.state).join(PREVIEW, PREVIEW.c.release_id == RELEASE.c.id).where(is_valid)
    release = connection.execute(query).first()
    if release is None:
        return None
    if release.state == "published":
        return View(_select_present(None).subquery("entry"))
    entries = sa.union_all(_select_present(release.id), _select_released(release.id, moment)).subquery("entry")
    others = sa.select(*(ITEM.c[name] for name in _OtherItem.__annotations__))
    others = others.where(ITEM.c.release_id == release.id, ITEM.c.article_id.is_(None))
    items = fetch_rows(connection, others.order_by(ITEM.c.position), _OtherItem)
    fronts: Mapping[str, JsonObject] = {
        str(item["target"]): item["body"] for item in items if item["op"] == "front" and item["body"]
    }
    return View(entries, notices=_preview_notices(connection, articles, items), fronts=fronts)
