"""Changing discussion settings."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles import discussion_settings
from app.articles.cached_json import invalidate
from app.articles.discussion_schemas import ArticleDiscussionIn, DiscussionIn
from app.articles.exposure import is_shown
from app.articles.reading import is_visible
from app.articles.tables import SITE_ID, Discussion
from app.core.clock import now
from app.core.problems import NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, get_row, insert_into
from app.events.catalog import DiscussionChanged, LoggedEvent, SectionDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.permissions import require_in, require_publish
from app.identity.schemas import Actor
from app.publication.generations import bump_generation
from app.publication.term_queries import is_section_shown
from app.publication.terms import require_all_sections
from app.web import etag

_DISCUSSION = table_of(Discussion)


def set_site_discussion(session: Session, actor: Actor, data: DiscussionIn, versions: frozenset[int] | None) -> str:
    """Replace the discussion settings of the site."""
    require_all_sections(actor, "comments:moderate")
    _set_discussion(session, actor, "site", SITE_ID, data, versions, shown=True)
    return SITE_ID


def set_section_discussion(
    session: Session, actor: Actor, ref: str, data: DiscussionIn, versions: frozenset[int] | None
) -> str:
    """Replace the discussion settings of a section; returns its id."""
    row = discussion_settings.find_section_settings(session.connection(), ref)
    if row is None:
        raise NotFound
    require_in(actor, "comments:moderate", row["id"])
    shown = is_section_shown(session.connection(), row["id"])
    _set_discussion(session, actor, "section", row["id"], data, versions, shown=shown, section_id=row["id"])
    return str(row["id"])


def set_article_discussion(
    session: Session, actor: Actor, ref: str, data: ArticleDiscussionIn, versions: frozenset[int] | None
) -> str:
    """Replace the discussion settings of an article that the caller may read; returns its id."""
    row = discussion_settings.find_article_settings(session.connection(), ref)
    if row is None or not is_visible(row, actor):
        raise NotFound
    require_in(actor, "comments:moderate", row["section_id"])
    shown = is_shown(row["state"], row["public"], row["due_at"])
    _set_discussion(
        session,
        actor,
        "article",
        row["id"],
        data,
        versions,
        shown=shown,
        section_id=row["section_id"],
        emits_event=row["public"],
    )
    return str(row["id"])


class _DiscussionRow(TypedDict):
    target_id: str
    state: str | None
    prompt: str | None
    moderation: str | None
    close_after_days: int | None
    closes_at: datetime | None
    closed_at: datetime | None
    version: int


def _set_discussion(
    session: Session,
    actor: Actor,
    scope: str,
    target_id: str,
    data: DiscussionIn,
    versions: frozenset[int] | None,
    *,
    shown: bool,
    section_id: str | None = None,
    emits_event: bool = True,
) -> None:
    """Replace settings; 412 if they have another version. Version 0 means that they were never set.

    Moderators open, close and hide discussions. The prompt is part of the publication's content: changing it requires
    `content:publish` where readers see it, now or at a set time.
    """
    connection = session.connection()
    _insert_settings(connection, {"target_id": target_id, "version": 0})
    is_target = _DISCUSSION.c.target_id == target_id
    row = get_row(connection, sa.select(_DISCUSSION).where(is_target).with_for_update(), _DiscussionRow)
    columns: Mapping[str, object] = row
    values = data.model_dump()
    fields = sorted(name for name, value in values.items() if columns[name] != value)
    etag.check_version(row["version"], versions, fields)
    if not fields:
        return
    if shown and "prompt" in fields:
        require_publish(actor, section_id)
    if "state" in fields:
        values["closed_at"] = now() if data.state == "closed" else None
    connection.execute(sa.update(_DISCUSSION).where(is_target).values(**values, version=row["version"] + 1))
    if scope == "article":
        invalidate(session, target_id)
    else:
        bump_generation(session)
    if emits_event:
        emit(session, DiscussionChanged(subject_id=target_id, scope=scope))
    record_action(session, actor, "discussion.set", scope, None if scope == "site" else target_id, {"fields": fields})


def _insert_settings(connection: sa.Connection, values: JsonObject) -> bool:
    """Insert settings; False if the target has some already."""
    insert = insert_into(connection, _DISCUSSION).on_conflict_do_nothing().returning(_DISCUSSION.c.target_id)
    return connection.execute(insert, values).first() is not None


def close_discussion(session: Session, article_id: str) -> None:
    """Close the discussion of an imported article, unless it has settings of its own."""
    connection = session.connection()
    values = {"target_id": article_id, "state": "closed", "closed_at": now(), "version": 1}
    if _insert_settings(connection, values):
        invalidate(session, article_id)
        row = discussion_settings.find_article_settings(connection, article_id)
        if row is not None and row["public"]:
            emit(session, DiscussionChanged(subject_id=article_id, scope="article"))


def delete_settings(session: Session, target_id: str) -> None:
    """Delete the settings of an article or section that is being deleted."""
    session.execute(sa.delete(_DISCUSSION).where(_DISCUSSION.c.target_id == target_id))


def delete_section_settings(session: Session, entry: LoggedEvent) -> None:
    """Delete the settings of a deleted section; sections are below this floor and emit an event."""
    match entry.event:
        case SectionDeleted(subject_id=section_id):
            delete_settings(session, section_id)
