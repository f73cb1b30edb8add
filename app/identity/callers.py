"""Authentication: API keys, tokens of this server, and JWTs of the publication's site."""

import asyncio
from typing import Protocol

from app.core.ids import id_from_hex
from app.core.problems import Unauthorized
from app.db import Database
from app.identity.keys import KEY_PREFIXES, FindGrants, FindInside, KeyRing
from app.identity.participants import ParticipantRow, find_participant_by
from app.identity.readers import Readers
from app.identity.schemas import Actor
from app.identity.secrets import ACCESS_PREFIX, EDIT_PREFIX, GUEST_PREFIX, MANAGE_PREFIX, Vault
from app.identity.tokens import hash_token, is_well_formed

GUEST_CACHE_SECONDS = 5.0  # seconds for which a guest is cached; writes read the participant again
MAX_CACHED_GUESTS = 10_000


def is_reader_token(token: str) -> bool:
    """Whether a token is of a kind that readers hold, which may expire at any time: not of an API key or the staff."""
    return token.startswith((GUEST_PREFIX, EDIT_PREFIX, MANAGE_PREFIX)) or (
        not token.startswith((*KEY_PREFIXES, ACCESS_PREFIX)) and token.count(".") == 2
    )


class AccessTokens(Protocol):
    """Identifies people who signed in; implemented by the room `people`."""

    async def identify(self, token: str) -> Actor:
        """Return the person with this access token; 401 if it is unknown, expired or revoked."""


class Callers:
    """Identifies callers by their token."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        readers: Readers,
        find_inside: FindInside,
        access_tokens: AccessTokens,
        find_grants: FindGrants,
    ) -> None:
        self.keys, self.vault, self.readers = KeyRing(db, find_inside, find_grants), vault, readers
        self.access_tokens = access_tokens
        self._db = db
        self._guests: dict[str, tuple[float, ParticipantRow]] = {}  # cached, by hash of the token

    async def identify(self, token: str) -> Actor:
        """Return the caller with this token; 401 if it is unknown."""
        if token.startswith(ACCESS_PREFIX):
            return await self.access_tokens.identify(token)
        if token.startswith(GUEST_PREFIX):
            return await self._guest(token)
        if token.startswith(EDIT_PREFIX):
            comment = self.vault.read_edit_token(token)
            if comment is None:
                raise Unauthorized("This is not a token of this server.")
            return Actor("edit", comment=comment)
        if token.startswith(MANAGE_PREFIX):
            body = self.vault.unseal_token(MANAGE_PREFIX, token)
            if body is None:
                raise Unauthorized("This is not a token of this server.")
            return Actor("subscriber", subscriber=id_from_hex(body[:32]), generation=int(body[32:], 16))
        if not token.startswith(KEY_PREFIXES) and token.count(".") == 2:
            return await self.readers.identify(token)
        return await self.keys.identify(token)

    def count_guests(self) -> int:
        """Return the number of cached guests."""
        return len(self._guests)

    def forget_guest(self, participant_id: str | None) -> None:
        """Remove an erased guest from the cache. Other processes may cache the guest for seconds, but cannot write."""
        self._guests = {digest: entry for digest, entry in self._guests.items() if entry[1]["id"] != participant_id}

    async def _guest(self, token: str) -> Actor:
        if not is_well_formed(GUEST_PREFIX, token):
            raise Unauthorized("This is not a token of this server.")
        digest, clock = hash_token(token), asyncio.get_running_loop().time()
        checked, row = self._guests.get(digest, (0.0, None))
        if row is None or clock - checked > GUEST_CACHE_SECONDS:
            row = await self._db.read(find_participant_by, "token_hash", digest)
            if row is None:
                self._guests.pop(digest, None)
                raise Unauthorized("This token is unknown.")
            if len(self._guests) >= MAX_CACHED_GUESTS:
                self._guests.clear()
            self._guests[digest] = (clock, row)
        return Actor("guest", row["id"], row["name"] or "", proven=row["confirmed_at"] is not None)
