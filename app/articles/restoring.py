"""Putting an article back into a former state: what readers saw of it before it was published or unpublished."""

import hashlib
from datetime import datetime
from typing import TypedDict

from sqlmodel import Session

from app.articles.exposure import exposure_of
from app.articles.projection import (
    IndexArticle,
    Restored,
    apply_revision,
    get_newest_revision,
    refresh_visibility,
    take_snapshot,
)
from app.articles.tables import Article, Revision
from app.core.clock import format_rfc3339, now
from app.core.problems import Conflict
from app.identity.audit import record_action
from app.identity.schemas import Actor


class RevisionGone(Conflict, code="revision_gone", title="The former revision is gone"):
    """The revision that readers saw before does not exist any more."""


class ArticleState(TypedDict):
    """What decides what readers see of an article, to put it back later; times are RFC 3339."""

    state: str
    version: int
    revision: int
    published_revision: int | None
    published_at: str | None
    backdated: bool
    updated_at: str
    scheduled_at: str | None
    scheduled_revision: int | None


def _format(moment: datetime | None) -> str | None:
    return format_rfc3339(moment) if moment else None


def _parse(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def get_article_state(article: Article) -> ArticleState:
    """Return the state of an article."""
    return {
        "state": article.state,
        "version": article.version,
        "revision": article.revision,
        "published_revision": article.published_revision,
        "published_at": _format(article.published_at),
        "backdated": article.backdated,
        "updated_at": format_rfc3339(article.updated_at),
        "scheduled_at": _format(article.scheduled_at),
        "scheduled_revision": article.scheduled_revision,
    }


def fingerprint_exposure(article: Article) -> str:
    """Return a hash of what readers see of an article; it changes with anything that they would notice."""
    return hashlib.sha256(repr((article.state, exposure_of(article))).encode()).hexdigest()


def restore_article(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    article: Article,
    former: ArticleState,
    version: int,
) -> None:
    """Put a locked article back into a former state; `version` is the one that it had when it left that state.

    An article that was public then has the same bytes and the same ETag again, unless drafts were saved since: those
    stay, and count on. One that readers had never seen is unpublished, not a draft: they have seen it by now. A
    schedule whose time has passed is not restored.
    """
    before = take_snapshot(session, article)
    state, at = former["state"], _parse(former["scheduled_at"])
    if state == "scheduled" and (at is None or at <= now()):
        state = "unpublished"
    article.state = "unpublished" if state == "draft" else state
    is_scheduled = state == "scheduled"
    article.scheduled_at = at if is_scheduled else None
    article.scheduled_revision = former["scheduled_revision"] if is_scheduled else None
    article.published_at, article.backdated = _parse(former["published_at"]), former["backdated"]
    fields: list[str] = ["state"] if article.state != before.state else []
    restored = None
    if state == "published":
        revision = session.get(Revision, (article.id, former["revision"]))
        if revision is None:
            raise RevisionGone
        fields += apply_revision(session, article, revision)
        article.published_revision = former["published_revision"]
        updated_at = datetime.fromisoformat(former["updated_at"])
        restored = Restored(updated_at, former["version"] if article.version == version else None)
    refresh_visibility(session, actor, index_article, article, before, fields, restored=restored)
    if state == "scheduled":
        apply_revision(session, article, session.get_one(Revision, (article.id, former["scheduled_revision"])))
    elif state != "published":
        apply_revision(session, article, get_newest_revision(session, article))
    record_action(session, actor, "article.roll_back", "article", article.id, {"revision": former["revision"]})
