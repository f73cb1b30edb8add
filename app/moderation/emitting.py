"""Emit moderation events, each with the section that its article is in."""

from collections.abc import Iterable
from typing import TypedDict

from sqlmodel import Session

from app.events.actions import emit
from app.kit.schema import Row
from app.moderation.events import (
    ArticleReported,
    CommentAppealed,
    CommentDecided,
    CommentHeld,
    CommentPending,
    CommentReported,
)
from app.moderation.queries import section_of


class _About(TypedDict):
    subject_id: str
    article_id: str
    section_id: str | None


def _about(session: Session, comment: Row) -> _About:
    article_id: str = comment["article_id"]
    section_id = section_of(session.connection(), article_id)
    return {"subject_id": comment["id"], "article_id": article_id, "section_id": section_id}


def emit_decided(session: Session, comment: Row, action: str, state: str, *, by: str) -> None:
    """Tell that a moderator (`moderator`) or a rule (`system`) decided about a comment."""
    emit(session, CommentDecided(**_about(session, comment), action=action, state=state, by=by))


def emit_held(session: Session, comment: Row, reasons: Iterable[str]) -> None:
    """Tell that a comment which was public waits for a moderator."""
    emit(session, CommentHeld(**_about(session, comment), reasons=list(reasons)))


def emit_pending(session: Session, comment: Row, reasons: Iterable[str]) -> None:
    """Tell that a comment waits for a moderator before it becomes public."""
    emit(session, CommentPending(**_about(session, comment), reasons=list(reasons)))


def emit_reported(session: Session, comment: Row, reason: str) -> None:
    """Tell that somebody reported a comment."""
    emit(session, CommentReported(**_about(session, comment), reason=reason))


def emit_appealed(session: Session, comment: Row) -> None:
    """Tell that the author of a comment appealed against a decision."""
    emit(session, CommentAppealed(**_about(session, comment)))


def emit_article_reported(session: Session, article_id: str, reason: str) -> None:
    """Tell that somebody reported an article."""
    section_id = section_of(session.connection(), article_id)
    emit(session, ArticleReported(subject_id=article_id, article_id=article_id, section_id=section_id, reason=reason))
