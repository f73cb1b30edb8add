"""Public keys of other servers (JWKS, RFC 7517), with which their JWTs are verified."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, cast

import pydantic_core

from app.core.problems import Unavailable
from app.net.cached_document import MIN_REFRESH_SECONDS, CachedDocument, Fetch, fetch_once

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
MAX_JWKS_KEYS = 100
MIN_RSA_BITS = 2048
VerificationKey: TypeAlias = "RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey"
VerificationKeys = dict[tuple[str | None, str], list[VerificationKey]]
"""Keys by id and algorithm."""


def parse_jwks(body: bytes) -> VerificationKeys:
    """Return the keys of a JWKS; keys that are too short or not for verifying signatures are left out."""
    import jwt  # here, as it takes 10 MB with its library, and many sites have neither readers nor providers

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


def select_key(keys: VerificationKeys, kid: str | None, algorithm: str) -> "VerificationKey | None":
    """Return the key with this id for this algorithm, or without an id the only key for it; None if there is none."""
    if kid is not None:
        matching = keys.get((kid, algorithm), [])
    else:
        matching = [key for (_, known), listed in keys.items() if known == algorithm for key in listed]
    return matching[0] if len(matching) == 1 else None


class JwksCache(CachedDocument[VerificationKeys]):
    """The cached keys of a server, fetched again for a key that is not among them."""

    def __init__(
        self,
        url: str,
        unavailable: type[Unavailable],
        fetch: Fetch = fetch_once,
        clock: Callable[[], float] = time.monotonic,
        min_refresh_seconds: float = MIN_REFRESH_SECONDS,
    ) -> None:
        super().__init__(
            url, parse_jwks, unavailable, fetch=fetch, clock=clock, min_refresh_seconds=min_refresh_seconds
        )

    async def key(self, kid: str | None, algorithm: str) -> "VerificationKey | None":
        """Return the key with this id for this algorithm, or without an id the only key for it; None if there is none.

        503 if the key is unknown and the server cannot be reached.
        """
        return await self.find(lambda keys: select_key(keys, kid, algorithm))
