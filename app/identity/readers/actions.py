"""Recognising a reader by a JWT of the publication's own site."""

from typing import Annotated, Any

import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from app.identity.readers.queries import ALGORITHMS, KeySet
from app.identity.schemas import Actor, Claims
from app.kit.names import public_name
from app.kit.problems import Unauthorized
from app.kit.settings import Settings
from app.kit.text import Name, Slug, clean

LEEWAY = 60.0  # seconds that the clocks of two servers may differ
LONGEST = 8192  # characters of a token
REFUSED = "This JWT is not valid here."


def _as_it_is(text: str) -> str:
    if clean(text) != text:
        raise ValueError("must be normalised text without control characters")
    return text


_Email = Annotated[str, StringConstraints(max_length=320, to_lower=True, pattern=r"^[^\s@]+@[^\s@]+$")]
_CLEAN = AfterValidator(_as_it_is)


class _Who(BaseModel):
    """What must be right in a token, or it is refused."""

    model_config = ConfigDict(strict=True)

    sub: Annotated[str, StringConstraints(min_length=1, max_length=255), _CLEAN]
    iss: Annotated[str, StringConstraints(max_length=300), _CLEAN] = ""


_NAME: TypeAdapter[str] = TypeAdapter(Name)
_EMAIL: TypeAdapter[str] = TypeAdapter(Annotated[_Email, _CLEAN])
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)


def _fitting(adapter: TypeAdapter[str], value: Any) -> str | None:
    """The value if it can be used here; the site may have other rules, which is no fault of the reader's."""
    try:
        return adapter.validate_python(value) if isinstance(value, str) else None
    except ValidationError:
        return None


def _shown(name: Any) -> str | None:
    """The name that a site gives, as others may see it."""
    fitting = _fitting(_NAME, name)
    return public_name(fitting) if fitting else None


class Readers:
    """Knows the readers of the publication's site: by its published keys, by a secret shared with it, or by both."""

    def __init__(self, settings: Settings, keys: KeySet | None = None) -> None:
        self._keys = keys or (KeySet(settings.reader_jwks_url) if settings.reader_jwks_url else None)
        self._secret = settings.reader_secret.get_secret_value().encode()
        self._issuer, self._audience = settings.reader_issuer, settings.reader_audience

    async def actor(self, token: str) -> Actor:
        """The reader with this JWT. 401 whatever is wrong with it, 503 where that cannot be told right now."""
        algorithm, key = await self._key(token)
        try:
            found = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                leeway=LEEWAY,
                issuer=self._issuer or None,
                audience=self._audience or None,
                options={"require": ["exp", "sub"], "verify_aud": bool(self._audience)},
            )
            who = _Who.model_validate(found)
        except (jwt.PyJWTError, ValueError, OverflowError):  # of Pydantic as well
            raise Unauthorized(REFUSED) from None
        email = _fitting(_EMAIL, found.get("email"))
        claims = Claims(
            subject=f"{who.iss}|{who.sub}",
            name=_shown(found.get("name")),
            email=email,
            verified=email is not None and found.get("email_verified") is True,
            author=_fitting(_SLUG, found.get("author")),
        )
        return Actor("reader", name=claims.name or "", reader=claims)

    async def stop(self) -> None:
        """Ask the site nothing more."""
        if self._keys:
            await self._keys.stop()

    async def _key(self, token: str) -> tuple[str, Any]:
        """The algorithm that a token names, if it is one that this server takes, and the key for it."""
        try:
            header = jwt.get_unverified_header(token) if token.isascii() and len(token) <= LONGEST else {}
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Unauthorized(REFUSED) from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or not isinstance(kid, str | None):
            raise Unauthorized(REFUSED)
        if algorithm == "HS256" and self._secret:
            return algorithm, self._secret
        if algorithm in ALGORITHMS and self._keys:
            key = await self._keys.key(kid, algorithm)
            if key is not None:
                return algorithm, key
        raise Unauthorized(REFUSED)
