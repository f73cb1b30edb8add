"""Sign-in by OpenID Connect: the authorization code flow with PKCE.

OpenID Connect Core 1.0 §3.1 and Discovery 1.0, RFC 6749, RFC 7636 (PKCE), RFC 9207 (issuer of the response). Nothing
here knows of people and sessions: from a code comes the identity that the provider vouches for.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import pydantic_core

from app.core.clock import now
from app.core.logs import get_logger
from app.core.network_addresses import Guard
from app.core.problems import BadRequest, Problem, Unavailable, printable_name
from app.core.sign_in_providers import LOOPBACK_HOSTS, SignInProvider, is_secure_url
from app.identity.jwks import ALGORITHMS, JwksCache
from app.net.cached_document import RETRY_SECONDS, CachedDocument, fetch_over
from app.net.outgoing import Answer, CallFailed, Outgoing

if TYPE_CHECKING:
    from app.identity.jwks import VerificationKey

CALL_TIMEOUT_SECONDS = 5.0  # for a call of the token endpoint or of the userinfo endpoint
CLOCK_SKEW_SECONDS = 60.0  # allowed between the clocks of two servers
JWKS_REFRESH_SECONDS = 10.0  # between requests for an unknown key: only the provider itself can send its tokens
MAX_ANSWER_BYTES = 256_000
MAX_ID_TOKEN_LENGTH = 65_536  # characters: some providers name hundreds of groups
MAX_SUBJECT_LENGTH = 255  # characters, OpenID Connect Core 1.0 §2
MAX_SIGN_INS = 32  # that wait for one provider at once, in each process
MAX_GROUPS = 1000
MAX_LOGOUT_AGE = timedelta(minutes=5)
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
log = get_logger("broadsheet.people")


class ProviderUnavailable(
    Unavailable, code="sign_in_provider_unavailable", title="The sign-in provider does not answer"
):
    """The provider cannot be reached now, or what it publishes of itself cannot be used."""


class ProviderFailed(
    Problem, status=502, code="sign_in_provider_failed", title="The sign-in provider's answer cannot be used"
):
    """The provider answered with an error that is not the caller's, or with something else than OpenID Connect."""


class SignInRefused(Problem, status=403, code="sign_in_refused", title="Sign-in is refused"):
    """What the provider sent does not prove who signs in, or is of somebody who may not sign in here."""


INVALID_PROOF = "The provider's answer does not prove who signs in. Begin again."


class Metadata(NamedTuple):
    """What a provider publishes of itself (OpenID Connect Discovery 1.0 §3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_methods: tuple[str, ...]  # of clients at the token endpoint
    names_issuer: bool  # whether its authorization responses have `iss`


class Identity(NamedTuple):
    """Who signed in, as the provider says."""

    issuer: str
    subject: str
    name: str | None
    email: str | None
    email_verified: bool | None  # None: the provider does not say
    groups: frozenset[str]


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise ValueError(f"no {name}")
    return value


def _parse_object(body: bytes) -> dict[str, object]:
    document = pydantic_core.from_json(body)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return cast("dict[str, object]", document)


def parse_metadata(body: bytes, issuer: str) -> Metadata:
    """Parse a discovery document; ValueError for one of another issuer, or with endpoints that are not safe."""
    document = _parse_object(body)
    if document.get("issuer") != issuer:
        raise ValueError("the discovery document is of another issuer")
    is_local = urlsplit(issuer).scheme == "http"

    def endpoint(name: str) -> str:
        url = _text(document, name)
        if not is_secure_url(url) or (urlsplit(url).hostname in LOOPBACK_HOSTS and not is_local):
            raise ValueError(f"{name} is not an https URL")
        return url

    methods = document.get("token_endpoint_auth_methods_supported")
    return Metadata(
        authorization_endpoint=endpoint("authorization_endpoint"),
        token_endpoint=endpoint("token_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        userinfo_endpoint=endpoint("userinfo_endpoint") if "userinfo_endpoint" in document else None,
        auth_methods=tuple(map(str, methods)) if isinstance(methods, list) else ("client_secret_basic",),
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_challenge(verifier: str) -> str:
    """Return the S256 code challenge of a verifier (RFC 7636 §4.2)."""
    return _base64url(hashlib.sha256(verifier.encode()).digest())


def _is_same(claim: object, expected: str) -> bool:
    return isinstance(claim, str) and hmac.compare_digest(claim.encode(errors="replace"), expected.encode())


def _verify_token(token: str, key: "VerificationKey", algorithm: str, issuer: str, client_id: str) -> dict[str, object]:
    """Return the claims of a token of this issuer for this client; ValueError for any other."""
    import jwt

    try:
        claims = cast(
            "dict[str, object]",
            jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                leeway=CLOCK_SKEW_SECONDS,
                issuer=issuer,
                audience=client_id,
                options={"require": ["iss", "aud", "iat"]},
            ),
        )
    except (jwt.PyJWTError, OverflowError, RecursionError) as error:
        raise ValueError(f"token: {type(error).__name__}") from None
    has_other_audiences = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (has_other_audiences or "azp" in claims) and not _is_same(claims.get("azp"), client_id):
        raise ValueError("token: it was issued to another client")
    if not _is_subject(claims.get("sub")):
        raise ValueError("token: its subject is not of 1 to 255 visible ASCII characters")
    return claims


def check_id_token(claims: Mapping[str, object], algorithm: str, *, nonce: str, access_token: str | None) -> None:
    """Raise ValueError for an ID token that is not of this sign-in (OpenID Connect Core §3.1.3.7)."""
    if "exp" not in claims:
        raise ValueError("ID token: it does not expire")
    if not _is_same(claims.get("nonce"), nonce):
        raise ValueError("ID token: it is of another sign-in")
    if "at_hash" in claims:
        digest = hashlib.new("sha512" if algorithm == "EdDSA" else "sha256", (access_token or "").encode()).digest()
        if not _is_same(claims["at_hash"], _base64url(digest[: len(digest) // 2])):
            raise ValueError("ID token: it is of another access token")


class Logout(NamedTuple):
    """The end of all sessions of an account, as the provider says."""

    issuer: str
    subject: str
    token_id: str
    issued_at: datetime


def read_logout(claims: Mapping[str, object], issuer: str) -> Logout:
    """Return what a logout token says (Back-Channel Logout 1.0 §2.4); ValueError for any other token."""
    events, token_id, issued_at = claims.get("events"), claims.get("jti"), claims.get("iat")
    if "nonce" in claims or not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise ValueError("logout token: it is of another kind")
    if not isinstance(token_id, str) or not isinstance(issued_at, int | float):
        raise ValueError("logout token: it has no id")
    if issued_at < (now() - MAX_LOGOUT_AGE).timestamp():
        raise ValueError("logout token: it is too old")
    return Logout(issuer, _text(claims, "sub"), token_id, datetime.fromtimestamp(issued_at, UTC))


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_SUBJECT_LENGTH and value.isascii() and value.isprintable()


def _read_groups(claims: Mapping[str, object], name: str) -> frozenset[str]:
    """Return the groups that a claim lists. Providers leave it out for somebody without groups."""
    value = claims.get(name) if name else None
    listed = value if isinstance(value, list) else [value]
    return frozenset(group for group in listed[:MAX_GROUPS] if isinstance(group, str))


def _read_identity(issuer: str, claims: Mapping[str, object], groups_claim: str) -> Identity:
    name, email, verified = claims.get("name"), claims.get("email"), claims.get("email_verified")
    return Identity(
        issuer=issuer,
        subject=_text(claims, "sub"),
        name=name if isinstance(name, str) else None,
        email=email if isinstance(email, str) else None,
        email_verified=verified is True if "email_verified" in claims else None,
        groups=_read_groups(claims, groups_claim),
    )


class ProviderClient:
    """This server as a client of one provider."""

    def __init__(self, provider: SignInProvider, guard: Guard, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`guard` checks the addresses of endpoints on other hosts than the issuer, which the operator chose."""
        self.provider, self._clock = provider, clock
        self._issuer_host = urlsplit(provider.issuer).netloc
        self._chosen, self._guarded = Outgoing(None), Outgoing(guard)
        self._metadata = CachedDocument(
            f"{provider.issuer.removesuffix('/')}/.well-known/openid-configuration",
            partial(parse_metadata, issuer=provider.issuer),
            ProviderUnavailable,
            fetch=self._fetch,
            clock=clock,
        )
        self._keys: JwksCache | None = None
        self._sign_ins = 0

    async def stop(self) -> None:
        """End what runs, and close the connections."""
        await self._metadata.stop()
        if self._keys:
            await self._keys.stop()
        await self._chosen.stop()
        await self._guarded.stop()

    async def make_authorization_url(self, redirect_uri: str, *, state: str, nonce: str, verifier: str) -> str:
        """Return the URL at the provider to which the browser is sent (OpenID Connect Core §3.1.2.1)."""
        endpoint = (await self._find_metadata()).authorization_endpoint
        parameters = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": make_challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters, quote_via=quote)}"

    async def check_issuer(self, issuer: str | None) -> None:
        """Refuse a response of another provider, to which the browser may have been lured (RFC 9207 §2.4)."""
        if issuer is None and not (await self._find_metadata()).names_issuer:
            return
        if issuer is None or not _is_same(issuer, self.provider.issuer):
            raise self._refuse("the response is of another issuer")

    async def redeem(self, code: str, redirect_uri: str, *, nonce: str, verifier: str) -> Identity:
        """Exchange a code for the identity that the provider vouches for; 403, 502 or 503 without one."""
        metadata = await self._find_metadata()
        async with self._admit():
            tokens = await self._exchange(metadata, code, redirect_uri, verifier)
            token, access_token = tokens.get("id_token"), tokens.get("access_token")
            if not isinstance(token, str) or not isinstance(access_token, str | None):
                raise self._fail("the token endpoint sent no ID token")
            try:
                claims, algorithm = await self._verify(metadata, token)
                check_id_token(claims, algorithm, nonce=nonce, access_token=access_token)
            except ValueError as error:
                raise self._refuse(str(error)) from None
            claims = await self._complete(metadata, claims, access_token)
        return _read_identity(self.provider.issuer, claims, self.provider.groups_claim)

    async def read_logout_token(self, token: str) -> Logout:
        """Return whose sessions end by a logout token (Back-Channel Logout 1.0 §2.6); 400 for one that is invalid."""
        metadata = await self._find_metadata()
        try:
            claims, _ = await self._verify(metadata, token)
            return read_logout(claims, self.provider.issuer)
        except ValueError as error:
            log.warning("logout refused", provider=self.provider.id, reason=str(error))
            raise BadRequest("Send a logout token with sub that the provider signed for this client.") from None

    @asynccontextmanager
    async def _admit(self) -> AsyncIterator[None]:
        """Count a sign-in that waits for the provider, so that a slow one does not hold up all requests."""
        if self._sign_ins >= MAX_SIGN_INS:
            raise ProviderUnavailable("Too many people wait for this provider.", retry_after=int(RETRY_SECONDS))
        self._sign_ins += 1
        try:
            yield
        finally:
            self._sign_ins -= 1

    async def _find_metadata(self) -> Metadata:
        metadata = await self._metadata.find(lambda document: document)
        if metadata is None:
            raise ProviderUnavailable(retry_after=int(RETRY_SECONDS))
        return metadata

    def _outgoing_for(self, url: str) -> Outgoing:
        return self._chosen if urlsplit(url).netloc == self._issuer_host else self._guarded

    async def _fetch(self, url: str) -> tuple[bytes, str]:
        return await fetch_over(self._outgoing_for(url), url)

    def _refuse(self, reason: str) -> SignInRefused:
        log.warning("sign-in refused", provider=self.provider.id, reason=reason)
        return SignInRefused(INVALID_PROOF)

    def _fail(self, reason: str) -> ProviderFailed:
        log.warning("sign-in provider failed", provider=self.provider.id, reason=reason)
        return ProviderFailed("Try again later, or sign in in another way.")

    async def _call(self, method: str, url: str, headers: list[tuple[str, str]], content: bytes = b"") -> Answer:
        headers = [("Accept", "application/json"), *headers]
        try:
            answer = await self._outgoing_for(url).call(
                method,
                url,
                timeout=CALL_TIMEOUT_SECONDS,
                headers=headers,
                content=content,
                max_bytes=MAX_ANSWER_BYTES,
            )
        except CallFailed as error:
            log.warning("sign-in provider failed", provider=self.provider.id, reason=str(error))
            raise ProviderUnavailable(retry_after=int(RETRY_SECONDS)) from None
        if answer.status >= 500 or answer.status == 429:
            log.warning("sign-in provider failed", provider=self.provider.id, reason=f"status {answer.status}")
            raise ProviderUnavailable(retry_after=int(RETRY_SECONDS))
        return answer

    def _parse(self, body: bytes) -> dict[str, object]:
        try:
            return _parse_object(body)
        except ValueError:
            raise self._fail("the answer is not a JSON object") from None

    async def _exchange(self, metadata: Metadata, code: str, redirect_uri: str, verifier: str) -> dict[str, object]:
        """Call the token endpoint (RFC 6749 §4.1.3), as a client with a secret or as a public one."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        client_id, secret = self.provider.client_id, self.provider.client_secret.get_secret_value()
        if secret and "client_secret_basic" in metadata.auth_methods:
            credentials = f"{quote_plus(client_id)}:{quote_plus(secret)}"  # RFC 6749 §2.3.1
            headers.append(("Authorization", f"Basic {base64.b64encode(credentials.encode()).decode()}"))
        else:
            form |= {"client_id": client_id, **({"client_secret": secret} if secret else {})}
        answer = await self._call("POST", metadata.token_endpoint, headers, urlencode(form).encode())
        document = self._parse(answer.body)
        if answer.status == 400 and document.get("error") == "invalid_grant":
            raise self._refuse("the code is unknown, used or expired")
        if answer.status != 200:
            error = printable_name(str(document.get("error", "")))
            raise self._fail(f"the token endpoint answered with status {answer.status} and error {error}")
        return document

    async def _verify(self, metadata: Metadata, token: str) -> tuple[dict[str, object], str]:
        """Return the claims of a token of the provider for this client, and the algorithm of its signature."""
        import jwt

        try:
            header = jwt.get_unverified_header(token) if token.isascii() and len(token) <= MAX_ID_TOKEN_LENGTH else {}
        except (jwt.PyJWTError, ValueError, RecursionError):
            header = {}
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or not isinstance(kid, str | None):
            raise ValueError("token: it is not signed with an algorithm for public keys")
        key = await self._keys_at(metadata.jwks_uri).key(kid, algorithm)
        if key is None:
            raise ValueError("token: its key is not among those of the provider")
        return _verify_token(token, key, algorithm, self.provider.issuer, self.provider.client_id), algorithm

    def _keys_at(self, url: str) -> JwksCache:
        if self._keys is None or self._keys.url != url:
            self._keys = JwksCache(url, ProviderUnavailable, self._fetch, self._clock, JWKS_REFRESH_SECONDS)
        return self._keys

    async def _complete(
        self, metadata: Metadata, claims: dict[str, object], access_token: str | None
    ) -> dict[str, object]:
        """Add the claims of the userinfo endpoint, where the ID token lacks the e-mail address or the groups (§5.3)."""
        needed = {"email", *([self.provider.groups_claim] if self.provider.groups_claim else [])}
        if not metadata.userinfo_endpoint or not access_token or needed <= claims.keys():
            return claims
        answer = await self._call("GET", metadata.userinfo_endpoint, [("Authorization", f"Bearer {access_token}")])
        if answer.status != 200:
            raise self._fail(f"the userinfo endpoint answered with status {answer.status}")
        more = self._parse(answer.body)
        if more.get("sub") != claims["sub"]:
            raise self._refuse("the userinfo endpoint tells of somebody else")
        if "email" not in claims:  # whether it is verified is said beside the address that it is about
            claims = {name: value for name, value in claims.items() if name != "email_verified"}
        elif more.get("email") != claims["email"]:
            more.pop("email_verified", None)
        return {**more, **claims}
