"""Routes of invitations, and of the passwords, one-time codes and passkeys of people."""

from functools import partial

import sqlalchemy as sa
from fastapi import Request
from starlette.responses import Response

from app.core.ids import RefPath
from app.core.problems import FORBIDDEN, Forbidden, document_problems
from app.db.rows import JsonObject
from app.identity.access import Admin, AdminOrSelf
from app.identity.schemas import Actor
from app.identity.writes import write
from app.people import credentials, invitations, passkeys, totp
from app.people.credential_schemas import (
    InvitationOut,
    PasskeyIn,
    PasskeyOut,
    PasswordIn,
    RecoveryCodesOut,
    TotpIn,
    TotpOut,
)
from app.people.credentials import LastSignInMethod, SignInAgain, TotpEnabled
from app.people.identities import issuers_of
from app.people.invitations import NewInvitation, PersonSuspended
from app.people.passkeys import PasskeyInvalid, TooManyPasskeys
from app.people.passwords import check_password
from app.people.people import PersonDeleted, is_self, require_self_or_admin, resolve_person
from app.people.services import PeopleServices
from app.people.sign_in_routes import contexts_of, reply_options, site_of
from app.web.paging import ListOut
from app.web.responses import database, reply_private_list, settings
from app.web.routing import PageParameters, Router

router = Router(prefix="/v1/people/{person}", tags=["people"])
_OWN = {**FORBIDDEN, **document_problems(SignInAgain)}


def _issuers_of(request: Request) -> frozenset[str]:
    """Return the issuers of the providers in the settings."""
    return issuers_of(settings(request).oidc)


def require_self(actor: Actor, ref: str) -> str:
    """Return the id of the caller; 403 for anybody else, admins as well."""
    person_id = resolve_person(actor, ref)
    if not is_self(actor, person_id):
        raise Forbidden("Only the person can do this, while signed in.")
    return person_id


@router.post(
    "/invitations",
    summary="Invite a person",
    status_code=201,
    response_model=InvitationOut,
    responses=document_problems(PersonDeleted, PersonSuspended),
)
async def invite_person(request: Request, person: RefPath, actor: Admin) -> Response:
    """Invite a person to set a password or create a passkey within 7 days, in place of any earlier invitation.

    It is sent by mail where a mail server is set; the token is in this answer as well. Whoever can sign in already sets
    up another credential with it, and ends all their sessions.
    """
    services, page = PeopleServices.of(request), settings(request).invitation_page
    send = services.send_invitation if settings(request).smtp_url else None

    def show(_connection: sa.Connection, invitation: NewInvitation) -> JsonObject:
        return {**invitation._asdict(), "url": f"{page}{invitation.token}"}

    action, person_id = invitations.create_invitation, resolve_person(actor, person)
    return await write(
        request,
        actor,
        action,
        services.vault,
        send,
        person_id,
        render=show,
        model=InvitationOut,
        status=201,
        secret=True,
    )


@router.put("/password", summary="Set one's password", status_code=204, responses=_OWN)
async def set_password(request: Request, person: RefPath, body: PasswordIn, actor: AdminOrSelf) -> Response:
    """Set one's own password, within 15 minutes after signing in. All other sessions end."""
    person_id = require_self(actor, person)
    holder = await database(request).read(credentials.find_holder, person_id)
    check_password(body.password, holder.name, holder.email, *contexts_of(request))
    password_hash = await PeopleServices.of(request).passwords.hash(body.password)
    return await write(request, actor, credentials.set_password, person_id, password_hash, status=204)


_REMOVE = {**_OWN, **document_problems(SignInAgain, LastSignInMethod, PersonDeleted)}


@router.delete("/password", summary="Remove a password", status_code=204, responses=_REMOVE)
async def remove_password(request: Request, person: RefPath, actor: AdminOrSelf) -> Response:
    """Remove the password of a person, who then signs in otherwise."""
    person_id = require_self_or_admin(actor, person)
    return await write(request, actor, credentials.remove_password, person_id, _issuers_of(request), status=204)


@router.post(
    "/totp",
    summary="Begin to use one-time codes",
    response_model=TotpOut,
    responses={**_OWN, **document_problems(TotpEnabled)},
)
async def begin_totp(request: Request, person: RefPath, actor: AdminOrSelf) -> Response:
    """Return the secret for an authenticator app (RFC 6238). Codes are asked for once the first one is confirmed."""
    person_id, site_name = require_self(actor, person), settings(request).site_name

    def show(connection: sa.Connection, _person_id: str) -> JsonObject:
        secret, holder = (
            credentials.find_totp_secret(connection, person_id),
            credentials.find_holder(connection, person_id),
        )
        return {"secret": secret, "uri": totp.make_uri(secret, holder.email, site_name)}

    return await write(request, actor, credentials.begin_totp, person_id, render=show, model=TotpOut, secret=True)


@router.put(
    "/totp",
    summary="Confirm the first one-time code",
    response_model=RecoveryCodesOut,
    responses={**_OWN, **document_problems(TotpEnabled)},
)
async def confirm_totp(request: Request, person: RefPath, body: TotpIn, actor: AdminOrSelf) -> Response:
    """Sign in with one-time codes beside the password from now on. All other sessions end."""
    person_id = require_self(actor, person)

    def show(_connection: sa.Connection, codes: list[str]) -> JsonObject:
        return {"recovery_codes": codes}

    action = credentials.confirm_totp
    return await write(request, actor, action, person_id, body.code, render=show, model=RecoveryCodesOut)


@router.delete("/totp", summary="Remove one-time codes", status_code=204, responses=_REMOVE)
async def remove_totp(request: Request, person: RefPath, actor: AdminOrSelf) -> Response:
    """Ask a person for one-time codes no more."""
    return await write(request, actor, credentials.remove_totp, require_self_or_admin(actor, person), status=204)


@router.get("/passkeys", summary="List passkeys", response_model=ListOut[PasskeyOut], responses=FORBIDDEN)
async def list_passkeys(request: Request, person: RefPath, query: PageParameters, actor: AdminOrSelf) -> Response:
    """List the passkeys of a person, newest first; those of others need `admin`."""
    page = await database(request).read(passkeys.list_passkeys, require_self_or_admin(actor, person), query)
    return reply_private_list(request, ListOut[PasskeyOut], page, query)


@router.post("/passkeys/options", summary="Get options to create a passkey", response_model=JsonObject, responses=_OWN)
async def get_registration_options(request: Request, person: RefPath, actor: AdminOrSelf) -> Response:
    """Return what `PublicKeyCredential.parseCreationOptionsFromJSON()` takes; it is valid for 5 minutes."""
    person_id = require_self(actor, person)
    holder = await database(request).read(credentials.find_holder, person_id)
    known = await database(request).read(passkeys.list_credential_ids, person_id)
    vault = PeopleServices.of(request).vault
    return reply_options(passkeys.make_registration_options(vault, site_of(request), holder, known))


@router.post(
    "/passkeys",
    summary="Add a passkey",
    status_code=201,
    response_model=PasskeyOut,
    responses={**_OWN, **document_problems(PasskeyInvalid, TooManyPasskeys)},
)
async def add_passkey(request: Request, person: RefPath, body: PasskeyIn, actor: AdminOrSelf) -> Response:
    """Add a passkey to one's own, within 15 minutes after signing in."""
    person_id, vault = require_self(actor, person), PeopleServices.of(request).vault
    passkey = passkeys.verify_registration(vault, site_of(request), person_id, body.credential)
    action = partial(credentials.register_passkey, passkey=passkey, name=body.name)
    return await write(request, actor, action, person_id, render=passkeys.get_passkey, model=PasskeyOut, status=201)


@router.delete("/passkeys/{passkey}", summary="Delete a passkey", status_code=204, responses=_REMOVE)
async def delete_passkey(request: Request, person: RefPath, passkey: RefPath, actor: AdminOrSelf) -> Response:
    """Delete a passkey of a person, who can no longer sign in with it."""
    person_id = require_self_or_admin(actor, person)
    args = (person_id, passkey, _issuers_of(request))
    return await write(request, actor, credentials.remove_passkey, *args, status=204)
