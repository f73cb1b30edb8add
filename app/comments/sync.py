"""Carrying out what was done offline: each operation for itself, in order, all in one transaction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlmodel import Session

from app.comments.editing import Editor, edit_comment, remove_comment
from app.comments.posting import Poster, post_comment
from app.comments.reading import lock_comment
from app.comments.schemas import DeleteOp, EditOp, PostOp, PreparedText
from app.core.problems import Forbidden, Problem, Unauthorized, Unavailable
from app.identity.participants import find_participant_by, hash_token
from app.identity.schemas import ANONYMOUS, Actor

Result = dict[str, Any]
Step = PreparedText | Problem | None
"""What preparing an operation gave: its text, what it is refused for, or nothing where it needs none."""


def apply_operations(
    session: Session, poster: Poster, editor: Editor, ops: Sequence[Any], steps: Sequence[Step]
) -> list[Result]:
    """One result for each operation: what fails changes nothing and stops none of the others."""
    if len(steps) != len(ops):  # it was answered before a moment ago, and that answer is not kept any more
        raise Unavailable("Send the list again.")
    results: list[Result] = []
    for op, step in zip(ops, steps, strict=True):
        result: Result = {"op": op.op, "id": op.id, "status": 200}
        result |= dict.fromkeys(("state", "code", "detail", "retry_after"))
        try:
            if isinstance(step, Problem):
                raise step
            with session.begin_nested():
                result |= _apply_operation(session, poster, editor, op, step)
        except Problem as problem:
            wait = (problem.headers or {}).get("Retry-After")
            result |= {"status": problem.status, "code": problem.code, "detail": problem.detail}
            result |= {"retry_after": int(wait) if wait else None}
        results.append(result)
    return results


def _apply_operation(
    session: Session, poster: Poster, editor: Editor, op: Any, prepared: PreparedText | None
) -> Result:
    if isinstance(op, PostOp):
        current = _with_guest(session, poster)
        data = op.comment.model_copy(update={"id": op.id})
        posted = post_comment(session, current, op.article, data, prepared)
        return {"status": 201 if posted.is_new else 200, "state": posted.state, "mine": posted.is_mine}
    own_editor = editor._replace(actor=_identify_author(session, poster, op))
    if isinstance(op, EditOp):
        edit_comment(session, own_editor, op.id, op.changes, prepared)
    elif isinstance(op, DeleteOp):
        remove_comment(session, own_editor, op.id)
        return {"status": 204, "state": "removed"}
    return {"state": lock_comment(session, op.id)["state"]}


def _with_guest(session: Session, poster: Poster) -> Poster:
    """A stranger is the guest of the token after the first comment."""
    if poster.actor is not ANONYMOUS or poster.token is None:
        return poster
    guest = find_participant_by(session, "token_hash", hash_token(poster.token))
    return poster if guest is None else poster._replace(actor=Actor("guest", guest["id"], guest["name"] or ""))


def _identify_author(session: Session, poster: Poster, op: Any) -> Actor:
    """Who changes a comment: by the token for it, or as the caller."""
    if op.edit_token is None:
        poster = _with_guest(session, poster)
    actor = author_by_token(poster, op)
    if actor is ANONYMOUS:
        raise Unauthorized("Send the token that the comment was written with, or the one to edit it.")
    return actor


def author_by_token(poster: Poster, op: Any) -> Actor:
    """Who changes a comment, as far as tokens tell: a stranger may be the guest that the same list makes of them."""
    if op.edit_token is None:
        return poster.actor
    if poster.vault.read_edit_token(op.edit_token) != op.id:
        raise Forbidden("This is not the token for this comment.")
    return replace(ANONYMOUS, kind="edit", comment=op.id)
