"""Changing and taking back a comment over HTTP."""

from datetime import timedelta

import sqlalchemy as sa
from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.comments.actions import ParentNotPublished
from app.comments.editing import actions
from app.comments.editing.actions import Editor, EditWindowClosed
from app.comments.editing.schemas import CommentPatch
from app.comments.posting.actions import read
from app.comments.posting.routes import draft_of
from app.comments.posting.schemas import Banned, DuplicateComment
from app.comments.queries import by_id, present_to_author
from app.comments.schemas import CommentOut
from app.identity.routes import Done, Public, write, write_private
from app.identity.schemas import ANONYMOUS, Actor
from app.kit.http import settings
from app.kit.ids import IdPath
from app.kit.problems import Conflict, Forbidden, Invalid, NotFound, Unauthorized, documented
from app.kit.schema import Row

router = APIRouter(prefix="/v1/comments", tags=["comments"])
PROBLEMS = (Unauthorized, Forbidden, NotFound, Invalid)
EDITS = documented(*PROBLEMS, Banned, EditWindowClosed, ParentNotPublished, DuplicateComment)


def editor_of(request: Request, actor: Actor) -> Editor:
    """Who changes a comment."""
    state, minutes = request.app.state, settings(request).edit_window
    address = request.client.host if request.client else ""
    return Editor(actor, state.vault, state.screen, timedelta(minutes=minutes), address)


def _known(actor: Actor) -> Actor:
    if actor is ANONYMOUS:
        raise Unauthorized("Send the token that the comment was written with, or the one to edit it.")
    return actor


@router.patch("/{comment}", response_model=CommentOut, responses=EDITS)
async def edit(request: Request, comment: IdPath, body: CommentPatch, actor: Public) -> Response:
    """Change a comment: its author within the edit window (`EDIT_WINDOW` minutes), or a moderator.

    An author's new text is judged as a new comment is, and may wait again. Moderators change the text and nothing else.
    """
    editor = editor_of(request, _known(actor))
    opinion = None
    if "text" in body.model_fields_set and actor.kind != "key":
        opinion = await editor.screen.consult(draft_of(comment, None, read(body.text), actor))

    def change(session: Session, _actor: Actor) -> Done:
        return Done(actions.edit(session, editor, comment, body, opinion))

    def render(connection: sa.Connection, comment_id: str, _first: bool) -> Row:
        row = by_id(connection, comment_id)
        if row is None:
            raise NotFound
        return present_to_author(row)

    return await write_private(request, actor, change, render=render, model=CommentOut)


@router.delete("/{comment}", status_code=204, responses=documented(*PROBLEMS, Conflict))
async def remove(request: Request, comment: IdPath, actor: Public) -> Response:
    """Take a comment back: its author at any time, and for good; or a moderator, who can restore it.

    With replies under it a tombstone keeps its place, without text, name or address. A moderator is refused as in
    `POST /v1/comments/{comment}/remove`.
    """
    editor = editor_of(request, _known(actor))

    def take(session: Session, _actor: Actor) -> None:
        actions.remove(session, editor, comment)

    return await write(request, actor, take, status=204)
