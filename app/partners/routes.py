"""Partners over HTTP: editors name them and read the ledger; they read what they are named for."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.editorial_routes import EDIT_RESPONSES
from app.articles.rendering import refuse_fields, retry_on_change, select_parts
from app.articles.routes import reply_articles
from app.articles.schemas import ArticleList, ListedArticleOut
from app.articles.services import ArticleServices
from app.core.ids import RefPath
from app.core.problems import Forbidden, NotFound, Unauthorized, document_problems
from app.identity.access import ExpectedVersions, require_scope
from app.identity.schemas import Actor
from app.identity.writes import write
from app.partners import partners
from app.partners.schemas import EarlyQuery, FetchOut, PartnersIn, PartnersOut
from app.web.fields import parse_fields
from app.web.paging import ListOut, PageQuery
from app.web.responses import ReadQuery, database, dump_json, reply, reply_list

router = APIRouter(prefix="/v1", tags=["syndication"])
Reader = Annotated[Actor, require_scope("content:read")]
Publisher = Annotated[Actor, require_scope("content:publish")]
Partner = Annotated[Actor, require_scope("syndicate")]
_READS = document_problems(Unauthorized, Forbidden, NotFound)


@router.get(
    "/articles/{article}/partners",
    operation_id="getArticlePartners",
    summary="Get the partners of an article",
    response_model=PartnersOut,
    responses=_READS,
)
async def get_article_partners(
    request: Request, article: RefPath, query: Annotated[ReadQuery, Query()], actor: Reader
) -> Response:
    """Who may read an article before it is public. The ETag is of the article's version."""

    def find(connection: sa.Connection) -> dict[str, object]:
        return partners.named(connection, partners.article(connection, article, actor)["id"])

    found = await database(request).read(find)
    body = dump_json(PartnersOut, found, parse_fields(PartnersOut, query.fields))
    return reply(request, body, groups=(), version=int(str(found["version"])), private=True)


@router.put(
    "/articles/{article}/partners",
    operation_id="setArticlePartners",
    summary="Set the partners of an article",
    response_model=PartnersOut,
    responses=EDIT_RESPONSES,
)
async def set_article_partners(
    request: Request, article: RefPath, body: PartnersIn, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Let some partners read an article before it is public: while it is scheduled, or published under embargo.

    Their keys read it at its address and find it in `/v1/embargoed`, cut to its level of syndication. It is nowhere
    else, and nobody is told. That ends when it is public, for good: should it be hidden again, name them again.
    """
    return await write(request, actor, partners.name, article, body, versions, render=partners.named, model=PartnersOut)


@router.get(
    "/articles/{article}/ledger",
    operation_id="listPartnerAccess",
    summary="List which partners read an article",
    response_model=ListOut[FetchOut],
    responses=_READS,
)
async def list_partner_access(
    request: Request, article: RefPath, query: Annotated[PageQuery, Query()], actor: Reader
) -> Response:
    """Which partners were given which revision of an article, and when, the last first: who must hear of a retraction.

    Counts what keys with `syndicate` (and without `content:read`) read as single articles and in lists; it is written
    down within a second.
    """

    def find(connection: sa.Connection) -> dict[str, object]:
        return partners.fetches(connection, partners.article(connection, article, actor)["id"], query)

    page = await database(request).read(find)
    return reply_list(request, ListOut[FetchOut], page, parse_fields(FetchOut, query.fields), groups=(), private=True)


@router.get(
    "/embargoed",
    operation_id="listEmbargoedArticles",
    summary="List embargoed articles",
    response_model=ArticleList,
    responses=document_problems(Unauthorized, Forbidden),
)
async def list_embargoed_articles(request: Request, query: Annotated[EarlyQuery, Query()], actor: Partner) -> Response:
    """The articles to come that the calling key is named for, those named last first. Until `embargoed_until`, or until
    they are public, they are not to be published."""
    fields, formats = select_parts(ListedArticleOut, query.fields, query.formats)
    refuse_fields(fields, "editing")
    site = ArticleServices.of(request).site

    def find(connection: sa.Connection) -> dict[str, Any]:
        return partners.early(connection, actor, site, formats, query)

    page = await database(request).read(retry_on_change(find))
    return reply_articles(request, actor, page["data"], page["page"], fields, groups=())
