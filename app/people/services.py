"""The services of routes by which people sign in."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.identity.services import IdentityServices
from app.people.invitations import SendInvitation
from app.people.oidc import ProviderClient
from app.people.passwords import Passwords


@dataclass(frozen=True, kw_only=True)
class PeopleServices(IdentityServices):
    """Adds the clients of OpenID providers by id, the hashing of passwords, and the mails of invitations."""

    providers: Mapping[str, ProviderClient]
    passwords: Passwords
    send_invitation: SendInvitation
