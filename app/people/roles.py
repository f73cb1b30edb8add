"""Roles: named sets of scopes. Five are built in; the publication can add its own."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.problems import Conflict, NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, Store, fetch_row, fetch_rows
from app.identity.audit import record_action
from app.identity.schemas import Actor, Scope
from app.people.schemas import RoleIn, RolePatch
from app.people.tables import Role, RoleGrant

ROLE, ROLE_GRANT = table_of(Role), table_of(RoleGrant)
MAX_ROLES: Final = 100
ADMIN: Final = "admin"
_EDITOR: Final[tuple[Scope, ...]] = ("content:read", "content:write", "content:approve", "content:publish")
BUILT_IN: Final[Mapping[str, tuple[str, tuple[Scope, ...]]]] = MappingProxyType(
    {
        "reporter": ("Reporter", ("content:read", "content:write")),
        "editor": ("Editor", _EDITOR),
        "desk": ("Desk", (*_EDITOR, "comments:moderate", "subscribers:manage")),
        "moderator": ("Moderator", ("comments:moderate",)),
        ADMIN: ("Administrator", ("admin",)),
    }
)
"""The name and the scopes of each role that is built in."""


class RoleExists(Conflict, code="role_exists", title="There is a role with this name"):
    """Another role has this slug."""


class BuiltInRole(Conflict, code="built_in_role", title="The role is built in"):
    """Built-in roles cannot be changed or deleted; create another role."""


class RoleInUse(Conflict, code="role_in_use", title="The role is given to people"):
    """The role is given to people; take it from them first."""


class TooManyRoles(Conflict, code="too_many_roles", title="There are too many roles"):
    """The publication has reached the maximum number of roles."""


class RoleRow(TypedDict):
    """A role of the publication as stored."""

    role: str
    name: str
    scopes: list[str]
    created_at: datetime
    updated_at: datetime


_COLUMNS = [ROLE.c.slug.label("role"), *(ROLE.c[name] for name in RoleRow.__annotations__ if name != "role")]


def _present_built_in(slug: str) -> JsonObject:
    name, scopes = BUILT_IN[slug]
    return {"role": slug, "name": name, "scopes": sorted(scopes), "built_in": True}


def list_roles(connection: sa.Connection) -> JsonObject:
    """List all roles as `RolesOut`, those that are built in first."""
    own = fetch_rows(connection, sa.select(*_COLUMNS).order_by(ROLE.c.slug), RoleRow)
    return {"data": [*map(_present_built_in, BUILT_IN), *({**row, "built_in": False} for row in own)]}


def get_role(connection: sa.Connection, slug: str) -> JsonObject:
    """Return a role as `RoleOut`; 404 if there is none."""
    if slug in BUILT_IN:
        return _present_built_in(slug)
    row = fetch_row(connection, sa.select(*_COLUMNS).where(ROLE.c.slug == slug), RoleRow)
    if row is None:
        raise NotFound
    return {**row, "built_in": False}


def create_role(session: Session, actor: Actor, data: RoleIn) -> str:
    """Create a role and return its slug."""
    if data.role in BUILT_IN or session.get(Role, data.role) is not None:
        raise RoleExists
    if session.execute(sa.select(sa.func.count()).select_from(ROLE)).scalar_one() >= MAX_ROLES:
        raise TooManyRoles
    moment, scopes = now(), sorted(set(data.scopes))
    session.add(Role(slug=data.role, name=data.name, scopes=list(scopes), created_at=moment, updated_at=moment))
    record_action(session, actor, "role.create", "role", None, {"role": data.role, "scopes": scopes})
    return data.role


def _lock_role(session: Session, slug: str) -> Role:
    """Lock a role of the publication; 404 if there is none, 409 if it is built in."""
    if slug in BUILT_IN:
        raise BuiltInRole
    role = session.get(Role, slug, with_for_update=True)
    if role is None:
        raise NotFound
    return role


def update_role(session: Session, actor: Actor, slug: str, data: RolePatch) -> str:
    """Change a role (RFC 7396) and return its slug; those who have it may do more or less from then on."""
    role, values = _lock_role(session, slug), data.model_dump(exclude_unset=True)
    if "scopes" in values:
        values["scopes"] = sorted(set(values["scopes"]))
    changed = sorted(name for name, value in values.items() if getattr(role, name) != value)
    for name in changed:
        setattr(role, name, values[name])
    if changed:
        role.updated_at = now()
        detail = {"role": slug, "fields": changed, "scopes": role.scopes}
        record_action(session, actor, "role.change", "role", None, detail)
    return slug


def delete_role(session: Session, actor: Actor, slug: str) -> None:
    """Delete a role; 409 while people have it."""
    role = _lock_role(session, slug)
    if session.execute(sa.select(ROLE_GRANT.c.id).where(ROLE_GRANT.c.role == slug).limit(1)).first() is not None:
        raise RoleInUse
    session.delete(role)
    record_action(session, actor, "role.delete", "role", None, {"role": slug})


def find_own_roles(store: Store, slugs: Iterable[str]) -> set[str]:
    """Return which of these are roles of the publication; within a transaction none of them can be deleted."""
    query = sa.select(ROLE.c.slug).where(ROLE.c.slug.in_(sorted(slugs))).with_for_update(read=True, key_share=True)
    return set(store.execute(query).scalars())
