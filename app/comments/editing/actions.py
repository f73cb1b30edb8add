"""Changing and taking back a comment: by its author while the window is open, or by a moderator."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from sqlmodel import Session

from app.comments.actions import clear, rewrite, set_state
from app.comments.body import Body
from app.comments.editing.schemas import CommentPatch
from app.comments.posting.actions import read
from app.comments.posting.schemas import Screen, Submission
from app.comments.queries import is_author, locked, readable
from app.identity.audit.actions import record as audit
from app.identity.participants.queries import by
from app.identity.schemas import Actor
from app.identity.secrets.actions import Vault
from app.kit.clock import now
from app.kit.problems import Conflict, Forbidden, NotFound
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
    address: str


def _mine(session: Session, actor: Actor, comment_id: str) -> tuple[Row, bool]:
    """The comment, and whether the caller is its author and not a moderator; 403 for anybody else."""
    row = locked(session, comment_id)
    is_here = row["participant_id"] is not None and row["removed_by"] != "author"
    if is_here and is_author(session, actor, row):
        return row, True
    if not actor.may("comments:moderate"):
        if row["state"] != "published":
            raise NotFound  # what is not public is not told of
        readable(session, row["article_id"])
        raise Forbidden("Only its author or a moderator may change a comment.")
    MODERATION["reach"](session.connection(), actor, row["article_id"])
    return row, False


def _check_moderates(session: Session, actor: Actor, row: Row) -> None:
    """What authors no longer may, they may who moderate there."""
    if not actor.may("comments:moderate"):
        raise EditWindowClosed
    MODERATION["reach"](session.connection(), actor, row["article_id"])


def edit(session: Session, editor: Editor, comment_id: str, data: CommentPatch, opinion: Any = None) -> str:
    """Change a comment; returns its id. A changed text is judged again, and what waits goes on waiting."""
    row, is_own = _mine(session, editor.actor, comment_id)
    values: dict[str, Any] = {}
    if "text" in data.model_fields_set and data.text != row["source"]:
        if is_own and (row["state"] not in _EDITABLE or now() - row["created_at"] > editor.window):
            _check_moderates(session, editor.actor, row)
            is_own = False
        if row["removed_by"] == "author":
            raise EditWindowClosed
        body = read(data.text)
        values = {"source": body.source, "html": body.html, "text": body.text, "fingerprint": body.fingerprint}
        values |= {"edited_at": now(), "approved_text": not is_own and row["approved_text"]}
    if "notify" in data.model_fields_set and is_own:
        values["notify"] = data.notify
    if not values:
        return comment_id
    rewrite(session, row, values)
    if "text" in values and is_own:
        _judge(session, editor, {**row, **values}, body, opinion)
    if not is_own:
        audit(session, editor.actor, "comment.edit", "comment", comment_id, {"fields": sorted(values)})
    return comment_id


def _judge(session: Session, editor: Editor, row: Row, body: Body, opinion: Any) -> None:
    """Let a new text pass the judges as a new comment would."""
    article = readable(session, row["article_id"])
    hashes = editor.vault.address_hashes(editor.address) if editor.address else ()
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
        addresses=tuple(found for found in hashes if found),
        is_edit=True,
        must_wait=row["state"] == "pending",
        at=row["edited_at"],
    )
    verdict = editor.screen.judge(session, submission, opinion)
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
