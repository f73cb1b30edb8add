"""The search over HTTP."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.addresses.schemas import Site
from app.articles.cache_groups import groups_of_list, membership, shows_counts
from app.articles.cards.queries import steady
from app.articles.listing.schemas import groups_of
from app.articles.partners.actions import hand_over
from app.articles.selection import add_formats, check_editing
from app.identity.routes import Public
from app.identity.schemas import ANONYMOUS
from app.kit.fields import chosen
from app.kit.http import aside, reply_page, settings
from app.kit.problems import documented
from app.search import queries
from app.search.schemas import FoundArticleOut, FoundList, SearchQuery

router = APIRouter(prefix="/v1/search", tags=["search"])


@router.get(
    "", operation_id="searchArticles", summary="Search articles", response_model=FoundList, responses=documented()
)
async def index(request: Request, query: Annotated[SearchQuery, Query()], actor: Public) -> Response:
    """Published articles that answer a question, best first, each with the places that answer it."""
    fields = chosen(FoundArticleOut, query.fields)
    check_editing(fields, actor)
    formats = add_formats(query.formats, fields)
    if fields and query.formats:
        fields = {**fields, "body": True}
    query = query.model_copy(update={"formats": ",".join(formats) or None})
    groups = groups_of(query)
    find = partial(queries.found, query=query, groups=groups, actor=actor, site=Site.of(settings(request)))
    page = await aside(request).scan(steady(find))
    return reply_page(
        request,
        hand_over(request.app.state.ledger, actor, page["data"]),
        page["page"],
        fields,
        groups=groups_of_list(membership(groups, page["resolved"]), page["ids"], counts=shows_counts(fields)),
        private=actor is not ANONYMOUS,
    )
