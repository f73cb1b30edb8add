"""The services of routes that identify their callers."""

from dataclasses import dataclass

from app.identity.callers import Callers
from app.identity.secrets import Vault
from app.web.services import WebServices


@dataclass(frozen=True, kw_only=True)
class IdentityServices(WebServices):
    """Adds authentication, and the secrets of tokens and hashes."""

    vault: Vault
    callers: Callers
