"""Changing and taking back a comment over HTTP."""

from datetime import timedelta
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.comments.actions import ParentNotPublished
from app.comments.body import is_quick
from app.comments.editing import actions
from app.comments.editing.actions import Editor, EditWindowClosed
from app.comments.editing.schemas import CommentPatch
from app.comments.posting.actions import read
from app.comments.posting.routes import addresses_of, count_attempt, draft_of, examine, read_text
from app.comments.posting.schemas import Attempt, Banned, DuplicateComment, PreparedText
from app.comments.queries import by_id, present_to_author
from app.comments.schemas import CommentOut
from app.identity.routes import Done, Public, admits, write, write_private
from app.identity.schemas import ANONYMOUS, Actor
from app.kit.http import database, settings
from app.kit.ids import IdPath
from app.kit.problems import Conflict, Forbidden, Invalid, NotFound, Unauthorized, documented
from app.kit.schema import Row

router = APIRouter(prefix="/v1/comments", tags=["comments"])
PROBLEMS = (Unauthorized, Forbidden, NotFound, Invalid)
EDITS = documented(*PROBLEMS, Banned, EditWindowClosed, ParentNotPublished, DuplicateComment)


def editor_of(request: Request, actor: Actor) -> Editor:
    """Who changes a comment."""
    state, minutes = request.app.state, settings(request).edit_window
    return Editor(actor, state.vault, state.screen, timedelta(minutes=minutes), addresses_of(request))


async def prepare_edit(
    request: Request, editor: Editor, comment: str, data: CommentPatch, *, is_ahead: bool = False
) -> PreparedText | None:
    """Read a new text for `edit` and have it judged from outside; None where it has none.

    A moderator's text is read and not judged. `is_ahead`: the comment is one that the same batch is going to post.
    """
    if "text" not in data.model_fields_set:
        return None
    if is_quick(data.text) and not editor.screen.asks_outside:
        body = read(data.text)
        return PreparedText(body, None, editor.screen.read(body.text, body.links))

    def checked(connection: sa.Connection) -> Attempt | None:
        return actions.check(connection, editor, comment, data.text)

    attempt = None if is_ahead else await database(request).fresh(checked)
    body = await read_text(request, data.text)
    if not is_ahead and (attempt is None or editor.actor.kind == "key"):
        return PreparedText(body)
    return await examine(request, editor.screen, draft_of(comment, None, body, editor.actor), body, attempt)


def _known(actor: Actor) -> Actor:
    if actor is ANONYMOUS:
        raise Unauthorized("Send the token that the comment was written with, or the one to edit it.")
    return actor


async def _admit_editor(request: Request, actor: Actor) -> None:
    await count_attempt(request, _known(actor))


@router.patch(
    "/{comment}", operation_id="updateComment", summary="Edit a comment", response_model=CommentOut, responses=EDITS
)
async def edit(
    request: Request, comment: IdPath, body: CommentPatch, actor: Annotated[Actor, admits(_admit_editor)]
) -> Response:
    """Change one's own comment within the edit window (`EDIT_WINDOW` minutes).

    The new text passes moderation as a new comment does, and may have to wait again; the former one is kept for
    moderators. Nobody rewrites the comments of others: moderators redact them, or remove them.
    """
    editor = editor_of(request, actor)
    prepared = await prepare_edit(request, editor, comment, body)

    def change(session: Session, _actor: Actor) -> Done:
        return Done(actions.edit(session, editor, comment, body, prepared))

    def render(connection: sa.Connection, comment_id: str, _first: bool) -> Row:
        row = by_id(connection, comment_id)
        if row is None:
            raise NotFound
        return present_to_author(row)

    return await write_private(request, actor, change, render=render, model=CommentOut)


@router.delete(
    "/{comment}",
    operation_id="deleteComment",
    summary="Delete a comment",
    status_code=204,
    responses=documented(*PROBLEMS, Conflict),
)
async def remove(request: Request, comment: IdPath, actor: Public) -> Response:
    """Take a comment back: its author at any time, and for good; or a moderator, who can restore it.

    With replies under it a tombstone keeps its place, without text, name or address. A moderator is refused as in
    `POST /v1/comments/{comment}/remove`.
    """
    editor = editor_of(request, _known(actor))

    def take(session: Session, _actor: Actor) -> None:
        actions.remove(session, editor, comment)

    return await write(request, actor, take, status=204)
