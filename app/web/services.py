"""The services of a running app: one object, of which each floor declares the part that its routes use."""

from dataclasses import dataclass
from typing import Self, cast

from fastapi import Request

from app.core.settings import Settings
from app.db import Database, QueryProcesses
from app.web.freshness import Freshness
from app.web.offload import Offload
from app.web.rate_limits import Limiter


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

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the services of a request's app, with the type of this class."""
        return cast(Self, request.app.state.services)
