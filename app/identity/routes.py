"""The audit log over HTTP."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.core.problems import Forbidden, Unauthorized, documented
from app.db.columns import Row
from app.identity import audit, participants
from app.identity.access import Public, limit, requires
from app.identity.schemas import Actor, AuditOut, AuditQuery, GuestOut
from app.identity.services import IdentityServices
from app.identity.writes import write
from app.web.fields import chosen
from app.web.paging import ListOut
from app.web.responses import database, reply_list, settings

audit_router = APIRouter(prefix="/v1/audit", tags=["audit"])


@audit_router.get(
    "",
    operation_id="listAuditEntries",
    summary="List the audit log",
    response_model=ListOut[AuditOut],
    responses=documented(Unauthorized, Forbidden),
)
async def list_audit_entries(
    request: Request, query: Annotated[AuditQuery, Query()], actor: Annotated[Actor, requires("admin")]
) -> Response:
    """Who did what and when, newest first."""
    page = await database(request).scan(audit.page, query, settings(request).time_zone)
    fields = chosen(AuditOut, query.fields)
    return reply_list(request, ListOut[AuditOut], page, fields, groups=(), private=True)


participants_router = APIRouter(prefix="/v1/guests", tags=["identity"])


def _shown(_connection: sa.Connection, made: tuple[str, Row]) -> dict[str, Any]:
    return {"guest_token": made[0], "id": made[1]["public_id"]}


@participants_router.post(
    "",
    operation_id="createGuest",
    summary="Create a guest token",
    status_code=201,
    response_model=GuestOut,
    responses=documented(),
)
async def create_guest(request: Request, actor: Public) -> Response:
    """Become a guest: a token to vote, react and comment with. The answer holds it, and no later answer does."""
    await limit(request, "guest")
    vault = IdentityServices.of(request).vault
    return await write(
        request, actor, participants.welcome, vault, show=_shown, model=GuestOut, status=201, secret=True
    )
