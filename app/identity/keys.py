"""API keys: creating, changing, revoking and authenticating them."""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import NamedTuple, TypedDict

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.logs import get_logger
from app.core.problems import Conflict, Invalid, NotFound, Unauthorized
from app.db import Database
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row
from app.identity.audit import record_action
from app.identity.schemas import PUBLISHABLE_SCOPE, Actor, Grant, QuotaUnit, limit_grants
from app.identity.tables import ApiKey
from app.identity.tokens import hash_token, is_well_formed, make_token
from app.text.confusables import skeleton
from app.web.paging import Page, PageQuery, Sort, fetch_page

_KEY = table_of(ApiKey)
NEWEST_FIRST = Sort("-created_at", descending=True)
_BY_HASH = sa.select(_KEY).where(_KEY.c.hash == sa.bindparam("hash"))
_BY_ID = sa.select(_KEY).where(_KEY.c.id == sa.bindparam("id"))


class ApiKeyRow(TypedDict):
    """A key as it is stored."""

    id: str
    name: str
    skeleton: str
    hint: str
    hash: str
    scopes: list[str]
    sections: list[str] | None
    person_id: str | None
    quota_minute: int | None
    quota_day: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def find_api_key_by_hash(connection: sa.Connection, digest: str) -> ApiKeyRow | None:
    """Find a key by its hash, even if it is revoked or expired."""
    return fetch_row(connection, _BY_HASH, ApiKeyRow, {"hash": digest})


def find_api_key(connection: sa.Connection, key_id: str) -> ApiKeyRow | None:
    """Find a key by its id."""
    return fetch_row(connection, _BY_ID, ApiKeyRow, {"id": key_id})


def reserved_name_clause() -> sa.ColumnElement[bool]:
    """Return the condition that a valid key's name has one of the skeletons `a`, `b` and `c` (bound parameters)."""
    skeletons = [sa.bindparam(name, type_=sa.String()) for name in "abc"]
    return sa.exists().where(_KEY.c.skeleton.in_(skeletons), _KEY.c.revoked_at.is_(None))


def list_api_keys(connection: sa.Connection, query: PageQuery) -> Page[ApiKeyRow]:
    """Return a page of keys, newest first."""
    return fetch_page(connection, sa.select(_KEY), NEWEST_FIRST, _KEY.c.created_at, query, ApiKeyRow)


FindInside = Callable[[sa.Connection, Collection[str]], set[str]]
"""Returns the ids of sections and of all sections inside them."""
FindGrants = Callable[[sa.Connection, str], tuple[Grant, ...] | None]
"""Returns what a person may do where; None for one who does not exist, or is refused everywhere."""
KEY_PREFIX = "bs_"
PUBLISHABLE_PREFIX = "bp_"  # of publishable keys, so that people and tools see that they are no secrets
PUBLISHABLE_POLICY = "publishable"  # the rate limit of those
KEY_PREFIXES = (KEY_PREFIX, PUBLISHABLE_PREFIX)
LAST_USED_INTERVAL = timedelta(minutes=1)
KEY_CACHE_SECONDS = 1.0  # seconds for which a key is cached
MAX_CACHED_KEYS = 10_000
log = get_logger("broadsheet.identity")


class KeyChanges(TypedDict, total=False):
    """Columns of a key to change."""

    name: str
    scopes: list[str]
    sections: list[str] | None
    person_id: str | None
    expires_at: datetime | None
    quota_minute: int | None
    quota_day: int | None


class KeyRevoked(Conflict, code="key_revoked", title="The key was revoked"):
    """The key was revoked; it cannot be changed any more."""


def _check_scopes(scopes: list[str], sections: list[str] | None) -> None:
    """Raise 422 for scopes that exclude each other, or sections."""
    if sections is not None and "admin" in scopes:
        raise Invalid("A key with the scope admin cannot be limited to sections.", pointer="/sections")
    if PUBLISHABLE_SCOPE in scopes and len(scopes) > 1:
        raise Invalid(f"{PUBLISHABLE_SCOPE} must be the key's only scope.", pointer="/scopes")
    if PUBLISHABLE_SCOPE in scopes and sections is not None:
        raise Invalid("A publishable key cannot be limited to sections.", pointer="/sections")


def create_api_key(
    session: Session,
    actor: Actor,
    name: str,
    scopes: list[str],
    sections: list[str] | None = None,
    expires_at: datetime | None = None,
    quota_minute: int | None = None,
    quota_day: int | None = None,
    person_id: str | None = None,
) -> tuple[str, str]:
    """Create a key; return its id and the key itself, of which only a hash is stored."""
    if expires_at and expires_at <= now():
        raise Invalid("expires_at is in the past.", pointer="/expires_at")
    _check_scopes(scopes, sections)
    key = make_token(PUBLISHABLE_PREFIX if PUBLISHABLE_SCOPE in scopes else KEY_PREFIX)
    row = ApiKey(
        id=new_id(),
        name=name,
        skeleton=skeleton(name),
        hint=key[:9],
        hash=hash_token(key),
        scopes=sorted(set(scopes)),
        sections=sections,
        person_id=person_id,
        quota_minute=quota_minute,
        quota_day=quota_day,
        created_at=now(),
        expires_at=expires_at,
    )
    session.add(row)
    record_action(session, actor, "key.create", "key", row.id, {"name": name, "scopes": row.scopes})
    return row.id, key


def _lock_api_key(session: Session, key_id: str) -> ApiKey:
    row = session.get(ApiKey, key_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such key.")
    return row


def update_api_key(session: Session, actor: Actor, key_id: str, values: KeyChanges) -> str:
    """Change a key and return its id. A change is audited only where values differ."""
    row = _lock_api_key(session, key_id)
    if row.revoked_at is not None:
        raise KeyRevoked
    _check_scopes(values.get("scopes", row.scopes), values.get("sections", row.sections))
    scopes, expires_at = sorted(set(values.get("scopes", row.scopes))), values.get("expires_at")
    if (PUBLISHABLE_SCOPE in scopes) != (PUBLISHABLE_SCOPE in row.scopes):
        raise Invalid("A key stays publishable or secret; create another one.", pointer="/scopes")
    new_values: JsonObject = {**values, "scopes": scopes}
    if expires_at and expires_at <= now():
        raise Invalid("expires_at is in the past; revoke the key instead.", pointer="/expires_at")
    changed = sorted(name for name, value in new_values.items() if getattr(row, name) != value)
    for name in changed:
        setattr(row, name, new_values[name])
    row.skeleton = skeleton(row.name)
    if changed:
        record_action(session, actor, "key.change", "key", row.id, {"name": row.name, "fields": changed})
    return row.id


def revoke_api_key(session: Session, actor: Actor, key_id: str) -> None:
    """Revoke a key; revoking it again changes nothing."""
    row = _lock_api_key(session, key_id)
    if row.revoked_at is None:
        row.revoked_at = now()
        record_action(session, actor, "key.revoke", "key", row.id, {"name": row.name})


def record_key_use(session: Session, key_id: str) -> None:
    """Set the time at which a key was last used."""
    if row := session.get(ApiKey, key_id):
        row.last_used_at = now()


def _actor_of(row: ApiKeyRow, grants: tuple[Grant, ...]) -> Actor:
    return Actor("key", row["id"], row["name"], grants, person=row["person_id"], quotas=_quotas_of(row))


def _find_key_grants(
    connection: sa.Connection, row: ApiKeyRow, find_inside: FindInside, find_grants: FindGrants
) -> tuple[Grant, ...] | None:
    """Return what a key may do, in which sections with those inside them; None if its person is refused."""
    sections = row["sections"]
    inside = None if sections is None else frozenset(find_inside(connection, sections)).union(sections)
    own = Grant(frozenset(row["scopes"]), inside)
    if row["person_id"] is None:
        return (own,)
    granted = find_grants(connection, row["person_id"])
    return None if granted is None else limit_grants(own, granted)


def find_key_holder(
    connection: sa.Connection, key_id: str, find_inside: FindInside, find_grants: FindGrants
) -> Actor | None:
    """Return the caller with a key as it is now; None if it is revoked, expired or unknown, or its person refused."""
    row = find_api_key(connection, key_id)
    if row is None or row["revoked_at"] or (row["expires_at"] and row["expires_at"] <= now()):
        return None
    grants = _find_key_grants(connection, row, find_inside, find_grants)
    return None if grants is None else _actor_of(row, grants)


def _quotas_of(row: ApiKeyRow) -> tuple[tuple[QuotaUnit, int], ...]:
    numbers: dict[QuotaUnit, int | None] = {"minute": row["quota_minute"], "day": row["quota_day"]}
    return tuple((unit, number) for unit, number in numbers.items() if number)


class _CachedKey(NamedTuple):
    """A key as it was read."""

    checked: float  # of the event loop's clock
    row: ApiKeyRow
    actor: Actor
    has_owner: bool  # whether the person to whom it belongs is not refused; True if it belongs to nobody

    def is_valid(self, moment: datetime) -> bool:
        """Whether the key is neither revoked nor expired, and its person not refused."""
        return self.has_owner and not (
            self.row["revoked_at"] or (self.row["expires_at"] and self.row["expires_at"] <= moment)
        )


class KeyRing:
    """Authenticates callers by API key, and caches keys for a second."""

    def __init__(self, db: Database, find_inside: FindInside, find_grants: FindGrants) -> None:
        self.db, self._find_inside, self.find_grants = db, find_inside, find_grants
        self._cached: dict[str, _CachedKey] = {}

    def __len__(self) -> int:
        return len(self._cached)

    def find_cached(self, token: str) -> Actor | None:
        """Return the caller with a valid key that is cached, without waiting."""
        key = self._cached.get(hash_token(token))
        if key is None or asyncio.get_running_loop().time() - key.checked > KEY_CACHE_SECONDS:
            return None
        return key.actor if key.is_valid(now()) else None

    async def identify(self, token: str) -> Actor:
        """Return the caller with this key; 401 if it is unknown, revoked or expired."""
        if not any(is_well_formed(prefix, token) for prefix in KEY_PREFIXES):
            raise Unauthorized("This is not a key of this server.")
        hashed, clock = hash_token(token), asyncio.get_running_loop().time()
        key = self._cached.get(hashed)
        if key is None or clock - key.checked > KEY_CACHE_SECONDS:
            found = await self.db.read(self._find_key, hashed)
            if found is None:
                raise Unauthorized("This key is unknown.")
            if len(self._cached) >= MAX_CACHED_KEYS:
                self._cached.clear()
            row, grants = found
            key = self._cached[hashed] = _CachedKey(clock, row, _actor_of(row, grants or ()), grants is not None)
        moment = now()
        if not key.is_valid(moment):
            raise Unauthorized("This key has expired or was revoked, or its person may not sign in.")
        if key.row["last_used_at"] is None or moment - key.row["last_used_at"] > LAST_USED_INTERVAL:
            self._cached[hashed] = key._replace(row={**key.row, "last_used_at": moment})
            await self._touch(key.row["id"])
        return key.actor

    def _find_key(self, connection: sa.Connection, hashed: str) -> tuple[ApiKeyRow, tuple[Grant, ...] | None] | None:
        """Find a key by its hash, with what it may do; None instead if the person to whom it belongs is refused."""
        row = find_api_key_by_hash(connection, hashed)
        if row is None:
            return None
        return row, _find_key_grants(connection, row, self._find_inside, self.find_grants)

    async def _touch(self, key_id: str) -> None:
        """Record the use of a key; a failure is logged only, so that reads go on while nothing can be written."""
        try:
            await self.db.write(record_key_use, key_id)
        except DBAPIError as error:
            log.warning("use of a key was not recorded", error=type(error.orig).__name__)
