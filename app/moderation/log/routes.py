"""The moderation log over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import requires
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import database, reply_list
from app.kit.paging import ListOut
from app.kit.problems import Forbidden, Unauthorized, documented
from app.moderation.log import queries
from app.moderation.log.schemas import LogOut, LogQuery

router = APIRouter(prefix="/v1/moderation/log", tags=["moderation"])


@router.get(
    "",
    operation_id="listModerationLog",
    summary="List the moderation log",
    response_model=ListOut[LogOut],
    responses=documented(Unauthorized, Forbidden),
)
async def index(
    request: Request, query: Annotated[LogQuery, Query()], actor: Annotated[Actor, requires("comments:moderate")]
) -> Response:
    """What was decided about comments, by whom and why, newest first."""
    fields = chosen(LogOut, query.fields)
    page = await database(request).scan(queries.page, actor, query)
    return reply_list(request, ListOut[LogOut], page, fields, groups=(), private=True)
