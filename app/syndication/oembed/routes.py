"""oEmbed over HTTP."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.addresses.queries import NOTHING, resolve
from app.articles.routes import Retracted, WithheldForLegalReasons
from app.identity.routes import World
from app.identity.schemas import ANONYMOUS
from app.kit.http import JSON, database, dump, reply, settings
from app.kit.problems import NotFound, documented
from app.syndication.oembed.schemas import OEmbedOut, OEmbedQuery, answer, as_xml, path_of
from app.syndication.schemas import Publication

router = APIRouter(tags=["syndication"])
_XML: Any = {200: {"content": {"text/xml": {"schema": {"type": "string"}}}}}


def _article(connection: sa.Connection, path: str, here: Publication) -> dict[str, Any]:
    """What stands at a path of the site, or where it leads."""
    found = resolve(connection, path, here.site)
    if found["status"] == 301:
        found = resolve(connection, found["location"][len(here.site.url) :], here.site)
    if "reason" in found:
        kind = WithheldForLegalReasons if found["status"] == 451 else Retracted
        raise kind("The publication has withdrawn this article.", reason=found["reason"])
    article: dict[str, Any] = found["article"]
    return article


@router.get(
    "/oembed",
    operation_id="getOEmbed",
    summary="Get the oEmbed form of an article",
    response_model=OEmbedOut,
    responses=_XML | documented(NotFound, Retracted, WithheldForLegalReasons),
)
async def oembed(request: Request, query: Annotated[OEmbedQuery, Query()], actor: World) -> Response:
    """What another site may show for the address of an article on ours (oembed.com), former addresses included."""
    here = Publication.of(settings(request))
    path = path_of(query.url, here)
    if path is None:
        raise NotFound(NOTHING)
    article = await database(request).read(_article, path, here)
    members = answer(article, here, query)
    is_xml = query.format == "xml"
    return reply(
        request,
        as_xml(members) if is_xml else dump(OEmbedOut, members),
        groups=("articles", "publication"),
        private=actor is not ANONYMOUS,
        media_type="text/xml" if is_xml else JSON,
    )
