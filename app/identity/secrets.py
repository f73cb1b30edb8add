"""Secrets of the installation, their rotation, and the tokens and hashes derived from them."""

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
from app.core.ids import id_from_hex, is_id
from app.core.problems import Unavailable
from app.db import Database
from app.db.columns import count_affected, table_of
from app.identity.tables import Secret
from app.web.rate_limits import network_of, ranges_of

SITE_KEY_NAME = "site"
SALT_PERIOD = timedelta(days=30)
_SECRET = table_of(Secret)
_ALL = sa.select(_SECRET.c.name, _SECRET.c.value)


def salt_name(moment: datetime, periods_ago: int = 0) -> str:
    """The name of the salt of a moment, or of some turns before: every process reckons alike, so none must ask."""
    return f"salt-{int(moment.timestamp() // SALT_PERIOD.total_seconds()) - periods_ago}"


def required_names(moment: datetime) -> set[str]:
    """Return the names of the secrets that must exist at a moment."""
    return {SITE_KEY_NAME, salt_name(moment)}


def allowed_names(moment: datetime) -> set[str]:
    """Return the names of the secrets that may exist at a moment."""
    return {*required_names(moment), salt_name(moment, 1)}


def read_secrets(store: sa.Connection | Session) -> dict[str, str]:
    """All secrets by name."""
    return {row.name: row.value for row in store.execute(_ALL)}


def is_rotation_due(connection: sa.Connection) -> bool:
    """Whether a secret is missing, or a salt has had its time."""
    names, moment = set(read_secrets(connection)), now()
    return not required_names(moment) <= names <= allowed_names(moment)


GUEST_PREFIX, EDIT_PREFIX = "bg_", "be_"
MANAGE_PREFIX, CONFIRM_PREFIX, UNSUBSCRIBE_PREFIX = "bm_", "bc_", "bu_"
SEAL_LENGTH = 64  # characters of an HMAC
REFRESH_SECONDS = 30.0  # seconds between looks at the store
RETRY_SECONDS = 2.0  # the same while there is nothing to work with
LOAD_SECONDS = 5.0  # seconds that one look may take
_HEXADECIMAL = re.compile("[0-9a-f]+")
_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert(_SECRET).on_conflict_do_nothing().returning(_SECRET.c.name),
    "postgresql": postgresql.insert(_SECRET).on_conflict_do_nothing().returning(_SECRET.c.name),
}
log = structlog.get_logger("broadsheet.identity")


def rotate_secrets(session: Session) -> int:
    """Make what is missing and delete salts that have had their time; returns how many rows that were.

    Whoever comes first makes a secret; all others find it, in whatever process they are.
    """
    moment, insert = now(), _INSERT[session.get_bind().dialect.name]
    rows = [
        {"name": name, "value": secrets.token_hex(32), "created_at": moment} for name in sorted(required_names(moment))
    ]
    inserted = sum(session.execute(insert, row).first() is not None for row in rows)
    return inserted + count_affected(
        session.execute(sa.delete(_SECRET).where(_SECRET.c.name.not_in(allowed_names(moment))))
    )


def _derive(secret: str, purpose: str, text: str) -> str:
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
        await self._try_load(db)
        self._task = asyncio.create_task(self._keep_fresh(db), name="vault")

    async def stop(self) -> None:
        """End the background work."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def load(self, db: Database) -> None:
        """Take over what stands in the store, and make there what is missing."""
        stored = await db.read(read_secrets)
        moment = now()
        if not required_names(moment) <= stored.keys() <= allowed_names(moment):
            with contextlib.suppress(
                *([SQLAlchemyError] if SITE_KEY_NAME in stored else [])
            ):  # old salts are better than none
                await db.write(rotate_secrets)
                stored = await db.write(read_secrets)  # not from a replica, which may not have them yet
        self._secrets = stored

    def fill(self, session: Session) -> None:
        """Load the secrets within a transaction, for commands and threads."""
        rotate_secrets(session)
        self._secrets = read_secrets(session)

    async def _try_load(self, db: Database) -> None:
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                await self.load(db)
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("secrets could not be read", error=type(error).__name__)

    async def _keep_fresh(self, db: Database) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS if self._secrets else RETRY_SECONDS)
            await self._try_load(db)

    @property
    def _site(self) -> str:
        try:
            return self._secrets[SITE_KEY_NAME]
        except KeyError:
            raise Unavailable("The server's secrets are not loaded yet.") from None

    def make_edit_token(self, comment_id: str) -> str:
        """The token that lets the author of one comment edit it: nothing of it is stored."""
        return f"{EDIT_PREFIX}{comment_id.replace('-', '')}{_derive(self._site, 'edit', comment_id)}"

    def read_edit_token(self, token: str) -> str | None:
        """The id of the comment that a token lets edit, or None for one that this server did not make."""
        body = token.removeprefix(EDIT_PREFIX)
        if body == token or len(body) != 96 or not body.isascii():
            return None
        comment_id = id_from_hex(body)
        genuine = hmac.compare_digest(self.make_edit_token(comment_id), token)
        return comment_id if genuine and is_id(comment_id) else None

    def derive_guest_token(self, nonce: str) -> str:
        """The guest token of a nonce: who sends the same request again gets the same token again.

        Whoever knows the nonce gets the token, so it must hold what only the client knows, such as its random
        `Idempotency-Key` together with a hash of the body.
        """
        return _format_guest_token(_derive(self._site, "guest", nonce))

    def make_guest_token(self) -> str:
        """A guest token of random bytes."""
        return _format_guest_token(secrets.token_hex(32))

    def seal_token(self, prefix: str, body: str) -> str:
        """A token with a hexadecimal body, that this server alone can have made: nothing of it is stored."""
        return f"{prefix}{body}{_derive(self._site, prefix, body)}"

    def unseal_token(self, prefix: str, token: str) -> str | None:
        """The body of a token of `sealed` with this prefix, or None for one that this server did not make."""
        body = token.removeprefix(prefix)[:-SEAL_LENGTH]
        if not (token.startswith(prefix) and token.isascii() and _HEXADECIMAL.fullmatch(body)):
            return None
        return body if hmac.compare_digest(self.seal_token(prefix, body), token) else None

    def public_id(self, participant_id: str) -> str:
        """How a participant is shown: stable, and no way back."""
        return _derive(self._site, "public", participant_id)[:32]

    def log_name(self) -> str:
        """What tells the log of this store from all others: a part of the cursors that followers keep."""
        return _derive(self._site, "log", "")[:8]

    def hash_address(self, address: str) -> tuple[str, str | None]:
        """What stands for a network address: under the present salt, to store and compare, and under the one before,
        to compare. An IPv6 address counts as its /64."""
        moment, place = now(), network_of(address)
        salts = [self._secrets.get(salt_name(moment, turns)) for turns in (0, 1, 2)]
        hashes = [_derive(salt, "address", place) for salt in salts if salt is not None][:2]
        if not hashes:
            raise Unavailable("The server's secrets are not loaded yet.")
        return hashes[0], hashes[1] if len(hashes) > 1 else None

    def hash_ranges(self, address: str) -> tuple[str, str] | None:
        """What stands for the ranges that a network address is in, the nearer one first; None for no IP address."""
        salt, places = self._secrets.get(salt_name(now())), ranges_of(address)
        if salt is None or places is None:
            return None
        near, far = (_derive(salt, "range", place) for place in places)
        return near, far


def _format_guest_token(body: str) -> str:
    return f"{GUEST_PREFIX}{body}{zlib.crc32(body.encode()):08x}"
