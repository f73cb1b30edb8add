"""What becomes public, noted for those who subscribe to it: a row each, so that the log is never held up."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.articles.queries import A
from app.articles.schemas import PAGE
from app.events.schemas import Entry
from app.kit.clock import now
from app.notifications.queries import FANOUT
from app.subscriptions.opt_ins.actions import heed

STALE = timedelta(days=2)  # what is dated so long before it came out is no news: imports, back-dated articles
_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert(FANOUT).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(FANOUT).on_conflict_do_nothing(),
}


def hear(session: Session, entry: Entry) -> None:
    """The reader `notifications` of the log."""
    if entry.type in ("comment.published", "comment.edited"):
        heed(session, entry)
    if entry.type == "comment.published":
        _note(session, entry, f"{entry.type}:{entry.subject_id}", {"comment": entry.subject_id})
    elif entry.type == "article.published" and _is_news(session, entry):
        _note(session, entry, f"{entry.type}:{entry.subject_id}", {"article": entry.subject_id})
    elif entry.type == "article.corrected":
        _corrected(session, entry)


def _note(session: Session, entry: Entry, event: str, content: dict[str, Any]) -> None:
    moment = now()
    row = {"event": event, "what": entry.type, "content": content, "at": entry.at, "after": None}
    row |= {"xid": entry.position.xid, "seq": entry.position.seq, "due_at": moment, "created_at": moment}
    session.execute(_INSERT[session.get_bind().dialect.name], row)


def _is_news(session: Session, entry: Entry) -> bool:
    row = session.execute(sa.select(A.c.published_at, A.c.type).where(A.c.id == entry.subject_id)).first()
    if row is None or row.published_at is None or row.type == PAGE:
        return False
    return bool(row.published_at > entry.at - STALE)


def _corrected(session: Session, entry: Entry) -> None:
    """Note a correction by its number; one that was withdrawn meanwhile is not told.

    Facts of former releases have no number: their correction is the last one that says the same.
    """
    query = sa.select(A.c.corrections).where(A.c.id == entry.subject_id)
    standing = session.execute(query).scalar_one_or_none() or []
    said = (entry.payload["kind"], entry.payload["text"])
    number = entry.payload.get("n") or max(
        (one["n"] for one in standing if (one["kind"], one["text"]) == said), default=0
    )
    if any(one["n"] == number for one in standing):
        event = f"{entry.type}:{entry.subject_id}:{number}"
        _note(session, entry, event, {"article": entry.subject_id, "correction_n": number})
