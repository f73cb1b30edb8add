"""Time-based one-time passwords (RFC 6238), and the recovery codes for whoever has lost the device."""

import hmac
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlencode

from app.core.clock import now
from app.people.tables import Person

STEP_SECONDS: Final = 30
CODE_DIGITS: Final = 6
TOLERATED_STEPS: Final = (0, -1, 1)  # clocks differ, and people type slowly (RFC 6238 §5.2)
RECOVERY_CODES: Final = 10
_SECRET_BYTES: Final = 20  # as the HMAC-SHA-1 that authenticator apps use (RFC 4226 §4)
_GROUP_LENGTH: Final = 5


def make_secret() -> str:
    """Return a new secret in Base32."""
    import pyotp

    return pyotp.random_base32(_SECRET_BYTES * 8 // 5)


def make_uri(secret: str, email: str, site_name: str) -> str:
    """Return the URI that authenticator apps read from a QR code."""
    label = quote(f"{site_name}:{email}", safe=":@")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': site_name}, quote_via=quote)}"


def _step_of(moment: datetime) -> int:
    return int(moment.timestamp()) // STEP_SECONDS


def _find_step(person: Person, code: str) -> int | None:
    """Return the step whose code this is; None if it is that of no step now, or of one that was used before."""
    import pyotp

    if person.totp_secret is None:
        return None
    current, generator, found = _step_of(now()), pyotp.HOTP(person.totp_secret), None
    for offset in TOLERATED_STEPS:
        if hmac.compare_digest(generator.at(current + offset).encode(), code.encode()):
            found = current + offset
    if found is None or (person.totp_step is not None and found <= person.totp_step):
        return None
    return found


def _normalize_recovery_code(code: str) -> str:
    return code.replace("-", "").replace(" ", "").lower()


def _hash_recovery_code(code: str) -> str:
    """Return the hash of a code; with 80 random bits, a slow hash would add nothing."""
    return sha256(_normalize_recovery_code(code).encode()).hexdigest()


def make_recovery_codes(person: Person) -> list[str]:
    """Give a person new recovery codes in place of all former ones, and return them."""
    codes = [secrets.token_hex(2 * _GROUP_LENGTH) for _ in range(RECOVERY_CODES)]
    person.recovery_hashes = [_hash_recovery_code(code) for code in codes]
    return ["-".join(code[at : at + _GROUP_LENGTH] for at in range(0, len(code), _GROUP_LENGTH)) for code in codes]


def use_code(person: Person, code: str) -> bool:
    """Whether a code is right; it is right once. The person's row is locked by the caller."""
    text = code.strip().replace(" ", "")
    if len(text) == CODE_DIGITS:
        step = _find_step(person, text)
        if step is not None:
            person.totp_step = step
        return step is not None
    hashes, own = person.recovery_hashes or [], _hash_recovery_code(code)
    person.recovery_hashes = [one for one in hashes if not hmac.compare_digest(one, own)]
    return len(person.recovery_hashes) < len(hashes)


def disable_totp(person: Person) -> None:
    """Sign a person in without codes from now on."""
    person.totp_secret = person.totp_confirmed_at = person.totp_step = person.recovery_hashes = None
