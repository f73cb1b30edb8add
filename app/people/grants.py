"""Grants: which roles people have, everywhere or in sections with all that is inside them."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.ids import new_id
from app.core.logs import get_logger
from app.core.problems import Conflict, Invalid
from app.core.sign_in_providers import GroupRole, SignInProvider
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject, Store, fetch_rows
from app.identity.audit import record_action
from app.identity.schemas import SYSTEM, Actor, Grant, Scope, Sections
from app.people.roles import ADMIN, BUILT_IN, ROLE, ROLE_GRANT, find_own_roles
from app.people.schemas import PersonGrantIn
from app.people.tables import Person
from app.publication.section_tree import CLOSURE
from app.publication.tables import Section
from app.publication.terms import require_terms

_PERSON = table_of(Person)
log = get_logger("broadsheet.people")


class LastAdmin(Conflict, code="last_admin", title="Nobody else is an administrator"):
    """The publication needs somebody with the role admin who can sign in; give it to another person first."""


class _GrantedRow(TypedDict):
    """A role of a person in one section, or in one that is inside of it; without a section everywhere."""

    role: str
    scopes: list[str] | None  # null: the role is built in
    section_id: str | None
    inside: str | None


_GRANTED: Prepared[_GrantedRow] = Prepared(
    sa.select(ROLE_GRANT.c.role, ROLE.c.scopes, ROLE_GRANT.c.section_id, CLOSURE.c.descendant_id.label("inside"))
    .select_from(
        ROLE_GRANT.outerjoin(ROLE, ROLE.c.slug == ROLE_GRANT.c.role).outerjoin(
            CLOSURE, CLOSURE.c.ancestor_id == ROLE_GRANT.c.section_id
        )
    )
    .where(ROLE_GRANT.c.person_id == sa.bindparam("person", type_=ROLE_GRANT.c.person_id.type))
    .order_by(ROLE_GRANT.c.role)
)
_IS_ACTIVE = _PERSON.c.accepted_at.is_not(None) & _PERSON.c.suspended_at.is_(None) & _PERSON.c.deleted_at.is_(None)


def find_grants(connection: sa.Connection, person_id: str) -> tuple[Grant, ...]:
    """Return what a person may do where, by their roles; sections come with all that is inside them."""
    scopes: dict[str, frozenset[str]] = {}
    sections: dict[str, Sections] = {}
    for row in _GRANTED.rows(connection, {"person": person_id}):
        role = row["role"]
        own = BUILT_IN[role][1] if role in BUILT_IN else row["scopes"] or ()
        scopes[role] = frozenset(own)
        former = sections.get(role, frozenset())
        if row["section_id"] is None or former is None:
            sections[role] = None
        else:
            sections[role] = former | {row["section_id"], row["inside"] or row["section_id"]}
    return tuple(Grant(scopes[role], sections[role], role) for role in scopes)


def find_person(connection: sa.Connection, person_id: str) -> Actor | None:
    """Return a person as a caller who may do what their roles include now; None if they are refused."""
    is_refused = _PERSON.c.suspended_at.is_not(None) | _PERSON.c.deleted_at.is_not(None)
    query = sa.select(_PERSON.c.name).where(_PERSON.c.id == person_id, ~is_refused)
    name: str | None = connection.execute(query).scalar_one_or_none()
    return None if name is None else Actor("person", person_id, name, find_grants(connection, person_id), person_id)


def find_grants_of_owner(connection: sa.Connection, person_id: str) -> tuple[Grant, ...] | None:
    """Return what the person to whom a key belongs may do; None if they are refused."""
    person = find_person(connection, person_id)
    return None if person is None else person.grants


class _HolderRow(TypedDict):
    person_id: str
    role: str
    scopes: list[str] | None


def list_holders(store: Store, scope: Scope, section_id: str | None) -> dict[str, set[str]]:
    """Return the roles by which people who may sign in have a scope in a section, by person; None: in all sections."""
    above = sa.select(CLOSURE.c.ancestor_id).where(CLOSURE.c.descendant_id == section_id)
    query = (
        sa.select(ROLE_GRANT.c.person_id, ROLE_GRANT.c.role, ROLE.c.scopes)
        .select_from(
            ROLE_GRANT.join(_PERSON, _PERSON.c.id == ROLE_GRANT.c.person_id).outerjoin(
                ROLE, ROLE.c.slug == ROLE_GRANT.c.role
            )
        )
        .where(_IS_ACTIVE, ROLE_GRANT.c.section_id.is_(None) | ROLE_GRANT.c.section_id.in_(above))
    )
    holders: dict[str, set[str]] = {}
    for row in fetch_rows(store, query, _HolderRow):
        scopes = BUILT_IN[row["role"]][1] if row["role"] in BUILT_IN else row["scopes"] or ()
        if Grant(frozenset(scopes)).allows(scope):
            holders.setdefault(row["person_id"], set()).add(row["role"])
    return holders


class _GivenRow(TypedDict):
    person_id: str
    role: str
    section_id: str | None
    provider: str | None


def list_given(connection: sa.Connection, person_ids: Collection[str]) -> dict[str, list[JsonObject]]:
    """Return the roles of people as they were given, as `PersonGrantOut`, by person."""
    columns = [ROLE_GRANT.c[name] for name in _GivenRow.__annotations__]
    query = sa.select(*columns).where(ROLE_GRANT.c.person_id.in_(sorted(person_ids)))
    given: dict[str, dict[tuple[str, str | None], list[str] | None]] = {person_id: {} for person_id in person_ids}
    order = (ROLE_GRANT.c.role, sa.func.coalesce(ROLE_GRANT.c.provider, ""), ROLE_GRANT.c.section_id)
    for row in fetch_rows(connection, query.order_by(*order), _GivenRow):
        key, is_everywhere = (row["role"], row["provider"]), row["section_id"] is None
        sections = given[row["person_id"]].setdefault(key, None if is_everywhere else [])
        if sections is not None and row["section_id"] is not None:
            sections.append(row["section_id"])
    return {
        person_id: [
            {"role": role, "sections": sections, "provider": provider} for (role, provider), sections in roles.items()
        ]
        for person_id, roles in given.items()
    }


class _Given(NamedTuple):
    role: str
    section_id: str | None


def _resolve(session: Session, grants: Sequence[PersonGrantIn]) -> set[_Given]:
    """Return the rows of some grants; 422 for roles and sections that do not exist, and for repetitions."""
    own = find_own_roles(session, {grant.role for grant in grants} - BUILT_IN.keys())
    resolved: set[_Given] = set()
    for at, grant in enumerate(grants):
        if grant.role not in BUILT_IN and grant.role not in own:
            raise Invalid("There is no role with this name.", pointer=f"/{at}/role", code="not_found")
        if any(grant.role == other.role for other in grants[:at]):
            raise Invalid("Name each role once, with all its sections.", pointer=f"/{at}/role", code="repeated")
        if grant.sections is None:
            resolved.add(_Given(grant.role, None))
            continue
        if grant.role == ADMIN:
            raise Invalid("The role admin cannot be limited to sections.", pointer=f"/{at}/sections")
        ids = require_terms(session, Section, grant.sections, f"/{at}/sections")
        resolved.update(_Given(grant.role, section_id) for section_id in ids)
    return resolved


def replace_grants(session: Session, actor: Actor, person: Person, grants: Sequence[PersonGrantIn]) -> None:
    """Replace the roles that were given to a person by hand; 409 if nobody would be left to give roles.

    The person's row is locked.
    """
    _replace(session, actor, person, _resolve(session, grants), None, ROLE_GRANT.c.provider.is_(None))


def take_grants(session: Session, actor: Actor, person: Person) -> None:
    """Take all roles from a person, whose row is locked; 409 if nobody would be left to give roles."""
    _replace(session, actor, person, set(), None, sa.true())


def _resolve_settings(session: Session, provider: str, roles: Sequence[GroupRole]) -> set[_Given]:
    """Return the rows of roles in the settings; those that do not exist, or whose sections do not, are left out."""
    own = find_own_roles(session, {role.role for role in roles} - BUILT_IN.keys())
    resolved: set[_Given] = set()
    for role in roles:
        try:
            if role.role not in BUILT_IN and role.role not in own:
                raise Invalid("There is no role with this name.", pointer="/role")
            if role.sections is None:
                resolved.add(_Given(role.role, None))
            else:
                ids = require_terms(session, Section, role.sections, "/sections")
                resolved.update(_Given(role.role, section_id) for section_id in ids)
        except Invalid:
            log.warning("a role of a provider, or its section, does not exist", provider=provider, role=role.role)
    return resolved


def apply_groups(
    session: Session, person: Person, provider: SignInProvider, groups: Collection[str], others: Collection[str]
) -> None:
    """Replace the roles that a person has by a provider with those of their groups there; their row is locked.

    Roles that were given by hand, or by one of the `others`, stay. Those by providers that are not in the settings any
    more are taken. The last administrator may lose the role, too: who has it by a provider, can get it there again.
    """
    roles = [role for group, role in provider.roles.items() if group in groups]
    after = _resolve_settings(session, provider.id, roles)
    is_replaced = ROLE_GRANT.c.provider.is_not(None) & ROLE_GRANT.c.provider.not_in(sorted({*others} - {provider.id}))
    _replace(session, SYSTEM, person, after, provider.id, is_replaced)


def take_provider_grants(session: Session, actor: Actor, person: Person, providers: Collection[str]) -> None:
    """Take the roles that a person has by some providers; their row is locked."""
    _replace(session, actor, person, set(), None, ROLE_GRANT.c.provider.in_(sorted(providers)))


def _replace(
    session: Session, actor: Actor, person: Person, after: set[_Given], provider: str | None, is_replaced: Column
) -> None:
    """Replace those roles of a person that meet a condition by others of a provider, or by some given by hand."""
    is_own = (ROLE_GRANT.c.person_id == person.id) & is_replaced
    query = sa.select(ROLE_GRANT.c.role, ROLE_GRANT.c.section_id, ROLE_GRANT.c.provider)
    rows = session.execute(query.where(is_own)).all()
    if {tuple(row) for row in rows} == {(*given, provider) for given in after}:
        return
    before = {_Given(row.role, row.section_id) for row in rows}
    if provider is None and _Given(ADMIN, None) in before - after:
        require_other_admin(session, person.id)
    session.execute(sa.delete(ROLE_GRANT).where(is_own))
    if after:
        session.execute(
            sa.insert(ROLE_GRANT),
            [
                {"id": new_id(), "person_id": person.id, "provider": provider, **given._asdict()}
                for given in sorted(after, key=_order)
            ],
        )
    detail: JsonObject = {
        verb: [given._asdict() for given in sorted(changed, key=_order)]
        for verb, changed in (("given", after - before), ("taken", before - after))
    }
    if provider is not None:
        detail["provider"] = provider
    record_action(session, actor, "person.grant", "person", person.id, {"name": person.name, **detail})


def _order(given: _Given) -> tuple[str, str]:
    return given.role, given.section_id or ""


def require_other_admin(session: Session, person_id: str) -> None:
    """Raise 409 if a person is the only one with the role admin who can sign in.

    To be called before the role is taken, or the person suspended or deleted; these wait for each other.
    """
    admins = sa.select(ROLE_GRANT.c.person_id).where(ROLE_GRANT.c.role == ADMIN).order_by(ROLE_GRANT.c.id)
    ids = set(session.execute(admins.with_for_update()).scalars())
    active = set(session.execute(sa.select(_PERSON.c.id).where(_PERSON.c.id.in_(sorted(ids)), _IS_ACTIVE)).scalars())
    if active == {person_id}:
        raise LastAdmin
