"""Routes of the site: its profile, its redirects, and what to answer at an address."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from app.articles.includes import parse_include
from app.articles.list_parameters import Filter, ListQuery
from app.articles.listing import list_of_terms
from app.articles.rendering import (
    RenderedArticle,
    groups_of_list,
    refuse_fields,
    render_articles,
    render_page,
    resolve_formats,
    retry_on_change,
    shows_counts,
    splice_object,
    subtree_of,
)
from app.articles.schemas import PAGE_TYPE
from app.articles.services import ArticleServices
from app.core.ids import IdPath
from app.core.problems import BodyTooLarge, NotFound, UnsupportedMediaType, document_problems
from app.db.rows import JsonObject
from app.events.cache_groups import ARTICLES_GROUP, FRONTS_GROUP, PUBLICATION_GROUP, REDIRECTS_GROUP, SITE_GROUP
from app.fronts.routes import read_front
from app.identity.access import ContentReader, ExpectedVersions, Public, Publisher
from app.identity.schemas import ANONYMOUS
from app.identity.writes import write
from app.publication.references import PLURALS
from app.publication.site import PlaceKind, Site
from app.publication.taxonomies import (
    AUTHORS,
    SECTIONS,
    SERIES,
    TAGS,
    AuthorTaxonomy,
    SectionTaxonomy,
    SeriesTaxonomy,
    TagTaxonomy,
)
from app.site import profile, redirects
from app.site.redirects import SourceTaken, TooManyRedirects, parse_address
from app.site.resolving import NOT_FOUND_DETAIL, Resolved, Standing, resolve_address
from app.site.schemas import (
    ARTICLES,
    RedirectIn,
    RedirectOut,
    RedirectPatch,
    RedirectQuery,
    RedirectsImported,
    ResolvedOut,
    ResolveQuery,
    SiteDefinition,
    SiteIn,
    SiteOut,
)
from app.web.fields import dump_json, parse_fields
from app.web.paging import ListOut
from app.web.responses import database, reply, reply_private, reply_private_list, settings
from app.web.routing import PreviewedParameters, ReadParameters, ReleaseParameters, Router

site_router = Router(prefix="/v1/site", tags=["site"])


@site_router.get("", summary="Get the site", response_model=SiteOut)
async def get_site(request: Request, query: PreviewedParameters, actor: Public) -> Response:
    """Return what a front end needs to know about the publication: names, addresses, rules and menus.

    Links of menus to what is not public are left out.
    """
    site = ArticleServices.of(request).site
    rendered = await database(request).read(profile.read_site, site, settings(request))
    body = dump_json(SiteOut, rendered.site, parse_fields(SiteOut, query.fields))
    return reply(request, body, groups=rendered.groups, version=rendered.version)


@site_router.get("/definition", summary="Get the definition of the site", response_model=SiteDefinition)
async def get_site_definition(request: Request, query: ReadParameters, actor: ContentReader) -> Response:
    """Return the profile and the menus as editors saved them, with the ids of the targets of links."""
    row = await database(request).read(profile.find_profile)
    return reply_private(request, SiteDefinition, profile.present_definition(row), query, versioned=True)


@site_router.put("", summary="Change the site", response_model=SiteDefinition)
async def put_site(request: Request, body: SiteIn, versions: ExpectedVersions, actor: Publisher) -> Response:
    """Replace the profile and the menus. Members that are left out are empty, or taken from the settings.

    `If-Match` takes the ETag of `GET /v1/site` or of `GET /v1/site/definition`.
    """
    render, model = profile.get_definition, SiteDefinition
    return await write(request, actor, profile.save_profile, body, versions, render=render, model=model)


redirects_router = Router(prefix="/v1/redirects", tags=["site"])
_WRITES = document_problems(SourceTaken, TooManyRedirects)
_CSV = {"schema": {"type": "string", "format": "binary"}}  # a file
_CSV_BODY = {"requestBody": {"required": True, "content": {"text/csv": _CSV}}}


@redirects_router.get("", summary="List redirects", response_model=ListOut[RedirectOut])
async def list_redirects(request: Request, query: Annotated[RedirectQuery, Query()], actor: ContentReader) -> Response:
    """List redirects by their sources."""
    page = await database(request).read(redirects.list_redirects, query)
    return reply_private_list(request, ListOut[RedirectOut], page, query)


@redirects_router.post("", summary="Create a redirect", status_code=201, response_model=RedirectOut, responses=_WRITES)
async def create_redirect(request: Request, body: RedirectIn, actor: Publisher) -> Response:
    """Create a redirect. It applies while nothing else is at its source: articles, terms and fronts take precedence.

    422 `loop` if it would lead back to itself.
    """
    return await write(
        request,
        actor,
        redirects.create_redirect,
        body,
        ArticleServices.of(request).site,
        render=redirects.get_redirect,
        model=RedirectOut,
        status=201,
        location="/v1/redirects/{id}",
    )


@redirects_router.post(
    "/import",
    summary="Import redirects",
    response_model=RedirectsImported,
    openapi_extra=_CSV_BODY,
    responses=document_problems(BodyTooLarge, UnsupportedMediaType, TooManyRedirects),
)
async def import_redirects(request: Request, actor: Publisher) -> Response:
    """Create or change up to 20,000 redirects by CSV (RFC 4180) with the columns source, target and status.

    A header is optional, as is the status: 301, or 410 without a target. Redirects with other sources stay. If a line
    is invalid nothing is imported.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise UnsupportedMediaType("Send the redirects as text/csv.")
    services = ArticleServices.of(request)
    content = await request.body()
    rules = await services.offload.run(redirects.parse_csv, content, services.site)
    render = _present_import
    action = redirects.import_redirects
    return await write(
        request, actor, action, rules, services.site, render=render, model=RedirectsImported, payload=content
    )


def _present_import(_connection: sa.Connection, counts: redirects.Imported) -> JsonObject:
    return {**counts}


@redirects_router.get("/{redirect}", summary="Get a redirect", response_model=RedirectOut)
async def get_redirect(
    request: Request, redirect: IdPath, query: PreviewedParameters, actor: ContentReader
) -> Response:
    """Return a redirect."""
    row = await database(request).read(redirects.find_redirect, redirect)
    return reply_private(request, RedirectOut, row, query, versioned=True)


@redirects_router.patch(
    "/{redirect}", summary="Change a redirect", response_model=RedirectOut, responses=document_problems(SourceTaken)
)
async def update_redirect(
    request: Request, redirect: IdPath, body: RedirectPatch, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Update a redirect (RFC 7396)."""
    site, render = ArticleServices.of(request).site, redirects.get_redirect
    action = redirects.update_redirect
    return await write(request, actor, action, redirect, body, versions, site, render=render, model=RedirectOut)


@redirects_router.delete("/{redirect}", summary="Delete a redirect", status_code=204)
async def delete_redirect(request: Request, redirect: IdPath, versions: ExpectedVersions, actor: Publisher) -> Response:
    """Delete a redirect."""
    return await write(request, actor, redirects.delete_redirect, redirect, versions, status=204)


resolving_router = Router(prefix="/v1", tags=["site"])


@resolving_router.get(
    "/redirects.csv",
    summary="Export redirects",
    responses={200: {"content": {"text/csv": _CSV}, "description": "All redirects."}},
    response_class=Response,
)
async def export_redirects(request: Request, _query: ReleaseParameters, actor: ContentReader) -> Response:
    """Return all redirects as CSV, as `POST /v1/redirects/import` takes them."""
    body = await database(request).scan(redirects.export_csv)
    return reply(request, body, groups=(), private=True, media_type="text/csv; charset=utf-8")


_TAXONOMIES: Mapping[str, SectionTaxonomy | TagTaxonomy | AuthorTaxonomy | SeriesTaxonomy] = MappingProxyType(
    {"section": SECTIONS, "tag": TAGS, "author": AUTHORS, "series": SERIES}
)


class _Part:
    """What stands at an address as JSON, its name in the answer, its cache groups, and the list of its articles."""

    def __init__(
        self, name: str, rendered: RenderedArticle, groups: Iterable[str], articles: RenderedArticle | None = None
    ) -> None:
        self.name, self.rendered, self.groups, self.articles = name, rendered, tuple(groups), articles


def _list_articles(
    connection: sa.Connection, standing: Standing, services: ArticleServices, formats: tuple[str, ...]
) -> RenderedArticle:
    """Return the newest articles of a term as a page of `GET /v1/articles` with its id as filter."""
    place_id = str(standing.row["place_id"])
    query = ListQuery.model_validate({standing.kind: [place_id], "formats": ",".join(formats) or None})
    ids = tuple(sorted((standing.row["inside"] or place_id).split(",")))
    page = list_of_terms(connection, query, (Filter(standing.kind, False, ids),), services.site)
    return RenderedArticle(render_page(page.articles, page.page, None, ANONYMOUS, services.access_log), tuple(page.ids))


@resolving_router.get(
    "/resolve", summary="Resolve an address", response_model=ResolvedOut, responses=document_problems(NotFound)
)
async def resolve_path(request: Request, query: Annotated[ResolveQuery, Query()], actor: Public) -> Response:
    """Return what the publication's site should answer at an address: what is there, or where it is now.

    The answer contains what is there: an article, with its text if `formats` asks for it and with `include`; a
    section, tag, author or series, with its newest articles if `include` has `articles`; a front with its articles.
    Former slugs and paths lead to the present address, and redirects to the last of a chain, so that a location
    redirects no further. Of the query only the number of an article (`p`, `page_id`) and queries of redirects count.
    """
    services = ArticleServices.of(request)
    fields = parse_fields(ResolvedOut, query.fields)
    refuse_fields(fields, "editing")
    formats = resolve_formats(query.formats, subtree_of(fields, "article"), subtree_of(fields, ARTICLES, "data"))
    includes = parse_include(query.include, services.includes, (ARTICLES,))
    lists = ARTICLES in includes

    def find(connection: sa.Connection) -> tuple[Resolved, _Part | None]:
        resolved = resolve_address(connection, query.path, services.site, formats, lists=lists)
        standing = resolved.standing
        if standing is None or standing.kind == "front":
            return resolved, None
        if standing.kind == "article":
            row = standing.row
            (rendered,) = render_articles(connection, [row], services.site, formats)
            parts = {
                name: services.includes[name].read(connection, row, rendered, services.site, actor)
                for name in includes
                if name != ARTICLES
            }
            rendered = rendered.include(parts)
            return resolved, _Part("article", rendered, rendered.cache_groups(counts=shows_counts(fields, "article")))
        taxonomy, place_id = _TAXONOMIES[standing.kind], str(standing.row["place_id"])
        body = dump_json(taxonomy.out, taxonomy.get(connection, place_id, services.site))
        own: tuple[str, ...] = (f"{standing.kind}:{place_id}", *taxonomy.groups)
        articles = _list_articles(connection, standing, services, formats) if lists else None
        if articles is not None:
            own = groups_of_list(own, articles.ids, counts=shows_counts(fields, ARTICLES, "data"))
        return resolved, _Part(standing.kind, RenderedArticle(body), own, articles)

    resolved, part = await services.database.read(retry_on_change(find))
    if resolved.standing is not None and part is None:
        front, groups = await read_front(services, str(resolved.standing.row["place_id"]))
        counts = shows_counts(fields, "front", "blocks", "articles")
        part = _Part("front", front, groups_of_list(groups, front.ids, counts=counts))
    answer = _render(resolved, part).limit_to(actor, services.access_log, NOT_FOUND_DETAIL).select(fields)
    groups = (*_groups_of_address(query.path, services.site), *(part.groups if part else ()))
    return reply(request, answer.json, groups=tuple(dict.fromkeys(groups)), private=not actor.is_anonymous)


def _render(resolved: Resolved, part: _Part | None) -> RenderedArticle:
    """Return the answer as JSON of `ResolvedOut`."""
    members: JsonObject = {"status": resolved.status}
    if part is not None and resolved.standing is not None:
        is_page = part.name == "article" and resolved.standing.row["type"] == PAGE_TYPE
        members["kind"] = "page" if is_page else part.name
        parts, ids = {part.name: part.rendered.json}, part.rendered.ids
        if part.articles is not None:
            parts, ids = {**parts, ARTICLES: part.articles.json}, (*ids, *part.articles.ids)
        return RenderedArticle(splice_object(members, parts), ids)
    if resolved.location is not None:
        return RenderedArticle(splice_object({**members, "kind": "redirect", "location": resolved.location}, {}))
    reason = {} if resolved.reason is None else {"reason": resolved.reason}
    return RenderedArticle(splice_object({**members, "kind": "gone", **reason}, {}))


def _groups_of_address(address: str, site: Site) -> tuple[str, ...]:
    """Return the cache groups of all that may come to stand at an address."""
    path, _ = parse_address(address, site) or ("", "")
    kinds: tuple[PlaceKind, ...] = ("section", "tag", "author", "series")
    named = [PLURALS[kind] for kind in kinds if site.parse_place(kind, path)]
    home = [SITE_GROUP] if path == "/" else []
    fronts = [FRONTS_GROUP, SITE_GROUP] if home or site.parse_place("front", path) else []
    return (ARTICLES_GROUP, PUBLICATION_GROUP, REDIRECTS_GROUP, *named, *fronts)
