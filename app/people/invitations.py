"""Invitations: links by which people set up how they sign in, once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import id_from_hex, new_id
from app.core.problems import Conflict, Gone, Invalid, Unauthorized
from app.db.columns import table_of
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.identity.tokens import hash_token
from app.people.people import EmailTaken, find_person_by_email, lock_person, withdraw_invitations
from app.people.schemas import SignInMethod
from app.people.sessions import Tokens, end_sessions, start_session
from app.people.tables import Invitation, Person
from app.people.totp import use_code
from app.text.confusables import skeleton

INVITATION_PREFIX: Final = "bi_"
INVITATION_LIFETIME = timedelta(days=7)
INVITATION, PERSON = table_of(Invitation), table_of(Person)


class InvitationInvalid(Gone, code="invitation_invalid", title="The invitation is not valid"):
    """The invitation is unknown, expired, withdrawn or was used before; ask for another one."""


class PersonSuspended(Conflict, code="person_suspended", title="The person is suspended"):
    """The person is suspended, and cannot be invited meanwhile."""


class TotpRequired(Unauthorized, code="totp_required", title="A one-time code is needed"):
    """The password or invitation is right, and the person uses one-time codes: send one as `totp`."""


class SendInvitation(Protocol):
    """Sends an invitation by mail, in the transaction that makes it; implemented by the room `mail`."""

    def __call__(self, session: Session, invitation_id: str, /) -> None: ...


class NewInvitation(NamedTuple):
    """An invitation with its token."""

    id: str
    person_id: str
    expires_at: datetime
    token: str


def make_invitation_token(vault: Vault, invitation_id: str) -> str:
    """Return the token of an invitation, which is derived when it is needed, and not stored."""
    return vault.seal_token(INVITATION_PREFIX, invitation_id.replace("-", ""))


def create_invitation(
    session: Session, actor: Actor, vault: Vault, send: SendInvitation | None, person_id: str
) -> NewInvitation:
    """Invite a person in place of any earlier invitation, and send it by mail if `send` is given.

    For people who can sign in already it is a way to set another password or passkey.
    """
    person = lock_person(session, person_id)
    if person.suspended_at is not None:
        raise PersonSuspended
    withdraw_invitations(session, person.id)
    invitation_id, moment = new_id(), now()
    token = make_invitation_token(vault, invitation_id)
    row = Invitation(
        id=invitation_id,
        person_id=person.id,
        token_hash=hash_token(token),
        created_at=moment,
        expires_at=moment + INVITATION_LIFETIME,
    )
    session.add(row)
    record_action(session, actor, "person.invite", "person", person.id, {"name": person.name})
    if send is not None:
        send(session, invitation_id)
    return NewInvitation(invitation_id, person.id, row.expires_at, token)


class Invitee(NamedTuple):
    """Whom a valid invitation is for."""

    id: str
    name: str
    email: str | None  # None: the invitation asks for it


_OPEN = (
    sa.select(PERSON.c.id, PERSON.c.name, PERSON.c.email)
    .join_from(INVITATION, PERSON, PERSON.c.id == INVITATION.c.person_id)
    .where(INVITATION.c.used_at.is_(None), PERSON.c.suspended_at.is_(None), PERSON.c.deleted_at.is_(None))
)


def find_open_invitation(connection: sa.Connection, invitation_id: str) -> Invitee | None:
    """Return whom an invitation is for, or None if it cannot be accepted any more."""
    is_it = sa.and_(INVITATION.c.id == invitation_id, INVITATION.c.expires_at > now())
    row = connection.execute(_OPEN.where(is_it)).first()
    return Invitee(row.id, row.name, row.email) if row else None


def find_invitee(connection: sa.Connection, vault: Vault, token: str) -> Invitee:
    """Return whom an invitation is for; 410 if it is not valid."""
    invitee = find_open_invitation(connection, _read_token(vault, token))
    if invitee is None:
        raise InvitationInvalid
    return invitee


def _read_token(vault: Vault, token: str) -> str:
    body = vault.unseal_token(INVITATION_PREFIX, token)
    if body is None or len(body) != 32:
        raise InvitationInvalid
    return id_from_hex(body)


class Acceptance(NamedTuple):
    """What somebody sends who accepts an invitation, with the credential that is set up by it."""

    token: str
    name: str | None
    email: str | None
    totp: str | None
    method: SignInMethod
    set_credential: Callable[[Session, Person], None]
    client: str


def require_email(invitee: Invitee, email: str | None) -> str:
    """Return the address of whoever accepts an invitation; 422 unless it is in one of two places."""
    if invitee.email is not None and email is not None:
        raise Invalid("The invitation is for an address already.", pointer="/email")
    if invitee.email is None and email is None:
        raise Invalid("Send the address with which you want to sign in.", pointer="/email", code="required")
    return invitee.email or email or ""


def _set_email(session: Session, person: Person, email: str | None) -> None:
    if person.email is not None:
        return
    if email is None or find_person_by_email(session, email) is not None:
        raise EmailTaken
    person.email = email


def accept_invitation(session: Session, vault: Vault, acceptance: Acceptance) -> Tokens:
    """Accept an invitation: set up the credential, end all former sessions and begin one."""
    invitation_id = _read_token(vault, acceptance.token)
    invitation = session.get(Invitation, invitation_id, with_for_update=True)
    if invitation is None or invitation.used_at is not None or invitation.expires_at <= now():
        raise InvitationInvalid
    person = session.get(Person, invitation.person_id, with_for_update=True)
    if person is None or person.suspended_at is not None or person.deleted_at is not None:
        raise InvitationInvalid
    if person.totp_confirmed_at is not None and not (acceptance.totp and use_code(person, acceptance.totp)):
        raise TotpRequired
    _set_email(session, person, acceptance.email)
    invitation.used_at = now()
    actor = Actor("person", person.id, person.name, person=person.id)
    end_sessions(session, actor, person.id)
    if acceptance.name is not None:
        person.name, person.skeleton = acceptance.name, skeleton(acceptance.name)
    person.accepted_at = person.accepted_at or now()
    acceptance.set_credential(session, person)
    record_action(session, actor, "person.accept", "person", person.id, {"method": acceptance.method})
    return start_session(session, vault, person, acceptance.method, acceptance.client)
