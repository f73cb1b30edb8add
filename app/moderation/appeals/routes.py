"""Appeals over HTTP, and what authors are told of decisions."""

from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import Own, Public, requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply
from app.kit.ids import IdPath
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.moderation.appeals import actions, queries
from app.moderation.appeals.schemas import AppealIn, DecisionOut
from app.moderation.schemas import ReasonIn

router = APIRouter(prefix="/v1/comments/{comment}", tags=["moderation"])
Moderator = Annotated[Actor, requires("comments:moderate")]


def _told(connection: sa.Connection, comment_id: str, *, actor: Actor) -> dict[str, Any]:
    return queries.told(connection, actor, comment_id)


@router.get(
    "/decision",
    operation_id="getDecision",
    summary="Get the decision on a comment",
    response_model=DecisionOut,
    responses=documented(NotFound),
)
async def decision(request: Request, comment: IdPath, query: Annotated[ReadQuery, Query()], actor: Own) -> Response:
    """What became of a comment and why, for its author: with its edit token, or the author's own."""
    fields = chosen(DecisionOut, query.fields)
    found = await database(request).read(queries.told, actor, comment)
    return reply(request, dump(DecisionOut, found, fields), groups=(), private=True)


@router.post(
    "/appeal",
    operation_id="appealDecision",
    summary="Appeal a moderation decision",
    status_code=201,
    response_model=DecisionOut,
    responses=documented(NotFound, Invalid, actions.NotAppealable, actions.AlreadyAppealed),
)
async def appeal(request: Request, comment: IdPath, body: AppealIn, actor: Public) -> Response:
    """Ask moderators to look at a decision again, once; with the comment's edit token, or the author's own."""
    show = partial(_told, actor=actor)
    return await write(request, actor, actions.appeal, comment, body, show=show, model=DecisionOut, status=201)


@router.post(
    "/appeal/decline",
    operation_id="declineAppeal",
    summary="Decline an appeal",
    response_model=DecisionOut,
    responses=documented(Unauthorized, Forbidden, NotFound, Invalid, actions.NoAppeal),
)
async def decline(request: Request, comment: IdPath, actor: Moderator, body: ReasonIn | None = None) -> Response:
    """Leave the decision as it is; the author reads the reason. Approving or restoring grants an appeal."""
    return await write(
        request,
        actor,
        actions.decline,
        comment,
        body.reason if body else None,
        show=partial(_told, actor=actor),
        model=DecisionOut,
    )
