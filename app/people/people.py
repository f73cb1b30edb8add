"""People: listing, creating, changing, suspending and deleting them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, Forbidden, NotFound, Unauthorized
from app.db.columns import table_of
from app.db.rows import Column, JsonObject, Statement, fetch_row, lock_row
from app.identity.audit import record_action
from app.identity.permissions import refusal
from app.identity.schemas import ANONYMOUS, Actor, Scope
from app.people.grants import list_given, replace_grants, require_other_admin, take_grants
from app.people.schemas import NewPersonIn, PeopleQuery, PersonGrantIn, PersonPatch
from app.people.sessions import end_sessions
from app.people.tables import Invitation, Passkey, Person, PersonIdentity
from app.text.confusables import skeleton
from app.web.paging import Page, Sort, fetch_page, map_page

PERSON = table_of(Person)
PASSKEY, IDENTITY, INVITATION = table_of(Passkey), table_of(PersonIdentity), table_of(Invitation)
NEWEST_FIRST = Sort("-created_at", descending=True)
STAFF_SCOPES: tuple[Scope, ...] = (
    "content:write",
    "comments:moderate",
)  # callers with one of them see the names of all people
OWNER_NAME = "Owner"  # until the owner gives another
_OWN = frozenset({"name", "mails"})  # what people change of themselves
SELF = "me"
"""In a path: the person who signed in."""


class EmailTaken(Conflict, code="email_taken", title="Another person has this e-mail address"):
    """Another person has this e-mail address."""


class PersonDeleted(Conflict, code="person_deleted", title="The person was deleted"):
    """The person was deleted, and cannot be changed any more."""


class PersonRow(TypedDict):
    """A person as stored, without credentials."""

    id: str
    name: str
    email: str | None
    created_at: datetime
    accepted_at: datetime | None
    signed_in_at: datetime | None
    suspended_at: datetime | None
    deleted_at: datetime | None
    mails: bool
    has_password: bool
    has_totp: bool
    has_passkey: bool
    has_identity: bool


def _exists(table: sa.Table) -> Column:
    return sa.exists().where(table.c.person_id == PERSON.c.id)


_COLUMNS = [
    *(PERSON.c[name] for name in PersonRow.__annotations__ if not name.startswith("has_")),
    PERSON.c.password_hash.is_not(None).label("has_password"),
    PERSON.c.totp_confirmed_at.is_not(None).label("has_totp"),
    _exists(PASSKEY).label("has_passkey"),
    _exists(IDENTITY).label("has_identity"),
]
_BY_ID = sa.select(*_COLUMNS).where(PERSON.c.id == sa.bindparam("id", type_=PERSON.c.id.type))
_IS_IN_STATE: dict[str, Column] = {
    "invited": sa.and_(PERSON.c.accepted_at.is_(None), PERSON.c.suspended_at.is_(None), PERSON.c.deleted_at.is_(None)),
    "active": sa.and_(
        PERSON.c.accepted_at.is_not(None), PERSON.c.suspended_at.is_(None), PERSON.c.deleted_at.is_(None)
    ),
    "suspended": sa.and_(PERSON.c.suspended_at.is_not(None), PERSON.c.deleted_at.is_(None)),
    "deleted": PERSON.c.deleted_at.is_not(None),
}


def _state_of(row: PersonRow) -> str:
    if row["deleted_at"]:
        return "deleted"
    if row["suspended_at"]:
        return "suspended"
    return "active" if row["accepted_at"] else "invited"


def _list_methods(row: PersonRow) -> list[str]:
    """List what a person signs in with."""
    has = {
        "password": row["has_password"],
        "totp": row["has_totp"],
        "passkey": row["has_passkey"],
        "oidc": row["has_identity"],
    }
    return [method for method in has if has[method]]


def _present(row: PersonRow, actor: Actor, given: Mapping[str, list[JsonObject]]) -> JsonObject:
    """Return a person as `PersonOut`, with what only admins and the person see."""
    is_private = not (actor.may_in("admin", None) or is_self(actor, row["id"]))
    return {
        "id": row["id"],
        "name": row["name"],
        "email": None if is_private else row["email"],
        "state": _state_of(row),
        "methods": None if is_private else _list_methods(row),
        "mails": None if is_private else row["mails"],
        "grants": given[row["id"]],
        "created_at": row["created_at"],
        "signed_in_at": None if is_private else row["signed_in_at"],
    }


def resolve_person(actor: Actor, ref: str) -> str:
    """Return the id that a path names, where `me` is the person who signed in; 401 or 404 for other callers."""
    if ref != SELF:
        return ref
    if actor.kind != "person" or actor.person is None:
        raise Unauthorized if actor is ANONYMOUS else NotFound
    return actor.person


def is_self(actor: Actor, person_id: str) -> bool:
    """Whether the caller is this person, who signed in. A key that belongs to them is not."""
    return actor.kind == "person" and actor.person == person_id


def require_self_or_admin(actor: Actor, ref: str) -> str:
    """Return the id of a person whom the caller may change: themselves, or anybody with `admin`; else 401, 403."""
    person_id = resolve_person(actor, ref)
    if not is_self(actor, person_id) and not actor.may_in("admin", None):
        raise refusal(actor, "This needs the scope admin, unless it is about yourself.")
    if not is_id(person_id):
        raise NotFound  # PostgreSQL compares ids with nothing else
    return person_id


def get_person(connection: sa.Connection, person_id: str, actor: Actor) -> JsonObject:
    """Return a person as `PersonOut`; 404 for callers who see only themselves and ask for another one."""
    sees_all = any(actor.may(scope) for scope in STAFF_SCOPES)
    if not is_id(person_id) or not (sees_all or is_self(actor, person_id)):
        raise NotFound
    row = fetch_row(connection, _BY_ID, PersonRow, {"id": person_id})
    if row is None:
        raise NotFound
    return _present(row, actor, list_given(connection, [person_id]))


def find_account(connection: sa.Connection, person_id: str) -> JsonObject:
    """Return a person with all that is stored of the account, but for secrets."""
    row = fetch_row(connection, _BY_ID, PersonRow, {"id": person_id})
    if row is None:
        raise NotFound
    stored: JsonObject = {name: value for name, value in row.items() if not name.startswith("has_")}
    return {**stored, "state": _state_of(row), "methods": _list_methods(row)}


def list_people(connection: sa.Connection, query: PeopleQuery, actor: Actor) -> Page[JsonObject]:
    """Return a page of people, newest first."""
    statement: Statement = sa.select(*_COLUMNS)
    is_listed = _IS_IN_STATE[query.state] if query.state else PERSON.c.deleted_at.is_(None)
    page = fetch_page(connection, statement.where(is_listed), NEWEST_FIRST, PERSON.c.created_at, query, PersonRow)
    given = list_given(connection, [row["id"] for row in page["data"]])
    return map_page(page, lambda row: _present(row, actor, given))


def find_person_by_email(session: Session, email: str) -> Person | None:
    """Find the person with this e-mail address."""
    return session.scalars(sa.select(Person).where(PERSON.c.email == email.lower())).one_or_none()


def lock_person(session: Session, person_id: str) -> Person:
    """Return a person for a change, locked until the transaction ends; 404 if there is none, 409 if deleted."""
    person = lock_row(session, Person, person_id)
    if person.deleted_at is not None:
        raise PersonDeleted
    return person


def create_person(session: Session, actor: Actor, data: NewPersonIn) -> str:
    """Create a person, who can sign in after accepting an invitation; return the id."""
    if find_person_by_email(session, data.email) is not None:
        raise EmailTaken
    person = Person(
        id=new_id(), name=data.name, skeleton=skeleton(data.name), email=data.email.lower(), created_at=now()
    )
    session.add(person)
    record_action(session, actor, "person.create", "person", person.id, {"name": person.name})
    return person.id


def create_owner(session: Session, actor: Actor) -> str | None:
    """Return the id of the first person, an administrator whose invitation asks for the e-mail address as well.

    The owner is created unless there is one already; None once somebody else exists, or the owner has accepted.
    """
    people = list(session.scalars(sa.select(Person).limit(2)))
    if people:
        is_waiting = len(people) == 1 and people[0].email is None and people[0].accepted_at is None
        return people[0].id if is_waiting and people[0].deleted_at is None else None
    owner = Person(id=new_id(), name=OWNER_NAME, skeleton=skeleton(OWNER_NAME), created_at=now())
    session.add(owner)
    session.flush()
    record_action(session, actor, "person.create", "person", owner.id, {"name": owner.name})
    replace_grants(session, actor, owner, [PersonGrantIn(role="admin")])
    return owner.id


def update_person(session: Session, actor: Actor, person_id: str, data: PersonPatch) -> str:
    """Change a person (RFC 7396) and return the id. People may change what is in `_OWN` of themselves."""
    values = data.model_dump(exclude_unset=True)
    if values.keys() - _OWN and not actor.may_in("admin", None):
        raise Forbidden("Changing this needs the scope admin.")
    person = lock_person(session, person_id)
    changed = []
    if "name" in values and values["name"] != person.name:
        person.name, person.skeleton = data.name, skeleton(data.name)
        changed.append("name")
    if "email" in values and values["email"] != person.email:
        _change_email(session, person, data.email)
        changed.append("email")
    if "mails" in values and values["mails"] != person.mails:
        person.mails = data.mails
        changed.append("mails")
    if changed:
        record_action(session, actor, "person.change", "person", person.id, {"name": person.name, "fields": changed})
    if "suspended" in values and data.suspended != (person.suspended_at is not None):
        _set_suspended(session, actor, person, data.suspended)
    return person.id


def _change_email(session: Session, person: Person, email: str) -> None:
    if find_person_by_email(session, email) is not None:
        raise EmailTaken
    person.email = email
    withdraw_invitations(session, person.id)  # they were sent to the former address


def _set_suspended(session: Session, actor: Actor, person: Person, suspended: bool) -> None:
    if suspended:
        require_other_admin(session, person.id)
        person.suspended_at = now()
        end_sessions(session, actor, person.id)
        withdraw_invitations(session, person.id)
    else:
        person.suspended_at = None
    action = "person.suspend" if suspended else "person.restore"
    record_action(session, actor, action, "person", person.id, {"name": person.name})


def set_grants(session: Session, actor: Actor, person_id: str, grants: Sequence[PersonGrantIn]) -> str:
    """Replace the roles of a person and return the id."""
    replace_grants(session, actor, lock_person(session, person_id), grants)
    return person_id


def withdraw_invitations(session: Session, person_id: str) -> None:
    """Make the invitations of a person worthless."""
    session.execute(sa.delete(INVITATION).where(INVITATION.c.person_id == person_id, INVITATION.c.used_at.is_(None)))


def delete_person(session: Session, actor: Actor, person_id: str) -> None:
    """Delete a person: the address, credentials and sessions. The id and the name stay, for the audit log."""
    person = lock_person(session, person_id)
    take_grants(session, actor, person)
    end_sessions(session, actor, person.id)
    for table in (PASSKEY, IDENTITY, INVITATION):
        session.execute(sa.delete(table).where(table.c.person_id == person.id))
    person.email = person.password_hash = person.totp_secret = person.totp_confirmed_at = person.totp_step = None
    person.recovery_hashes = None
    person.skeleton = ""  # the name is free again
    person.deleted_at = now()
    record_action(session, actor, "person.delete", "person", person.id, {"name": person.name})
