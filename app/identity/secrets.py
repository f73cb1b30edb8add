"""Secrets of the installation, their rotation, and the tokens and hashes that are derived from them."""

import asyncio
import contextlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import id_from_hex, is_id
from app.core.logs import get_logger
from app.core.problems import Unavailable
from app.db import Database
from app.db.columns import count_affected, table_of
from app.db.rows import Store, insert_into
from app.identity.tables import Secret
from app.identity.tokens import format_token
from app.web.rate_limits import network_of, ranges_of

SITE_KEY_NAME, SALT_PREFIX = "site", "salt-"
SALT_PERIOD = timedelta(days=30)
_SECRET = table_of(Secret)
_ALL = sa.select(_SECRET.c.name, _SECRET.c.value)


def salt_name(moment: datetime, periods_ago: int = 0) -> str:
    """Return the name of the salt in use at a moment, or some periods before; all processes compute the same name."""
    return f"{SALT_PREFIX}{int(moment.timestamp() // SALT_PERIOD.total_seconds()) - periods_ago}"


def _salt_number(name: str) -> int:
    return int(name.removeprefix(SALT_PREFIX))


def required_names(moment: datetime) -> set[str]:
    """Return the names of the secrets that must exist at a moment."""
    return {SITE_KEY_NAME, salt_name(moment)}


def allowed_names(moment: datetime) -> set[str]:
    """Return the names of the secrets that may exist at a moment."""
    return {*required_names(moment), salt_name(moment, 1)}


def read_secrets(store: Store) -> dict[str, str]:
    """Return all secrets by name."""
    return {row.name: row.value for row in store.execute(_ALL)}


def is_rotation_due(connection: sa.Connection) -> bool:
    """Whether a secret is missing or a salt has expired."""
    names, moment = set(read_secrets(connection)), now()
    return not required_names(moment) <= names <= allowed_names(moment)


GUEST_PREFIX, EDIT_PREFIX = "bg_", "be_"
MANAGE_PREFIX, CONFIRM_PREFIX, UNSUBSCRIBE_PREFIX = "bm_", "bc_", "bu_"
ACCESS_PREFIX, REFRESH_PREFIX = "ba_", "br_"  # of the sessions of people who signed in
DEVICE_PREFIX = "bd_"  # of what a client keeps that has signed a person in
SEAL_LENGTH = 64  # characters of an HMAC
REFRESH_SECONDS = 30.0  # seconds between reads of the store
RETRY_SECONDS = 2.0  # seconds between reads while no secrets are loaded
LOAD_SECONDS = 5.0  # seconds that one read may take
_HEXADECIMAL = re.compile("[0-9a-f]+")
log = get_logger("broadsheet.identity")


def rotate_secrets(session: Session) -> int:
    """Create missing secrets and delete expired salts; return the number of changed rows.

    The first process to insert a secret wins; the others read it.
    """
    moment = now()
    insert = insert_into(session, _SECRET).on_conflict_do_nothing().returning(_SECRET.c.name)
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
    """The secrets in memory, and all that is derived from them.

    They are loaded when the app starts, and refreshed in the background. Methods raise 503 until they are loaded.
    """

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self, db: Database) -> None:
        """Load the secrets and start refreshing them in the background."""
        await self._try_load(db)
        self._task = asyncio.create_task(self._keep_fresh(db), name="vault")

    async def stop(self) -> None:
        """Stop refreshing."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def load(self, db: Database) -> None:
        """Load the secrets from the store, and create missing ones there."""
        stored = await db.read(read_secrets)
        moment = now()
        if not required_names(moment) <= stored.keys() <= allowed_names(moment):
            ignored = [SQLAlchemyError] if SITE_KEY_NAME in stored else []  # old salts are better than none
            with contextlib.suppress(*ignored):
                await db.write(rotate_secrets)
                stored = await db.write(read_secrets)  # a replica may not have them yet
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

    @property
    def _salts(self) -> list[str]:
        """The salts, newest first."""
        names = sorted((name for name in self._secrets if name.startswith(SALT_PREFIX)), key=_salt_number)
        return [self._secrets[name] for name in reversed(names)]

    def make_edit_token(self, comment_id: str) -> str:
        """Return the token with which the author of a comment can edit it; it is not stored."""
        return f"{EDIT_PREFIX}{comment_id.replace('-', '')}{_derive(self._site, 'edit', comment_id)}"

    def read_edit_token(self, token: str) -> str | None:
        """Return the id of the comment that a token can edit, or None if this server did not make the token."""
        body = token.removeprefix(EDIT_PREFIX)
        if body == token or len(body) != 96 or not body.isascii():
            return None
        comment_id = id_from_hex(body)
        genuine = hmac.compare_digest(self.make_edit_token(comment_id), token)
        return comment_id if genuine and is_id(comment_id) else None

    def derive_guest_token(self, nonce: str) -> str:
        """Return the guest token of a nonce, so that a repeated request gets the same token again.

        The nonce must be secret, such as a random `Idempotency-Key` with a hash of the body.
        """
        return format_token(GUEST_PREFIX, _derive(self._site, "guest", nonce))

    def seal_token(self, prefix: str, body: str) -> str:
        """Return a token with a hexadecimal body and an HMAC of it; it is not stored."""
        return f"{prefix}{body}{_derive(self._site, prefix, body)}"

    def unseal_token(self, prefix: str, token: str) -> str | None:
        """Return the body of a sealed token with this prefix, or None if this server did not make the token."""
        body = token.removeprefix(prefix)[:-SEAL_LENGTH]
        if not (token.startswith(prefix) and token.isascii() and _HEXADECIMAL.fullmatch(body)):
            return None
        return body if hmac.compare_digest(self.seal_token(prefix, body), token) else None

    def derive(self, purpose: str, text: str) -> str:
        """Return 32 bytes in hexadecimal that nobody without the server's secret can derive from a text."""
        return _derive(self._site, purpose, text)

    def public_id(self, participant_id: str) -> str:
        """Return the public id of a participant: stable, and the participant cannot be derived from it."""
        return _derive(self._site, "public", participant_id)[:32]

    def log_name(self) -> str:
        """Return the name of this store's event log, which is part of the cursors of its followers."""
        return _derive(self._site, "log", "")[:8]

    def hash_address(self, address: str) -> tuple[str, str | None]:
        """Return the hashes of a network address under the newest salt and the one before (None if it is missing).

        Store the first; compare with both. An IPv6 address is hashed as its /64. The clock has no say: where it was
        just set, the salts of another time serve until those of this time are loaded.
        """
        place = network_of(address)
        hashes = [_derive(salt, "address", place) for salt in self._salts[:2]]
        if not hashes:
            raise Unavailable("The server's secrets are not loaded yet.")
        return hashes[0], hashes[1] if len(hashes) > 1 else None

    def hash_ranges(self, address: str) -> tuple[str, str] | None:
        """Return the hashes of the two ranges around an IP address, the smaller first; None for other addresses."""
        salts, places = self._salts, ranges_of(address)
        if not salts or places is None:
            return None
        near, far = (_derive(salts[0], "range", place) for place in places)
        return near, far
