"""The services of routes by which people sign in."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.identity.services import IdentityServices
from app.people.oidc import ProviderClient


@dataclass(frozen=True, kw_only=True)
class PeopleServices(IdentityServices):
    """Adds the clients of OpenID providers, by the id of the provider."""

    providers: Mapping[str, ProviderClient]
