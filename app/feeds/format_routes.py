"""One article in the formats of other systems: by suffix, and by `Accept` at its own URL."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import sqlalchemy as sa
from fastapi import Request
from pydantic import AfterValidator, Field
from starlette.responses import Response

from app.articles.rendering import RenderedArticle, render_articles, retry_on_change
from app.articles.routes import (
    RETRACTED,
    get_visible,
    redirect_former_slug,
)
from app.articles.services import ArticleServices, SendFormat
from app.core.ids import RefPath
from app.core.problems import NotFound
from app.db.rows import JsonObject
from app.events.cache_groups import SITE_GROUP
from app.feeds import json_ld, ninjs, prose
from app.feeds.article_json import EMPTY_BODY, ArticleJson, BodyJson, parse_article
from app.feeds.head import Profiles, add_profiles, complete_publication, find_profiles
from app.feeds.schemas import Publication
from app.identity.access import Public
from app.identity.schemas import Actor
from app.publication.responses import REDIRECT_RESPONSE
from app.web.responses import reply, settings
from app.web.routing import ReleaseParameters, Router


class ArticleFormat(NamedTuple):
    """A format, the formats of the text that it needs, and how an article is rendered in it."""

    media_type: str
    text_formats: tuple[str, ...]
    render: Callable[[ArticleJson, BodyJson, Publication], bytes]


SUFFIXES = {
    "jsonld": ArticleFormat(json_ld.MEDIA_TYPE, json_ld.TEXT_FORMATS, json_ld.render_json_ld),
    "ninjs": ArticleFormat(ninjs.MEDIA_TYPE, ninjs.TEXT_FORMATS, ninjs.render_ninjs),
    "txt": ArticleFormat("text/plain", ("text",), prose.render_article_text),
    "md": ArticleFormat("text/markdown", ("markdown", "blocks"), prose.render_article_markdown),
}


def _check_suffix(suffix: str) -> str:
    if suffix not in SUFFIXES:
        raise NotFound
    return suffix


SuffixPath = Annotated[str, AfterValidator(_check_suffix), Field(json_schema_extra={"enum": list(SUFFIXES)})]
_CONTENT: dict[str, JsonObject] = {
    "application/ld+json": {
        "schema": {"type": "object", "properties": {"@context": {}, "@type": {}}, "required": ["@context", "@type"]}
    },
    "application/vnd.iptc.ninjs+json": {
        "schema": {"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]}
    },
    "text/plain": {"schema": {"type": "string"}},
    "text/markdown": {"schema": {"type": "string"}},
}
router = Router(prefix="/v1/articles", tags=["syndication"])
_RESPONSES: dict[int | str, JsonObject] = {
    200: {"description": "The article.", "content": _CONTENT},
    **REDIRECT_RESPONSE,
    **RETRACTED,
}


async def send_article(request: Request, ref: str, actor: Actor, suffix: str, tail: str = "") -> Response:
    """Respond with an article by id or slug in a format; `tail` is the end of the URL, kept in redirects."""
    base, article_format = Publication.from_settings(settings(request)), SUFFIXES[suffix]
    services = ArticleServices.of(request)

    def find(connection: sa.Connection) -> tuple[RenderedArticle, Publication, Profiles]:
        formats = article_format.text_formats
        row = get_visible(connection, ref, actor, base.site, formats, early=services.early_access)
        (rendered,) = render_articles(connection, [row], base.site, formats)
        is_json_ld = article_format.media_type == json_ld.MEDIA_TYPE
        profiles = find_profiles(connection, parse_article(rendered.json)) if is_json_ld else {}
        return rendered, complete_publication(connection, base), profiles

    try:
        rendered, publication, profiles = await services.database.read(retry_on_change(find))
    except NotFound:
        return await redirect_former_slug(request, ref, actor, tail)
    article = add_profiles(parse_article(rendered.limit_to(actor, services.access_log).json), profiles)
    return reply(
        request,
        article_format.render(article, article.get("body") or EMPTY_BODY, publication),
        groups=(*rendered.cache_groups(counts=True), SITE_GROUP),
        version=rendered.version,
        private=not actor.is_anonymous,
        media_type=article_format.media_type,
    )


@router.get(
    "/{article}.{suffix}", summary="Get an article in another format", responses=_RESPONSES, response_class=Response
)
async def get_article_format(
    request: Request, article: RefPath, suffix: SuffixPath, _query: ReleaseParameters, actor: Public
) -> Response:
    """Return an article by id or slug as `jsonld` (schema.org), `ninjs` (IPTC ninjs 3.1), `md` (CommonMark) or `txt`.

    The URL of the article itself returns the same for the media type in `Accept`.
    """
    return await send_article(request, article, actor, suffix, f".{suffix}")


def _send_as(suffix: str) -> SendFormat:
    async def send(request: Request, ref: str, actor: Actor) -> Response:
        return await send_article(request, ref, actor, suffix)

    return send


FORMATS_BY_MEDIA_TYPE = {article_format.media_type: _send_as(suffix) for suffix, article_format in SUFFIXES.items()}
"""Responses of an article's URL to other media types in `Accept`."""
