"""API keys: creating, changing, revoking and recognising them."""

import asyncio
import hashlib
import secrets
import zlib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, Invalid, NotFound, Unauthorized
from app.db import Database
from app.db.columns import Row, table_of
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.tables import ApiKey
from app.text.confusables import skeleton
from app.web.paging import PageQuery, Sort, fetch_page

_KEY = table_of(ApiKey)
NEWEST_FIRST = Sort("-created_at", descending=True)
_BY_HASH = sa.select(_KEY).where(_KEY.c.hash == sa.bindparam("hash"))
_BY_ID = sa.select(_KEY).where(_KEY.c.id == sa.bindparam("id"))


def find_api_key_by_hash(connection: sa.Connection, digest: str) -> Row | None:
    """The key with this hash, revoked and expired ones too."""
    return connection.execute(_BY_HASH, {"hash": digest}).mappings().first()


def find_api_key(connection: sa.Connection, key_id: str) -> sa.RowMapping | None:
    """One key, or None."""
    return connection.execute(_BY_ID, {"id": key_id}).mappings().first()


def reserved_name_clause() -> sa.ColumnElement[bool]:
    """Whether a key that works looks like one of the parameters `a`, `b` and `c`, which hold skeletons of a name."""
    skeletons = [sa.bindparam(name, type_=sa.String()) for name in "abc"]
    return sa.exists().where(_KEY.c.skeleton.in_(skeletons), _KEY.c.revoked_at.is_(None))


def list_api_keys(connection: sa.Connection, asked: PageQuery) -> dict[str, Any]:
    """A page of keys, newest first."""
    return fetch_page(connection, sa.select(_KEY), NEWEST_FIRST, _KEY.c.created_at, asked)


FindInside = Callable[[sa.Connection, Collection[str]], set[str]]
"""Finds the ids of sections and of all sections inside of them."""
KEY_PREFIX = "bs_"
QUOTA_UNITS: tuple[Literal["minute"], Literal["day"]] = ("minute", "day")
LAST_USED_INTERVAL = timedelta(minutes=1)
KEY_CACHE_SECONDS = 1.0  # seconds that a recognised key is believed without another look
log = structlog.get_logger("broadsheet.identity")


class KeyRevoked(Conflict):
    """The key was revoked; it cannot be changed any more."""

    code, title = "key_revoked", "The key was revoked"


def hash_api_key(key: str) -> str:
    """Hash a key for storage."""
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def is_well_formed(key: str) -> bool:
    """Whether prefix and checksum are right: a mistyped key is refused without a look at the database."""
    body = key.removeprefix(KEY_PREFIX)
    return key.isascii() and key != body and len(body) == 72 and _checksum(body[:64]) == body[64:]


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
    """Make a key; returns its id and the key itself, which is stored nowhere."""
    if expires_at and expires_at <= now():
        raise Invalid("expires_at is in the past.", pointer="/expires_at")
    if sections is not None and "admin" in scopes:
        raise Invalid("A key with the scope admin, which may make other keys, has no limits.", pointer="/sections")
    body = secrets.token_hex(32)
    key = f"{KEY_PREFIX}{body}{_checksum(body)}"
    row = ApiKey(
        id=new_id(),
        name=name,
        skeleton=skeleton(name),
        hint=key[:9],
        hash=hash_api_key(key),
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


def update_api_key(session: Session, actor: Actor, key_id: str, values: Mapping[str, Any]) -> str:
    """Set what differs of a key; returns its id. Changing nothing is not recorded."""
    row = session.get(ApiKey, key_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such key.")
    if row.revoked_at is not None:
        raise KeyRevoked
    new_values = {**values, "scopes": sorted(set(values.get("scopes", row.scopes)))}
    if new_values.get("expires_at") and new_values["expires_at"] <= now():
        raise Invalid("expires_at is in the past; revoke the key instead.", pointer="/expires_at")
    if new_values.get("sections", row.sections) is not None and "admin" in new_values["scopes"]:
        raise Invalid("A key with the scope admin, which may make other keys, has no limits.", pointer="/sections")
    changed = sorted(name for name, value in new_values.items() if getattr(row, name) != value)
    for name in changed:
        setattr(row, name, new_values[name])
    row.skeleton = skeleton(row.name)
    if changed:
        record_action(session, actor, "key.change", "key", row.id, {"name": row.name, "fields": changed})
    return row.id


def revoke_api_key(session: Session, actor: Actor, key_id: str) -> None:
    """End a key; revoking twice changes nothing."""
    row = session.get(ApiKey, key_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such key.")
    if row.revoked_at is None:
        row.revoked_at = now()
        record_action(session, actor, "key.revoke", "key", row.id, {"name": row.name})


def record_key_use(session: Session, key_id: str) -> None:
    """Note that a key was used."""
    if row := session.get(ApiKey, key_id):
        row.last_used_at = now()


class KeyRing:
    """Keys recognised in the last second, so that a busy key costs one read a second."""

    def __init__(self, db: Database, find_inside: FindInside) -> None:
        self.db, self._find_inside = db, find_inside
        self._seen: dict[str, tuple[float, Row]] = {}

    async def identify(self, token: str) -> Actor:
        """The caller with this key, or 401."""
        if not is_well_formed(token):
            raise Unauthorized("This is not a key of this server.")
        hashed, clock = hash_api_key(token), asyncio.get_running_loop().time()
        checked, row = self._seen.get(hashed, (0.0, None))
        if row is None or clock - checked > KEY_CACHE_SECONDS:
            row = await self.db.read(self._find_key, hashed)
            if row is None:
                raise Unauthorized("This key is unknown.")
            if len(self._seen) >= 10_000:
                self._seen.clear()
            self._seen[hashed] = (clock, row)
        moment = now()
        if row["revoked_at"] or (row["expires_at"] and row["expires_at"] <= moment):
            raise Unauthorized("This key has expired or was revoked.")
        if row["last_used_at"] is None or moment - row["last_used_at"] > LAST_USED_INTERVAL:
            self._seen[hashed] = (self._seen[hashed][0], {**row, "last_used_at": moment})
            await self._touch(row["id"])
        sections = frozenset(row["sections"]) if row["sections"] is not None else None
        quotas = tuple((unit, row[f"quota_{unit}"]) for unit in QUOTA_UNITS if row[f"quota_{unit}"])
        return Actor("key", row["id"], row["name"], frozenset(row["scopes"]), sections, quotas=quotas)

    def _find_key(self, connection: sa.Connection, hashed: str) -> Row | None:
        """The key with this hash; one that is limited to sections also works in all that are inside of these."""
        row = find_api_key_by_hash(connection, hashed)
        if row is None or row["sections"] is None:
            return row
        inside = self._find_inside(connection, row["sections"])
        return {**row, "sections": sorted(inside.union(row["sections"]))}

    async def _touch(self, key_id: str) -> None:
        """Note the use; a store that takes no writes is no reason to refuse a reader."""
        try:
            await self.db.write(record_key_use, key_id)
        except DBAPIError as error:
            log.warning("use of a key was not noted", error=type(error.orig).__name__)
