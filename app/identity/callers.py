"""Recognising whoever calls by what they send: an API key, a token of this server, or a JWT of the site's."""

import asyncio

from app.core.ids import as_id
from app.core.problems import Unauthorized
from app.db import Database
from app.db.columns import Row
from app.identity.keys import PREFIX, FindInside, KeyRing
from app.identity.participants import by, hashed, is_wellformed
from app.identity.readers import Readers
from app.identity.schemas import Actor
from app.identity.secrets import EDIT, GUEST, MANAGE, Vault

# A guest's token gives no rights but to their own: what they write asks the store again who they are.
KNOWN_FOR = 5.0  # seconds


def is_reader_token(token: str) -> bool:
    """Whether this is of a kind that readers' programs hold and that ends without their doing: all but an API key."""
    return token.startswith((GUEST, EDIT, MANAGE)) or (not token.startswith(PREFIX) and token.count(".") == 2)


class Callers:
    """Everybody who can be known by a token."""

    def __init__(self, db: Database, vault: Vault, readers: Readers, find_inside: FindInside) -> None:
        self.keys, self.vault, self.readers = KeyRing(db, find_inside), vault, readers
        self._db = db
        self._guests: dict[str, tuple[float, Row]] = {}  # recognised a moment ago

    async def actor(self, token: str) -> Actor:
        """The caller with this token, or 401."""
        if token.startswith(GUEST):
            return await self._guest(token)
        if token.startswith(EDIT):
            comment = self.vault.is_edit_token(token)
            if comment is None:
                raise Unauthorized("This is not a token of this server.")
            return Actor("edit", comment=comment)
        if token.startswith(MANAGE):
            body = self.vault.unsealed(MANAGE, token)
            if body is None:
                raise Unauthorized("This is not a token of this server.")
            return Actor("subscriber", subscriber=as_id(body[:32]), generation=int(body[32:], 16))
        if not token.startswith(PREFIX) and token.count(".") == 2:
            return await self.readers.actor(token)
        return await self.keys.actor(token)

    def forget(self, participant_id: str | None) -> None:
        """Recognise a guest no more who was erased; other processes find out within seconds, and write nothing."""
        self._guests = {digest: held for digest, held in self._guests.items() if held[1]["id"] != participant_id}

    async def _guest(self, token: str) -> Actor:
        if not is_wellformed(token):
            raise Unauthorized("This is not a token of this server.")
        digest, clock = hashed(token), asyncio.get_running_loop().time()
        checked, row = self._guests.get(digest, (0.0, None))
        if row is None or clock - checked > KNOWN_FOR:
            row = await self._db.read(by, "token_hash", digest)
            if row is None:
                self._guests.pop(digest, None)
                raise Unauthorized("This token is unknown.")
            if len(self._guests) >= 10_000:
                self._guests.clear()
            self._guests[digest] = (clock, row)
        return Actor("guest", row["id"], row["name"] or "", proven=row["confirmed_at"] is not None)
