"""Emit moderation events, which are for moderators and the systems that work for them, never for the public.

They carry ids and codes, no text. Their consumers are webhooks and `GET /v1/live` of keys with the scope
`comments:moderate`; no public answer depends on them, so that they name no cache groups.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from sqlmodel import Session

from app.core.clock import format_rfc3339
from app.events.log import emit
from app.events.staff_events import (
    ArticleReported,
    CommentAppealed,
    CommentClaimed,
    CommentDecided,
    CommentHeld,
    CommentPending,
    CommentReported,
)
from app.moderation.comment_access import find_section


class CommentRef(TypedDict):
    """A comment, by its id and that of its article."""

    id: str
    article_id: str


class _EventSubject(TypedDict):
    subject_id: str
    article_id: str
    section_id: str | None


def _subject_of(session: Session, comment: CommentRef) -> _EventSubject:
    article_id = comment["article_id"]
    section_id = find_section(session.connection(), article_id)
    return {"subject_id": comment["id"], "article_id": article_id, "section_id": section_id}


def emit_decided(session: Session, comment: CommentRef, action: str, state: str, *, by: str) -> None:
    """Emit that a moderator (`moderator`) or a rule (`system`) decided on a comment."""
    emit(session, CommentDecided(**_subject_of(session, comment), action=action, state=state, by=by))


def emit_held(session: Session, comment: CommentRef, reasons: Iterable[str]) -> None:
    """Emit that a public comment was hidden until a moderator decides."""
    emit(session, CommentHeld(**_subject_of(session, comment), reasons=list(reasons)))


def emit_pending(session: Session, comment: CommentRef, reasons: Iterable[str]) -> None:
    """Emit that a comment waits for a moderator before it becomes public."""
    emit(session, CommentPending(**_subject_of(session, comment), reasons=list(reasons)))


def emit_reported(session: Session, comment: CommentRef, reason: str) -> None:
    """Emit that somebody reported a comment."""
    emit(session, CommentReported(**_subject_of(session, comment), reason=reason))


def emit_claimed(session: Session, comment: CommentRef, by: str, until: datetime | None) -> None:
    """Emit that a moderator claimed a comment, or released it (`until` is None)."""
    end = format_rfc3339(until) if until is not None else None
    emit(session, CommentClaimed(**_subject_of(session, comment), by=by, until=end))


def emit_appealed(session: Session, comment: CommentRef) -> None:
    """Emit that a comment's author appealed a decision."""
    emit(session, CommentAppealed(**_subject_of(session, comment)))


def emit_article_reported(session: Session, article_id: str, reason: str) -> None:
    """Emit that somebody reported an article."""
    section_id = find_section(session.connection(), article_id)
    emit(session, ArticleReported(subject_id=article_id, article_id=article_id, section_id=section_id, reason=reason))
