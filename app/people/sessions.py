"""Sessions of people: access and refresh tokens, their rotation, and who is behind an access token.

Both tokens are opaque: the id of the session, a nonce and an HMAC of them, of which the session has a hash. The tokens
that follow are derived from the refresh token that is replaced, so that a retry gets the same ones again and none is
stored. Any other use of a former refresh token means that somebody has a copy of it: it ends the session.
"""

import asyncio
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import id_from_hex, is_id, new_id
from app.core.problems import NotFound, Unauthorized
from app.db import Database
from app.db.columns import count_affected, table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject
from app.identity.audit import record_action
from app.identity.schemas import Actor, Grant
from app.identity.secrets import ACCESS_PREFIX, DEVICE_PREFIX, REFRESH_PREFIX, Vault
from app.identity.tokens import hash_token
from app.people.grants import find_grants
from app.people.schemas import SignInMethod
from app.people.second_factor import SecondFactorRule
from app.people.tables import Person, PersonSession
from app.web.paging import Page, PageQuery, Sort, fetch_page, map_page

PERSON, SESSION = table_of(Person), table_of(PersonSession)
ACCESS_LIFETIME = timedelta(minutes=10)
SESSION_LIFETIME = timedelta(days=30)  # at the longest
IDLE_LIFETIME = timedelta(days=7)  # without a new access token
RETRY_LIFETIME = timedelta(seconds=10)  # in which the client that replaced a refresh token may send it again
SESSION_CACHE_SECONDS = 1.0  # seconds for which a session is cached
MAX_CACHED_SESSIONS = 10_000
MAX_CLIENT_LENGTH = 200
_UNKNOWN = "This access token is unknown or has expired."
_ENDED = "The session has ended. Sign in again."


class SessionEnded(Unauthorized, code="session_ended", title="The session has ended"):
    """The refresh token is unknown, expired or was used before, or its person may not sign in any more."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a session, as they are given to its client."""

    access: str
    refresh: str
    device: str
    access_expires_at: datetime
    person_id: str
    name: str


class Device(NamedTuple):
    """A client that has signed a person in before."""

    id: str
    person_id: str


def _make_device_token(vault: Vault, session_id: str, person_id: str) -> str:
    """Return the token by which a client is known later as one that signed this person in; it is not stored."""
    return vault.seal_token(DEVICE_PREFIX, f"{person_id.replace('-', '')}{vault.derive('device', session_id)[:32]}")


def read_device_token(vault: Vault, token: str | None) -> Device | None:
    """Return the client that bears a token, and whom it signed in; None for what this server did not make."""
    body = vault.unseal_token(DEVICE_PREFIX, token) if token else None
    return Device(body[32:], id_from_hex(body)) if body is not None and len(body) == 64 else None


def _make_access_token(vault: Vault, session_id: str, refresh: str) -> str:
    nonce = vault.derive("access", refresh)[:32]
    return vault.seal_token(ACCESS_PREFIX, f"{session_id.replace('-', '')}{nonce}")


def _make_refresh_token(vault: Vault, session_id: str, generation: int, nonce: str) -> str:
    return vault.seal_token(REFRESH_PREFIX, f"{session_id.replace('-', '')}{generation:08x}{nonce}")


def _make_successor(vault: Vault, session_id: str, generation: int, refresh: str) -> str:
    return _make_refresh_token(vault, session_id, generation + 1, vault.derive("refresh", refresh)[:32])


def start_session(session: Session, vault: Vault, person: Person, method: SignInMethod, client: str) -> Tokens:
    """Begin a session of a person who has just proved who they are."""
    moment, session_id = now(), new_id()
    refresh = _make_refresh_token(vault, session_id, 0, secrets.token_hex(16))
    access = _make_access_token(vault, session_id, refresh)
    row = PersonSession(
        id=session_id,
        person_id=person.id,
        method=method,
        client=client[:MAX_CLIENT_LENGTH],
        access_hash=hash_token(access),
        access_expires_at=moment + ACCESS_LIFETIME,
        refresh_hash=hash_token(refresh),
        generation=0,
        created_at=moment,
        authenticated_at=moment,
        refreshed_at=moment,
        expires_at=moment + SESSION_LIFETIME,
    )
    session.add(row)
    person.signed_in_at = moment
    actor = Actor("person", person.id, person.name, person=person.id)
    record_action(session, actor, "session.start", "session", session_id, {"method": method})
    device = _make_device_token(vault, session_id, person.id)
    return Tokens(access, refresh, device, row.access_expires_at, person.id, person.name)


def refresh_session(session: Session, vault: Vault, token: str, client: str) -> Tokens | None:
    """Replace the tokens of a session; None where the session has ended, or ends because of this.

    The client that replaced a token gets the same new tokens again if it repeats that within `RETRY_LIFETIME`, as it
    must where the first answer was lost, or another of its tabs came first.
    """
    body = vault.unseal_token(REFRESH_PREFIX, token)
    if body is None or len(body) != 72:
        return None
    session_id, generation, moment = id_from_hex(body), int(body[32:40], 16), now()
    row = session.get(PersonSession, session_id, with_for_update=True)
    person = session.get(Person, row.person_id) if row else None
    if row is None or person is None or not is_active(person):
        return None
    if row.expires_at <= moment or row.refreshed_at + IDLE_LIFETIME <= moment:
        session.delete(row)
        return None
    successor = _make_successor(vault, session_id, generation, token)
    access, device = _make_access_token(vault, session_id, successor), _make_device_token(vault, session_id, person.id)
    if hmac.compare_digest(row.refresh_hash, hash_token(token)):
        row.former_access_hash, row.former_access_expires_at = row.access_hash, row.access_expires_at
        row.access_hash, row.access_expires_at = hash_token(access), moment + ACCESS_LIFETIME
        row.refresh_hash, row.generation, row.refreshed_at = hash_token(successor), generation + 1, moment
        return Tokens(access, successor, device, row.access_expires_at, person.id, person.name)
    if generation >= row.generation:  # a token that this server never gave
        return None
    is_retry = row.client == client[:MAX_CLIENT_LENGTH] and moment - row.refreshed_at <= RETRY_LIFETIME
    if is_retry and hmac.compare_digest(row.refresh_hash, hash_token(successor)):
        return Tokens(access, successor, device, row.access_expires_at, person.id, person.name)
    session.delete(row)
    actor = Actor("person", person.id, person.name, person=person.id)
    record_action(session, actor, "session.reuse", "session", session_id, {})
    return None


def is_active(person: Person) -> bool:
    """Whether a person may sign in."""
    return person.accepted_at is not None and person.suspended_at is None and person.deleted_at is None


def end_sessions(session: Session, actor: Actor, person_id: str, method: SignInMethod | None = None) -> int:
    """End the sessions of a person but that of the caller, all or those by one method; return their number."""
    is_ended = SESSION.c.person_id == person_id
    if method is not None:
        is_ended &= SESSION.c.method == method
    if actor.session is not None:
        is_ended &= SESSION.c.id != actor.session
    ended = list(session.scalars(sa.delete(SESSION).where(is_ended).returning(SESSION.c.id)))
    for session_id in ended:
        record_action(session, actor, "session.end", "session", session_id, {})
    return len(ended)


def end_session(session: Session, actor: Actor, person_id: str, session_id: str) -> None:
    """End a session of a person; 404 if it is not one of theirs."""
    row = session.get(PersonSession, session_id) if is_id(session_id) else None
    if row is None or row.person_id != person_id:
        raise NotFound
    session.delete(row)
    record_action(session, actor, "session.end", "session", session_id, {})


def sign_out(session: Session, actor: Actor) -> None:
    """End the session of the caller, unless another request of it has done so just now."""
    row = session.get(PersonSession, actor.session)
    if row is not None:
        session.delete(row)
        record_action(session, actor, "session.end", "session", row.id, {})


def prune_sessions(session: Session) -> int:
    """Delete sessions that have expired; return their number."""
    moment = now()
    expired = sa.or_(SESSION.c.expires_at <= moment, SESSION.c.refreshed_at <= moment - IDLE_LIFETIME)
    return count_affected(session.execute(sa.delete(SESSION).where(expired)))


class SessionRow(TypedDict):
    """A session, as the person and admins see it."""

    id: str
    method: str
    client: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime


NEWEST_FIRST = Sort("-created_at", descending=True)


def list_sessions(connection: sa.Connection, person_id: str, actor: Actor, query: PageQuery) -> Page[JsonObject]:
    """Return a page of the sessions of a person, newest first."""
    moment = now()
    columns = [SESSION.c[name] for name in SessionRow.__annotations__]
    lasts = sa.and_(SESSION.c.expires_at > moment, SESSION.c.refreshed_at > moment - IDLE_LIFETIME)
    statement = sa.select(*columns).where(SESSION.c.person_id == person_id, lasts)
    page = fetch_page(connection, statement, NEWEST_FIRST, SESSION.c.created_at, query, SessionRow, within=person_id)
    return map_page(page, lambda row: {**row, "current": row["id"] == actor.session})


class _CallerRow(TypedDict):
    """A session with what decides whether its access token is valid."""

    id: str
    person_id: str
    name: str
    access_hash: str
    access_expires_at: datetime
    former_access_hash: str | None
    former_access_expires_at: datetime | None
    expires_at: datetime
    method: str
    totp_confirmed_at: datetime | None


_OF_PERSON = ("name", "totp_confirmed_at")
_CALLER: Prepared[_CallerRow] = Prepared(
    sa.select(
        *(SESSION.c[name] for name in _CallerRow.__annotations__ if name not in _OF_PERSON),
        *(PERSON.c[name] for name in _OF_PERSON),
    )
    .join_from(SESSION, PERSON, PERSON.c.id == SESSION.c.person_id)
    .where(
        SESSION.c.id == sa.bindparam("id", type_=SESSION.c.id.type),
        PERSON.c.accepted_at.is_not(None),
        PERSON.c.suspended_at.is_(None),
        PERSON.c.deleted_at.is_(None),
    )
)


def _find_caller(connection: sa.Connection, session_id: str) -> tuple[_CallerRow, tuple[Grant, ...]] | None:
    """Find a session that has not ended, and what its person may do where."""
    row = _CALLER.row(connection, {"id": session_id})
    return None if row is None else (row, find_grants(connection, row["person_id"]))


class _CachedCaller(NamedTuple):
    checked: float  # of the event loop's clock
    until: datetime  # when the access token expires
    actor: Actor


class PeopleSessions:
    """Identifies people by their access tokens, and caches them for a second."""

    def __init__(self, db: Database, vault: Vault, second_factor: SecondFactorRule) -> None:
        self._db, self._vault, self._second_factor = db, vault, second_factor
        self._cached: dict[str, _CachedCaller] = {}

    def __len__(self) -> int:
        return len(self._cached)

    async def identify(self, token: str) -> Actor:
        """Return the person with this access token; 401 if it is unknown or expired, or the session has ended."""
        hashed, clock = hash_token(token), asyncio.get_running_loop().time()
        caller = self._cached.get(hashed)
        if caller is None or clock - caller.checked > SESSION_CACHE_SECONDS:
            self._cached.pop(hashed, None)
            caller = await self._read(token, hashed, clock)
            if len(self._cached) >= MAX_CACHED_SESSIONS:
                self._cached.clear()
            self._cached[hashed] = caller
        if caller.until <= now():
            raise Unauthorized(_UNKNOWN)
        return caller.actor

    async def _read(self, token: str, hashed: str, clock: float) -> _CachedCaller:
        body = self._vault.unseal_token(ACCESS_PREFIX, token)
        if body is None or len(body) != 64:
            raise Unauthorized("This is not a token of this server.")
        found = await self._db.read(_find_caller, id_from_hex(body))
        if found is None:
            raise Unauthorized(_ENDED)
        row, grants = found
        until = _expiry_of(row, hashed)
        if until is None:
            raise Unauthorized(_UNKNOWN)
        is_missing = self._second_factor.is_missing(row["method"], row["totp_confirmed_at"] is not None, grants)
        actor = Actor(
            "person",
            row["person_id"],
            row["name"],
            () if is_missing else grants,
            row["person_id"],
            session=row["id"],
            needs_second_factor=is_missing,
        )
        return _CachedCaller(clock, min(until, row["expires_at"]), actor)


def _expiry_of(row: _CallerRow, hashed: str) -> datetime | None:
    """Return when the access token with this hash expires; None if the session has no such token."""
    if hmac.compare_digest(row["access_hash"], hashed):
        return row["access_expires_at"]
    if row["former_access_hash"] and hmac.compare_digest(row["former_access_hash"], hashed):
        return row["former_access_expires_at"]
    return None
