"""Route of the search."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.cache_groups import groups_of_list, membership_groups, shows_counts
from app.articles.cached_json import retry_on_change
from app.articles.list_parameters import parse_filters
from app.articles.partners import filter_for_partner
from app.articles.selection import check_editing, resolve_formats
from app.articles.services import ArticleServices
from app.core.problems import document_problems
from app.identity.access import Public
from app.identity.schemas import ANONYMOUS
from app.search import finding
from app.search.schemas import FoundArticleOut, FoundList, SearchQuery
from app.web.fields import parse_fields
from app.web.responses import aside, reply_json_list

router = APIRouter(prefix="/v1/search", tags=["search"])


@router.get(
    "",
    operation_id="searchArticles",
    summary="Search articles",
    response_model=FoundList,
    responses=document_problems(),
)
async def search_articles(request: Request, query: Annotated[SearchQuery, Query()], actor: Public) -> Response:
    """Search published articles; each result has a score and highlighted matches."""
    fields = parse_fields(FoundArticleOut, query.fields)
    check_editing(fields, actor)
    formats = resolve_formats(query.formats, fields)
    if fields and query.formats:
        fields = {**fields, "body": True}
    query = query.model_copy(update={"formats": ",".join(formats) or None})
    groups = parse_filters(query)
    find = partial(
        finding.search_articles, query=query, groups=groups, actor=actor, site=ArticleServices.of(request).site
    )
    page = await aside(request).scan(retry_on_change(find))
    return reply_json_list(
        request,
        filter_for_partner(ArticleServices.of(request).access_log, actor, page["data"]),
        page["page"],
        fields,
        groups=groups_of_list(membership_groups(groups, page["resolved"]), page["ids"], counts=shows_counts(fields)),
        private=actor is not ANONYMOUS,
    )
