"""The services of routes that know who calls."""

from dataclasses import dataclass

from app.identity.callers import Callers
from app.identity.secrets import Vault
from app.web.services import WebServices


@dataclass(frozen=True, kw_only=True)
class IdentityServices(WebServices):
    """Adds who calls, and the secrets that tokens and hashes are made with."""

    vault: Vault
    callers: Callers
