"""Purging an article over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.articles.actions import WrongState
from app.identity.routes import VERSIONED, Versions, requires, write
from app.identity.schemas import Actor
from app.kit.ids import RefPath
from app.kit.problems import Invalid, documented
from app.operation.purging import actions
from app.operation.purging.schemas import PurgeIn

router = APIRouter(prefix="/v1/articles/{article}", tags=["publishing"])


@router.post(
    "/purge",
    operation_id="purgeArticle",
    summary="Erase an article for good",
    status_code=204,
    responses=documented(*VERSIONED, WrongState, Invalid),
)
async def purge(
    request: Request,
    article: RefPath,
    body: PurgeIn,
    versions: Versions,
    actor: Annotated[Actor, requires("admin")],
) -> Response:
    """Erase an article for good, with its revisions, comments, passages, reports, subscriptions and former addresses.

    Unpublish or retract it first: 409 while readers see it. From then on its addresses answer 404, and followers of
    `/v1/changes` get `delete` with its id. The audit log keeps who did it, when and why. Pictures are deleted by
    `DELETE /v1/media/{medium}`; backups and copies that others took are not reached.
    """
    return await write(request, actor, actions.purge_article, article, body, versions, status=204)
