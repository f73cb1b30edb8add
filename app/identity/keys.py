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
from app.identity.schemas import PUBLISHABLE_SCOPE, Actor, Grant, QuotaUnit
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


def _actor_of(row: ApiKeyRow) -> Actor:
    sections = frozenset(row["sections"]) if row["sections"] is not None else None
    return Actor("key", row["id"], row["name"], (Grant(frozenset(row["scopes"]), sections),), quotas=_quotas_of(row))


def find_key_holder(connection: sa.Connection, key_id: str, find_inside: FindInside) -> Actor | None:
    """Return the caller with a key as its scopes and sections are now; None if it is revoked, expired or unknown."""
    row = find_api_key(connection, key_id)
    if row is None or row["revoked_at"] or (row["expires_at"] and row["expires_at"] <= now()):
        return None
    if row["sections"] is not None:
        row = {**row, "sections": sorted(find_inside(connection, row["sections"]).union(row["sections"]))}
    return _actor_of(row)


def _quotas_of(row: ApiKeyRow) -> tuple[tuple[QuotaUnit, int], ...]:
    numbers: dict[QuotaUnit, int | None] = {"minute": row["quota_minute"], "day": row["quota_day"]}
    return tuple((unit, number) for unit, number in numbers.items() if number)


class _CachedKey(NamedTuple):
    """A key as it was read."""

    checked: float  # of the event loop's clock
    row: ApiKeyRow
    actor: Actor

    def is_valid(self, moment: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return not (self.row["revoked_at"] or (self.row["expires_at"] and self.row["expires_at"] <= moment))


class KeyRing:
    """Authenticates callers by API key, and caches keys for a second."""

    def __init__(self, db: Database, find_inside: FindInside) -> None:
        self.db, self._find_inside = db, find_inside
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
            row = await self.db.read(self._find_key, hashed)
            if row is None:
                raise Unauthorized("This key is unknown.")
            if len(self._cached) >= MAX_CACHED_KEYS:
                self._cached.clear()
            key = self._cached[hashed] = _CachedKey(clock, row, _actor_of(row))
        moment = now()
        if not key.is_valid(moment):
            raise Unauthorized("This key has expired or was revoked.")
        if key.row["last_used_at"] is None or moment - key.row["last_used_at"] > LAST_USED_INTERVAL:
            self._cached[hashed] = key._replace(row={**key.row, "last_used_at": moment})
            await self._touch(key.row["id"])
        return key.actor

    def _find_key(self, connection: sa.Connection, hashed: str) -> ApiKeyRow | None:
        """Find a key by its hash, with the sections inside those that it is limited to."""
        row = find_api_key_by_hash(connection, hashed)
        if row is None or row["sections"] is None:
            return row
        inside = self._find_inside(connection, row["sections"])
        return {**row, "sections": sorted(inside.union(row["sections"]))}

    async def _touch(self, key_id: str) -> None:
        """Record the use of a key; a failure is logged only, so that reads go on while nothing can be written."""
        try:
            await self.db.write(record_key_use, key_id)
        except DBAPIError as error:
            log.warning("use of a key was not recorded", error=type(error.orig).__name__)
