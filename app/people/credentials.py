"""Credentials of people: signing in with them, setting and removing them."""

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.problems import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from app.db.columns import table_of
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.people.invitations import TotpRequired
from app.people.passkeys import Holder, NewPasskey, PasskeyAnswer, add_passkey, delete_passkey, use_passkey
from app.people.people import is_self, lock_person
from app.people.sessions import Tokens, end_sessions, is_active, start_session
from app.people.tables import Passkey, Person, PersonIdentity, PersonSession
from app.people.totp import disable_totp, make_recovery_codes, make_secret, use_code

PERSON, PASSKEY, IDENTITY = table_of(Person), table_of(Passkey), table_of(PersonIdentity)
FRESH_LIFETIME = timedelta(minutes=15)


class SignInFailed(Unauthorized, code="sign_in_failed", title="The sign-in failed"):
    """The credentials are wrong, or their owner may not sign in; which of these is not told."""


class SignInAgain(Forbidden, code="sign_in_again", title="Sign in again to do this"):
    """Credentials are changed only within 15 minutes after a sign-in."""


class TotpEnabled(Conflict, code="totp_enabled", title="One-time codes are in use"):
    """One-time codes are in use already; remove them first."""


class LastSignInMethod(Conflict, code="last_sign_in_method", title="It is the only way to sign in"):
    """Without it the person could not sign in any more. Set up another way to sign in first."""


class StoredPassword(NamedTuple):
    """The password of a person, and whether one-time codes are asked for with it."""

    person_id: str
    hash: str | None
    has_totp: bool


def find_password(connection: sa.Connection, email: str) -> StoredPassword | None:
    """Find the password of the person with an e-mail address."""
    columns = PERSON.c.id, PERSON.c.password_hash, PERSON.c.totp_confirmed_at
    row = connection.execute(sa.select(*columns).where(PERSON.c.email == email.lower())).first()
    return StoredPassword(row.id, row.password_hash, row.totp_confirmed_at is not None) if row else None


def find_holder(connection: sa.Connection, person_id: str) -> Holder:
    """Return the name and address of a person who is not deleted; 404 for others."""
    columns = PERSON.c.id, PERSON.c.name, PERSON.c.email
    row = connection.execute(sa.select(*columns).where(PERSON.c.id == person_id, PERSON.c.deleted_at.is_(None))).first()
    if row is None:
        raise NotFound
    return Holder(row.id, row.name, row.email)


def sign_in_with_password(
    session: Session, vault: Vault, stored: StoredPassword, totp: str | None, client: str, new_hash: str | None
) -> Tokens:
    """Begin a session of somebody whose password was right; 401 unless they may sign in, and the code is right."""
    person = session.get(Person, stored.person_id, with_for_update=True)
    if person is None or not is_active(person) or person.password_hash != stored.hash:
        raise SignInFailed
    if person.totp_confirmed_at is not None:
        if totp is None:
            raise TotpRequired
        if not use_code(person, totp):
            raise SignInFailed
    person.password_hash = new_hash or person.password_hash
    return start_session(session, vault, person, "password", client)


def sign_in_with_passkey(session: Session, vault: Vault, answer: PasskeyAnswer, client: str) -> Tokens:
    """Begin a session of somebody whose passkey was right; 401 unless they may sign in."""
    person = use_passkey(session, answer)
    if person is None or not is_active(person):
        raise SignInFailed
    return start_session(session, vault, person, "passkey", client)


def lock_holder(session: Session, actor: Actor, person_id: str) -> Person:
    """Return a person whose credentials are changed, locked; 403 unless the caller signed in just now, or is an admin.

    A token that was stolen, or a screen left alone, does not suffice.
    """
    if is_self(actor, person_id):
        row = session.get(PersonSession, actor.session)
        if row is None or now() - row.authenticated_at > FRESH_LIFETIME:
            raise SignInAgain
    return lock_person(session, person_id)


def require_sign_in_method(session: Session, actor: Actor, person: Person, issuers: Collection[str]) -> None:
    """Raise 409 where people take from themselves the last way to sign in; an admin may, and invites them again.

    `issuers` are those in the settings: with accounts at others nobody signs in.
    """
    if not is_self(actor, person.id) or person.password_hash is not None:
        return
    session.flush()
    keys = sa.select(PASSKEY.c.id).where(PASSKEY.c.person_id == person.id)
    accounts = sa.select(IDENTITY.c.id).where(IDENTITY.c.person_id == person.id, IDENTITY.c.issuer.in_(sorted(issuers)))
    if session.execute(keys.union_all(accounts).limit(1)).first() is None:
        raise LastSignInMethod("Set up another way to sign in first.")


def require_fresh(session: Session, actor: Actor, person_id: str) -> None:
    """Raise 403 unless the caller may change the credentials of a person now."""
    lock_holder(session, actor, person_id)


def set_password(session: Session, actor: Actor, person_id: str, password_hash: str) -> None:
    """Set the password of a person, and end their other sessions."""
    person = lock_holder(session, actor, person_id)
    person.password_hash = password_hash
    end_sessions(session, actor, person.id)
    record_action(session, actor, "password.change", "person", person.id, {"name": person.name})


def remove_password(session: Session, actor: Actor, person_id: str, issuers: Collection[str]) -> None:
    """Remove the password of a person."""
    person = lock_holder(session, actor, person_id)
    if person.password_hash is None:
        raise NotFound
    person.password_hash = None
    require_sign_in_method(session, actor, person, issuers)
    record_action(session, actor, "password.delete", "person", person.id, {"name": person.name})


def begin_totp(session: Session, actor: Actor, person_id: str) -> str:
    """Give a person a secret for one-time codes, which are asked for once one was confirmed; return the id."""
    person = lock_holder(session, actor, person_id)
    if person.totp_confirmed_at is not None:
        raise TotpEnabled
    person.totp_secret, person.totp_step = make_secret(), None
    return person.id


def find_totp_secret(connection: sa.Connection, person_id: str) -> str:
    """Return the secret of a person's one-time codes."""
    return str(connection.execute(sa.select(PERSON.c.totp_secret).where(PERSON.c.id == person_id)).scalar_one())


def confirm_totp(session: Session, actor: Actor, person_id: str, code: str) -> list[str]:
    """Ask a person for one-time codes from now on; return recovery codes."""
    person = lock_holder(session, actor, person_id)
    if person.totp_confirmed_at is not None:
        raise TotpEnabled
    if person.totp_secret is None or not use_code(person, code):
        raise Invalid("The code is wrong, or its time is over.", pointer="/code", code="wrong")
    person.totp_confirmed_at = now()
    end_sessions(session, actor, person.id)
    record_action(session, actor, "totp.enable", "person", person.id, {"name": person.name})
    return make_recovery_codes(person)


def remove_totp(session: Session, actor: Actor, person_id: str) -> None:
    """Ask a person for one-time codes no more."""
    person = lock_holder(session, actor, person_id)
    if person.totp_secret is None:
        raise NotFound
    disable_totp(person)
    record_action(session, actor, "totp.disable", "person", person.id, {"name": person.name})


def register_passkey(session: Session, actor: Actor, person_id: str, passkey: NewPasskey, name: str) -> str:
    """Add a passkey to those of the caller; return its id."""
    return add_passkey(session, actor, lock_holder(session, actor, person_id), passkey, name)


def remove_passkey(session: Session, actor: Actor, person_id: str, passkey_id: str, issuers: Collection[str]) -> None:
    """Delete a passkey of a person."""
    person = lock_holder(session, actor, person_id)
    delete_passkey(session, actor, person, passkey_id)
    require_sign_in_method(session, actor, person, issuers)
