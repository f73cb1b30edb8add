"""Routes of fronts."""

from datetime import datetime
from functools import partial
from typing import Annotated, cast

import sqlalchemy as sa
from fastapi import Depends, Header, Query, Request
from starlette.responses import Response

from app.articles.rendering import RenderedArticle, groups_of_list, refuse_fields, retry_on_change, shows_counts
from app.articles.routes import choose_view
from app.articles.services import ArticleServices
from app.core.ids import RefPath
from app.core.problems import FORBIDDEN, BadRequest, InvalidParameter, NotFound, document_problems
from app.events.cache_groups import ACTIVITY_GROUP, ARTICLES_GROUP, FRONTS_GROUP
from app.fronts import fronts, views
from app.fronts.fronts import FrontNames, FrontRow, Version
from app.fronts.periods import find_period
from app.fronts.schemas import FrontDefinition, FrontIn, FrontOut, FrontQuery, FrontsQuery, ListedFront
from app.identity.access import ContentReader, ExpectedVersions, IfMatch, Public, Publisher
from app.identity.permissions import refusal
from app.identity.schemas import Actor
from app.identity.writes import write
from app.publication.terms import require_all_sections
from app.web import etag
from app.web.fields import parse_fields
from app.web.paging import ListOut
from app.web.responses import database, reply, reply_list, reply_private
from app.web.routing import PreviewedParameters, Router

router = Router(prefix="/v1/fronts", tags=["fronts"])


async def _parse_preconditions(
    if_match: IfMatch = None,
    if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="`*` creates a front that does not exist. Send either this or `If-Match`.",
            json_schema_extra={"enum": ["*"]},
        ),
    ] = None,
) -> tuple[frozenset[int] | None, bool]:
    """Return the expected versions, and whether the front must not exist (RFC 9110 §13.1); 428 without a
    precondition.
    """
    if if_none_match is None:
        return etag.parse_if_match(if_match), False
    if if_none_match.strip() != "*" or if_match is not None:
        detail = "Send `If-None-Match: *` to create a front, or `If-Match` to replace one."
        raise BadRequest(detail, errors=[{"parameter": "If-None-Match", "code": "invalid", "detail": detail}])
    return None, True


Preconditions = Annotated[tuple[frozenset[int] | None, bool], Depends(_parse_preconditions)]


@router.get("", summary="List fronts", response_model=ListOut[ListedFront])
async def list_fronts(request: Request, query: Annotated[FrontsQuery, Query()], actor: Public) -> Response:
    """List fronts, by slug. Callers with `content:read` for all sections get the definitions of all of them, too."""
    all_versions = actor.may_in("content:read", None)
    site = ArticleServices.of(request).site
    page = await database(request).read(fronts.list_fronts, query, site, all_versions=all_versions)
    fields = parse_fields(ListedFront, query.fields)
    return reply_list(request, ListOut[ListedFront], page, fields, groups=(FRONTS_GROUP,), private=all_versions)


async def read_front(
    services: ArticleServices, ref: str, *, preview: bool = False
) -> tuple[RenderedArticle, tuple[str, ...]]:
    """Render a front, and return the cache groups of what is in it; 404 without one."""

    def find(connection: sa.Connection) -> tuple[FrontRow, Version, RenderedArticle | None]:
        row = fronts.find_front(connection, ref)
        version = row and ((row["draft"] if preview else None) or row["published"])
        if row is None or version is None:
            raise NotFound
        quick = fronts.is_indexed(version)
        return row, version, fronts.render_front(connection, row, version, services.site) if quick else None

    row, version, rendered = await services.database.read(retry_on_change(find))
    if rendered is None:
        fill = partial(fronts.render_front, row=row, version=version, site=services.site)
        rendered = await services.database.scan(retry_on_change(fill))
    is_ranked = any(block["days"] for block in version["blocks"])
    return rendered, (f"front:{row['id']}", ARTICLES_GROUP, *((ACTIVITY_GROUP,) if is_ranked else ()))


async def _read_past(request: Request, ref: str, as_of: datetime, query: FrontQuery, actor: Actor) -> RenderedArticle:
    """Render a front as readers saw it at a time; 404 if they did not."""
    view, site = choose_view(as_of, query.release, actor), ArticleServices.of(request).site
    require_all_sections(actor, "content:read")

    def find(connection: sa.Connection) -> RenderedArticle:
        shown = find_period(connection, ref, as_of)
        if shown is None:
            raise NotFound
        names = FrontNames(shown["front_id"], shown["slug"])
        return views.render_front(connection, view, names, cast(Version, shown["shown"]), site)

    return await database(request).scan_fresh(find)


@router.get("/{front}", summary="Get a front", response_model=FrontOut, responses=FORBIDDEN)
async def get_front(request: Request, front: RefPath, query: Annotated[FrontQuery, Query()], actor: Public) -> Response:
    """Get a front with all its blocks. Each article appears once; articles that are not public are left out, in
    previews too.
    """
    fields, services = parse_fields(FrontOut, query.fields), ArticleServices.of(request)
    refuse_fields(fields, "body", "editing")
    if query.preview and (query.as_of is not None or query.release is not None):
        raise InvalidParameter("preview", "preview: not with as_of or release.")
    if query.as_of is not None:
        past = await _read_past(request, front, query.as_of, query, actor)
        seen = past.limit_to(actor, services.access_log)
        return reply(request, seen.select(fields).json, groups=(), private=True)
    if query.preview and not actor.may("content:read"):
        raise refusal(actor, "`preview` requires the scope content:read.")
    if query.preview:
        require_all_sections(actor, "content:read")
    rendered, groups = await read_front(services, front, preview=query.preview)
    counts = shows_counts(fields, "blocks", "articles")
    return reply(
        request,
        rendered.limit_to(actor, services.access_log).select(fields).json,
        groups=groups_of_list(groups, rendered.ids, counts=counts),
        private=query.preview or not actor.is_anonymous,
    )


@router.get("/{front}/definition", summary="Get the definition of a front", response_model=FrontDefinition)
async def get_front_definition(
    request: Request, front: RefPath, query: PreviewedParameters, actor: ContentReader
) -> Response:
    """Get the published and draft definition of a front. Not available to keys limited to sections."""
    require_all_sections(actor, "content:read")
    row = await database(request).read(fronts.find_front, front)
    if row is None:
        raise NotFound
    return reply_private(request, FrontDefinition, fronts.present_definition(row), query, versioned=True)


@router.put(
    "/{front}",
    summary="Create or replace a front",
    response_model=FrontDefinition,
    responses=document_problems(fronts.TooManyFronts)
    | {201: {"model": FrontDefinition, "description": "The front was created."}},
)
async def put_front(
    request: Request, front: RefPath, body: FrontIn, expected: Preconditions, actor: Publisher
) -> Response:
    """Replace a front with `If-Match`, or create one with `If-None-Match: *`.

    `If-Match` takes the ETag of `GET /v1/fronts/{front}/definition`.
    """
    versions, new = expected
    return await write(
        request,
        actor,
        fronts.save_front,
        front,
        body,
        versions,
        new,
        render=fronts.get_definition,
        model=FrontDefinition,
        status=201 if new else 200,
        location="/v1/fronts/{slug}" if new else None,
    )


@router.delete("/{front}", summary="Delete a front", status_code=204)
async def delete_front(request: Request, front: RefPath, versions: ExpectedVersions, actor: Publisher) -> Response:
    """Delete a front and its draft."""
    return await write(request, actor, fronts.delete_front, front, versions, status=204)
