"""The queue over HTTP."""

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
from app.moderation.queue import actions, queries
from app.moderation.queue.schemas import ClaimedOut, ClaimIn, QueueItemOut, QueueQuery

router = APIRouter(prefix="/v1/moderation/queue", tags=["moderation"])
Moderator = Annotated[Actor, requires("comments:moderate")]


@router.get(
    "",
    operation_id="listModerationQueue",
    summary="List the moderation queue",
    response_model=ListOut[QueueItemOut],
    responses=documented(Unauthorized, Forbidden),
)
async def index(request: Request, query: Annotated[QueueQuery, Query()], actor: Moderator) -> Response:
    """Comments that wait for a moderator: held back, reported or appealed, with what is needed to decide.

    Private e-mail addresses are in it: it is for moderators' eyes.
    """
    fields = chosen(QueueItemOut, query.fields)
    page = await database(request).scan(queries.page, actor, query)
    return reply_list(request, ListOut[QueueItemOut], page, fields, groups=(), private=True)


@router.post(
    "/claim",
    operation_id="claimComments",
    summary="Claim comments to moderate",
    response_model=ClaimedOut,
    responses=documented(Unauthorized, Forbidden, Invalid),
)
async def claim(request: Request, body: ClaimIn, actor: Moderator) -> Response:
    """Take comments that nobody else works on; for some minutes no other moderator is given them."""
    return await write(request, actor, actions.claim, body, show=actions.claimed, model=ClaimedOut)


@router.delete(
    "/{comment}/lease",
    operation_id="releaseComment",
    summary="Release a claimed comment",
    status_code=204,
    responses=documented(Unauthorized, Forbidden, NotFound, actions.Leased),
)
async def release(request: Request, comment: IdPath, actor: Moderator) -> Response:
    """Give a comment back that was taken."""
    return await write(request, actor, actions.release, comment, status=204)
