"""Partners over HTTP: editors name them and read the ledger; they read what they are named for."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.addresses.schemas import Site
from app.articles.cards.queries import steady
from app.articles.partners.actions import hand_over
from app.articles.publishing.routes import EDITED
from app.articles.schemas import ArticleList, ListedArticleOut
from app.articles.selection import add_formats, refuse_fields
from app.identity.routes import Versions, requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply, reply_list, reply_page, settings
from app.kit.ids import RefPath
from app.kit.paging import ListOut, PageQuery
from app.kit.problems import Forbidden, NotFound, Unauthorized, documented
from app.syndication.partners import actions, queries
from app.syndication.partners.schemas import EarlyQuery, FetchOut, PartnersIn, PartnersOut

router = APIRouter(prefix="/v1", tags=["syndication"])
Reader = Annotated[Actor, requires("content:read")]
Publisher = Annotated[Actor, requires("content:publish")]
Partner = Annotated[Actor, requires("syndicate")]
_READS = documented(Unauthorized, Forbidden, NotFound)


@router.get(
    "/articles/{article}/partners",
    operation_id="getArticlePartners",
    summary="Get the partners of an article",
    response_model=PartnersOut,
    responses=_READS,
)
async def show(request: Request, article: RefPath, query: Annotated[ReadQuery, Query()], actor: Reader) -> Response:
    """Who may read an article before it is public. The ETag is of the article's version."""

    def find(connection: sa.Connection) -> dict[str, object]:
        return queries.named(connection, queries.article(connection, article, actor)["id"])

    found = await database(request).read(find)
    body = dump(PartnersOut, found, chosen(PartnersOut, query.fields))
    return reply(request, body, groups=(), version=int(str(found["version"])), private=True)


@router.put(
    "/articles/{article}/partners",
    operation_id="setArticlePartners",
    summary="Set the partners of an article",
    response_model=PartnersOut,
    responses=EDITED,
)
async def name(request: Request, article: RefPath, body: PartnersIn, versions: Versions, actor: Publisher) -> Response:
    """Let some partners read an article before it is public: while it is scheduled, or published under embargo.

    Their keys read it at its address and find it in `/v1/embargoed`, cut to its level of syndication. It is nowhere
    else, and nobody is told. That ends when it is public, for good: should it be hidden again, name them again.
    """
    return await write(request, actor, actions.name, article, body, versions, show=queries.named, model=PartnersOut)


@router.get(
    "/articles/{article}/ledger",
    operation_id="listPartnerAccess",
    summary="List which partners read an article",
    response_model=ListOut[FetchOut],
    responses=_READS,
)
async def ledger(request: Request, article: RefPath, query: Annotated[PageQuery, Query()], actor: Reader) -> Response:
    """Which partners were given which revision of an article, and when, the last first: who must hear of a retraction.

    Counts what keys with `syndicate` (and without `content:read`) read as single articles and in lists; it is written
    down within a second.
    """

    def find(connection: sa.Connection) -> dict[str, object]:
        return queries.fetches(connection, queries.article(connection, article, actor)["id"], query)

    page = await database(request).read(find)
    return reply_list(request, ListOut[FetchOut], page, chosen(FetchOut, query.fields), groups=(), private=True)


@router.get(
    "/embargoed",
    operation_id="listEmbargoedArticles",
    summary="List embargoed articles",
    response_model=ArticleList,
    responses=documented(Unauthorized, Forbidden),
)
async def embargoed(request: Request, query: Annotated[EarlyQuery, Query()], actor: Partner) -> Response:
    """The articles to come that the calling key is named for, those named last first. Until `embargoed_until`, or until
    they are public, they are not to be published."""
    fields = chosen(ListedArticleOut, query.fields)
    formats = add_formats(query.formats, fields)
    refuse_fields(fields, "editing")
    if fields and query.formats:
        fields = {**fields, "body": True}
    site = Site.of(settings(request))

    def find(connection: sa.Connection) -> dict[str, object]:
        return queries.early(connection, actor, site, formats, query)

    page = await database(request).read(steady(find))
    items = hand_over(request.app.state.ledger, actor, page["data"])  # type: ignore[arg-type]
    return reply_page(request, items, page["page"], fields, groups=(), private=True)  # type: ignore[arg-type]
