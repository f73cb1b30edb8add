"""Making, recognising and revoking API keys."""

import hashlib
import secrets
import zlib
from datetime import datetime, timedelta

from sqlmodel import Session

from app.identity.audit.actions import record
from app.identity.keys.tables import ApiKey
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.problems import Invalid, NotFound

PREFIX = "bs_"
USED_EVERY = timedelta(minutes=1)


def digest(key: str) -> str:
    """How a key is kept."""
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def is_wellformed(key: str) -> bool:
    """Whether prefix and checksum are right: a mistyped key is refused without a look at the database."""
    body = key.removeprefix(PREFIX)
    return key.isascii() and key != body and len(body) == 72 and _checksum(body[:64]) == body[64:]


def create(
    session: Session,
    actor: Actor,
    name: str,
    scopes: list[str],
    sections: list[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, str]:
    """Make a key; returns its id and the key itself, which is stored nowhere."""
    if expires_at and expires_at <= now():
        raise Invalid("expires_at is in the past.", pointer="/expires_at")
    body = secrets.token_hex(32)
    key = f"{PREFIX}{body}{_checksum(body)}"
    row = ApiKey(
        id=new_id(),
        name=name,
        hint=key[:9],
        hash=digest(key),
        scopes=sorted(set(scopes)),
        sections=sections,
        created_at=now(),
        expires_at=expires_at,
    )
    session.add(row)
    record(session, actor, "key.create", "key", row.id, {"name": name, "scopes": row.scopes})
    return row.id, key


def revoke(session: Session, actor: Actor, key_id: str) -> None:
    """End a key; revoking twice changes nothing."""
    row = session.get(ApiKey, key_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such key.")
    if row.revoked_at is None:
        row.revoked_at = now()
        record(session, actor, "key.revoke", "key", row.id, {"name": row.name})


def touch(session: Session, key_id: str) -> None:
    """Note that a key was used."""
    if row := session.get(ApiKey, key_id):
        row.last_used_at = now()
