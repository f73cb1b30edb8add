"""Soft locks: who edits which article now. They expire, can be taken over, and are in the way of no save."""

from datetime import datetime, timedelta
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.projection import lock_article
from app.articles.tables import Article
from app.core.clock import format_rfc3339, now
from app.core.problems import Conflict, NotFound
from app.db.columns import count_affected, table_of
from app.db.rows import JsonObject, fetch_rows
from app.editorial.callers import is_same_caller
from app.editorial.schemas import LockIn
from app.editorial.tables import ArticleLock
from app.events.log import emit
from app.events.staff_events import LockReleased, LockTaken
from app.identity.schemas import Actor
from app.web.paging import Page, PageQuery, Sort, fetch_page, map_page

LOCK, ARTICLE = table_of(ArticleLock), table_of(Article)
NEWEST_FIRST = Sort("-since", descending=True)


class ArticleLocked(Conflict, code="article_locked", title="Somebody else edits the article"):
    """Somebody else holds the lock, whom `by` names, until `expires_at`; `force` takes it over."""


class LockRow(TypedDict):
    """A lock with its article."""

    id: str
    slug: str
    title: str
    actor_id: str | None
    actor_name: str
    person_id: str | None
    since: datetime
    expires_at: datetime


_OWN = ("actor_id", "actor_name", "person_id", "since", "expires_at")
_SELECT = (
    sa.select(ARTICLE.c.id, ARTICLE.c.slug, ARTICLE.c.title, *(LOCK.c[name] for name in _OWN))
    .select_from(LOCK.join(ARTICLE, ARTICLE.c.id == LOCK.c.article_id))
    .where(LOCK.c.expires_at > sa.bindparam("moment", type_=LOCK.c.expires_at.type))
)


def _present(row: LockRow) -> JsonObject:
    """Shape a lock as `LockOut`."""
    article = {"id": row["id"], "slug": row["slug"], "title": row["title"]}
    return {**row, "article": article, "by": row["actor_name"]}


def find_lock(connection: sa.Connection, article_id: str) -> JsonObject | None:
    """Find the lock of an article that has not expired."""
    rows = fetch_rows(connection, _SELECT.where(LOCK.c.article_id == article_id), LockRow, {"moment": now()})
    return next(map(_present, rows), None)


def get_lock(connection: sa.Connection, article_id: str) -> JsonObject:
    """Return the lock of an article; 404 without one."""
    lock = find_lock(connection, article_id)
    if lock is None:
        raise NotFound("Nobody holds the lock of this article.")
    return lock


def list_locks(connection: sa.Connection, actor: Actor, query: PageQuery) -> Page[JsonObject]:
    """List the locks of articles whose drafts the caller reads, the newest first."""
    statement = _SELECT.params(moment=now())
    if actor.draft_sections is not None:
        statement = statement.where(ARTICLE.c.section_id.in_(sorted(actor.draft_sections)))
    page = fetch_page(connection, statement, NEWEST_FIRST, LOCK.c.since, query, LockRow)
    return map_page(page, _present)


def take_lock(session: Session, actor: Actor, ref: str, data: LockIn) -> str:
    """Take or renew the lock of an article; 409 if somebody else holds it, unless `force`. Returns the article's id."""
    article, moment = lock_article(session, actor, ref, None, [], scope="content:write"), now()
    lock = session.get(ArticleLock, article.id)
    if lock is not None and lock.expires_at > moment and not is_same_caller(actor, lock) and not data.force:
        raise ArticleLocked(
            f"{lock.actor_name} edits this article. Send force to take the lock over; your saves are not refused.",
            by=lock.actor_name,
            expires_at=format_rfc3339(lock.expires_at),
        )
    is_taken = lock is None or lock.expires_at <= moment or not is_same_caller(actor, lock)
    if lock is None or is_taken:
        lock = lock or ArticleLock(article_id=article.id, actor_id=None, actor_name="", since=moment, expires_at=moment)
        lock.since = moment
    lock.actor_id, lock.actor_name, lock.person_id = actor.id, actor.name, actor.person
    lock.expires_at = moment + timedelta(seconds=data.seconds)
    session.add(lock)
    session.flush()
    if is_taken:
        until = format_rfc3339(lock.expires_at)
        emit(session, LockTaken(subject_id=article.id, section_id=article.section_id, by=actor.id, until=until))
    return article.id


def release_lock(session: Session, actor: Actor, ref: str) -> None:
    """Give up the caller's lock of an article. That of somebody else, who has taken it over meanwhile, stays."""
    article = lock_article(session, actor, ref, None, [], scope="content:write")
    lock = session.get(ArticleLock, article.id)
    if lock is not None and is_same_caller(actor, lock):
        session.delete(lock)
        emit(session, LockReleased(subject_id=article.id, section_id=article.section_id, by=actor.id))


def prune_locks(session: Session) -> int:
    """Delete the locks that have expired; returns how many there were."""
    return count_affected(session.execute(sa.delete(LOCK).where(LOCK.c.expires_at <= now())))
