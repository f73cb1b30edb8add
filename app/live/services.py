"""The services of live streams."""

from dataclasses import dataclass

from app.identity.services import IdentityServices
from app.live.broadcasting import Live


@dataclass(frozen=True, kw_only=True)
class LiveServices(IdentityServices):
    """Adds the streams that are open."""

    live: Live
