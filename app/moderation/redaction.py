"""Redaction of comments, and their former texts."""

from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.comments import lifecycle as comments
from app.comments.reading import StoredComment, lock_comment
from app.comments.rendering import Body, fingerprint_text, render_markdown
from app.comments.tables import CommentRevision
from app.core.clock import now
from app.core.problems import Invalid, NotFound
from app.db.columns import table_of
from app.identity.audit import record_action as audit
from app.identity.schemas import Actor
from app.moderation.comment_access import C, check_reach
from app.moderation.decisions import WrongCommentState
from app.moderation.events import emit_decided
from app.moderation.log import log_decision
from app.moderation.schemas import CommentRevisionQuery, RedactIn
from app.web.paging import Page, Sort, fetch_page


class FormerText(TypedDict):
    """A former text of a comment, as moderators see it."""

    id: str
    number: int
    replaced_at: datetime
    replaced_by: str
    source: str
    html: str
    text: str


_REVISION = table_of(CommentRevision)
_SELECT_ARTICLE_ID = sa.select(C.c.article_id).where(C.c.id == sa.bindparam("id", type_=C.c.id.type))
NEWEST = Sort("-number", descending=True, kind=int)
_COLUMNS = [_REVISION.c[name] for name in "id number replaced_at replaced_by source html text".split()]


def list_revisions(
    connection: sa.Connection, actor: Actor, comment_id: str, query: CommentRevisionQuery
) -> Page[FormerText]:
    """List a comment's former texts, newest first; 404 outside the key's sections."""
    article_id = connection.execute(_SELECT_ARTICLE_ID, {"id": comment_id}).scalar_one_or_none()
    if article_id is None:
        raise NotFound
    check_reach(connection, actor, article_id)
    rows = sa.select(*_COLUMNS).where(_REVISION.c.comment_id == comment_id)
    return fetch_page(connection, rows, NEWEST, _REVISION.c.number, query, FormerText, within=comment_id)


def find_text_before_redaction(connection: sa.Connection, comment_id: str) -> Body | None:
    """Return the author's last text if moderators have changed it since, else None."""
    rows = connection.execute(
        sa.select(*(_REVISION.c[name] for name in ("source", "html", "text", "replaced_by")))
        .where(_REVISION.c.comment_id == comment_id)
        .order_by(_REVISION.c.number.desc())
    )
    former = None
    for row in rows:
        if row.replaced_by != "moderator":
            break
        former = Body(row.source, row.html, row.text, (), fingerprint_text(row.text))
    return former


MARKER = "[…]"


def _lock_comment(session: Session, actor: Actor, comment_id: str) -> StoredComment:
    comment = lock_comment(session, comment_id)
    check_reach(session.connection(), actor, comment["article_id"])
    if comment["state"] == "removed":
        raise WrongCommentState("Removed comments cannot be redacted. Restore the comment first.")
    return comment


def redact_comment(session: Session, actor: Actor, comment_id: str, data: RedactIn) -> str:
    """Replace passages of a comment's source by a marker and return its id.

    422 `quote_not_found` for a passage that is not in the source, 422 `nothing_left` if no word would remain.
    """
    comment = _lock_comment(session, actor, comment_id)
    source = comment["source"]
    for number, passage in enumerate(data.passages):
        if passage not in comment["source"]:
            raise Invalid(
                "The comment's source does not contain this passage.",
                pointer=f"/passages/{number}",
                code="quote_not_found",
            )
        source = source.replace(passage, MARKER)  # a passage that overlaps an earlier one is replaced with it
    if not any(character.isalnum() for character in source):
        raise Invalid("No text would remain. Remove the comment instead.", pointer="/passages", code="nothing_left")
    try:
        body = render_markdown(source)
    except ValueError as error:
        raise Invalid(f"What is left cannot be read: {error}.", pointer="/passages", code="unreadable_text") from error
    _replace_text(session, actor, comment, body, "redact", data.reason)
    return comment_id


def undo_redaction(session: Session, actor: Actor, comment_id: str) -> str:
    """Restore the text from before the last redaction, or before several in a row. Return the comment's id."""
    comment = _lock_comment(session, actor, comment_id)
    former = find_text_before_redaction(session.connection(), comment_id) if comment["redacted_at"] else None
    if former is None:
        raise WrongCommentState("The comment is not redacted.")
    _replace_text(session, actor, comment, former, "unredact", None)  # rendered as it was then
    return comment_id


def _replace_text(
    session: Session, actor: Actor, comment: StoredComment, body: Body, action: str, reason: str | None
) -> None:
    values = {**body.columns(), "redacted_at": now() if action == "redact" else None}
    comments.keep_revision(session, comment, by="moderator")
    comments.update_comment(session, comment, values)
    article_id = comment["article_id"]
    log_decision(session, comment["id"], actor.kind, actor.id, action, None, article_id=article_id, note=reason)
    audit(session, actor, f"comment.{action}", "comment", comment["id"], {})
    emit_decided(session, comment, action, comment["state"], by="moderator")
