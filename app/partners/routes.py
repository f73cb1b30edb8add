"""Routes of partners: early access to articles, and the log of what partners read."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from app.articles.editorial_routes import EDIT_RESPONSES
from app.articles.rendering import RenderedArticle, refuse_fields, render_page, retry_on_change, select_parts
from app.articles.schemas import ArticleList, ListedArticleOut
from app.articles.services import ArticleServices
from app.core.ids import RefPath
from app.db.rows import JsonObject
from app.identity.access import ContentReader, ExpectedVersions, Publisher, require_scope
from app.identity.schemas import Actor
from app.identity.writes import write
from app.partners import partners
from app.partners.partners import ArticlePartners
from app.partners.schemas import EarlyQuery, FetchOut, PartnersIn, PartnersOut
from app.web.paging import ListOut, Page
from app.web.responses import database, reply_private, reply_private_list, reply_rendered
from app.web.routing import PageParameters, ReadParameters, Router

router = Router(prefix="/v1", tags=["syndication"])
Partner = Annotated[Actor, require_scope("syndicate")]


@router.get("/articles/{article}/partners", summary="Get the partners of an article", response_model=PartnersOut)
async def get_article_partners(
    request: Request, article: RefPath, query: ReadParameters, actor: ContentReader
) -> Response:
    """Return the partners who may read an article before it is public. The ETag is that of the article's version."""

    def read(connection: sa.Connection) -> ArticlePartners:
        return partners.get_partners(connection, partners.get_editable_article(connection, article, actor)["id"])

    row = await database(request).read(read)
    return reply_private(request, PartnersOut, row, query, versioned=True)


@router.put(
    "/articles/{article}/partners",
    summary="Set the partners of an article",
    response_model=PartnersOut,
    responses=EDIT_RESPONSES,
)
async def set_article_partners(
    request: Request, article: RefPath, body: PartnersIn, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Set the partners who may read an article before it is public, while it is scheduled or under embargo.

    Their keys get it by `GET /v1/articles/{slug}` and in `/v1/embargoed`, limited to its syndication level, and
    nowhere else; no notification is sent. The partners are removed once the article is public: if it is hidden
    again, set them again.
    """
    render = partners.get_partners
    return await write(request, actor, partners.set_partners, article, body, versions, render=render, model=PartnersOut)


@router.get(
    "/articles/{article}/ledger", summary="List which partners read an article", response_model=ListOut[FetchOut]
)
async def list_partner_access(
    request: Request, article: RefPath, query: PageParameters, actor: ContentReader
) -> Response:
    """List which partners read which revisions of an article, the last read first, so that they can be told of changes.

    Reads of single articles and of lists by keys with `syndicate` and without `content:read` are recorded, within a
    second.
    """

    def read(connection: sa.Connection) -> Page[JsonObject]:
        editable = partners.get_editable_article(connection, article, actor)
        return partners.list_access(connection, editable["id"], query)

    page = await database(request).read(read)
    return reply_private_list(request, ListOut[FetchOut], page, query)


@router.get("/embargoed", summary="List embargoed articles", response_model=ArticleList)
async def list_embargoed_articles(request: Request, query: Annotated[EarlyQuery, Query()], actor: Partner) -> Response:
    """List the articles that the caller may read before they are public, the last added first.

    Do not publish them before `embargoed_until`, or before they are public.
    """
    fields, formats = select_parts(ListedArticleOut, query.fields, query.formats)
    refuse_fields(fields, "editing")
    site = ArticleServices.of(request).site

    def read(connection: sa.Connection) -> Page[RenderedArticle]:
        return partners.list_embargoed(connection, actor, site, formats, query)

    page = await database(request).read(retry_on_change(read))
    body = render_page(page["data"], page["page"], fields, actor, ArticleServices.of(request).access_log)
    return reply_rendered(request, body, page["page"], groups=(), private=True)
