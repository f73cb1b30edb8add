"""Who must have a second factor, and what people may do until they have one.

A passkey is two factors: the device, and what unlocks it. At a sign-in provider the provider sees to it. So it is
sessions by a password that need one-time codes.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from app.core.settings import Settings
from app.identity.schemas import Grant

EVERYBODY: Final = "all"


class SecondFactorRule(NamedTuple):
    """Of whom a second factor is required: of everybody, or of those with one of some roles."""

    everybody: bool
    roles: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> "SecondFactorRule":
        """Return the rule of the settings."""
        return cls(EVERYBODY in settings.require_second_factor, frozenset(settings.require_second_factor))

    def is_missing(self, method: str, has_totp: bool, grants: Iterable[Grant]) -> bool:
        """Whether a session by this method may do nothing yet, but set up a second factor."""
        if method != "password" or has_totp:
            return False
        return self.everybody or any(grant.role in self.roles for grant in grants)
