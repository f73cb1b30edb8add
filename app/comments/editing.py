"""Changing a comment, by its author while the window is open, and taking it back, by its author or a moderator."""

from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.lifecycle import clear_comment, keep_revision, set_state, update_comment
from app.comments.reading import find_full_comment, get_readable_article, is_author, lock_comment
from app.comments.schemas import Attempt, CommentModeration, CommentPatch, ModerationPipeline, PreparedText, Submission
from app.core.clock import now
from app.core.problems import Conflict, Forbidden, NotFound, Unavailable
from app.db.columns import Row
from app.identity.participants import find_participant_by
from app.identity.schemas import Actor
from app.identity.secrets import Vault

_EDITABLE_STATES = {"published", "pending"}


class EditWindowClosed(Conflict):
    """The time for changes has passed, or the comment's state allows none."""

    code, title = "edit_window_closed", "This comment can no longer be changed"


class Editor(NamedTuple):
    """What a change needs besides itself."""

    actor: Actor
    vault: Vault
    screen: ModerationPipeline
    moderation: CommentModeration
    window: timedelta
    addresses: tuple[str, ...]  # hashes of the network address


def _lock_and_check_author(session: Session, editor: Editor, comment_id: str) -> tuple[Row, bool]:
    """The comment, and whether the caller is its author and not a moderator; 403 for anybody else."""
    row = lock_comment(session, comment_id)
    return row, _is_own(session, editor, row)


def _is_own(session: sa.Connection | Session, editor: Editor, row: Row) -> bool:
    actor = editor.actor
    has_author = row["participant_id"] is not None and row["removed_by"] != "author"
    if has_author and is_author(session, actor, row):
        return True
    if not actor.may("comments:moderate"):
        if row["state"] != "published":
            raise NotFound  # what is not public is not told of
        get_readable_article(session, row["article_id"])
        raise Forbidden("Only its author or a moderator may change a comment.")
    editor.moderation.check_reach(_connection(session), actor, row["article_id"])
    return False


def _connection(store: sa.Connection | Session) -> sa.Connection:
    return store if isinstance(store, sa.Connection) else store.connection()


def _is_moderator(store: sa.Connection | Session, editor: Editor, row: Row) -> bool:
    """Whether the caller moderates the article: what moderators wrote themselves they may change at any time."""
    if row["removed_by"] == "author" or not editor.actor.may("comments:moderate"):
        return False
    editor.moderation.check_reach(_connection(store), editor.actor, row["article_id"])
    return True


def _require_own(store: sa.Connection | Session, actor: Actor, row: Row, is_own: bool) -> None:
    """Refuse a change to what somebody else wrote (403), or what its author has taken back (409)."""
    if is_own:
        return
    if is_author(store, actor, row):
        raise EditWindowClosed
    raise Forbidden("Moderators do not rewrite comments: redact, reject or remove them instead.")


def _require_editable(store: sa.Connection | Session, editor: Editor, row: Row) -> None:
    """Refuse a new text when its state or age allows none any more (409)."""
    is_late = row["state"] not in _EDITABLE_STATES or now() - row["created_at"] > editor.window
    if is_late and not _is_moderator(store, editor, row):
        raise EditWindowClosed


def check_edit(store: sa.Connection | Session, editor: Editor, comment_id: str, text: str) -> Attempt | None:
    """Refuse a new text that nobody may give this comment, by cheap reads alone; None: there is nothing to judge."""
    row = find_full_comment(store, comment_id)
    if row is None:
        raise NotFound
    _require_own(store, editor.actor, row, _is_own(store, editor, row))
    if text == row["source"]:
        return None
    _require_editable(store, editor, row)
    get_readable_article(store, row["article_id"])
    person = find_participant_by(store, "id", row["participant_id"])
    at, under, kind = now(), row["under_id"], row["author_kind"]
    attempt = Attempt(person, editor.addresses, row["email"], comment_id, row["article_id"], under, at)
    attempt = attempt._replace(is_staff=kind == "staff", is_edit=True)
    editor.screen.check_attempt(store, attempt)
    return attempt


def edit_comment(
    session: Session, editor: Editor, comment_id: str, data: CommentPatch, prepared: PreparedText | None
) -> str:
    """Change the caller's own comment and return its id.

    A changed text passes moderation again; one that waits, or that a moderator redacted, waits for a moderator.
    """
    row, is_own = _lock_and_check_author(session, editor, comment_id)
    values: dict[str, Any] = {}
    _require_own(session, editor.actor, row, is_own)
    if "text" in data.model_fields_set and data.text != row["source"]:
        _require_editable(session, editor, row)
        if prepared is None:  # it had this text a moment ago
            raise Unavailable("Send the change again.")
        body = prepared.body
        values = {"source": body.source, "html": body.html, "text": body.text, "fingerprint": body.fingerprint}
        values |= {"edited_at": now(), "approved_text": False}
    if "notify" in data.model_fields_set:
        values["notify"] = data.notify
    if not values:
        return comment_id
    if "text" in values:
        keep_revision(session, row, by="author")
    update_comment(session, row, values)
    if "text" in values and prepared is not None:
        _moderate_edit(session, editor, {**row, **values}, prepared)
    return comment_id


def _moderate_edit(session: Session, editor: Editor, row: Row, prepared: PreparedText) -> None:
    """Moderate a changed text as a new comment."""
    article, body = get_readable_article(session, row["article_id"]), prepared.body
    person = find_participant_by(session, "id", row["participant_id"])
    if person is None:
        raise NotFound
    submission = Submission(
        comment_id=row["id"],
        article_id=row["article_id"],
        section_id=article.section_id,
        moderation=article.rules.moderation,
        participant=person,
        kind=row["author_kind"],
        name=row["author_name"],
        email=row["email"],
        source=body.source,
        html=body.html,
        text=body.text,
        links=body.links,
        fingerprint=body.fingerprint,
        addresses=editor.addresses,
        is_edit=True,
        must_wait=row["state"] == "pending" or row["redacted_at"] is not None,
        at=row["edited_at"],
        under_id=row["parent_id"],
        was_public=row["state"] == "published",
    )
    verdict = editor.screen.evaluate(session, submission, prepared.opinion, prepared.reading)
    if verdict.state != row["state"]:
        set_state(session, lock_comment(session, row["id"]), verdict.state, by="system")
    if verdict.state != "published":
        editor.screen.log_verdict(session, submission, verdict)


def remove_comment(session: Session, editor: Editor, comment_id: str) -> None:
    """Take a comment back. Its author's leaves nothing but its place; a moderator's can be restored."""
    row, is_own = _lock_and_check_author(session, editor, comment_id)
    if not is_own:
        editor.moderation.remove(session, editor.actor, comment_id)
        return
    set_state(session, row, "removed", by="author")  # also of one that a moderator removed: nobody restores it now
    clear_comment(session, row)
    editor.moderation.settle_withdrawn(session, [comment_id])
