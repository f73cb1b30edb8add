"""Routes of the audit log and of guests."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from app.db.rows import JsonObject
from app.identity import audit, participants
from app.identity.access import Admin, enforce_limit, require_admission
from app.identity.participants import ParticipantRow
from app.identity.schemas import Actor, AuditOut, AuditQuery, GuestOut
from app.identity.services import IdentityServices
from app.identity.writes import write
from app.web.paging import ListOut
from app.web.responses import database, reply_private_list, settings
from app.web.routing import Router

audit_router = Router(prefix="/v1/audit", tags=["audit"])


@audit_router.get("", summary="List the audit log", response_model=ListOut[AuditOut])
async def list_audit_entries(request: Request, query: Annotated[AuditQuery, Query()], actor: Admin) -> Response:
    """List who did what and when, newest first."""
    page = await database(request).scan(audit.list_audit_entries, query, settings(request).time_zone)
    return reply_private_list(request, ListOut[AuditOut], page, query)


participants_router = Router(prefix="/v1/guests", tags=["identity"])


def _present_guest(_connection: sa.Connection, guest: tuple[str, ParticipantRow]) -> JsonObject:
    return {"guest_token": guest[0], "id": guest[1]["public_id"]}


async def _count_guest(request: Request, _actor: Actor) -> None:
    await enforce_limit(request, "guest")


@participants_router.post("", summary="Create a guest token", status_code=201, response_model=GuestOut)
async def create_guest(request: Request, actor: Annotated[Actor, require_admission(_count_guest)]) -> Response:
    """Create a guest token, with which to comment, vote and react. It is returned only in this response."""
    vault = IdentityServices.of(request).vault
    return await write(
        request, actor, participants.create_guest, vault, render=_present_guest, model=GuestOut, status=201, secret=True
    )
