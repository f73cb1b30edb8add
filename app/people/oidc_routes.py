"""Routes of sign-in through OpenID providers, and of the accounts that people use there."""

from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import Form, Request
from starlette.responses import Response

from app.core.ids import RefPath
from app.core.problems import FORBIDDEN, Invalid, NotFound, document_problems
from app.db.rows import JsonObject
from app.identity.access import AdminOrSelf, Public
from app.identity.writes import write
from app.people import identities
from app.people.attempts import SignInExpired, begin_attempt, open_attempt, spend_attempt
from app.people.credential_routes import require_self
from app.people.credentials import LastSignInMethod, SignInAgain, require_fresh
from app.people.identities import IdentityTaken
from app.people.oidc import (
    MAX_ID_TOKEN_LENGTH,
    Identity,
    ProviderClient,
    ProviderFailed,
    ProviderUnavailable,
    SignInRefused,
)
from app.people.oidc_schemas import IdentityOut, OidcFinishIn, OidcIn, OidcOut, SignInOut
from app.people.people import require_self_or_admin
from app.people.routes import client_of, reply_tokens
from app.people.schemas import TokensOut
from app.people.services import PeopleServices
from app.people.sign_in_routes import Attempt
from app.web.fields import dump_json
from app.web.paging import ListOut, Page
from app.web.responses import JSON_TYPE, PRIVATE_CACHE_CONTROL, database, reply, reply_private_list
from app.web.routing import PageParameters, Router

sign_in_router = Router(prefix="/v1/sign-in", tags=["sign-in"])
_START = document_problems(ProviderUnavailable)
_PROOF = document_problems(SignInExpired, SignInRefused, ProviderFailed, ProviderUnavailable)
SignIn = tuple[Identity, ProviderClient]


@sign_in_router.get("", summary="Get the ways to sign in", response_model=SignInOut)
async def get_sign_in(request: Request, actor: Public) -> Response:
    """Return how people may sign in here."""
    providers = [client.provider for client in PeopleServices.of(request).providers.values()]
    methods = ["password", "passkey", *(["oidc"] if providers else [])]
    row = {"methods": methods, "providers": [{"id": provider.id, "name": provider.name} for provider in providers]}
    return reply(request, dump_json(SignInOut, row), groups=("sign-in",))


@sign_in_router.post("/oidc", summary="Begin a sign-in at a provider", response_model=OidcOut, responses=_START)
async def begin_sign_in(request: Request, body: OidcIn, actor: Public) -> Response:
    """Return the page of an OpenID provider to send the browser to; it returns to `redirect_uri` within 10 minutes.

    `Idempotency-Key` is not looked at: each sign-in is another.
    """
    services = PeopleServices.of(request)
    client = services.providers.get(body.provider)
    if client is None:
        raise Invalid("GET /v1/sign-in lists the providers.", pointer="/provider", code="unknown")
    if body.redirect_uri not in client.provider.redirect_uris:
        detail = "The settings list the redirect URIs of each provider; send one of them, exactly."
        raise Invalid(detail, pointer="/redirect_uri", code="not_allowed")
    attempt = begin_attempt(services.vault, body.provider, body.redirect_uri)
    url = await client.make_authorization_url(
        attempt.redirect_uri, state=attempt.state, nonce=attempt.nonce, verifier=attempt.verifier
    )
    row = {"url": url, "state": attempt.state, "binding": attempt.binding}
    return Response(dump_json(OidcOut, row), 200, {"Cache-Control": PRIVATE_CACHE_CONTROL}, JSON_TYPE)


async def _finish(request: Request, body: OidcFinishIn) -> SignIn:
    """Return who signed in, and where; the sign-in is finished, whatever comes of it."""
    services = PeopleServices.of(request)
    attempt = open_attempt(services.vault, body.binding, body.state)
    client = services.providers.get(attempt.provider)
    if client is None or attempt.redirect_uri not in client.provider.redirect_uris:
        raise SignInExpired("The settings of this provider have changed. Begin the sign-in again.")
    await client.check_issuer(body.iss)
    await database(request).write(spend_attempt, attempt)
    identity = await client.redeem(body.code, attempt.redirect_uri, nonce=attempt.nonce, verifier=attempt.verifier)
    return identity, client


@sign_in_router.post(
    "/oidc/finish", summary="Finish a sign-in at a provider", response_model=TokensOut, responses=_PROOF
)
async def finish_sign_in(request: Request, body: OidcFinishIn, actor: Attempt) -> Response:
    """Exchange what the browser returned with for the tokens of a session.

    An account that is new here signs in the invited person with the same address, if the provider has verified it; from
    then on the account counts, and not the address. Each sign-in can be finished once, so `Idempotency-Key` is not
    looked at.
    """
    identity, client = await _finish(request, body)
    services, agent = PeopleServices.of(request), client_of(request)
    args = (services.vault, identity, client.provider, services.providers.keys(), agent)
    return reply_tokens(await database(request).write(identities.sign_in, *args))


@sign_in_router.post(
    "/oidc/{provider}/logout",
    summary="End the sessions of an account",
    response_class=Response,
    responses={
        200: {"description": "The sessions have ended."},
        **document_problems(SignInRefused, ProviderUnavailable),
    },
)
async def end_account_sessions(
    request: Request,
    provider: RefPath,
    actor: Public,
    logout_token: Annotated[
        str, Form(min_length=1, max_length=MAX_ID_TOKEN_LENGTH, description="Logout token that the provider signed.")
    ],
) -> Response:
    """End all sessions that a person began at a provider, which calls this (OpenID Connect Back-Channel Logout 1.0)."""
    client = PeopleServices.of(request).providers.get(provider)
    if client is None:
        raise NotFound
    logout = await client.read_logout_token(logout_token)
    await database(request).write(identities.end_sessions_of, logout)
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


identities_router = Router(prefix="/v1/people/{person}/identities", tags=["people"])


def _issuers_of(request: Request) -> dict[str, str]:
    """Return the names of the providers, by issuer."""
    clients = PeopleServices.of(request).providers.values()
    return {client.provider.issuer: client.provider.name for client in clients}


@identities_router.get("", summary="List linked accounts", response_model=ListOut[IdentityOut], responses=FORBIDDEN)
async def list_identities(request: Request, person: RefPath, query: PageParameters, actor: AdminOrSelf) -> Response:
    """List the accounts with which a person signs in, the newest first; those of others need `admin`."""
    person_id, issuers = require_self_or_admin(actor, person), _issuers_of(request)

    def read(connection: sa.Connection) -> Page[JsonObject]:
        return identities.list_identities(connection, person_id, issuers, query)

    page = await database(request).read(read)
    return reply_private_list(request, ListOut[IdentityOut], page, query)


@identities_router.post(
    "",
    summary="Link an account",
    status_code=201,
    response_model=IdentityOut,
    responses={**FORBIDDEN, **_PROOF, **document_problems(SignInAgain, IdentityTaken)},
)
async def link_identity(request: Request, person: RefPath, body: OidcFinishIn, actor: AdminOrSelf) -> Response:
    """Sign in with an account of a provider too, within 15 minutes after signing in.

    `POST /v1/sign-in/oidc` begins it, as a sign-in.
    """
    person_id = require_self(actor, person)
    await database(request).write(require_fresh, actor, person_id)  # before the sign-in is spent
    identity, _ = await _finish(request, body)
    render = partial(identities.get_identity, issuers=_issuers_of(request))
    return await write(
        request, actor, identities.link_identity, person_id, identity, render=render, model=IdentityOut, status=201
    )


@identities_router.delete(
    "/{identity}",
    summary="Unlink an account",
    status_code=204,
    responses={**FORBIDDEN, **document_problems(SignInAgain, LastSignInMethod)},
)
async def unlink_identity(request: Request, person: RefPath, identity: RefPath, actor: AdminOrSelf) -> Response:
    """Take an account from a person, with the roles by its groups, as long as another way to sign in stays."""
    person_id = require_self_or_admin(actor, person)
    providers = [client.provider for client in PeopleServices.of(request).providers.values()]
    return await write(request, actor, identities.unlink_identity, person_id, identity, providers, status=204)
