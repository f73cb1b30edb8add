"""Routes of related articles."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from app.articles.editorial_routes import EDIT_RESPONSES
from app.articles.rendering import (
    groups_of_list,
    refuse_fields,
    render_page,
    resolve_formats,
    retry_on_change,
    shows_counts,
    subtree_of,
)
from app.articles.routes import (
    RETRACTED,
    get_visible,
    redirect_former_slug,
)
from app.articles.schemas import RelatedOut
from app.articles.services import ArticleServices
from app.core.ids import RefPath
from app.core.problems import NotFound
from app.db.rows import JsonObject
from app.identity.access import ExpectedVersions, Public, Writer
from app.identity.writes import write
from app.publication.responses import REDIRECT_RESPONSE
from app.related import links
from app.related.links import RelatedLinks
from app.related.schemas import PinsIn, RelatedList, RelatedQuery
from app.web.fields import FieldTree, parse_fields
from app.web.paging import PageInfo
from app.web.responses import reply_rendered
from app.web.routing import Router

router = Router(prefix="/v1/articles/{article}", tags=["related"])


def _parse_fields(query: RelatedQuery) -> FieldTree | None:
    """Parse `fields`; with `formats`, the body is added wherever fields of the article are selected."""
    fields = parse_fields(RelatedOut, query.fields)
    if fields and query.formats and isinstance(article := fields.get("article"), dict):
        return {**fields, "article": {"body": True, **article}}
    return fields


@router.get(
    "/related",
    summary="List related articles",
    response_model=RelatedList,
    responses={**RETRACTED, **REDIRECT_RESPONSE},
)
async def list_related_articles(
    request: Request, article: RefPath, query: Annotated[RelatedQuery, Query()], actor: Public
) -> Response:
    """List related articles: pinned by editors, then from the same series, then with similar texts; each once.

    Only public articles are listed; editors also see pinned ones that are not public. The ETag carries the version
    of the pinned articles, which `PUT` requires.
    """
    services, fields = ArticleServices.of(request), _parse_fields(query)
    formats = resolve_formats(query.formats, subtree_of(fields, "article"))
    refuse_fields(fields, "editing")

    def find(connection: sa.Connection) -> RelatedLinks:
        read = links.find_related(connection, article, actor, services.site, formats, query.limit)
        if read is None:  # no links, or not public yet: partners may read it early
            row = get_visible(connection, article, actor, services.site, early=services.early_access)
            read = links.read_related_of(connection, row["id"], services.site, formats, query.limit)
        return read

    try:
        links_read = await services.database.read(retry_on_change(find))
    except NotFound:
        return await redirect_former_slug(request, article, actor, "/related")
    ids = [article_id for link in links_read.items for article_id in link.ids]
    page: PageInfo = {"next": None, "prev": None, "limit": query.limit, "total": None}
    return reply_rendered(
        request,
        render_page(links_read.items, page, fields, actor, services.access_log),
        page,
        groups=(
            f"article:{links_read.article_id}",
            *groups_of_list(
                links.membership_groups(links_read.article_id), ids, counts=shows_counts(fields, "article")
            ),
        ),
        version=links_read.version,
        private=not actor.is_anonymous,
    )


@router.put("/related", summary="Pin related articles", response_model=RelatedList, responses=EDIT_RESPONSES)
async def pin_related_articles(
    request: Request, article: RefPath, body: PinsIn, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Pin the articles that are listed first among the related ones. `If-Match` takes the ETag of `GET …/related`."""
    site = ArticleServices.of(request).site

    def show(connection: sa.Connection, article_id: str) -> JsonObject:
        read = links.find_related(connection, article_id, actor, site)
        data = [link.parse() for link in read.items] if read else []
        page = {"next": None, "prev": None, "limit": 20, "total": None}
        return {"data": data, "page": page, "version": links.read_version(connection, article_id)}

    return await write(request, actor, links.pin_articles, article, body, versions, render=show, model=RelatedList)
