"""Accounts of people with OpenID providers: who may sign in with which, linking and unlinking."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypedDict

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, NotFound
from app.core.sign_in_providers import SignInProvider
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, insert_into
from app.identity.audit import record_action
from app.identity.schemas import SYSTEM, Actor
from app.identity.secrets import Vault
from app.people.credentials import lock_holder, require_sign_in_method
from app.people.grants import apply_groups, take_provider_grants
from app.people.oidc import CLOCK_SKEW_SECONDS, MAX_LOGOUT_AGE, Identity, Logout, SignInRefused
from app.people.people import find_person_by_email, lock_person, withdraw_invitations
from app.people.sessions import Tokens, end_sessions, is_active, start_session
from app.people.spent_tokens import spend_token
from app.people.tables import Person, PersonIdentity
from app.text.confusables import skeleton
from app.text.emails import Email
from app.text.names import PersonName, public_name
from app.web.paging import Page, PageQuery, Sort, fetch_page, map_page

IDENTITY, PERSON = table_of(PersonIdentity), table_of(Person)
_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
_NAME: TypeAdapter[str] = TypeAdapter(PersonName)
NOT_ADMITTED = "No person of this publication may sign in with this account. Ask an administrator for an invitation."


def issuers_of(providers: Iterable[SignInProvider]) -> frozenset[str]:
    """Return the issuers of providers, whose accounts are ways to sign in."""
    return frozenset(provider.issuer for provider in providers)


class IdentityTaken(Conflict, code="identity_taken", title="The account belongs to another person"):
    """The account at the provider belongs to another person, or the person has another account there."""


def verified_email(identity: Identity, provider: SignInProvider) -> str | None:
    """Return the e-mail address that the provider has verified, in lower case, or None.

    Providers that do not say whether it is verified are believed if the operator trusts them for it.
    """
    is_verified = provider.trust_email if identity.email_verified is None else identity.email_verified
    if not is_verified or identity.email is None:
        return None
    try:
        return _EMAIL.validate_python(identity.email)
    except ValidationError:
        return None


def _is_in_allowed_domain(email: str | None, provider: SignInProvider) -> bool:
    return not provider.allowed_domains or (email is not None and email.rpartition("@")[2] in provider.allowed_domains)


def _find_identity(session: Session, issuer: str, subject: str) -> PersonIdentity | None:
    is_it = (IDENTITY.c.issuer == issuer) & (IDENTITY.c.subject == subject)
    return session.scalars(sa.select(PersonIdentity).where(is_it)).one_or_none()


def _has_account_at(session: Session, person_id: str, issuer: str) -> bool:
    is_it = (IDENTITY.c.person_id == person_id) & (IDENTITY.c.issuer == issuer)
    return session.execute(sa.select(IDENTITY.c.id).where(is_it)).first() is not None


def find_person_of(session: Session, identity: Identity, provider: SignInProvider) -> Person:
    """Return the person who signs in with an account, locked; 403 if nobody may.

    An account that is new here becomes that of the invited person whose address the provider has verified. People who
    can sign in already keep to what they have, unless the operator trusts this provider for addresses.
    """
    email = verified_email(identity, provider)
    if not _is_in_allowed_domain(email, provider):
        raise SignInRefused(NOT_ADMITTED)
    row = _find_identity(session, identity.issuer, identity.subject)
    if row is None and email is not None:
        row = _link_by_email(session, email, identity, provider)
    if row is None:
        raise SignInRefused(NOT_ADMITTED)
    person = lock_person(session, row.person_id)
    if not is_active(person):
        raise SignInRefused(NOT_ADMITTED)
    row.last_used_at = now()
    return person


def _link_by_email(session: Session, email: str, identity: Identity, provider: SignInProvider) -> PersonIdentity | None:
    """Link an account to the person with its verified address, if they may be linked; else return None."""
    person = find_person_by_email(session, email)
    if person is None and provider.create_people:
        person = _create_person(session, email, identity)
    if person is None:
        return None
    person = lock_person(session, person.id)
    if (
        row := _find_identity(session, identity.issuer, identity.subject)
    ) is not None:  # linked by a request of the same moment
        return row
    is_trusted = person.accepted_at is None or provider.trust_email
    if person.suspended_at is not None or not is_trusted or _has_account_at(session, person.id, identity.issuer):
        return None
    if person.accepted_at is None:
        person.accepted_at = now()
        withdraw_invitations(session, person.id)
    return _link(session, person, identity)


def _create_person(session: Session, email: str, identity: Identity) -> Person | None:
    name = _choose_name(identity, email)
    row = {"id": new_id(), "name": name, "skeleton": skeleton(name), "email": email, "created_at": now()}
    inserted = insert_into(session, PERSON).on_conflict_do_nothing().returning(PERSON.c.id)
    if (created := session.execute(inserted, row).first()) is not None:  # else a request of the same moment did
        record_action(session, _as_actor(created.id, name), "person.create", "person", created.id, {"name": name})
    return find_person_by_email(session, email)


def _choose_name(identity: Identity, email: str) -> str:
    for name in (identity.name, email.partition("@")[0]):
        try:
            return _NAME.validate_python(public_name(name or ""))
        except ValidationError:
            continue
    return "Unnamed"


def _as_actor(person_id: str, name: str) -> Actor:
    return Actor("person", person_id, name, person=person_id)


def _link(session: Session, person: Person, identity: Identity) -> PersonIdentity:
    insert = insert_into(session, IDENTITY).on_conflict_do_nothing().returning(IDENTITY.c.id)
    row = {
        "id": new_id(),
        "person_id": person.id,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "created_at": now(),
    }
    if session.execute(insert, row).first() is None:
        raise IdentityTaken("Another person signs in with this account.")
    actor, detail = _as_actor(person.id, person.name), {"name": person.name, "issuer": identity.issuer}
    record_action(session, actor, "person.link", "person", person.id, detail)
    return session.get_one(PersonIdentity, row["id"])


def link_identity(session: Session, actor: Actor, person_id: str, identity: Identity) -> str:
    """Let the caller, who signed in just now, use an account at a provider too; return the id of the identity."""
    person = lock_holder(session, actor, person_id)
    row = _find_identity(session, identity.issuer, identity.subject)
    if row is not None and row.person_id == person.id:
        return row.id
    if row is not None or _has_account_at(session, person.id, identity.issuer):
        raise IdentityTaken("Another person signs in with this account, or you sign in with another one there.")
    return _link(session, person, identity).id


def sign_in(
    session: Session,
    vault: Vault,
    identity: Identity,
    provider: SignInProvider,
    configured: Collection[str],
    client: str,
) -> Tokens:
    """Begin a session of the person with an account, with the roles of their groups; 403 if nobody may sign in.

    `configured` are the ids of all providers in the settings.
    """
    person = find_person_of(session, identity, provider)
    apply_groups(session, person, provider, identity.groups, configured)
    return start_session(session, vault, person, "oidc", client)


def unlink_identity(
    session: Session, actor: Actor, person_id: str, identity_id: str, providers: Sequence[SignInProvider]
) -> None:
    """Take an account from a person, with the roles by it; 409 if people take their only way to sign in.

    `providers` are those in the settings.
    """
    person = lock_holder(session, actor, person_id)
    row = session.get(PersonIdentity, identity_id) if is_id(identity_id) else None
    if row is None or row.person_id != person.id:
        raise NotFound
    session.delete(row)
    require_sign_in_method(session, actor, person, issuers_of(providers))
    take_provider_grants(
        session, actor, person, [provider.id for provider in providers if provider.issuer == row.issuer]
    )
    record_action(session, actor, "person.unlink", "person", person.id, {"name": person.name, "issuer": row.issuer})


def end_sessions_of(session: Session, logout: Logout) -> None:
    """End all sessions that a person began at a provider which says that they signed out there."""
    expires_at = logout.issued_at + MAX_LOGOUT_AGE + timedelta(seconds=CLOCK_SKEW_SECONDS)
    row = _find_identity(session, logout.issuer, logout.subject)
    if row is not None and spend_token(session, f"{logout.issuer} {logout.token_id}", expires_at):
        end_sessions(session, SYSTEM, row.person_id, "oidc")


class IdentityRow(TypedDict):
    """An account of a person at a provider, as stored."""

    id: str
    issuer: str
    created_at: datetime
    last_used_at: datetime | None


_COLUMNS = [IDENTITY.c[name] for name in IdentityRow.__annotations__]
_NEWEST_FIRST = Sort("-created_at", descending=True)


def _present(row: IdentityRow, issuers: Mapping[str, str]) -> JsonObject:
    return {**row, "provider": issuers.get(row["issuer"])}


def get_identity(connection: sa.Connection, identity_id: str, issuers: Mapping[str, str]) -> JsonObject:
    """Return an account as `IdentityOut`; `issuers` are the names of the providers by issuer."""
    row = fetch_row(connection, sa.select(*_COLUMNS).where(IDENTITY.c.id == identity_id), IdentityRow)
    if row is None:
        raise NotFound
    return _present(row, issuers)


def list_identities(
    connection: sa.Connection, person_id: str, issuers: Mapping[str, str], query: PageQuery
) -> Page[JsonObject]:
    """Return a page of the accounts of a person, the newest first."""
    statement = sa.select(*_COLUMNS).where(IDENTITY.c.person_id == person_id)
    page = fetch_page(connection, statement, _NEWEST_FIRST, IDENTITY.c.created_at, query, IdentityRow, within=person_id)
    return map_page(page, lambda row: _present(row, issuers))
