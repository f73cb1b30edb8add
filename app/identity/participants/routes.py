"""Guests over HTTP: who only votes needs a token as well."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.responses import Response

from app.identity.participants import actions
from app.identity.participants.schemas import GuestOut
from app.identity.routes import Public, limit, write
from app.kit.problems import documented
from app.kit.schema import Row

router = APIRouter(prefix="/v1/guests", tags=["identity"])


def _shown(_connection: sa.Connection, made: tuple[str, Row]) -> dict[str, Any]:
    return {"guest_token": made[0], "id": made[1]["public_id"]}


@router.post(
    "",
    operation_id="createGuest",
    summary="Create a guest token",
    status_code=201,
    response_model=GuestOut,
    responses=documented(),
)
async def create(request: Request, actor: Public) -> Response:
    """Become a guest: a token to vote, react and comment with. The answer holds it, and no later answer does."""
    await limit(request, "guest")
    vault = request.app.state.vault
    return await write(request, actor, actions.welcome, vault, show=_shown, model=GuestOut, status=201, secret=True)
