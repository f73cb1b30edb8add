"""Routes by which people sign in with passwords and passkeys, and accept invitations.

Their answers hold tokens and their bodies passwords, so that nothing of them is stored for an `Idempotency-Key`.
"""

from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request
from sqlmodel import Session
from starlette.responses import Response

from app.core.problems import Invalid, Unavailable, document_problems
from app.db.rows import JsonObject
from app.identity.access import enforce_limit, require_admission
from app.identity.schemas import Actor
from app.people import credentials, invitations, passkeys
from app.people.credential_schemas import AcceptIn, InvitationIn, PasskeySignInIn, PasswordSignInIn
from app.people.credentials import SignInFailed
from app.people.invitations import Acceptance, InvitationInvalid, TotpRequired
from app.people.passkeys import Holder, PasskeyInvalid, RelyingParty, TooManyPasskeys
from app.people.passwords import check_password
from app.people.people import EmailTaken
from app.people.routes import client_of, reply_tokens
from app.people.schemas import SignInMethod, TokensOut
from app.people.services import PeopleServices
from app.people.sessions import read_device_token
from app.people.tables import Person
from app.web.rate_limits import ranges_of
from app.web.responses import JSON_TYPE, PRIVATE_CACHE_CONTROL, database, settings
from app.web.routing import Router

router = Router(prefix="/v1", tags=["sign-in"])
FIRST_PASSKEY_NAME = "First passkey"


async def _count_attempt(request: Request, _actor: Actor) -> None:
    """Count an attempt by its address, and by the range around it, which a single attacker may own."""
    await enforce_limit(request, "sign-in")
    ranges = ranges_of(request.client.host) if request.client else None
    if ranges is not None:
        await PeopleServices.of(request).limiter.hit("sign-in-range", ranges[0])


async def _count_account(request: Request, name: str) -> None:
    """Count an attempt at an account, of whatever address; what is counted is a pseudonym of it.

    Attempts of a client that has signed the same person in before count by themselves: else whoever tries passwords
    for an address would lock its owner out (OWASP: device cookies).
    """
    services = PeopleServices.of(request)
    await services.limiter.hit("account", services.vault.derive("account", name)[:32])


Attempt = Annotated[Actor, require_admission(_count_attempt)]


def site_of(request: Request) -> RelyingParty:
    """Return the site to which passkeys are bound."""
    return RelyingParty.of(settings(request))


def contexts_of(request: Request) -> tuple[str, str]:
    """Return the name and the domain of the publication, whose words make no good password."""
    own = settings(request)
    return own.site_name, urlsplit(own.site_url).hostname or ""


def reply_options(options: bytes) -> Response:
    """Answer with options for an authenticator."""
    return Response(options, 200, {"Cache-Control": PRIVATE_CACHE_CONTROL}, JSON_TYPE)


@router.post(
    "/sign-in/password",
    summary="Sign in with a password",
    response_model=TokensOut,
    responses=document_problems(SignInFailed, TotpRequired, Unavailable),
)
async def sign_in_with_password(request: Request, body: PasswordSignInIn, actor: Attempt) -> Response:
    """Return the tokens of a new session. `Idempotency-Key` is not looked at: each sign-in is another."""
    services = PeopleServices.of(request)
    device = read_device_token(services.vault, body.device)
    if device is None:
        await _count_account(request, body.email)
    stored = await database(request).read(credentials.find_password, body.email)
    is_known = device is not None and stored is not None and stored.person_id == device.person_id
    if device is not None:
        await _count_account(request, f"device:{device.id}" if is_known else body.email)
    if not await services.passwords.verify(stored.hash if stored else None, body.password) or stored is None:
        raise SignInFailed
    if stored.has_totp and body.totp is not None:
        whose = f"device:{device.id}" if device is not None and is_known else stored.person_id
        await _count_account(request, f"totp:{whose}")
    is_outdated = stored.hash is not None and services.passwords.needs_rehash(stored.hash)
    new_hash = await services.passwords.hash(body.password) if is_outdated else None
    work = partial(credentials.sign_in_with_password, client=client_of(request), new_hash=new_hash)
    return reply_tokens(await database(request).write(work, services.vault, stored, body.totp))


@router.post("/sign-in/passkey/options", summary="Get options to use a passkey", response_model=JsonObject)
async def get_passkey_options(request: Request, actor: Attempt) -> Response:
    """Return what `PublicKeyCredential.parseRequestOptionsFromJSON()` takes; it is valid for 5 minutes."""
    return reply_options(passkeys.make_sign_in_options(PeopleServices.of(request).vault, site_of(request)))


@router.post(
    "/sign-in/passkey",
    summary="Sign in with a passkey",
    response_model=TokensOut,
    responses=document_problems(SignInFailed),
)
async def sign_in_with_passkey(request: Request, body: PasskeySignInIn, actor: Attempt) -> Response:
    """Return the tokens of a new session. The passkey tells who signs in; no one-time code is needed."""
    vault = PeopleServices.of(request).vault
    try:
        credential_id = passkeys.read_credential_id(body.credential)
        passkey = await database(request).read(passkeys.find_passkey, credential_id)
        if passkey is None:
            raise SignInFailed
        answer = passkeys.verify_answer(vault, site_of(request), passkey, body.credential)
        tokens = await database(request).write(credentials.sign_in_with_passkey, vault, answer, client_of(request))
    except PasskeyInvalid:
        raise SignInFailed from None
    return reply_tokens(tokens)


@router.post(
    "/invitations/passkey/options",
    summary="Get options to create a passkey by invitation",
    response_model=JsonObject,
    responses=document_problems(InvitationInvalid),
)
async def get_invitation_options(request: Request, body: InvitationIn, actor: Attempt) -> Response:
    """Return what `PublicKeyCredential.parseCreationOptionsFromJSON()` takes; it is valid for 5 minutes."""
    vault = PeopleServices.of(request).vault
    invitee = await database(request).read(invitations.find_invitee, vault, body.token)
    known = await database(request).read(passkeys.list_credential_ids, invitee.id)
    return reply_options(
        passkeys.make_registration_options(
            vault, site_of(request), Holder(invitee.id, invitee.name, invitee.email or invitee.name), known
        )
    )


@router.post(
    "/invitations/accept",
    summary="Accept an invitation",
    response_model=TokensOut,
    responses=document_problems(
        EmailTaken, InvitationInvalid, PasskeyInvalid, TooManyPasskeys, TotpRequired, Unavailable
    ),
)
async def accept_invitation(request: Request, body: AcceptIn, actor: Attempt) -> Response:
    """Set a password or create a passkey, and return the tokens of a session. Each invitation is accepted once.

    It ends all other sessions of the person. `Idempotency-Key` is not looked at.
    """
    if (body.password is None) == (body.passkey is None):
        raise Invalid("Send either password or passkey.")
    vault = PeopleServices.of(request).vault
    invitee = await database(request).read(invitations.find_invitee, vault, body.token)
    email = invitations.require_email(invitee, body.email)
    if body.totp is not None:
        await _count_account(request, f"totp:{invitee.id}")
    if body.passkey is not None:
        passkey = passkeys.verify_registration(vault, site_of(request), invitee.id, body.passkey)

        def set_credential(session: Session, person: Person) -> None:
            owner = Actor("person", person.id, person.name, person=person.id)
            passkeys.add_passkey(session, owner, person, passkey, FIRST_PASSKEY_NAME)
    else:
        password = body.password or ""
        check_password(password, body.name or invitee.name, email, *contexts_of(request))
        password_hash = await PeopleServices.of(request).passwords.hash(password)

        def set_credential(session: Session, person: Person) -> None:
            person.password_hash = password_hash

    method: SignInMethod = "password" if body.passkey is None else "passkey"
    acceptance = Acceptance(body.token, body.name, body.email, body.totp, method, set_credential, client_of(request))
    return reply_tokens(await database(request).write(invitations.accept_invitation, vault, acceptance))
