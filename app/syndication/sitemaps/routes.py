"""Sitemaps over HTTP."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.responses import Response

from app.identity.routes import World
from app.identity.schemas import ANONYMOUS, Actor
from app.kit.http import database, reply, settings
from app.kit.problems import NotFound, documented
from app.syndication.schemas import Publication
from app.syndication.sitemaps import queries
from app.syndication.sitemaps.schemas import MOST, PartPath, read

router = APIRouter(tags=["syndication"])
_XML: Any = {200: {"description": "The sitemap.", "content": {"application/xml": {"schema": {"type": "string"}}}}}


def _sent(request: Request, found: tuple[bytes, datetime | None], actor: Actor) -> Response:
    body, _ = found
    groups, private = ("articles", "publication"), actor is not ANONYMOUS
    return reply(request, body, groups=groups, private=private, media_type="application/xml")


@router.get(
    "/sitemap.xml",
    operation_id="getSitemap",
    summary="Get the sitemap",
    responses=_XML | documented(),
    response_class=Response,
)
async def sitemap(request: Request, actor: World) -> Response:
    """Every public article with the time of its last change; beyond 50,000 an index of files by month of that change.

    Months are those of `TIME_ZONE`.
    Name it in the `robots.txt` of the publication's site (sitemaps.org), or serve it from there.
    """
    here = Publication.of(settings(request))

    def find(connection: sa.Connection) -> tuple[bytes, datetime]:
        found = queries.months(connection, here.site.zone)
        return queries.index(here, found) if found.total > MOST else queries.urls(connection, here)

    return _sent(request, await database(request).scan(find), actor)


@router.get(
    "/sitemap-news.xml",
    operation_id="getNewsSitemap",
    summary="Get the news sitemap",
    responses=_XML | documented(),
    response_class=Response,
)
async def news(request: Request, actor: World) -> Response:
    """The articles of the last 48 hours, 1,000 at most, as Google News reads them; pages are left out."""
    here = Publication.of(settings(request))
    return _sent(request, await database(request).scan(queries.news, here), actor)


@router.get(
    "/sitemap-{part}.xml",
    operation_id="getSitemapPart",
    summary="Get a part of the sitemap",
    responses=_XML | documented(NotFound),
    response_class=Response,
)
async def part(request: Request, part: PartPath, actor: World) -> Response:
    """A part of the sitemap: what changed last in a month, `2026-01`, up to 50,000; `2026-01-2` goes on."""
    here = Publication.of(settings(request))
    return _sent(request, await database(request).scan(queries.urls, here, read(part)), actor)
