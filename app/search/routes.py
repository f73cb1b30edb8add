"""The search over HTTP."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.addresses.schemas import Site
from app.articles.cards.queries import steady
from app.articles.discussion.events import LISTS
from app.articles.listing.schemas import groups_of
from app.articles.partners.actions import hand_over
from app.identity.routes import Public
from app.identity.schemas import ANONYMOUS
from app.kit.fields import chosen
from app.kit.http import aside, reply_page, settings
from app.kit.problems import documented
from app.search import queries
from app.search.schemas import FoundArticleOut, FoundList, SearchQuery

router = APIRouter(prefix="/v1/search", tags=["search"])


@router.get("", response_model=FoundList, responses=documented())
async def index(request: Request, query: Annotated[SearchQuery, Query()], actor: Public) -> Response:
    """Published articles that answer a question, best first, each with the places that answer it."""
    fields = chosen(FoundArticleOut, query.fields)
    if fields and query.formats:
        fields = {**fields, "body": True}
    find = partial(queries.found, query=query, groups=groups_of(query), actor=actor, site=Site.of(settings(request)))
    page = await aside(request).scan(steady(find))
    return reply_page(
        request,
        hand_over(request.app.state.ledger, actor, page["data"]),
        page["page"],
        fields,
        groups=("articles", "publication", LISTS),
        private=actor is not ANONYMOUS,
    )
