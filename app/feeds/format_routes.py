"""One article in the formats of other systems: by suffix, and by `Accept` at its own address."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import pydantic_core
import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import AfterValidator, Field
from starlette.responses import Response

from app.articles.cached_json import render_articles, retry_on_change
from app.articles.partners import filter_one_for_partner
from app.articles.routes import Retracted, WithheldForLegalReasons, get_visible, redirect_former_slug
from app.articles.services import ArticleServices
from app.core.ids import RefPath
from app.core.problems import NotFound, document_problems
from app.db.columns import Row
from app.events.cache_groups import discussion_cache_groups
from app.feeds import json_ld, ninjs, prose
from app.feeds.content import Article
from app.feeds.schemas import Publication
from app.identity.access import Public
from app.identity.schemas import ANONYMOUS, Actor
from app.web.responses import database, reply, settings


class Format(NamedTuple):
    """How an article is written."""

    media_type: str
    bodies: tuple[str, ...]  # the forms of the text that it needs
    write: Callable[[Article, Mapping[str, Any], Publication], bytes]


SUFFIXES = {
    "jsonld": Format(json_ld.MEDIA_TYPE, json_ld.BODIES, json_ld.write),
    "ninjs": Format(ninjs.MEDIA_TYPE, ninjs.BODIES, ninjs.write),
    "txt": Format("text/plain", ("text",), prose.text),
    "md": Format("text/markdown", ("markdown", "blocks"), prose.markdown),
}


def _known(suffix: str) -> str:
    if suffix not in SUFFIXES:
        raise NotFound
    return suffix


SuffixPath = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(SUFFIXES)})]
FORMATS: dict[str, Any] = {
    "application/ld+json": {
        "schema": {"type": "object", "properties": {"@context": {}, "@type": {}}, "required": ["@context", "@type"]}
    },
    "application/vnd.iptc.ninjs+json": {
        "schema": {"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]}
    },
    "text/plain": {"schema": {"type": "string"}},
    "text/markdown": {"schema": {"type": "string"}},
}
router = APIRouter(prefix="/v1/articles", tags=["syndication"])
_DOCUMENTED: Any = {
    200: {"description": "The article.", "content": FORMATS},
    301: {"description": "A former slug; `Location` has the present URL."},
    **document_problems(NotFound, Retracted, WithheldForLegalReasons),
}


async def send(request: Request, ref: str, actor: Actor, suffix: str, tail: str = "") -> Response:
    """An article by id or slug in one of the formats; `tail` is what its address ends in."""
    here, kind = Publication.of(settings(request)), SUFFIXES[suffix]

    early = ArticleServices.of(request).early_access

    def find(connection: sa.Connection) -> tuple[Row, bytes]:
        row = get_visible(connection, ref, actor, here.site, kind.bodies, early=early)
        return row, render_articles(connection, [row], here.site, kind.bodies)[0]

    try:
        row, card = await database(request).read(retry_on_change(find))
    except NotFound:
        return await redirect_former_slug(request, ref, actor, tail)
    article = pydantic_core.from_json(filter_one_for_partner(ArticleServices.of(request).access_log, actor, card))
    body = article.pop("body", None) or {**dict.fromkeys(kind.bodies, ""), "blocks": []}
    return reply(
        request,
        kind.write(article, body, here),
        groups=(f"article:{row['id']}", "publication", *discussion_cache_groups(row["id"])),
        version=row["version"],
        private=actor is not ANONYMOUS,
        media_type=kind.media_type,
    )


@router.get(
    "/{article}.{suffix}",
    operation_id="getArticleFormat",
    summary="Get an article in another format",
    responses=_DOCUMENTED,
    response_class=Response,
)
async def get_article_format(request: Request, article: RefPath, suffix: SuffixPath, actor: Public) -> Response:
    """One article by id or slug: `jsonld` (schema.org), `ninjs` (IPTC ninjs 3.1), `md` (CommonMark) or `txt`.

    The same comes from the article's own address with `Accept`.
    """
    return await send(request, article, actor, suffix, f".{suffix}")


def _accepted(suffix: str) -> Callable[[Request, str, Actor], Any]:
    async def answer(request: Request, ref: str, actor: Actor) -> Response:
        return await send(request, ref, actor, suffix)

    return answer


ACCEPTED = {kind.media_type: _accepted(suffix) for suffix, kind in SUFFIXES.items()}
"""What the articles' own address gives for `Accept`, by media type."""
