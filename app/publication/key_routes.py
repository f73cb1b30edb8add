"""Routes of API keys; all require the scope `admin`."""

import sqlalchemy as sa
from fastapi import Request
from starlette.responses import Response

from app.core.ids import IdPath
from app.core.problems import NotFound, document_problems
from app.db.rows import JsonObject
from app.identity import keys
from app.identity.access import Admin
from app.identity.keys import ApiKeyRow, FindGrants, KeyRevoked, revoke_api_key
from app.identity.schemas import KeyIn, KeyOut, KeyPatch, NewKeyOut
from app.identity.services import IdentityServices
from app.identity.writes import write
from app.publication import api_keys
from app.web.paging import ListOut
from app.web.responses import database, reply_private, reply_private_list
from app.web.routing import PageParameters, ReadParameters, Router

router = Router(prefix="/v1/keys", tags=["keys"])


def _find_grants(request: Request) -> FindGrants:
    return IdentityServices.of(request).callers.keys.find_grants


@router.post("", summary="Create an API key", status_code=201, response_model=NewKeyOut)
async def create_key(request: Request, body: KeyIn, actor: Admin) -> Response:
    """Create an API key. The key itself is returned only in this response."""

    def show(connection: sa.Connection, made: tuple[str, str]) -> JsonObject:
        return {**(keys.find_api_key(connection, made[0]) or {}), "key": made[1]}

    path, find_grants = "/v1/keys/{id}", _find_grants(request)
    return await write(
        request,
        actor,
        api_keys.create_key,
        find_grants,
        body,
        render=show,
        model=NewKeyOut,
        status=201,
        location=path,
        secret=True,
    )


@router.get("", summary="List API keys", response_model=ListOut[KeyOut])
async def list_keys(request: Request, query: PageParameters, actor: Admin) -> Response:
    """List API keys, newest first, including revoked and expired ones, without the keys themselves."""
    page = await database(request).read(keys.list_api_keys, query)
    return reply_private_list(request, ListOut[KeyOut], page, query)


@router.get("/{key_id}", summary="Get an API key", response_model=KeyOut)
async def get_key(request: Request, key_id: IdPath, query: ReadParameters, actor: Admin) -> Response:
    """Return an API key."""
    row = await database(request).read(keys.find_api_key, key_id)
    return reply_private(request, KeyOut, row, query)


@router.patch("/{key_id}", summary="Change an API key", response_model=KeyOut, responses=document_problems(KeyRevoked))
async def update_key(request: Request, key_id: IdPath, body: KeyPatch, actor: Admin) -> Response:
    """Update an API key (RFC 7396). The change applies in every process within a second.

    Keys have no versions, so `If-Match` is not required. Revoked keys cannot be changed; create another one.
    """

    def read(connection: sa.Connection, changed: str) -> ApiKeyRow:
        row = keys.find_api_key(connection, changed)
        if row is None:
            raise NotFound
        return row

    find_grants = _find_grants(request)
    return await write(request, actor, api_keys.change_key, find_grants, key_id, body, render=read, model=KeyOut)


@router.delete("/{key_id}", summary="Revoke an API key", status_code=204)
async def revoke_key(request: Request, key_id: IdPath, actor: Admin) -> Response:
    """Revoke an API key: it is refused everywhere within a second. Revoking it again changes nothing."""
    return await write(request, actor, revoke_api_key, key_id, status=204)
