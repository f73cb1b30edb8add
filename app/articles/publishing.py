"""States of an article: draft, scheduled, published, unpublished, retracted, and the transitions between them."""

from datetime import datetime, timedelta
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session, select

from app.articles import approval
from app.articles.editorial_schemas import RetractIn
from app.articles.projection import (
    ArticleSnapshot,
    IndexArticle,
    WrongState,
    apply_revision,
    build_event_fields,
    get_newest_revision,
    is_public_at,
    lock_article,
    refresh_visibility,
    take_snapshot,
)
from app.articles.tables import Address, Article, Revision
from app.core.clock import format_rfc3339, now
from app.core.ids import is_id
from app.core.logs import get_logger
from app.core.problems import Invalid, Problem
from app.db.columns import table_of
from app.db.rows import Column, fetch_row
from app.events.catalog import ArticleRetracted
from app.events.log import emit
from app.events.staff_events import ArticleHeld
from app.identity.audit import record_action
from app.identity.schemas import SYSTEM, Actor

Versions = frozenset[int] | None
RETRY_DELAY = timedelta(minutes=1)
_ARTICLE, _REVISION = table_of(Article), table_of(Revision)
log = get_logger("broadsheet.publishing")


def _get_revision(session: Session, article: Article, n: int | None) -> Revision:
    """Return revision `n`, or the newest one; 422 if there is none."""
    revision = session.get(Revision, (article.id, article.latest_revision if n is None else n))
    if revision is None:
        raise Invalid("The article has no revision with this number.", pointer="/revision", code="not_found")
    return revision


def _was_seen(session: Session, article: Article) -> bool:
    """Whether any revision of the article was ever public."""
    seen = sa.select(_REVISION.c.n).where(_REVISION.c.article_id == article.id, _REVISION.c.published_at.is_not(None))
    return session.execute(seen.limit(1)).first() is not None


def _publish_revision(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    article: Article,
    revision: Revision,
    before: ArticleSnapshot,
    moment: datetime,
) -> None:
    """Apply a revision and make the article published, dated `moment` the first time."""
    fields = apply_revision(session, article, revision)
    if article.state != "published":
        fields.append("state")
    article.state, article.retraction = "published", None
    article.scheduled_at, article.scheduled_revision = None, None
    article.published_revision = article.revision
    if article.published_at is None or not (article.backdated or _was_seen(session, article)):
        article.published_at = moment
    refresh_visibility(session, actor, index_article, article, before, fields)


def publish_article(
    session: Session, actor: Actor, index_article: IndexArticle, ref: str, versions: Versions, n: int | None = None
) -> str:
    """Publish revision `n`, or the newest one; publishing the published revision again changes nothing.

    An article without a text can be published: a headline alone, or with a picture, is complete.
    """
    article = lock_article(session, actor, ref, versions, [], scope="content:publish")
    publish_locked(session, actor, index_article, article, n)
    return article.id


def publish_locked(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    article: Article,
    n: int | None = None,
    moment: datetime | None = None,
) -> None:
    """Publish revision `n` of a locked article, as `publish_article` does; `moment` dates one never seen before."""
    revision = _get_revision(session, article, n)
    if article.state == "published" and article.published_revision == revision.n:
        return
    before = take_snapshot(session, article)
    _publish_revision(session, actor, index_article, article, revision, before, moment or now())
    record_action(session, actor, "article.publish", "article", article.id, {"revision": article.revision})


def unpublish_article(session: Session, actor: Actor, index_article: IndexArticle, ref: str, versions: Versions) -> str:
    """Unpublish an article: readers get 404, editors keep everything."""
    article = lock_article(session, actor, ref, versions, [], scope="content:publish")
    unpublish_locked(session, actor, index_article, article)
    return article.id


def unpublish_locked(session: Session, actor: Actor, index_article: IndexArticle, article: Article) -> None:
    """Unpublish a locked article, as `unpublish_article` does."""
    if article.state != "published":
        raise WrongState("Only a published article can be unpublished.")
    before = take_snapshot(session, article)
    article.state = "unpublished"
    refresh_visibility(session, actor, index_article, article, before, ["state"])
    apply_revision(
        session, article, get_newest_revision(session, article)
    )  # last: the event describes what readers saw
    record_action(session, actor, "article.unpublish", "article", article.id, {})


def retract_article(
    session: Session, actor: Actor, index_article: IndexArticle, ref: str, data: RetractIn, versions: Versions
) -> str:
    """Retract an article that was published: readers get 410, or 451, with a public reason."""
    article = lock_article(session, actor, ref, versions, [], scope="content:publish")
    if article.state not in {"published", "unpublished"} or article.published_revision is None:
        raise WrongState("Only an article that was published can be retracted.")
    before = take_snapshot(session, article)
    article.state = "retracted"
    article.retraction = {"at": format_rfc3339(now()), "reason": data.reason, "legal": data.legal}
    refresh_visibility(session, actor, index_article, article, before, ["state"], emits_own_event=True)
    emit(
        session, ArticleRetracted(**build_event_fields(session, article, before), reason=data.reason, legal=data.legal)
    )
    record_action(session, actor, "article.retract", "article", article.id, {"legal": data.legal})
    return article.id


def schedule_article(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    ref: str,
    at: datetime,
    versions: Versions,
    n: int | None = None,
) -> str:
    """Schedule revision `n`, or the present newest one, to be published at `at`, whatever is saved later."""
    article = lock_article(session, actor, ref, versions, [], scope="content:publish")
    if article.state not in {"draft", "unpublished", "scheduled"}:
        raise WrongState("A published or retracted article cannot be scheduled.")
    if at <= now():
        raise Invalid("at must be in the future. To publish now, use POST …/publish.", pointer="/at")
    revision, before = _get_revision(session, article, n), take_snapshot(session, article)
    apply_revision(session, article, revision)
    article.state, article.scheduled_at, article.scheduled_revision = "scheduled", at, revision.n
    refresh_visibility(session, actor, index_article, article, before, [])
    record_action(
        session, actor, "article.schedule", "article", article.id, {"at": format_rfc3339(at), "revision": revision.n}
    )
    return article.id


def unschedule_article(
    session: Session, actor: Actor, index_article: IndexArticle, ref: str, versions: Versions
) -> str:
    """Cancel a schedule; the article returns to its state before it."""
    article = lock_article(session, actor, ref, versions, [], scope="content:publish")
    if article.state != "scheduled":
        raise WrongState("The article is not scheduled.")
    before = take_snapshot(session, article)
    article.state = "draft" if article.published_revision is None else "unpublished"
    article.scheduled_at, article.scheduled_revision = None, None
    refresh_visibility(session, actor, index_article, article, before, [])
    apply_revision(session, article, get_newest_revision(session, article))
    record_action(session, actor, "article.unschedule", "article", article.id, {})
    return article.id


def _hold_article(session: Session, index_article: IndexArticle, article: Article, why: Problem) -> None:
    """Unpublish or unschedule an article whose time has come but which cannot become public.

    A text that lacks an approval is returned.
    """
    n = article.revision
    if article.state == "scheduled" and article.scheduled_revision:
        n = article.scheduled_revision
    due = article.scheduled_at if article.state == "scheduled" else article.embargoed_until
    before, at = take_snapshot(session, article), format_rfc3339(due or now())
    article.state = "draft" if article.published_revision is None else "unpublished"
    article.scheduled_at, article.scheduled_revision = None, None
    refresh_visibility(session, SYSTEM, index_article, article, before, [])
    apply_revision(session, article, get_newest_revision(session, article))
    if isinstance(why, approval.ApprovalRequired):
        approval.add_step(session, SYSTEM, article, n, "returned", f"Not published at {at}: the text was not approved.")
    emit(
        session,
        ArticleHeld(
            subject_id=article.id,
            section_id=article.section_id,
            revision=n,
            at=at,
            code=why.code,
            detail=why.detail,
        ),
    )
    record_action(session, SYSTEM, "article.hold", "article", article.id, {"at": at, "revision": n, "code": why.code})
    log.warning("an article was not published at its time", article=article.id, revision=n, code=why.code)


def _apply_due(session: Session, index_article: IndexArticle, article: Article) -> None:
    """Apply what is due: publish a scheduled revision, end an embargo, expire.

    A text that is not approved where it must be is a problem, as if somebody published it.
    """
    moment = now()
    is_due = article.state == "scheduled" and article.scheduled_at is not None and article.scheduled_at <= moment
    n = article.scheduled_revision if is_due and article.scheduled_revision else article.revision
    if is_due or (not article.public and is_public_at(article, moment)):
        approval.require_approval(session, article, n, [_get_revision(session, article, n).section_id])
    before = take_snapshot(session, article)
    if is_due and article.scheduled_at:
        at, revision = article.scheduled_at, _get_revision(session, article, n)
        _publish_revision(session, SYSTEM, index_article, article, revision, before, at)
        record_action(session, SYSTEM, "article.publish", "article", article.id, {"scheduled": format_rfc3339(at)})
    else:
        refresh_visibility(session, SYSTEM, index_article, article, before, ["rights"])


def advance_article(session: Session, index_article: IndexArticle, article: Article) -> None:
    """Apply what is due of a locked article.

    One that cannot become public at its time is held, and the staff are told: nobody is there who would get the
    problem, and readers must not be surprised later.
    """
    try:
        with session.begin_nested():
            _apply_due(session, index_article, article)
    except Problem as error:
        if error.status >= 500:  # it may go away by itself: the worker tries again
            raise
        session.refresh(article)
        _hold_article(session, index_article, article, error)


def advance_due_articles(session: Session, index_article: IndexArticle, limit: int = 50) -> int:
    """Advance up to `limit` articles that are due; returns how many there were.

    An article that fails is logged and tried again after `RETRY_DELAY`, so that it does not block the others.
    """
    due = select(Article).where(_ARTICLE.c.due_at <= now()).order_by(_ARTICLE.c.due_at).limit(limit)
    articles = session.exec(due.with_for_update(skip_locked=True)).all()
    for article in articles:
        article_id = article.id
        try:
            with session.begin_nested():
                advance_article(session, index_article, article)
        except Exception:
            log.exception("advancing an article failed", article=article_id)
            later = sa.update(_ARTICLE).where(_ARTICLE.c.id == article_id).values(due_at=now() + RETRY_DELAY)
            session.execute(later)
    return len(articles)


_ADDRESS = table_of(Address)


NEXT_CHANGE = sa.select(sa.func.min(_ARTICLE.c.due_at))
"""Selects when the next article is due for a change of state."""


class ScheduleRow(TypedDict):
    """When which revision of a scheduled article goes live."""

    id: str
    version: int
    public: bool
    section_id: str | None
    latest_revision: int
    at: datetime
    revision: int


def find_schedule(connection: sa.Connection, ref: str) -> ScheduleRow | None:
    """Find when which revision of an article goes live; None unless the article is scheduled."""
    former = sa.select(_ADDRESS.c.article_id).where(_ADDRESS.c.address == ref).scalar_subquery()
    is_article = _ARTICLE.c.id == ref if is_id(ref) else (_ARTICLE.c.slug == ref) | (_ARTICLE.c.id == former)
    columns: list[Column] = [_ARTICLE.c[name] for name in ("id", "version", "public", "section_id", "latest_revision")]
    columns += [_ARTICLE.c.scheduled_at.label("at"), _ARTICLE.c.scheduled_revision.label("revision")]
    query = sa.select(*columns).where(is_article, _ARTICLE.c.state == "scheduled")
    return fetch_row(connection, query, ScheduleRow)
