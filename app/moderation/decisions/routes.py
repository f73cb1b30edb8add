"""Decisions over HTTP."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.comments.actions import ParentNotPublished
from app.identity.routes import requires, write
from app.identity.schemas import Actor
from app.kit.ids import IdPath
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.moderation.decisions import actions
from app.moderation.decisions.schemas import Action, DecisionBulkIn, DecisionBulkOut, FeaturedIn
from app.moderation.queries import judged
from app.moderation.queue.actions import Leased
from app.moderation.schemas import JudgedCommentOut, ReasonIn

router = APIRouter(prefix="/v1", tags=["moderation"])
Moderator = Annotated[Actor, requires("comments:moderate")]
Force = Annotated[bool, Query(description="Decide also about what another moderator is working on.")]
Why = ReasonIn | None
_REFUSED = (Unauthorized, Forbidden, NotFound, Invalid, actions.WrongCommentState)
DECIDES = documented(*_REFUSED, Leased, ParentNotPublished)


async def _decide(
    request: Request, actor: Actor, comment: str, action: Action, body: ReasonIn | None, force: bool
) -> Response:
    args = (comment, action, body.reason if body else None, force)
    return await write(request, actor, actions.decide, *args, show=judged, model=JudgedCommentOut)


@router.post(
    "/comments/{comment}/approve",
    operation_id="approveComment",
    summary="Approve a comment",
    response_model=JudgedCommentOut,
    responses=DECIDES,
)
async def approve(
    request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False
) -> Response:
    """Publish a comment. Open reports are dismissed, and no report hides this very text again."""
    return await _decide(request, actor, comment, "approve", body, force)


@router.post(
    "/comments/{comment}/reject",
    operation_id="rejectComment",
    summary="Reject a comment",
    response_model=JudgedCommentOut,
    responses=DECIDES,
)
async def reject(
    request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False
) -> Response:
    """Refuse a comment; its author may read the reason and appeal."""
    return await _decide(request, actor, comment, "reject", body, force)


@router.post(
    "/comments/{comment}/spam",
    operation_id="markCommentAsSpam",
    summary="Mark a comment as spam",
    response_model=JudgedCommentOut,
    responses=DECIDES,
)
async def spam(request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False) -> Response:
    """Refuse a comment as spam; later ones are measured by it."""
    return await _decide(request, actor, comment, "spam", body, force)


@router.post(
    "/comments/{comment}/remove",
    operation_id="removeComment",
    summary="Remove a comment as a moderator",
    response_model=JudgedCommentOut,
    responses=DECIDES,
)
async def remove(
    request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False
) -> Response:
    """Take a comment away; where it has replies, they stay under a tombstone."""
    return await _decide(request, actor, comment, "remove", body, force)


@router.post(
    "/comments/{comment}/restore",
    operation_id="restoreComment",
    summary="Restore a comment",
    response_model=JudgedCommentOut,
    responses=DECIDES,
)
async def restore(
    request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False
) -> Response:
    """Publish a comment again that moderators removed or refused."""
    return await _decide(request, actor, comment, "restore", body, force)


def _results(_connection: sa.Connection, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data": results}


@router.post(
    "/moderation/decisions",
    operation_id="decideComments",
    summary="Decide many comments",
    response_model=DecisionBulkOut,
    responses=documented(Unauthorized, Forbidden, NotFound, Invalid),
)
async def decide_all(request: Request, body: DecisionBulkIn, actor: Moderator) -> Response:
    """One decision about up to 100 comments; each has a result of its own."""
    return await write(request, actor, actions.decide_all, body, show=_results, model=DecisionBulkOut)


@router.put(
    "/comments/{comment}/featured",
    operation_id="featureComment",
    summary="Feature a comment",
    response_model=JudgedCommentOut,
    responses=documented(*_REFUSED),
)
async def feature(request: Request, comment: IdPath, body: FeaturedIn, actor: Moderator) -> Response:
    """Let a published comment stand out, or no longer."""
    return await write(request, actor, actions.feature, comment, body.value, show=judged, model=JudgedCommentOut)
