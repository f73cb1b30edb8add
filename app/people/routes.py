"""Routes of people and their sessions."""

from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Query, Request
from starlette.responses import Response

from app.core.clock import now
from app.core.ids import RefPath
from app.core.problems import FORBIDDEN, Forbidden, document_problems
from app.db.rows import JsonObject
from app.identity.access import Access, Admin, AdminOrSelf, Public, require_scope
from app.identity.schemas import Actor
from app.identity.services import IdentityServices
from app.identity.writes import write
from app.people import people, roles, sessions
from app.people.grants import LastAdmin
from app.people.people import EmailTaken, PersonDeleted, require_self_or_admin, resolve_person
from app.people.roles import BuiltInRole, RoleExists, RoleInUse, TooManyRoles
from app.people.schemas import (
    NewPersonIn,
    PeopleQuery,
    PersonGrantsIn,
    PersonOut,
    PersonPatch,
    RefreshIn,
    RoleIn,
    RoleOut,
    RolePatch,
    RolesOut,
    SessionOut,
    TokensOut,
)
from app.people.sessions import SessionEnded, Tokens
from app.web.fields import dump_json
from app.web.paging import ListOut, Page
from app.web.responses import JSON_TYPE, PRIVATE_CACHE_CONTROL, database, reply_private, reply_private_list
from app.web.routing import PageParameters, ReadParameters, Router

people_router = Router(prefix="/v1/people", tags=["people"])
Colleague = Annotated[Actor, require_scope(*people.STAFF_SCOPES)]
ColleagueOrSelf = Annotated[Actor, Depends(Access(*people.STAFF_SCOPES, own=True))]
_CHANGE_RESPONSES = {**FORBIDDEN, **document_problems(EmailTaken, PersonDeleted, LastAdmin)}


@people_router.get("", summary="List people", response_model=ListOut[PersonOut])
async def list_people(request: Request, query: Annotated[PeopleQuery, Query()], actor: Colleague) -> Response:
    """List the people of the staff, newest first."""
    page = await database(request).read(people.list_people, query, actor)
    return reply_private_list(request, ListOut[PersonOut], page, query)


@people_router.post(
    "", summary="Create a person", status_code=201, response_model=PersonOut, responses=document_problems(EmailTaken)
)
async def create_person(request: Request, body: NewPersonIn, actor: Admin) -> Response:
    """Create a person, who can sign in after accepting an invitation."""
    return await write(
        request,
        actor,
        people.create_person,
        body,
        render=partial(people.get_person, actor=actor),
        model=PersonOut,
        status=201,
        location="/v1/people/{id}",
    )


@people_router.get("/{person}", summary="Get a person", response_model=PersonOut)
async def get_person(request: Request, person: RefPath, query: ReadParameters, actor: ColleagueOrSelf) -> Response:
    """Return a person; `me` is the caller. Without `content:write` or `comments:moderate` one sees only oneself."""
    row = await database(request).read(people.get_person, resolve_person(actor, person), actor)
    return reply_private(request, PersonOut, row, query)


@people_router.patch("/{person}", summary="Change a person", response_model=PersonOut, responses=_CHANGE_RESPONSES)
async def update_person(request: Request, person: RefPath, body: PersonPatch, actor: AdminOrSelf) -> Response:
    """Update a person (RFC 7396). People may change their own name and `mails`; everything else needs `admin`.

    A suspended person is refused in every process within a second. People have no versions, so `If-Match` is not
    required.
    """
    person_id = require_self_or_admin(actor, person)
    render = partial(people.get_person, actor=actor)
    return await write(request, actor, people.update_person, person_id, body, render=render, model=PersonOut)


@people_router.delete(
    "/{person}", summary="Delete a person", status_code=204, responses=document_problems(PersonDeleted, LastAdmin)
)
async def delete_person(request: Request, person: RefPath, actor: Admin) -> Response:
    """Delete a person: the address, credentials and sessions. The id and the name stay, for the audit log."""
    return await write(request, actor, people.delete_person, resolve_person(actor, person), status=204)


@people_router.put(
    "/{person}/grants",
    summary="Set the roles of a person",
    response_model=PersonOut,
    responses=document_problems(PersonDeleted, LastAdmin),
)
async def set_grants(request: Request, person: RefPath, body: PersonGrantsIn, actor: Admin) -> Response:
    """Replace the roles of a person; an empty list takes them all. Those by groups of a sign-in provider stay.

    A role for sections holds in all that is inside them, also after these move. In every process, within a second, the
    person may do what the roles include and nothing else; live streams that they may no longer read end.
    """
    person_id, render = resolve_person(actor, person), partial(people.get_person, actor=actor)
    return await write(request, actor, people.set_grants, person_id, body, render=render, model=PersonOut)


@people_router.get(
    "/{person}/sessions", summary="List sessions", response_model=ListOut[SessionOut], responses=FORBIDDEN
)
async def list_sessions(request: Request, person: RefPath, query: PageParameters, actor: AdminOrSelf) -> Response:
    """List the sessions of a person, newest first; those of others need `admin`."""
    person_id = require_self_or_admin(actor, person)

    def read(connection: sa.Connection) -> Page[JsonObject]:
        return sessions.list_sessions(connection, person_id, actor, query)

    page = await database(request).read(read)
    return reply_private_list(request, ListOut[SessionOut], page, query)


@people_router.delete("/{person}/sessions", summary="End all sessions", status_code=204, responses=FORBIDDEN)
async def end_sessions(request: Request, person: RefPath, actor: AdminOrSelf) -> Response:
    """End all sessions of a person but that of this request, in every process within a second."""
    person_id = require_self_or_admin(actor, person)
    return await write(request, actor, sessions.end_sessions, person_id, status=204)


@people_router.delete("/{person}/sessions/{session}", summary="End a session", status_code=204, responses=FORBIDDEN)
async def end_session(request: Request, person: RefPath, session: RefPath, actor: AdminOrSelf) -> Response:
    """End a session of a person, in every process within a second."""
    person_id = require_self_or_admin(actor, person)
    return await write(request, actor, sessions.end_session, person_id, session, status=204)


sign_in_router = Router(prefix="/v1", tags=["sign-in"])


def client_of(request: Request) -> str:
    """Return what a session is recognised by in lists: the `User-Agent`, in printable characters."""
    agent = request.headers.get("user-agent", "")[: sessions.MAX_CLIENT_LENGTH]
    return "".join(char for char in agent if char.isprintable())


def reply_tokens(tokens: Tokens) -> Response:
    """Answer with the tokens of a session, which nothing may store."""
    row = {
        "access_token": tokens.access,
        "token_type": "Bearer",
        "expires_in": max(0, round((tokens.access_expires_at - now()).total_seconds())),
        "refresh_token": tokens.refresh,
        "device_token": tokens.device,
        "person": {"id": tokens.person_id, "name": tokens.name},
    }
    return Response(dump_json(TokensOut, row), 200, {"Cache-Control": PRIVATE_CACHE_CONTROL}, JSON_TYPE)


@sign_in_router.post(
    "/sign-in/refresh",
    summary="Get a new access token",
    response_model=TokensOut,
    responses=document_problems(SessionEnded),
)
async def refresh_session(request: Request, body: RefreshIn, actor: Public) -> Response:
    """Replace the tokens of a session. Both are new; store the refresh token at once.

    The same client gets the same answer again for 10 seconds. Any other use of a refresh token that was replaced ends
    the session: somebody has a copy of it. `Idempotency-Key` is not looked at.
    """
    vault, client = IdentityServices.of(request).vault, client_of(request)
    tokens = await database(request).write(sessions.refresh_session, vault, body.refresh_token, client)
    if tokens is None:
        raise SessionEnded("The session has ended. Sign in again.")
    return reply_tokens(tokens)


@sign_in_router.post("/sign-out", summary="Sign out", status_code=204)
async def sign_out(request: Request, actor: AdminOrSelf) -> Response:
    """End the session of the access token of this request, in every process within a second."""
    if actor.person is None or actor.session is None:
        raise Forbidden("Only people sign out. Revoke a key instead.")
    return await write(request, actor, sessions.sign_out, status=204)


roles_router = Router(prefix="/v1/roles", tags=["people"])


@roles_router.get("", summary="List roles", response_model=RolesOut)
async def list_roles(request: Request, query: ReadParameters, actor: Colleague) -> Response:
    """List all roles with their scopes, those that are built in first."""
    return reply_private(request, RolesOut, await database(request).read(roles.list_roles), query)


@roles_router.post(
    "",
    summary="Create a role",
    status_code=201,
    response_model=RoleOut,
    responses=document_problems(RoleExists, TooManyRoles),
)
async def create_role(request: Request, body: RoleIn, actor: Admin) -> Response:
    """Create a role: a named set of scopes, to give to people everywhere or in sections."""
    return await write(
        request,
        actor,
        roles.create_role,
        body,
        render=roles.get_role,
        model=RoleOut,
        status=201,
        location="/v1/roles/{role}",
    )


@roles_router.get("/{role}", summary="Get a role", response_model=RoleOut)
async def get_role(request: Request, role: RefPath, query: ReadParameters, actor: Colleague) -> Response:
    """Return a role."""
    return reply_private(request, RoleOut, await database(request).read(roles.get_role, role), query)


@roles_router.patch(
    "/{role}", summary="Change a role", response_model=RoleOut, responses=document_problems(BuiltInRole)
)
async def update_role(request: Request, role: RefPath, body: RolePatch, actor: Admin) -> Response:
    """Update a role (RFC 7396). In every process, within a second, people who have it may do what it then includes.

    Roles have no versions, so `If-Match` is not required.
    """
    return await write(request, actor, roles.update_role, role, body, render=roles.get_role, model=RoleOut)


@roles_router.delete(
    "/{role}", summary="Delete a role", status_code=204, responses=document_problems(BuiltInRole, RoleInUse)
)
async def delete_role(request: Request, role: RefPath, actor: Admin) -> Response:
    """Delete a role that nobody has."""
    return await write(request, actor, roles.delete_role, role, status=204)
