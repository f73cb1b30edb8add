"""The services of a running app: one object, of which each floor declares the part that its routes use."""

from dataclasses import dataclass
from typing import Final, Protocol, Self, cast

import sqlalchemy as sa
from fastapi import Request

from app.core.settings import Settings
from app.db import Database, QueryProcesses
from app.db.overlay import Overlay
from app.web.freshness import Freshness
from app.web.offload import Offload
from app.web.rate_limits import Limiter

PREVIEW: Final = "preview"
"""Key in the scope of a request that reads through an overlay: its services."""


class FindOverlay(Protocol):
    """Finds what the holder of a token of a release sees, or None; implemented by the room `releases`."""

    def __call__(self, connection: sa.Connection, token: str, /) -> Overlay | None: ...


@dataclass(frozen=True, kw_only=True)
class WebServices:
    """The services that every route may use. Rooms above declare more in subclasses; `app.services` builds them all.

    No field has a default, so that an app cannot be built without one.
    """

    settings: Settings
    database: Database
    query_processes: QueryProcesses
    offload: Offload
    freshness: Freshness
    limiter: Limiter
    find_overlay: FindOverlay

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the services of a request, which are those of its app, with the type of this class."""
        return cast(Self, request.scope.get(PREVIEW) or request.app.state.services)
