"""Sign-ins under way at a provider, from the redirect of the browser to its return.

Nothing is stored when one begins, so that strangers cannot fill the store: what has to be remembered is sealed in the
`binding`, which the page keeps and the provider never sees. The nonce and the PKCE verifier are derived from it. When a
sign-in is finished, the hash of its binding is stored until it would have expired, so that it is finished once.
"""

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pydantic_core
from sqlmodel import Session

from app.core.clock import now
from app.core.problems import BadRequest
from app.identity.secrets import Vault
from app.people.spent_tokens import spend_token

BINDING_PREFIX = "bo_"
ATTEMPT_LIFETIME = timedelta(minutes=10)
MAX_BINDING_LENGTH = 3000  # characters: the longest redirect URI takes a thousand


class SignInExpired(BadRequest, code="sign_in_expired", title="The sign-in has expired"):
    """The sign-in was not begun in this browser, was finished before, or took more than 10 minutes."""


class Attempt(NamedTuple):
    """A sign-in under way."""

    provider: str  # id
    redirect_uri: str
    state: str
    binding: str
    nonce: str
    verifier: str
    expires_at: datetime


def _make_attempt(vault: Vault, provider: str, redirect_uri: str, state: str, expiry: int, binding: str) -> Attempt:
    return Attempt(
        provider=provider,
        redirect_uri=redirect_uri,
        state=state,
        binding=binding,
        nonce=vault.derive("oidc-nonce", binding),
        verifier=vault.derive("oidc-verifier", binding),
        expires_at=datetime.fromtimestamp(expiry, UTC),
    )


def begin_attempt(vault: Vault, provider: str, redirect_uri: str) -> Attempt:
    """Begin a sign-in at a provider, which sends the browser back to `redirect_uri`."""
    state, expiry = secrets.token_hex(32), int((now() + ATTEMPT_LIFETIME).timestamp())
    body = pydantic_core.to_json([provider, redirect_uri, state, expiry]).hex()
    return _make_attempt(vault, provider, redirect_uri, state, expiry, vault.seal_token(BINDING_PREFIX, body))


def open_attempt(vault: Vault, binding: str, state: str) -> Attempt:
    """Return the sign-in that a browser comes back from; 400 unless it was begun there and has not expired."""
    body = vault.unseal_token(BINDING_PREFIX, binding)
    if body is not None:
        provider, redirect_uri, own_state, expiry = pydantic_core.from_json(bytes.fromhex(body))
        attempt = _make_attempt(vault, provider, redirect_uri, own_state, expiry, binding)
        if hmac.compare_digest(own_state.encode(), state.encode(errors="replace")) and now() < attempt.expires_at:
            return attempt
    raise SignInExpired("Begin the sign-in again, and finish it in the same browser.")


def spend_attempt(session: Session, attempt: Attempt) -> None:
    """Note that a sign-in is finished; 400 if it was before."""
    if not spend_token(session, attempt.binding, attempt.expires_at):
        raise SignInExpired("This sign-in was finished before. Begin it again.")
