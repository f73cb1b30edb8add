"""Previews of releases: every read that takes `release=` reads through an overlay, and only the caller may keep it."""

from dataclasses import replace

from fastapi import Request
from starlette.responses import Response

from app.core.problems import NotFound
from app.db.overlay import OverlaidDatabase, OverlaidProcesses
from app.web.keeping import PUBLIC_READ
from app.web.responses import PRIVATE_CACHE_CONTROL
from app.web.services import PREVIEW, WebServices

_PUBLIC_HEADERS = ("cache-tag", "surrogate-key", "cache-groups", "last-modified")


async def open_preview(request: Request, token: str) -> None:
    """Let the request read what the holder of a token sees; 404 if it is unknown, expired or revoked."""
    services = WebServices.of(request)
    overlay = await services.database.scan_fresh(services.find_overlay, token)
    if overlay is None:
        raise NotFound
    database = OverlaidDatabase(services.database, overlay)
    request.scope[PREVIEW] = replace(services, database=database, query_processes=OverlaidProcesses(database))
    request.scope["state"].pop(PUBLIC_READ, None)  # nothing is kept of it


def keep_private(response: Response) -> Response:
    """Let no cache keep an answer to a preview, not even its redirects."""
    response.headers["Cache-Control"] = PRIVATE_CACHE_CONTROL
    for name in _PUBLIC_HEADERS:
        if name in response.headers:
            del response.headers[name]
    return response
