"""Routes that read articles: one, its neighbours, lists, and paths of the publication's site."""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Annotated, get_args

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from app.articles import listing, reading, views
from app.articles.addresses import find_by_former_address
from app.articles.counters import activity_column
from app.articles.includes import ListPosition, parse_include, render_neighbours
from app.articles.list_parameters import Filter, ListQuery, membership_groups, parse_filters
from app.articles.previews import is_valid_preview
from app.articles.reading import EarlyAccess, RetractionColumn, can_read_early
from app.articles.rendering import (
    PAGE_START,
    ArticleRow,
    FieldTree,
    RenderedArticle,
    add_block_ids,
    check_editing,
    find_cached,
    groups_of_list,
    locate_counts,
    refuse_fields,
    render_articles,
    render_page,
    resolve_formats,
    retry_on_change,
    select_parts,
    shows_counts,
    subtree_of,
)
from app.articles.revisions import overlay_revision
from app.articles.schemas import (
    ArticleList,
    ArticleQuery,
    ListedArticleOut,
    NeighboursOut,
    NeighboursQuery,
    SingleArticleOut,
    State,
)
from app.articles.services import ArticleServices
from app.core.clock import now
from app.core.ids import RefPath
from app.core.problems import FORBIDDEN, Gone, InvalidParameter, NotFound, Problem, document_problems
from app.events.cache_groups import ACTIVITY_GROUP, ARTICLES_GROUP
from app.identity.access import Public
from app.identity.permissions import refusal
from app.identity.schemas import Actor
from app.publication.responses import REDIRECT_RESPONSE
from app.publication.site import Site
from app.web.fields import dump_json, parse_fields
from app.web.keeping import RENEWAL
from app.web.responses import (
    JSON_TYPE,
    REDIRECT_CACHE_CONTROL,
    database,
    negotiate_media_type,
    reply,
    reply_rendered,
)
from app.web.routing import Router

articles_router = Router(prefix="/v1", tags=["articles"])


class Retracted(Gone, code="article_retracted", title="The article was retracted"):
    """The article was retracted; `reason` is public."""


class WithheldForLegalReasons(
    Problem, status=451, code="article_withheld", title="The article is withheld for legal reasons"
):
    """The article was withheld for legal reasons (RFC 7725); `reason` is public."""


RETRACTED = document_problems(Retracted, WithheldForLegalReasons)


def make_retraction_problem(retraction: RetractionColumn) -> Problem:
    """Return the 410 or 451 of a retracted article."""
    kind = WithheldForLegalReasons if retraction["legal"] else Retracted
    return kind("The publication has retracted this article.", reason=retraction["reason"])


def get_visible(
    connection: sa.Connection,
    ref: str,
    actor: Actor,
    site: Site,
    formats: tuple[str, ...] = (),
    *,
    early: EarlyAccess | None = None,
) -> ArticleRow:
    """Return the cached row of an article that the caller may read; 410 for a retracted one, 404 for others.

    `early` includes articles that are not public yet and for which the caller, a partner, has early access.
    """
    row = find_cached(connection, ref, site, formats, editing=actor.reads_drafts)
    if row is not None and reading.is_visible(row, actor):
        return row
    if row is not None and early is not None and can_read_early(connection, row, actor, early):
        return row
    if row is not None and row["state"] == "retracted" and row["retraction"]:
        raise make_retraction_problem(row["retraction"])
    raise NotFound


def get_visible_to_editor(connection: sa.Connection, ref: str, actor: Actor, site: Site) -> ArticleRow:
    """Return the row of an article for what only editors read; former slugs work as in writes."""
    try:
        return get_visible(connection, ref, actor, site)
    except NotFound:
        former = find_by_former_address(connection, ref)
        if former is None:
            raise
        return get_visible(connection, former["slug"], actor, site)


def _shows_block_ids(query: ArticleQuery, formats: Collection[str]) -> bool:
    return query.block_ids and "html" in formats


def _list_needed(query: ArticleQuery, formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return the formats of the text to read: HTML with ids is rendered from blocks."""
    return tuple(dict.fromkeys((*formats, "blocks"))) if _shows_block_ids(query, formats) else formats


def _render_revision(
    connection: sa.Connection, ref: str, actor: Actor, site: Site, query: ArticleQuery, formats: tuple[str, ...]
) -> tuple[ListPosition, RenderedArticle]:
    """Render an article as one of its revisions has it, for editors and holders of a preview link."""
    needed = _list_needed(query, formats)
    row = reading.find_article(connection, ref, needed)
    has_preview = (
        row is not None and query.preview is not None and is_valid_preview(connection, row["id"], query.preview)
    )
    if row is None or not (has_preview or (query.preview is None and reading.is_visible(row, actor))):
        raise NotFound
    number = query.revision or "latest"
    overlaid = overlay_revision(
        connection, row, row["latest_revision"] if has_preview or number == "latest" else int(number), needed
    )
    if overlaid is None or not (has_preview or actor.reads_drafts_in(overlaid["section_id"])):
        raise NotFound
    editing = actor.reads_drafts_in(row["section_id"])
    overlaid = add_block_ids(overlaid) if _shows_block_ids(query, formats) else overlaid
    presented = reading.present_article(overlaid, site, formats, editing=editing)
    return overlaid, RenderedArticle(dump_json(SingleArticleOut, presented), (row["id"],), overlaid["version"])


async def redirect_former_slug(request: Request, ref: str, actor: Actor, tail: str = "") -> Response:
    """Redirect from a former slug of an article to the same route of its present slug; 404 without one."""
    former = await database(request).read(find_by_former_address, ref)
    if former is None or not (reading.is_visible(former, actor) or former["state"] == "retracted"):
        raise NotFound
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(
        f"/v1/articles/{former['slug']}{tail}{query}", 301, {"Cache-Control": REDIRECT_CACHE_CONTROL}
    )


def _choose_media_type(request: Request, query: ArticleQuery, formats: Collection[str]) -> str:
    """Return the media type of the response; 400 for parameters that only JSON has."""
    accept = request.headers.get("accept")
    kind = negotiate_media_type(accept, (JSON_TYPE, *formats)) if accept else JSON_TYPE
    if kind != JSON_TYPE and (extra := sorted(query.model_fields_set - {"min_position", "release"})):
        raise InvalidParameter(
            extra[0],
            f"{extra[0]}: not supported with this media type. Remove it, or request application/json.",
        )
    return kind


def choose_view(as_of: datetime, release: str | None, actor: Actor) -> views.View:
    """Return what readers saw at a time; 401 or 403 to callers who may not read the past, 400 for the future."""
    if release is not None:
        raise InvalidParameter("release", "release: not with as_of.")
    if not actor.may("content:read"):
        raise refusal(actor, "as_of requires the scope content:read.")
    if as_of > now():
        raise InvalidParameter("as_of", "as_of: must not be in the future.")
    return views.make_view_as_of(as_of, actor)


async def _send_past(
    request: Request,
    ref: str,
    as_of: datetime,
    query: ArticleQuery,
    actor: Actor,
    formats: tuple[str, ...],
    fields: FieldTree,
) -> Response:
    """Answer with an article as readers saw it at a time; 404 if they did not."""
    if extra := sorted(query.model_fields_set & {"preview", "revision", "include", "block_ids"}):
        raise InvalidParameter(extra[0], f"{extra[0]}: not with as_of.")
    view, site = choose_view(as_of, query.release, actor), ArticleServices.of(request).site

    def find(connection: sa.Connection) -> RenderedArticle:
        rendered = views.render_entry(connection, view, ref, site, formats)
        if rendered is None:
            raise NotFound
        return rendered

    rendered = (await database(request).scan_fresh(find)).limit_to(actor, ArticleServices.of(request).access_log)
    return reply(request, rendered.select(fields).json, groups=(), version=rendered.version, private=True)


async def _list_past(
    request: Request,
    as_of: datetime,
    query: ListQuery,
    filters: tuple[Filter, ...],
    fields: FieldTree,
    actor: Actor,
) -> Response:
    """Answer with a page of what readers saw at a time."""
    services, view = ArticleServices.of(request), choose_view(as_of, query.release, actor)

    def find(connection: sa.Connection) -> listing.ArticlePage:
        return views.list_entries(connection, view, query, filters, services.site)

    page = await services.database.scan_fresh(find)
    body = render_page(page.articles, page.page, fields, actor, services.access_log)
    return reply_rendered(request, body, page.page, groups=(), private=True)


@articles_router.get(
    "/articles/{article}",
    summary="Get an article",
    response_model=SingleArticleOut,
    responses={**FORBIDDEN, **RETRACTED, **REDIRECT_RESPONSE},
)
async def get_article(
    request: Request, article: RefPath, query: Annotated[ArticleQuery, Query()], actor: Public
) -> Response:
    """Return an article by id or slug, with its text as HTML unless `formats` names other formats.

    `Accept` selects another media type (RFC 9110 §12.5.1), each of which also has a URL with a suffix and takes no
    further parameters. The default is JSON.
    """
    services = ArticleServices.of(request)
    if (kind := _choose_media_type(request, query, services.formats)) != JSON_TYPE:
        return await services.formats[kind](request, article, actor)
    available = services.includes
    fields = parse_fields(SingleArticleOut, query.fields, tuple((name, part.model) for name, part in available.items()))
    check_editing(fields, actor)
    formats = resolve_formats(query.formats, fields, default=("html",) if fields is None else ())
    named = [*parse_include(query.include, available), *(name for name in available if name in (fields or {}))]
    includes = list(dict.fromkeys(named))
    for name in includes:
        refuse_fields(subtree_of(fields, name), "body", "editing")
    special = query.preview is not None or query.revision is not None
    if query.preview is None and special and not actor.reads_drafts:
        missing = "revision requires the scope content:read or content:write."
        raise refusal(actor, missing)
    site, drafts = services.site, actor.reads_drafts
    if special and query.release is not None:
        raise InvalidParameter("release", "release: not with preview or revision.")
    if query.as_of is not None:
        return await _send_past(request, article, query.as_of, query, actor, formats, fields)
    has_ids, needed = _shows_block_ids(query, formats), _list_needed(query, formats)

    def find(connection: sa.Connection) -> RenderedArticle:
        row: ListPosition
        if special:
            row, rendered = _render_revision(connection, article, actor, site, query, formats)
        else:
            row = get_visible(connection, article, actor, site, needed, early=services.early_access)
            shown = add_block_ids(row) if has_ids else row
            (rendered,) = render_articles(connection, [shown], site, formats, actor if drafts else None)
        return rendered.include(
            {name: available[name].read(connection, row, rendered, site, actor) for name in includes}
        )

    run = services.database.scan if has_ids else services.database.read  # which renders the text again
    try:
        rendered = await run(retry_on_change(find))
    except NotFound:
        return await redirect_former_slug(request, article, actor)
    rendered = rendered.limit_to(actor, services.access_log)
    if fields is not None:
        rendered = rendered.select({**dict.fromkeys([*includes, *(["body"] if query.formats else [])], True), **fields})
    if not includes and actor.is_anonymous:
        request.scope["state"][RENEWAL] = locate_counts(site, [rendered], 0, rendered.version)
    return reply(
        request,
        rendered.json,
        groups=rendered.cache_groups(counts=shows_counts(fields)),
        version=rendered.version,
        private=special or not actor.is_anonymous,
    )


@articles_router.get(
    "/articles/{article}/neighbours",
    summary="Get the previous and next article",
    response_model=NeighboursOut,
    responses=RETRACTED,
)
async def get_neighbours(
    request: Request, article: RefPath, query: Annotated[NeighboursQuery, Query()], actor: Public
) -> Response:
    """Return the articles published just before and just after this one, in the site, its section or its series."""
    services = ArticleServices.of(request)
    site, fields = services.site, parse_fields(NeighboursOut, query.fields)
    formats = resolve_formats(query.formats, subtree_of(fields, "previous"), subtree_of(fields, "next"))
    refuse_fields(fields, "editing")

    def find(connection: sa.Connection) -> RenderedArticle:
        row = get_visible(connection, article, actor, site, early=services.early_access)
        return render_neighbours(connection, row, site, query.within, formats)

    try:
        neighbours = await services.database.read(retry_on_change(find))
    except NotFound:
        return await redirect_former_slug(request, article, actor, "/neighbours")
    counts = shows_counts(fields, "previous") or shows_counts(fields, "next")
    return reply(
        request,
        neighbours.limit_to(actor, services.access_log).select(fields).json,
        groups=groups_of_list([ARTICLES_GROUP], neighbours.ids, counts=counts),
        private=not actor.is_anonymous,
    )


listing_router = Router(prefix="/v1/articles", tags=["articles"])


@listing_router.get("", summary="List articles", response_model=ArticleList, responses=FORBIDDEN)
async def list_articles(request: Request, query: Annotated[ListQuery, Query()], actor: Public) -> Response:
    """List published articles, newest first by default; `state` and a key add articles in other states."""
    fields, formats = select_parts(ListedArticleOut, query.fields, query.formats)
    is_by_activity = activity_column(query.sort) is not None
    if is_by_activity and (query.q is not None or query.states is not None):
        raise InvalidParameter("sort", "sort: orders by activity cannot be combined with q or state.")
    if query.states is not None:
        if not actor.reads_drafts:
            names = ("state", "changed", "editor", "approval", "sort")
            parameter = next(name for name in names if name in query.model_fields_set)
            raise refusal(actor, f"{parameter} requires the scope content:read or content:write.")
        if not set(query.states) <= set(get_args(State)):
            raise InvalidParameter("state", f"state: must be `any`, or any of {', '.join(get_args(State))}.")
    check_editing(fields, actor)
    if (named_formats := ",".join(formats) or None) != query.formats:
        query = query.model_copy(update={"formats": named_formats})
    filters = parse_filters(query)
    services = ArticleServices.of(request)
    if query.as_of is not None:
        return await _list_past(request, query.as_of, query, filters, fields, actor)
    if query.release is not None and query.sort.lstrip("-") == "title":
        raise InvalidParameter("sort", "sort: no previews in the order of titles.")
    if query.q is not None:
        run = services.query_processes.scan
    else:
        run = services.database.read if listing.is_quick(query, filters) else services.database.scan
    site, search = services.site, services.search_articles
    find = partial(listing.list_articles, query=query, filters=filters, actor=actor, site=site, search=search)
    page = await run(retry_on_change(find))
    groups = groups_of_list(membership_groups(filters, page.filters), page.ids, counts=shows_counts(fields))
    if is_by_activity:
        groups = (*groups, ACTIVITY_GROUP)
    if fields is None and query.q is None and actor.is_anonymous:
        request.scope["state"][RENEWAL] = locate_counts(site, page.articles, len(PAGE_START))
    body = render_page(page.articles, page.page, fields, actor, services.access_log)
    return reply_rendered(request, body, page.page, groups=groups, private=not actor.is_anonymous)
