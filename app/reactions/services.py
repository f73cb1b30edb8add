"""The services of votes and reactions."""

from dataclasses import dataclass

from app.identity.services import IdentityServices
from app.reactions.schemas import BanCheck


@dataclass(frozen=True, kw_only=True)
class ReactionServices(IdentityServices):
    """Adds the check for bans."""

    bans: BanCheck
