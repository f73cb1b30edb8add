"""Route of the search."""

from functools import partial
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from app.articles.list_parameters import membership_groups, parse_filters
from app.articles.rendering import (
    check_editing,
    groups_of_list,
    render_page,
    retry_on_change,
    select_parts,
    shows_counts,
)
from app.articles.services import ArticleServices
from app.identity.access import Public
from app.search import finding
from app.search.schemas import FoundArticleOut, FoundList, SearchQuery
from app.web.responses import reply_rendered
from app.web.routing import Router

router = Router(prefix="/v1/search", tags=["search"])


@router.get("", summary="Search articles", response_model=FoundList)
async def search_articles(request: Request, query: Annotated[SearchQuery, Query()], actor: Public) -> Response:
    """Search published articles; each result has a score and highlighted matches."""
    fields, formats = select_parts(FoundArticleOut, query.fields, query.formats)
    check_editing(fields, actor)
    query = query.model_copy(update={"formats": ",".join(formats) or None})
    groups = parse_filters(query)
    services = ArticleServices.of(request)
    find = partial(finding.search_articles, query=query, groups=groups, actor=actor, site=services.site)
    page = await services.query_processes.scan(retry_on_change(find))
    cache_groups = groups_of_list(membership_groups(groups, page.filters), page.ids, counts=shows_counts(fields))
    body = render_page(page.articles, page.page, fields, actor, services.access_log)
    return reply_rendered(request, body, page.page, groups=cache_groups, private=not actor.is_anonymous)
