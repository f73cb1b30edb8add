"""Lists of articles over HTTP."""

from functools import partial
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.activity.events import RANKING
from app.articles.activity.queries import column_of
from app.articles.addresses.schemas import Site
from app.articles.cache_groups import groups_of_list, membership, shows_counts
from app.articles.cards.queries import steady
from app.articles.listing import queries
from app.articles.listing.schemas import ListQuery, groups_of
from app.articles.partners.actions import hand_over
from app.articles.queries import sees_drafts
from app.articles.schemas import ArticleList, ListedArticleOut, State
from app.articles.selection import add_formats, check_editing
from app.identity.routes import Public
from app.identity.schemas import ANONYMOUS
from app.kit.fields import chosen
from app.kit.http import aside, database, reply_page, settings
from app.kit.problems import Forbidden, InvalidParameter, Unauthorized, documented

router = APIRouter(prefix="/v1/articles", tags=["articles"])


@router.get(
    "",
    operation_id="listArticles",
    summary="List articles",
    response_model=ArticleList,
    responses=documented(Unauthorized, Forbidden),
)
async def index(request: Request, query: Annotated[ListQuery, Query()], actor: Public) -> Response:
    """Published articles, newest first unless `sort` says otherwise; with `state` and a key also the others."""
    fields = chosen(ListedArticleOut, query.fields)
    busy = column_of(query.sort) is not None
    if busy and (query.q is not None or query.states is not None):
        raise InvalidParameter("sort", "sort: this order is not for q or state.")
    if query.states is not None:
        if not sees_drafts(actor):
            asked = next(name for name in ("state", "changed", "editor", "sort") if name in query.model_fields_set)
            raise (Unauthorized if actor is ANONYMOUS else Forbidden)(
                f"{asked} needs a key with the scope content:read or content:write."
            )
        if not set(query.states) <= set(get_args(State)):
            raise InvalidParameter("state", f"state: `any`, or any of {', '.join(get_args(State))}.")
    check_editing(fields, actor)
    formats = add_formats(query.formats, fields)
    if fields and query.formats:
        fields = {**fields, "body": True}
    if (named := ",".join(formats) or None) != query.formats:
        query = query.model_copy(update={"formats": named})
    groups = groups_of(query)
    if query.q is not None:
        run = aside(request).scan
    else:
        run = database(request).read if queries.is_quick(query, groups) else database(request).scan
    find = partial(queries.page, query=query, groups=groups, actor=actor, site=Site.of(settings(request)))
    page = await run(steady(find))
    members = membership(groups, page["resolved"])
    return reply_page(
        request,
        hand_over(request.app.state.ledger, actor, page["data"]),
        page["page"],
        fields,
        groups=(*groups_of_list(members, page["ids"], counts=shows_counts(fields)), *((RANKING,) if busy else ())),
        private=actor is not ANONYMOUS,
    )
