"""Authentication of the site's readers by JWT (RFC 7519), with cached keys of the site (JWKS, RFC 7517)."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias, cast

import pydantic_core
from pydantic import AfterValidator, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from app.core.logs import get_logger
from app.core.models import BaseModel
from app.core.problems import Unauthorized, Unavailable
from app.core.settings import Settings
from app.identity.schemas import Actor, Claims
from app.net.outgoing import CallFailed, Outgoing
from app.text.inputs import Name, Slug, clean_text
from app.text.names import public_name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALGORITHMS: dict[str, tuple[Mapping[str, str], str]] = {
    "RS256": ({"kty": "RSA"}, "kty n e"),
    "PS256": ({"kty": "RSA"}, "kty n e"),
    "ES256": ({"kty": "EC", "crv": "P-256"}, "kty crv x y"),
    "EdDSA": ({"kty": "OKP", "crv": "Ed25519"}, "kty crv x"),
}
"""By algorithm: the required members of a key, and the names of its public members, so that no private one is read."""
JWKS_TIMEOUT_SECONDS = 5.0  # for the whole request
MAX_JWKS_BYTES = 256_000
MAX_JWKS_KEYS = 100
MIN_RSA_BITS = 2048
DEFAULT_JWKS_SECONDS = 300.0  # for which keys are fresh if the answer has no max-age
MAX_JWKS_SECONDS = 3600.0  # limit of max-age
MAX_STALE_SECONDS = 24 * 3600.0  # for which keys are used while the site cannot be reached
MIN_REFRESH_SECONDS = 60.0  # between requests for an unknown key
RETRY_SECONDS = 10.0  # after a failed request
REFRESH_WAIT_SECONDS = 0.1  # for which the first caller with a stale key waits for fresh ones
_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})", re.ASCII | re.IGNORECASE)
log = get_logger("broadsheet.identity")
FetchJwks = Callable[[str], Awaitable[tuple[bytes, str]]]
VerificationKey: TypeAlias = "RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey"
VerificationKeys = dict[tuple[str | None, str], list[VerificationKey]]
"""Keys by id and algorithm."""


class ReaderKeysUnavailable(Unavailable, code="reader_keys_unavailable", title="The site's keys cannot be fetched"):
    """The keys of the publication's site cannot be fetched now, so that a reader's JWT cannot be verified."""


async def fetch_jwks(url: str) -> tuple[bytes, str]:
    """Fetch a JWKS from the URL of the settings; return the body and the `Cache-Control` header."""
    outgoing = Outgoing(None)
    try:
        answer = await outgoing.call(
            "GET", url, timeout=JWKS_TIMEOUT_SECONDS, headers=[("Accept", "application/json")], max_bytes=MAX_JWKS_BYTES
        )
    finally:
        await outgoing.stop()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    return answer.body, answer.headers.get("cache-control", "")


def parse_jwks(body: bytes) -> VerificationKeys:
    """Return the keys of a JWKS; keys that are too short or not for verifying signatures are left out."""
    import jwt

    document = pydantic_core.from_json(body)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWKS")
    keys: VerificationKeys = {}
    for entry in listed[:MAX_JWKS_KEYS]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        if "verify" not in (entry.get("key_ops") or ["verify"]):
            continue
        for algorithm, (required, public) in ALGORITHMS.items():
            fits = all(entry.get(name) == value for name, value in required.items())
            if not fits or entry.get("alg", algorithm) != algorithm:
                continue
            members = {name: entry[name] for name in public.split() if name in entry}
            try:
                key = cast("VerificationKey", jwt.get_algorithm_by_name(algorithm).from_jwk(members))
            except (jwt.PyJWTError, ValueError, TypeError):
                continue
            if getattr(key, "key_size", MIN_RSA_BITS) >= MIN_RSA_BITS or required["kty"] != "RSA":
                keys.setdefault((entry.get("kid"), algorithm), []).append(key)
    return keys


class _CachedKeys(NamedTuple):
    keys: VerificationKeys
    read_at: float
    fresh_until: float


class JwksCache:
    """The site's keys, fetched when they are first needed, when they are stale, and when one is missing.

    Only one request runs at a time. Meanwhile the cached keys are used, and only callers with an unknown key wait.
    """

    def __init__(self, url: str, fetch: FetchJwks = fetch_jwks, clock: Callable[[], float] = time.monotonic) -> None:
        self.url, self._fetch, self._clock = url, fetch, clock
        self._cached: _CachedKeys | None = None
        self._failed_at = float("-inf")
        self._refresh: asyncio.Task[None] | None = None

    async def key(self, kid: str | None, algorithm: str) -> "VerificationKey | None":
        """Return the key with this id for this algorithm, or without an id the only key for it; None if there is none.

        503 if the key is unknown and the site cannot be reached.
        """
        cached = self._valid_cache()
        key = self._select_key(cached, kid, algorithm) if cached else None
        if cached is None or key is None or self._clock() >= cached.fresh_until:
            before = self._refresh
            refresh = self._start_refresh()
            if refresh and key is None:
                await asyncio.wait({refresh})  # unlike `await refresh`, not cancelled with the caller
            elif refresh and refresh is not before:
                await asyncio.wait({refresh}, timeout=REFRESH_WAIT_SECONDS)
            cached = self._valid_cache()
            key = self._select_key(cached, kid, algorithm) if cached else None
        if key is None and (cached is None or self._failed_at >= cached.read_at):
            raise ReaderKeysUnavailable(retry_after=int(RETRY_SECONDS))
        return key

    async def stop(self) -> None:
        """Cancel a running request."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait({self._refresh})

    def _valid_cache(self) -> _CachedKeys | None:
        return self._cached if self._cached and self._clock() - self._cached.read_at < MAX_STALE_SECONDS else None

    @staticmethod
    def _select_key(cached: _CachedKeys, kid: str | None, algorithm: str) -> "VerificationKey | None":
        if kid is not None:
            matching = cached.keys.get((kid, algorithm), [])
        else:
            matching = [key for (_, known), keys in cached.keys.items() if known == algorithm for key in keys]
        return matching[0] if len(matching) == 1 else None

    def _start_refresh(self) -> asyncio.Task[None] | None:
        """Return the running request, started if none is running and the last one is long enough ago."""
        if self._refresh is not None and not self._refresh.done():
            return self._refresh
        cached, clock = self._valid_cache(), self._clock()
        is_fresh = cached is not None and clock < cached.fresh_until
        if cached and is_fresh and clock - cached.read_at < MIN_REFRESH_SECONDS:
            return None
        if clock - self._failed_at < (MIN_REFRESH_SECONDS if is_fresh else RETRY_SECONDS):
            return None
        self._refresh = asyncio.create_task(self._load())
        return self._refresh

    async def _load(self) -> None:
        clock = self._clock()
        try:
            body, control = await self._fetch(self.url)
            keys = parse_jwks(body)
        except (ValueError, CallFailed) as error:
            self._failed_at = clock
            log.warning("the site's keys could not be fetched", error=type(error).__name__)
            return
        max_age = _MAX_AGE.search(control)
        lifetime = (
            min(max(float(max_age[1]), MIN_REFRESH_SECONDS), MAX_JWKS_SECONDS) if max_age else DEFAULT_JWKS_SECONDS
        )
        self._cached, self._failed_at = _CachedKeys(keys, clock, clock + lifetime), float("-inf")


CLOCK_SKEW_SECONDS = 60.0  # allowed between the clocks of two servers
MAX_TOKEN_LENGTH = 8192  # characters
INVALID_JWT = "The JWT is invalid."


def _require_clean(text: str) -> str:
    if clean_text(text) != text:
        raise ValueError("must be normalised text without control characters")
    return text


_Email = Annotated[str, StringConstraints(max_length=320, to_lower=True, pattern=r"^[^\s@]+@[^\s@]+$")]
_CLEAN = AfterValidator(_require_clean)


class _RequiredClaims(BaseModel):
    """Claims without which a token is refused."""

    model_config = ConfigDict(strict=True)

    sub: Annotated[str, StringConstraints(min_length=1, max_length=255), _CLEAN]
    iss: Annotated[str, StringConstraints(max_length=300), _CLEAN] = ""


_NAME: TypeAdapter[str] = TypeAdapter(Name)
_EMAIL: TypeAdapter[str] = TypeAdapter(Annotated[_Email, _CLEAN])
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)


def _valid_or_none(adapter: TypeAdapter[str], value: object) -> str | None:
    """Return a valid value, or None: the site may have other rules, and its readers are not refused for that."""
    try:
        return adapter.validate_python(value) if isinstance(value, str) else None
    except ValidationError:
        return None


def _public_name_or_none(name: object) -> str | None:
    """Return a name from a JWT as it may be shown to others, or None."""
    valid = _valid_or_none(_NAME, name)
    return public_name(valid) if valid else None


class Readers:
    """Authenticates readers by JWTs that the site signs with its private keys or with a shared secret."""

    def __init__(self, settings: Settings, keys: JwksCache | None = None) -> None:
        self._keys = keys or (JwksCache(settings.reader_jwks_url) if settings.reader_jwks_url else None)
        self._secret = settings.reader_secret.get_secret_value().encode()
        self._issuer, self._audience = settings.reader_issuer, settings.reader_audience

    async def identify(self, token: str) -> Actor:
        """Return the reader with this JWT; 401 if it is invalid, 503 if it cannot be verified now."""
        if not self._secret and not self._keys:
            raise Unauthorized(INVALID_JWT)
        import jwt  # here, as it takes 10 MB with its library, and most sites have no readers of their own

        algorithm, key = await self._key(token)
        try:
            payload = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                leeway=CLOCK_SKEW_SECONDS,
                issuer=self._issuer or None,
                audience=self._audience or None,
                options={"require": ["exp", "sub"], "verify_aud": bool(self._audience)},
            )
            required = _RequiredClaims.model_validate(payload)
        except (jwt.PyJWTError, ValueError, OverflowError):  # Pydantic raises ValueError
            raise Unauthorized(INVALID_JWT) from None
        email = _valid_or_none(_EMAIL, payload.get("email"))
        claims = Claims(
            subject=f"{required.iss}|{required.sub}",
            name=_public_name_or_none(payload.get("name")),
            email=email,
            verified=email is not None and payload.get("email_verified") is True,
            author=_valid_or_none(_SLUG, payload.get("author")),
        )
        return Actor("reader", name=claims.name or "", reader=claims)

    async def stop(self) -> None:
        """Stop fetching keys."""
        if self._keys:
            await self._keys.stop()

    async def _key(self, token: str) -> "tuple[str, VerificationKey | bytes]":
        """Return the algorithm that a token names, and the key for it; 401 for one that is not accepted."""
        import jwt

        try:
            header = jwt.get_unverified_header(token) if token.isascii() and len(token) <= MAX_TOKEN_LENGTH else {}
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Unauthorized(INVALID_JWT) from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or not isinstance(kid, str | None):
            raise Unauthorized(INVALID_JWT)
        if algorithm == "HS256" and self._secret:
            return algorithm, self._secret
        if algorithm in ALGORITHMS and self._keys:
            key = await self._keys.key(kid, algorithm)
            if key is not None:
                return algorithm, key
        raise Unauthorized(INVALID_JWT)
