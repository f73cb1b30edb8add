"""Changing and taking back a comment: by its author while the window is open, or by a moderator."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.actions import clear, rewrite, set_state
from app.comments.editing.schemas import CommentPatch
from app.comments.posting.schemas import Attempt, PreparedText, Screen, Submission
from app.comments.queries import is_author, locked, readable, whole
from app.identity.audit.actions import record as audit
from app.identity.participants.queries import by
from app.identity.schemas import Actor
from app.identity.secrets.actions import Vault
from app.kit.clock import now
from app.kit.problems import Conflict, Forbidden, NotFound, Unavailable
from app.kit.schema import Row

_EDITABLE = {"published", "pending"}
MODERATION: dict[str, Callable[..., object]] = {}
"""What the room above does, which fills it: `reach` checks what a moderator's key reaches and `remove` decides for one,
with the caller and an id; `withdrawn` settles what waits about comments that their author took back, with their ids."""


class EditWindowClosed(Conflict):
    """The time for changes has passed, or the comment's state allows none."""

    code, title = "edit_window_closed", "This comment can no longer be changed"


class Editor(NamedTuple):
    """What a change needs besides itself."""

    actor: Actor
    vault: Vault
    screen: Screen
    window: timedelta
    addresses: tuple[str, ...]  # hashes of the network address


def _mine(session: Session, actor: Actor, comment_id: str) -> tuple[Row, bool]:
    """The comment, and whether the caller is its author and not a moderator; 403 for anybody else."""
    row = locked(session, comment_id)
    return row, _is_own(session, actor, row)


def _is_own(session: sa.Connection | Session, actor: Actor, row: Row) -> bool:
    is_here = row["participant_id"] is not None and row["removed_by"] != "author"
    if is_here and is_author(session, actor, row):
        return True
    if not actor.may("comments:moderate"):
        if row["state"] != "published":
            raise NotFound  # what is not public is not told of
        readable(session, row["article_id"])
        raise Forbidden("Only its author or a moderator may change a comment.")
    MODERATION["reach"](_connection(session), actor, row["article_id"])
    return False


def _connection(store: sa.Connection | Session) -> sa.Connection:
    return store if isinstance(store, sa.Connection) else store.connection()


def _check_moderates(session: sa.Connection | Session, actor: Actor, row: Row) -> None:
    """What authors no longer may, they may who moderate there."""
    if not actor.may("comments:moderate"):
        raise EditWindowClosed
    MODERATION["reach"](_connection(session), actor, row["article_id"])


def _judged_as_own(store: sa.Connection | Session, editor: Editor, row: Row, is_own: bool) -> bool:
    """Whether a new text is its author's, who may still change it; 409 where nobody may."""
    if is_own and (row["state"] not in _EDITABLE or now() - row["created_at"] > editor.window):
        _check_moderates(store, editor.actor, row)
        is_own = False
    if row["removed_by"] == "author":
        raise EditWindowClosed
    return is_own


def check(store: sa.Connection | Session, editor: Editor, comment_id: str, text: str) -> Attempt | None:
    """Refuse a new text that nobody may give this comment, by cheap reads alone; None: there is nothing to judge."""
    row = whole(store, comment_id)
    if row is None:
        raise NotFound
    is_own = _is_own(store, editor.actor, row)
    if text == row["source"] or not _judged_as_own(store, editor, row, is_own):
        return None
    readable(store, row["article_id"])
    person = by(store, "id", row["participant_id"])
    at, under, kind = now(), row["under_id"], row["author_kind"]
    attempt = Attempt(person, editor.addresses, row["email"], comment_id, row["article_id"], under, at)
    attempt = attempt._replace(is_staff=kind == "staff", is_edit=True)
    editor.screen.check_attempt(store, attempt)
    return attempt


def edit(session: Session, editor: Editor, comment_id: str, data: CommentPatch, prepared: PreparedText | None) -> str:
    """Change a comment; returns its id. A changed text is judged again, and what waits goes on waiting."""
    row, is_own = _mine(session, editor.actor, comment_id)
    values: dict[str, Any] = {}
    if "text" in data.model_fields_set and data.text != row["source"]:
        is_own = _judged_as_own(session, editor, row, is_own)
        if prepared is None:  # it had this text a moment ago
            raise Unavailable("Send the change again.")
        body = prepared.body
        values = {"source": body.source, "html": body.html, "text": body.text, "fingerprint": body.fingerprint}
        values |= {"edited_at": now(), "approved_text": not is_own and row["approved_text"]}
    if "notify" in data.model_fields_set and is_own:
        values["notify"] = data.notify
    if not values:
        return comment_id
    rewrite(session, row, values)
    if "text" in values and is_own and prepared is not None:
        _judge(session, editor, {**row, **values}, prepared)
    if not is_own:
        audit(session, editor.actor, "comment.edit", "comment", comment_id, {"fields": sorted(values)})
    return comment_id


def _judge(session: Session, editor: Editor, row: Row, prepared: PreparedText) -> None:
    """Let a new text pass the judges as a new comment would."""
    article, body = readable(session, row["article_id"]), prepared.body
    person = by(session, "id", row["participant_id"])
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
        must_wait=row["state"] == "pending",
        at=row["edited_at"],
        under_id=row["parent_id"],
    )
    verdict = editor.screen.judge(session, submission, prepared.opinion, prepared.reading)
    if verdict.state != row["state"]:
        set_state(session, locked(session, row["id"]), verdict.state, by="system")
    if verdict.state != "published":
        editor.screen.filed(session, submission, verdict)


def remove(session: Session, editor: Editor, comment_id: str) -> None:
    """Take a comment back. Its author's leaves nothing but its place; a moderator's can be restored."""
    row, is_own = _mine(session, editor.actor, comment_id)
    if not is_own:
        MODERATION["remove"](session, editor.actor, comment_id)
        return
    set_state(session, row, "removed", by="author")  # also of one that a moderator removed: nobody restores it now
    clear(session, row)
    MODERATION["withdrawn"](session, [comment_id])
