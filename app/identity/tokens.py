"""Random tokens: a prefix, 32 bytes in hexadecimal and their CRC-32. Only a hash of a token is stored."""

import secrets
import zlib
from hashlib import sha256
from typing import Final

BODY_LENGTH: Final = 64  # hexadecimal digits


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def format_token(prefix: str, body: str) -> str:
    """Return the token of a body of 64 hexadecimal digits."""
    return f"{prefix}{body}{_checksum(body)}"


def make_token(prefix: str) -> str:
    """Return a new random token."""
    return format_token(prefix, secrets.token_hex(BODY_LENGTH // 2))


def is_well_formed(prefix: str, token: str) -> bool:
    """Whether prefix, length and checksum are right, so that a mistyped token is refused without reading the store."""
    body = token.removeprefix(prefix)
    if body == token or len(body) != BODY_LENGTH + 8 or not body.isascii():
        return False
    return _checksum(body[:BODY_LENGTH]) == body[BODY_LENGTH:]


def hash_token(token: str) -> str:
    """Return the SHA-256 under which a token is stored; with 256 random bits, a slow hash would add nothing."""
    return sha256(token.encode(errors="replace")).hexdigest()
