"""A client of the Broadsheet content API: `Client`, and `AsyncClient` for asyncio."""

from ._async import AsyncClient, AsyncListing
from ._shared import Answer, LiveEvent, etag_of, make_id
from ._sync import Client, Listing
from .problems import (
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PreconditionRequired,
    Problem,
    RateLimited,
    StaleVersion,
    Unauthorized,
    Unavailable,
    WithheldForLegalReasons,
)

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncListing",
    "BadRequest",
    "Client",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "Listing",
    "LiveEvent",
    "NotFound",
    "PreconditionRequired",
    "Problem",
    "RateLimited",
    "StaleVersion",
    "Unauthorized",
    "Unavailable",
    "WithheldForLegalReasons",
    "etag_of",
    "make_id",
]
