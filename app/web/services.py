"""What a running app gives to its routes: one object, of which each floor knows the part that it declares."""

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
    """What every route may use. Rooms above declare more in subclasses; `app.services` builds the one with all of it.

    No field has a default: an app that lacks a part cannot be built.
    """

    settings: Settings
    database: Database
    query_processes: QueryProcesses
    offload: Offload
    freshness: Freshness
    limiter: Limiter

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the services of the app that serves a request, as the room that asks declares them."""
        return cast(Self, request.app.state.services)
