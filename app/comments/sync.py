"""Offline sync: a list of operations carried out in order in one transaction, each in a savepoint of its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

from sqlmodel import Session

from app.comments.editing import Editor, edit_comment, remove_comment
from app.comments.moderation import PreparedText
from app.comments.posting import Poster, post_comment
from app.comments.reading import lock_comment, state_for_author
from app.comments.schemas import DeleteOp, EditOp, Op, PostOp, State
from app.core.problems import Forbidden, Problem, Unauthorized, Unavailable
from app.identity.participants import find_participant_by
from app.identity.schemas import ANONYMOUS, Actor
from app.identity.tokens import hash_token

Step = PreparedText | Problem | None
"""A prepared operation: its text, the problem it is refused with, or None if it needs no text."""


class OperationResult(TypedDict):
    """The result of an operation, as it is stored for retries."""

    op: str
    id: str
    status: int
    state: State | None
    code: str | None
    detail: str | None
    retry_after: int | None
    mine: bool  # the caller has shown that they are the author of a comment that was posted


def apply_operations(
    session: Session, poster: Poster, editor: Editor, ops: Sequence[Op], steps: Sequence[Step]
) -> list[OperationResult]:
    """Carry out operations and return one result for each. One that fails changes nothing and does not stop others."""
    if len(steps) != len(ops):  # it was a retry when the request was checked, and the stored answer expired since
        raise Unavailable("Send the list again.")
    results: list[OperationResult] = []
    for op, step in zip(ops, steps, strict=True):
        try:
            if isinstance(step, Problem):
                raise step
            with session.begin_nested():
                results.append(_apply_operation(session, poster, editor, op, step))
        except Problem as problem:
            results.append(_make_result(op, problem.status, problem=problem))
    return results


def _make_result(
    op: Op, status: int, state: State | None = None, *, problem: Problem | None = None, mine: bool = False
) -> OperationResult:
    wait = (problem.headers or {}).get("Retry-After") if problem else None
    return {
        "op": op.op,
        "id": op.id,
        "status": status,
        "state": state,
        "code": problem.code if problem else None,
        "detail": problem.detail if problem else None,
        "retry_after": int(wait) if wait else None,
        "mine": mine,
    }


def _apply_operation(
    session: Session, poster: Poster, editor: Editor, op: Op, prepared: PreparedText | None
) -> OperationResult:
    if isinstance(op, PostOp):
        current = _with_guest(session, poster)
        data = op.comment.model_copy(update={"id": op.id})
        posted = post_comment(session, current, op.article, data, prepared)
        return _make_result(op, 201 if posted.is_new else 200, posted.state, mine=posted.is_mine)
    own_editor = editor._replace(actor=_identify_author(session, poster, op))
    if isinstance(op, DeleteOp):
        remove_comment(session, own_editor, op.id)
        return _make_result(op, 204, "removed")
    edit_comment(session, own_editor, op.id, op.changes, prepared)
    return _make_result(op, 200, state_for_author(lock_comment(session, op.id)))


def _with_guest(session: Session, poster: Poster) -> Poster:
    """Return the poster as the guest that a stranger became with the first comment of the list."""
    if not poster.actor.is_anonymous or poster.token is None:
        return poster
    guest = find_participant_by(session, "token_hash", hash_token(poster.token))
    return poster if guest is None else poster._replace(actor=Actor("guest", guest["id"], guest["name"] or ""))


def _identify_author(session: Session, poster: Poster, op: EditOp | DeleteOp) -> Actor:
    """Return who changes a comment, by its edit token or as the caller; 401 for strangers."""
    if op.edit_token is None:
        poster = _with_guest(session, poster)
    actor = author_by_token(poster, op)
    if actor.is_anonymous:
        raise Unauthorized("Send the token that the comment was written with, or the one to edit it.")
    return actor


def author_by_token(poster: Poster, op: EditOp | DeleteOp) -> Actor:
    """Return who changes a comment, by its edit token or as the caller; 403 for the token of another comment.

    A stranger stays anonymous: only carrying out the list tells whether it makes them the guest who wrote the comment.
    """
    if op.edit_token is None:
        return poster.actor
    if poster.vault.read_edit_token(op.edit_token) != op.id:
        raise Forbidden("This edit token belongs to another comment.")
    return replace(ANONYMOUS, kind="edit", comment=op.id)
