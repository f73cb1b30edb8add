"""Redaction over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import database, reply_list
from app.kit.ids import IdPath
from app.kit.paging import ListOut
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.moderation.decisions.actions import WrongCommentState
from app.moderation.queries import judged
from app.moderation.redaction import actions, queries
from app.moderation.redaction.schemas import CommentRevisionOut, CommentRevisionQuery, RedactIn
from app.moderation.schemas import JudgedCommentOut

router = APIRouter(prefix="/v1/comments/{comment}", tags=["moderation"])
Moderator = Annotated[Actor, requires("comments:moderate")]
CHANGES = documented(Unauthorized, Forbidden, NotFound, Invalid, WrongCommentState)


@router.post(
    "/redact",
    operation_id="redactComment",
    summary="Redact passages of a comment",
    response_model=JudgedCommentOut,
    responses=CHANGES,
)
async def redact_comment(request: Request, comment: IdPath, body: RedactIn, actor: Moderator) -> Response:
    """Take passages out of a comment: readers see `[…]` in their place, and `redacted_at`.

    The former text stays on record for moderators. The author reads what was done, and the reason, in
    `GET /v1/comments/{comment}/decision`; what they write instead waits for a moderator.
    """
    return await write(request, actor, actions.redact_comment, comment, body, show=judged, model=JudgedCommentOut)


@router.delete(
    "/redaction",
    operation_id="undoRedaction",
    summary="Undo the redaction of a comment",
    response_model=JudgedCommentOut,
    responses=CHANGES,
)
async def undo_redaction(request: Request, comment: IdPath, actor: Moderator) -> Response:
    """Put the author's own words back."""
    return await write(request, actor, actions.undo_redaction, comment, show=judged, model=JudgedCommentOut)


@router.get(
    "/revisions",
    operation_id="listCommentRevisions",
    summary="List former texts of a comment",
    response_model=ListOut[CommentRevisionOut],
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def list_revisions(
    request: Request, comment: IdPath, query: Annotated[CommentRevisionQuery, Query()], actor: Moderator
) -> Response:
    """The texts that a comment had before each change, newest first. They are erased with the comment's author."""
    page = await database(request).read(queries.list_revisions, actor, comment, query)
    return reply_list(
        request, ListOut[CommentRevisionOut], page, chosen(CommentRevisionOut, query.fields), groups=(), private=True
    )
