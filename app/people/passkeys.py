"""Passkeys (WebAuthn level 3): challenges, registration and sign-in.

A challenge is sealed instead of stored: what it is for and when it expires stand in it, and an HMAC. Once it was
answered its hash is stored until it expires, so that it is answered once.
"""

import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict, TypeVar, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, Invalid, NotFound
from app.core.settings import Settings
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, insert_into
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.people.tables import Passkey, Person, SpentToken
from app.web.paging import Page, PageQuery, Sort, fetch_page

if TYPE_CHECKING:
    from webauthn.registration.verify_registration_response import VerifiedRegistration

T = TypeVar("T")
PASSKEY, SPENT = table_of(Passkey), table_of(SpentToken)
CHALLENGE_LIFETIME = timedelta(minutes=5)
MAX_PASSKEYS: Final = 20  # of one person
SIGN_IN: Final = "sign-in"
_BODY_LENGTH: Final = 20  # bytes of a challenge before its HMAC: 4 of the expiry, 16 random ones
_TRANSPORTS: Final = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})


class PasskeyInvalid(Invalid, code="passkey_invalid", title="The passkey is not valid"):
    """The answer of the authenticator is not valid, was given before, or is for another site or person."""


class TooManyPasskeys(Conflict, code="too_many_passkeys", title="There are too many passkeys"):
    """The person has as many passkeys as one may have; delete one first."""


class RelyingParty(NamedTuple):
    """The site to which passkeys are bound."""

    id: str
    name: str
    origins: list[str]

    @classmethod
    def of(cls, settings: Settings) -> "RelyingParty":
        """Return the site of the settings."""
        return cls(settings.relying_party_id, settings.site_name, settings.relying_party_origins)


class Holder(NamedTuple):
    """The person for whom a passkey is created."""

    id: str
    name: str
    email: str


def registration_of(person_id: str) -> str:
    """Return the purpose of a challenge to register a passkey for a person."""
    return f"register:{person_id}"


def _seal(vault: Vault, purpose: str, body: bytes) -> bytes:
    return bytes.fromhex(vault.derive("passkey", f"{purpose}:{body.hex()}"))


def make_challenge(vault: Vault, purpose: str) -> bytes:
    """Return a new challenge."""
    expiry = int((now() + CHALLENGE_LIFETIME).timestamp())
    body = expiry.to_bytes(4, "big") + secrets.token_bytes(_BODY_LENGTH - 4)
    return body + _seal(vault, purpose, body)


def _read_challenge(vault: Vault, purpose: str, credential: JsonObject) -> bytes:
    """Return the challenge that a credential answers; 422 unless it is one of this server that has not expired."""
    from webauthn import base64url_to_bytes

    try:
        response = cast("dict[str, str]", credential["response"])
        client_data = json.loads(base64url_to_bytes(response["clientDataJSON"]))
        challenge = base64url_to_bytes(client_data["challenge"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise PasskeyInvalid from None
    body = challenge[:_BODY_LENGTH]
    is_genuine = hmac.compare_digest(challenge[_BODY_LENGTH:], _seal(vault, purpose, body))
    if not is_genuine or _expiry_of(challenge) <= now():
        raise PasskeyInvalid("The challenge has expired. Get new options.")
    return challenge


def _expiry_of(challenge: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(challenge[:4], "big"), UTC)


def spend_challenge(session: Session, challenge: bytes) -> None:
    """Note that a challenge was answered; 422 if it was before."""
    values = {"hash": challenge[_BODY_LENGTH:].hex(), "expires_at": _expiry_of(challenge)}
    spend = insert_into(session, SPENT).on_conflict_do_nothing().returning(SPENT.c.hash)
    if session.execute(spend, values).first() is None:
        raise PasskeyInvalid


def _verify(work: Callable[[], T]) -> T:
    """Run a verification of the library; 422 where it fails, which it tells by exceptions of several libraries."""
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        return work()
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        raise PasskeyInvalid from None


def make_registration_options(vault: Vault, site: RelyingParty, person: Holder, known: Sequence[str]) -> bytes:
    """Return the options to create a passkey for a person, as JSON of `PublicKeyCredentialCreationOptions`."""
    from webauthn import base64url_to_bytes, generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=site.id,
        rp_name=site.name,
        user_id=person.id.encode(),
        user_name=person.email,
        user_display_name=person.name,
        challenge=make_challenge(vault, registration_of(person.id)),
        timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in known],
    )
    return options_to_json(options).encode()


def make_sign_in_options(vault: Vault, site: RelyingParty) -> bytes:
    """Return the options to sign in with any passkey, as JSON of `PublicKeyCredentialRequestOptions`."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=site.id,
        challenge=make_challenge(vault, SIGN_IN),
        timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options).encode()


class NewPasskey(NamedTuple):
    """A passkey that an authenticator has created."""

    challenge: bytes
    credential_id: str
    public_key: bytes
    sign_count: int
    transports: list[str]
    backed_up: bool


def verify_registration(vault: Vault, site: RelyingParty, person_id: str, credential: JsonObject) -> NewPasskey:
    """Return the passkey that an authenticator created for a person; 422 if the answer is not valid."""
    from webauthn import verify_registration_response
    from webauthn.helpers import bytes_to_base64url

    challenge = _read_challenge(vault, registration_of(person_id), credential)

    def verify() -> "VerifiedRegistration":
        return verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origins,
            require_user_verification=True,
        )

    verified = _verify(verify)
    transports = cast("dict[str, object]", credential["response"]).get("transports")
    named = [one for one in transports if one in _TRANSPORTS] if isinstance(transports, list) else []
    return NewPasskey(
        challenge,
        bytes_to_base64url(verified.credential_id),
        verified.credential_public_key,
        verified.sign_count,
        sorted(set(named)),
        verified.credential_backed_up,
    )


def add_passkey(session: Session, actor: Actor, person: Person, passkey: NewPasskey, name: str) -> str:
    """Store a passkey of a person, whose row is locked, and return its id; 422 if it is known already."""
    spend_challenge(session, passkey.challenge)
    count = sa.select(sa.func.count()).where(PASSKEY.c.person_id == person.id)
    if session.execute(count).scalar_one() >= MAX_PASSKEYS:
        raise TooManyPasskeys
    values = {
        "id": new_id(),
        "person_id": person.id,
        "name": name,
        "credential_id": passkey.credential_id,
        "public_key": passkey.public_key,
        "sign_count": passkey.sign_count,
        "transports": passkey.transports,
        "backed_up": passkey.backed_up,
        "created_at": now(),
    }
    insert = insert_into(session, PASSKEY).on_conflict_do_nothing().returning(PASSKEY.c.id)
    if session.execute(insert, values).first() is None:
        raise PasskeyInvalid
    record_action(session, actor, "passkey.create", "person", person.id, {"name": person.name})
    return cast(str, values["id"])


class StoredPasskey(TypedDict):
    """A passkey with what its answers are verified with."""

    id: str
    person_id: str
    public_key: bytes
    sign_count: int


_BY_CREDENTIAL = sa.select(*(PASSKEY.c[name] for name in StoredPasskey.__annotations__)).where(
    PASSKEY.c.credential_id == sa.bindparam("credential")
)


def find_passkey(connection: sa.Connection, credential_id: str) -> StoredPasskey | None:
    """Find the passkey that an authenticator names."""
    return fetch_row(connection, _BY_CREDENTIAL, StoredPasskey, {"credential": credential_id})


class PasskeyAnswer(NamedTuple):
    """A verified answer of an authenticator to a challenge."""

    passkey: StoredPasskey
    challenge: bytes
    sign_count: int


def read_credential_id(credential: JsonObject) -> str:
    """Return the id of the credential in an answer; 422 without one."""
    credential_id = credential.get("id")
    if not isinstance(credential_id, str) or not 0 < len(credential_id) <= 1400 or not credential_id.isascii():
        raise PasskeyInvalid
    return credential_id


def verify_answer(vault: Vault, site: RelyingParty, passkey: StoredPasskey, credential: JsonObject) -> PasskeyAnswer:
    """Verify an answer to a challenge to sign in; 422 if it is not valid."""
    from webauthn import base64url_to_bytes, verify_authentication_response

    challenge = _read_challenge(vault, SIGN_IN, credential)

    def verify() -> int:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origins,
            credential_public_key=passkey["public_key"],
            credential_current_sign_count=passkey["sign_count"],
            require_user_verification=True,
        )
        user = cast("dict[str, object]", credential["response"]).get("userHandle")
        if user is not None and base64url_to_bytes(cast(str, user)) != passkey["person_id"].encode():
            raise PasskeyInvalid
        return verified.new_sign_count

    return PasskeyAnswer(passkey, challenge, _verify(verify))


def use_passkey(session: Session, answer: PasskeyAnswer) -> Person | None:
    """Note the use of a passkey and return the person, locked; None if the passkey or the person is gone."""
    passkey = session.get(Passkey, answer.passkey["id"], with_for_update=True)
    if passkey is None:
        return None
    spend_challenge(session, answer.challenge)
    if passkey.sign_count != answer.passkey["sign_count"]:  # it was used meanwhile: perhaps by a copy
        raise PasskeyInvalid
    passkey.sign_count, passkey.last_used_at = answer.sign_count, now()
    return session.get(Person, passkey.person_id, with_for_update=True)


class PasskeyRow(TypedDict):
    """A passkey, as the person and admins see it."""

    id: str
    name: str
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


_COLUMNS = [PASSKEY.c[name] for name in PasskeyRow.__annotations__]
NEWEST_FIRST = Sort("-created_at", descending=True)


def list_passkeys(connection: sa.Connection, person_id: str, query: PageQuery) -> Page[PasskeyRow]:
    """Return a page of the passkeys of a person, newest first."""
    statement = sa.select(*_COLUMNS).where(PASSKEY.c.person_id == person_id)
    return fetch_page(connection, statement, NEWEST_FIRST, PASSKEY.c.created_at, query, PasskeyRow, within=person_id)


def get_passkey(connection: sa.Connection, passkey_id: str) -> PasskeyRow:
    """Return a passkey by its id."""
    row = fetch_row(connection, sa.select(*_COLUMNS).where(PASSKEY.c.id == passkey_id), PasskeyRow)
    if row is None:
        raise NotFound
    return row


def list_credential_ids(connection: sa.Connection, person_id: str) -> list[str]:
    """List the ids by which authenticators know the passkeys of a person."""
    query = sa.select(PASSKEY.c.credential_id).where(PASSKEY.c.person_id == person_id)
    return list(connection.execute(query).scalars())


def delete_passkey(session: Session, actor: Actor, person: Person, passkey_id: str) -> None:
    """Delete a passkey of a person, whose row is locked; 404 if it is not one of theirs."""
    passkey = session.get(Passkey, passkey_id) if is_id(passkey_id) else None
    if passkey is None or passkey.person_id != person.id:
        raise NotFound
    session.delete(passkey)
    record_action(session, actor, "passkey.delete", "person", person.id, {"name": person.name})
