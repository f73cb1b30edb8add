"""Authentication of the site's readers by JWT (RFC 7519)."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from app.core.models import BaseModel
from app.core.problems import Unauthorized, Unavailable
from app.core.settings import Settings
from app.identity.jwks import ALGORITHMS, JwksCache, VerificationKey
from app.identity.schemas import Actor, Claims
from app.text.inputs import Name, Slug, clean_text
from app.text.names import public_name


class ReaderKeysUnavailable(Unavailable, code="reader_keys_unavailable", title="The site's keys cannot be fetched"):
    """The keys of the publication's site cannot be fetched now, so that a reader's JWT cannot be verified."""


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
        self._keys = keys or (
            JwksCache(settings.reader_jwks_url, ReaderKeysUnavailable) if settings.reader_jwks_url else None
        )
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
