"""Editing a comment, by its author within the edit window, and removing it, by its author or a moderator."""

from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.lifecycle import (
    clear_comment,
    is_shadow,
    keep_revision,
    set_risk,
    set_shadow,
    set_state,
    update_comment,
)
from app.comments.moderation import Attempt, CommentModeration, ModerationPipeline, PreparedText, Submission
from app.comments.reading import (
    StoredComment,
    find_full_comment,
    get_readable_article,
    is_author,
    lock_comment,
    state_for_author,
)
from app.comments.schemas import CommentPatch
from app.core.clock import now
from app.core.problems import Conflict, Forbidden, NotFound, Unavailable
from app.db.rows import JsonObject, Store
from app.identity.participants import find_participant_by
from app.identity.schemas import Actor
from app.identity.secrets import Vault

_EDITABLE_STATES = {"published", "pending"}


class EditWindowClosed(Conflict, code="edit_window_closed", title="This comment can no longer be changed"):
    """The edit window has passed, or the comment's state does not allow edits."""


class Editor(NamedTuple):
    """The caller who edits or removes a comment, with what the change needs besides its content."""

    actor: Actor
    vault: Vault
    pipeline: ModerationPipeline
    moderation: CommentModeration
    window: timedelta
    addresses: tuple[str, ...]  # hashes of the network address


def _is_own(store: Store, editor: Editor, row: StoredComment) -> bool:
    """Return whether the caller is the comment's author rather than a moderator; 403 or 404 for all others."""
    actor = editor.actor
    has_author = row["participant_id"] is not None and row["removed_by"] != "author"
    if has_author and is_author(store, actor, row["id"], row["participant_id"]):
        return True
    if not actor.may("comments:moderate"):
        if row["state"] != "published":
            raise NotFound  # a 403 would reveal that it exists
        get_readable_article(store, row["article_id"])
        raise Forbidden("Only its author or a moderator may change a comment.")
    editor.moderation.check_reach(_connection(store), actor, row["article_id"])
    return False


def _connection(store: Store) -> sa.Connection:
    return store if isinstance(store, sa.Connection) else store.connection()


def _is_moderator(store: Store, editor: Editor, row: StoredComment) -> bool:
    """Return whether the caller moderates the article: moderators may edit their own comments at any time."""
    if row["removed_by"] == "author":
        return False
    return editor.moderation.may_moderate(_connection(store), editor.actor, row["article_id"])


def _require_own(store: Store, actor: Actor, row: StoredComment, is_own: bool) -> None:
    """Raise 403 for the comment of somebody else, and 409 for one that its author has removed."""
    if is_own:
        return
    if is_author(store, actor, row["id"], row["participant_id"]):
        raise EditWindowClosed
    raise Forbidden("Moderators do not rewrite comments: redact, reject or remove them instead.")


def _require_editable(store: Store, editor: Editor, row: StoredComment) -> None:
    """Raise 409 if the comment's state or age does not allow a new text."""
    is_late = state_for_author(row) not in _EDITABLE_STATES or now() - row["created_at"] > editor.window
    if is_late and not _is_moderator(store, editor, row):
        raise EditWindowClosed


def check_edit(store: Store, editor: Editor, comment_id: str, text: str) -> Attempt | None:
    """Refuse an edit that is not allowed, by cheap reads alone. Return None if the text does not change."""
    row = find_full_comment(store, comment_id)
    if row is None:
        raise NotFound
    _require_own(store, editor.actor, row, _is_own(store, editor, row))
    if text == row["source"]:
        return None
    _require_editable(store, editor, row)
    get_readable_article(store, row["article_id"])
    attempt = Attempt(
        find_participant_by(store, "id", row["participant_id"]),
        editor.addresses,
        row["email"],
        comment_id,
        row["article_id"],
        row["under_id"],
        now(),
        is_staff=row["author_kind"] == "staff",
        is_edit=True,
    )
    editor.pipeline.check_attempt(store, attempt)
    return attempt


def edit_comment(
    session: Session, editor: Editor, comment_id: str, data: CommentPatch, prepared: PreparedText | None
) -> str:
    """Edit the caller's own comment and return its id.

    A changed text is moderated again. If the comment was pending or redacted, it has to wait for a moderator.
    """
    row = lock_comment(session, comment_id)
    _require_own(session, editor.actor, row, _is_own(session, editor, row))
    values: JsonObject = {}
    edited_at = now()
    if "text" in data.model_fields_set and data.text != row["source"]:
        _require_editable(session, editor, row)
        if prepared is None:  # it had this text when the request was checked
            raise Unavailable("Send the change again.")
        values = {**prepared.body.columns(), "edited_at": edited_at, "approved_text": False}
    if "notify" in data.model_fields_set:
        values["notify"] = data.notify
    if not values:
        return comment_id
    if "text" in values:
        keep_revision(session, row, by="author")
    update_comment(session, row, values)
    if "text" in values and prepared is not None:
        _moderate_edit(session, editor, row, prepared, edited_at)
    return comment_id


def _moderate_edit(
    session: Session, editor: Editor, row: StoredComment, prepared: PreparedText, edited_at: datetime
) -> None:
    """Moderate the new text of a comment, given as it was before, as a new comment."""
    article = get_readable_article(session, row["article_id"])
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
        body=prepared.body,
        addresses=editor.addresses,
        is_edit=True,
        must_wait=row["state"] == "pending" or row["redacted_at"] is not None,
        at=edited_at,
        under_id=row["parent_id"],
        was_public=row["state"] == "published",
    )
    verdict = editor.pipeline.evaluate(session, submission, prepared.checker_verdict, prepared.analysis)
    set_risk(session, row, editor.pipeline.assess_risk(verdict))
    if (shadow := is_shadow(verdict)) != row["shadow"]:
        set_shadow(session, row, shadow)
    if verdict.state != row["state"]:
        set_state(session, lock_comment(session, row["id"]), verdict.state, by="system")
    if verdict.state != "published":
        editor.pipeline.log_verdict(session, submission, verdict)


def remove_comment(session: Session, editor: Editor, comment_id: str) -> None:
    """Remove a comment. Removal by its author erases the content; moderators can restore what they removed."""
    row = lock_comment(session, comment_id)
    if not _is_own(session, editor, row):
        editor.moderation.remove(session, editor.actor, comment_id)
        return
    set_state(session, row, "removed", by="author")  # even if a moderator removed it: it cannot be restored any more
    clear_comment(session, row)
    editor.moderation.settle_withdrawn(session, [comment_id])
