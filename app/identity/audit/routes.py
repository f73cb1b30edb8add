"""The audit log over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.audit import queries
from app.identity.audit.schemas import AuditOut, AuditQuery
from app.identity.routes import requires
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import database, reply_list, settings
from app.kit.paging import ListOut
from app.kit.problems import Forbidden, Unauthorized, documented

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get(
    "",
    operation_id="listAuditEntries",
    summary="List the audit log",
    response_model=ListOut[AuditOut],
    responses=documented(Unauthorized, Forbidden),
)
async def index(
    request: Request, query: Annotated[AuditQuery, Query()], actor: Annotated[Actor, requires("admin")]
) -> Response:
    """Who did what and when, newest first."""
    page = await database(request).scan(queries.page, query, settings(request).time_zone)
    fields = chosen(AuditOut, query.fields)
    return reply_list(request, ListOut[AuditOut], page, fields, groups=(), private=True)
