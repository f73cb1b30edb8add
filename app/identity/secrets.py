"""Reading secrets."""

import asyncio
import contextlib
import hmac
import re
import secrets
import zlib
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import as_id, is_id
from app.core.problems import Unavailable
from app.db import Database
from app.db.columns import affected, table_of
from app.identity.tables import Secret
from app.web.rate_limits import network, ranges

SITE = "site"
TURN = timedelta(days=30)
_SECRET = table_of(Secret)
_ALL = sa.select(_SECRET.c.name, _SECRET.c.value)


def salt_name(moment: datetime, turns: int = 0) -> str:
    """The name of the salt of a moment, or of some turns before: every process reckons alike, so none must ask."""
    return f"salt-{int(moment.timestamp() // TURN.total_seconds()) - turns}"


def wanted(moment: datetime) -> set[str]:
    """The names of what must be there at a moment."""
    return {SITE, salt_name(moment)}


def kept(moment: datetime) -> set[str]:
    """The names of what may be there at a moment."""
    return {*wanted(moment), salt_name(moment, 1)}


def every(store: sa.Connection | Session) -> dict[str, str]:
    """All secrets by name."""
    return {row.name: row.value for row in store.execute(_ALL)}


def is_due(connection: sa.Connection) -> bool:
    """Whether a secret is missing, or a salt has had its time."""
    names, moment = set(every(connection)), now()
    return not wanted(moment) <= names <= kept(moment)


GUEST, EDIT = "bg_", "be_"
MANAGE, CONFIRM, UNSUBSCRIBE = "bm_", "bc_", "bu_"
SEAL = 64  # characters of an HMAC
EVERY = 30.0  # seconds between looks at the store
SOON = 2.0  # the same while there is nothing to work with
PATIENCE = 5.0  # seconds that one look may take
_HEXADECIMAL = re.compile("[0-9a-f]+")
_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert(_SECRET).on_conflict_do_nothing().returning(_SECRET.c.name),
    "postgresql": postgresql.insert(_SECRET).on_conflict_do_nothing().returning(_SECRET.c.name),
}
log = structlog.get_logger("broadsheet.identity")


def turn(session: Session) -> int:
    """Make what is missing and delete salts that have had their time; returns how many rows that were.

    Whoever comes first makes a secret; all others find it, in whatever process they are.
    """
    moment, insert = now(), _INSERT[session.get_bind().dialect.name]
    rows = [{"name": name, "value": secrets.token_hex(32), "created_at": moment} for name in sorted(wanted(moment))]
    made = sum(session.execute(insert, row).first() is not None for row in rows)
    return made + affected(session.execute(sa.delete(_SECRET).where(_SECRET.c.name.not_in(kept(moment)))))


def _derived(secret: str, purpose: str, text: str) -> str:
    return hmac.digest(bytes.fromhex(secret), f"{purpose}:{text}".encode(), "sha256").hex()


class Vault:
    """The secrets of this process, and everything that is made from them, without a look at the store.

    Loaded when the app starts and kept fresh. Actions take it as an argument, so that they need no app.
    While nothing could be loaded, everything here is a 503.
    """

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self, db: Database) -> None:
        """Load, then keep fresh in the background; a store that is away is asked again."""
        await self._try(db)
        self._task = asyncio.create_task(self._keep_fresh(db), name="vault")

    async def stop(self) -> None:
        """End the background work."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def load(self, db: Database) -> None:
        """Take over what stands in the store, and make there what is missing."""
        found = await db.read(every)
        moment = now()
        if not wanted(moment) <= found.keys() <= kept(moment):
            with contextlib.suppress(*([SQLAlchemyError] if SITE in found else [])):  # old salts are better than none
                await db.write(turn)
                found = await db.write(every)  # not from a replica, which may not have them yet
        self._secrets = found

    def fill(self, session: Session) -> None:
        """The same for commands and threads, in a transaction of theirs."""
        turn(session)
        self._secrets = every(session)

    async def _try(self, db: Database) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self.load(db)
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("secrets could not be read", error=type(error).__name__)

    async def _keep_fresh(self, db: Database) -> None:
        while True:
            await asyncio.sleep(EVERY if self._secrets else SOON)
            await self._try(db)

    @property
    def _site(self) -> str:
        try:
            return self._secrets[SITE]
        except KeyError:
            raise Unavailable("The server's secrets are not loaded yet.") from None

    def edit_token(self, comment_id: str) -> str:
        """The token that lets the author of one comment edit it: nothing of it is stored."""
        return f"{EDIT}{comment_id.replace('-', '')}{_derived(self._site, 'edit', comment_id)}"

    def is_edit_token(self, token: str) -> str | None:
        """The id of the comment that a token lets edit, or None for one that this server did not make."""
        body = token.removeprefix(EDIT)
        if body == token or len(body) != 96 or not body.isascii():
            return None
        comment_id = as_id(body)
        genuine = hmac.compare_digest(self.edit_token(comment_id), token)
        return comment_id if genuine and is_id(comment_id) else None

    def guest_token(self, nonce: str) -> str:
        """The guest token of a nonce: who sends the same request again gets the same token again.

        Whoever knows the nonce gets the token, so it must hold what only the client knows, such as its random
        `Idempotency-Key` together with a hash of the body.
        """
        return _guest(_derived(self._site, "guest", nonce))

    def new_guest_token(self) -> str:
        """A guest token of random bytes."""
        return _guest(secrets.token_hex(32))

    def sealed(self, prefix: str, body: str) -> str:
        """A token with a hexadecimal body, that this server alone can have made: nothing of it is stored."""
        return f"{prefix}{body}{_derived(self._site, prefix, body)}"

    def unsealed(self, prefix: str, token: str) -> str | None:
        """The body of a token of `sealed` with this prefix, or None for one that this server did not make."""
        body = token.removeprefix(prefix)[:-SEAL]
        if not (token.startswith(prefix) and token.isascii() and _HEXADECIMAL.fullmatch(body)):
            return None
        return body if hmac.compare_digest(self.sealed(prefix, body), token) else None

    def public_id(self, participant_id: str) -> str:
        """How a participant is shown: stable, and no way back."""
        return _derived(self._site, "public", participant_id)[:32]

    def log_name(self) -> str:
        """What tells the log of this store from all others: a part of the cursors that followers keep."""
        return _derived(self._site, "log", "")[:8]

    def address_hashes(self, address: str) -> tuple[str, str | None]:
        """What stands for a network address: under the present salt, to store and compare, and under the one before,
        to compare. An IPv6 address counts as its /64."""
        moment, place = now(), network(address)
        found = [self._secrets.get(salt_name(moment, turns)) for turns in (0, 1, 2)]
        known = [_derived(salt, "address", place) for salt in found if salt is not None][:2]
        if not known:
            raise Unavailable("The server's secrets are not loaded yet.")
        return known[0], known[1] if len(known) > 1 else None

    def range_hashes(self, address: str) -> tuple[str, str] | None:
        """What stands for the ranges that a network address is in, the nearer one first; None for no IP address."""
        salt, places = self._secrets.get(salt_name(now())), ranges(address)
        if salt is None or places is None:
            return None
        near, far = (_derived(salt, "range", place) for place in places)
        return near, far


def _guest(body: str) -> str:
    return f"{GUEST}{body}{zlib.crc32(body.encode()):08x}"
