"""The moderation log: every decision, by moderators and by rules."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.tables import Article
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.row_lists import ROWS, select_rows
from app.db.rows import JsonObject, fetch_row
from app.events.log import PERSON_KEY
from app.identity.schemas import Actor
from app.moderation.schemas import LogQuery
from app.moderation.tables import ModerationLog
from app.web.paging import Page, Sort, fetch_page

LOG, _ARTICLE = table_of(ModerationLog), table_of(Article)
NEWEST = Sort("-at", descending=True)


class LogEntry(TypedDict):
    """An entry of the moderation log."""

    id: str
    at: datetime
    comment_id: str | None
    article_id: str | None
    actor_kind: str
    actor_id: str | None
    person_id: str | None
    action: str
    state: str | None
    reasons: list[dict[str, str]]
    note: str | None
    ground: str | None
    canned_id: str | None


class Reasoning(TypedDict):
    """Why something was decided."""

    note: str | None
    ground: str | None
    canned_id: str | None


def log_decision(
    session: Session,
    comment_id: str | None,
    actor_kind: str,
    actor_id: str | None,
    action: str,
    state: str | None,
    reasons: Iterable[tuple[str, str]] = (),
    *,
    article_id: str | None = None,
    note: str | None = None,
    ground: str | None = None,
    canned_id: str | None = None,
) -> str:
    """Add an entry in the caller's transaction and return its id. Reasons are (stage, detail) without private text.

    `state` is the comment's state from then on, or None if the decision does not change it.
    """
    row: LogEntry = {
        "id": new_id(),
        "at": now(),
        "comment_id": comment_id,
        "article_id": article_id,
        "actor_kind": actor_kind,
        "actor_id": actor_id,
        "person_id": session.info.get(PERSON_KEY) if actor_kind in ("key", "person") else None,
        "action": action,
        "state": state,
        "reasons": [{"stage": stage, "detail": detail[:500]} for stage, detail in reasons],
        "note": note,
        "ground": ground,
        "canned_id": canned_id,
    }
    session.execute(sa.insert(LOG), row)
    return row["id"]


class LoggedComment(NamedTuple):
    """A comment about which an action on its author decides, with its article and its state from then on."""

    id: str
    article_id: str
    state: str


_GIVEN: Final = ("id", "comment_id", "article_id", "state")  # columns that differ from entry to entry
_SHARED: Final = ("at", "actor_kind", "actor_id", "person_id", "action", *Reasoning.__annotations__)


def _insert_entries(dialect: str) -> sa.Insert:
    rows = select_rows(dialect, **{name: LOG.c[name].type for name in _GIVEN})
    shared = [sa.bindparam(name, type_=LOG.c[name].type).label(name) for name in _SHARED]
    none = sa.literal_column("'[]'", sa.JSON()).label("reasons")
    query = sa.select(*(rows.c[name] for name in _GIVEN), *shared, none)
    return sa.insert(LOG).from_select([*_GIVEN, *_SHARED, "reasons"], query)


_INSERT_ENTRIES: Prepared[JsonObject] = Prepared(_insert_entries)


def log_decisions(
    session: Session,
    comments: Iterable[LoggedComment],
    actor_kind: str,
    actor_id: str | None,
    action: str,
    reasoning: Reasoning,
) -> None:
    """Log a decision about many comments as `log_decision` does for one."""
    rows = [
        {"id": new_id(), "comment_id": comment.id, "article_id": comment.article_id, "state": comment.state}
        for comment in comments
    ]
    shared = {"at": now(), "actor_kind": actor_kind, "actor_id": actor_id, "person_id": session.info.get(PERSON_KEY)}
    if rows:
        _INSERT_ENTRIES.run(session, {ROWS: rows, **shared, "action": action, **reasoning})


def erase_notes(session: Session, comment_ids: list[str]) -> None:
    """Erase the notes of moderators and the checker's reasons about comments: they may quote them."""
    is_about = LOG.c.comment_id.in_(comment_ids)
    session.execute(sa.update(LOG).where(is_about, LOG.c.note.is_not(None)).values(note=None))
    quoting = sa.cast(LOG.c.reasons, sa.Text).contains('"external"')
    for row in session.execute(sa.select(LOG.c.id, LOG.c.reasons).where(is_about, quoting)).all():
        reasons = [one | {"detail": ""} if one["stage"] == "external" else one for one in row.reasons]
        session.execute(sa.update(LOG).where(LOG.c.id == row.id).values(reasons=reasons))


def erase_article_notes(session: Session, article_id: str) -> None:
    """Erase the notes and reasons about an article and its comments."""
    session.execute(sa.update(LOG).where(LOG.c.article_id == article_id).values(note=None, reasons=[]))


def list_entries(connection: sa.Connection, actor: Actor, filters: LogQuery) -> Page[LogEntry]:
    """List the log, newest first; who moderates some sections sees only entries about their articles."""
    query = sa.select(LOG)
    if (sections := actor.sections_for("comments:moderate")) is not None:
        within = sa.select(_ARTICLE.c.id).where(_ARTICLE.c.section_id.in_(sorted(sections)))
        query = query.where(LOG.c.article_id.in_(within))
    for column, value in (
        (LOG.c.comment_id, filters.comment),
        (LOG.c.article_id, filters.article),
        (LOG.c.actor_id, filters.actor),
        (LOG.c.person_id, filters.person),
    ):
        if value is not None:
            query = query.where(column == value if is_id(value) else sa.false())
    if filters.action is not None:
        query = query.where(LOG.c.action == filters.action)
    return fetch_page(connection, query, NEWEST, LOG.c.at, filters, LogEntry)


def find_redaction(connection: sa.Connection, comment_id: str) -> LogEntry | None:
    """Return the newest redaction of a comment, or None."""
    return _find_newest(connection, comment_id, LOG.c.action == "redact")


def find_decision(connection: sa.Connection, comment_id: str) -> LogEntry | None:
    """Return the log entry that set the comment's current state, or None."""
    return _find_newest(connection, comment_id, LOG.c.state.is_not(None))


def _find_newest(connection: sa.Connection, comment_id: str, condition: sa.ColumnElement[bool]) -> LogEntry | None:
    query = sa.select(LOG).where(LOG.c.comment_id == comment_id, condition)
    return fetch_row(connection, query.order_by(LOG.c.at.desc(), LOG.c.id.desc()).limit(1), LogEntry)
