"""Taking words out of a comment, and putting them back."""

from sqlmodel import Session

from app.comments import actions as comments
from app.comments.body import Body, from_markdown
from app.comments.queries import locked
from app.identity.audit.actions import record as audit
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.problems import Invalid
from app.kit.schema import Row
from app.moderation.decisions.actions import WrongCommentState
from app.moderation.emitting import emit_decided
from app.moderation.log.actions import record
from app.moderation.queries import check_reach
from app.moderation.redaction.queries import text_before_redaction
from app.moderation.redaction.schemas import RedactIn

MARKER = "[…]"


def _locked(session: Session, actor: Actor, comment_id: str) -> Row:
    comment = locked(session, comment_id)
    check_reach(session.connection(), actor, comment["article_id"])
    if comment["state"] == "removed":
        raise WrongCommentState("A removed comment is not changed; restore it first.")
    return comment


def redact_comment(session: Session, actor: Actor, comment_id: str, data: RedactIn) -> str:
    """Replace passages of a comment's source by a marker and return its id.

    422 `quote_not_found` for a passage that does not stand there, or if no word would be left.
    """
    comment = _locked(session, actor, comment_id)
    source: str = comment["source"]
    for number, passage in enumerate(data.passages):
        if passage not in comment["source"]:
            raise Invalid(
                "The comment's source has no such passage.",
                pointer=f"/passages/{number}",
                code="quote_not_found",
            )
        source = source.replace(passage, MARKER)  # one that overlaps an earlier passage is gone with it
    if not any(character.isalnum() for character in source):
        raise Invalid("No word would be left. Remove the comment instead.", pointer="/passages", code="nothing_left")
    try:
        body = from_markdown(source)
    except ValueError as error:
        raise Invalid(f"What is left cannot be read: {error}.", pointer="/passages", code="unreadable_text") from error
    _replace_text(session, actor, comment, body, "redact", data.reason)
    return comment_id


def undo_redaction(session: Session, actor: Actor, comment_id: str) -> str:
    """Put back the text that stood before the last redaction, or before several in a row; returns the comment's id."""
    comment = _locked(session, actor, comment_id)
    former = text_before_redaction(session.connection(), comment_id) if comment["redacted_at"] else None
    if former is None:
        raise WrongCommentState("The comment is not redacted.")
    _replace_text(session, actor, comment, former, "unredact", None)  # as it was read then
    return comment_id


def _replace_text(session: Session, actor: Actor, comment: Row, body: Body, action: str, reason: str | None) -> None:
    values = {
        "source": body.source,
        "html": body.html,
        "text": body.text,
        "fingerprint": body.fingerprint,
        "redacted_at": now() if action == "redact" else None,
    }
    comments.keep_revision(session, comment, by="moderator")
    comments.rewrite(session, comment, values)
    article_id: str = comment["article_id"]
    record(session, comment["id"], actor.kind, actor.id, action, None, article_id=article_id, note=reason)
    audit(session, actor, f"comment.{action}", "comment", comment["id"], {})
    emit_decided(session, comment, action, comment["state"], by="moderator")
