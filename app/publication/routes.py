"""Routes of sections, tags, authors and series: the same five for each of the four taxonomies."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

import sqlalchemy as sa
from fastapi import Path, Query, Request
from starlette.responses import Response

from app.core.models import BaseModel
from app.db.rows import JsonObject
from app.identity.access import ExpectedVersions, Public, Writer
from app.identity.writes import write
from app.publication.responses import (
    COUNTS_GROUP,
    CREATE_RESPONSES,
    DELETE_RESPONSES,
    REDIRECT_RESPONSE,
    UPDATE_RESPONSES,
    reply_row,
)
from app.publication.schemas import AuthorOut, SectionOut, SectionQuery, SeriesOut, TagDetailOut, TermQuery
from app.publication.services import PublicationServices
from app.publication.site import Site
from app.publication.taxonomies import AUTHORS, SECTIONS, SERIES, TAGS
from app.publication.taxonomy import New, Patch, T, Taxonomy
from app.web.fields import parse_fields
from app.web.paging import ListOut
from app.web.responses import database, reply_list
from app.web.routing import PreviewedParameters, Router, specialize

Filters = TypeVar("Filters", bound=TermQuery)


def _site(request: Request) -> Site:
    return PublicationServices.of(request).site


def _add_reads(
    router: Router, taxonomy: Taxonomy[T, New, Patch], page_model: type[BaseModel], filters: type[Filters]
) -> None:
    """Add the list of a taxonomy's terms, and the terms by id or slug."""
    kind, plural, groups = taxonomy.kind, taxonomy.plural, taxonomy.groups
    list_groups = tuple(dict.fromkeys((plural, *groups, COUNTS_GROUP)))

    async def list_terms(request: Request, query: Filters, actor: Public) -> Response:
        fields = parse_fields(taxonomy.out, query.fields)
        page = await database(request).read(taxonomy.list_page, query, _site(request))
        return reply_list(request, page_model, page, fields, groups=list_groups)

    async def get_term(
        request: Request, ref: Annotated[str, Path(alias=kind)], query: PreviewedParameters, actor: Public
    ) -> Response:
        present = partial(taxonomy.present, site=_site(request))
        read, model = taxonomy.find, taxonomy.out
        return await reply_row(request, read, ref, model, query, present=present, own=kind, groups=groups)

    router.add_api_route(
        "",
        specialize(list_terms, f"list_{plural}", query=Annotated[filters, Query()]),
        summary=f"List {plural}",
        description=f"List {plural} with their numbers of public articles.",
        response_model=page_model,
    )
    router.add_api_route(
        f"/{{{kind}}}",
        specialize(get_term, f"get_{kind}"),
        summary=f"Get {_with_article(kind)}",
        description=f"Return {_with_article(kind)} by id or slug; a former slug redirects to the present one.",
        response_model=taxonomy.out,
        responses=REDIRECT_RESPONSE,
    )


def _add_writes(router: Router, taxonomy: Taxonomy[T, New, Patch], creation: str, deletion: str) -> None:
    """Add the routes that create, change and delete terms; `creation` and `deletion` describe two of them."""
    kind, one, model = taxonomy.kind, _with_article(taxonomy.kind), taxonomy.out

    def renderer(request: Request) -> Callable[[sa.Connection, str], JsonObject]:
        return partial(taxonomy.get, site=_site(request))

    async def create_term(request: Request, body: New, actor: Writer) -> Response:
        render, location = renderer(request), f"/v1/{taxonomy.plural}/{{id}}"
        action = taxonomy.create
        return await write(request, actor, action, body, render=render, model=model, status=201, location=location)

    async def update_term(
        request: Request, ref: Annotated[str, Path(alias=kind)], body: Patch, versions: ExpectedVersions, actor: Writer
    ) -> Response:
        render = renderer(request)
        return await write(request, actor, taxonomy.update, ref, body, versions, render=render, model=model)

    async def delete_term(
        request: Request, ref: Annotated[str, Path(alias=kind)], versions: ExpectedVersions, actor: Writer
    ) -> Response:
        return await write(request, actor, taxonomy.delete, ref, versions, status=204)

    router.add_api_route(
        "",
        specialize(create_term, f"create_{kind}", body=taxonomy.new),
        methods=["POST"],
        summary=f"Create {one}",
        description=creation,
        status_code=201,
        response_model=model,
        responses=CREATE_RESPONSES,
    )
    router.add_api_route(
        f"/{{{kind}}}",
        specialize(update_term, f"update_{kind}", body=taxonomy.patch),
        methods=["PATCH"],
        summary=f"Change {one}",
        description=f"Update {one} (RFC 7396). A former slug redirects to the new one.",
        response_model=model,
        responses=UPDATE_RESPONSES,
    )
    router.add_api_route(
        f"/{{{kind}}}",
        specialize(delete_term, f"delete_{kind}"),
        methods=["DELETE"],
        summary=f"Delete {one}",
        description=deletion,
        status_code=204,
        responses=DELETE_RESPONSES,
    )


def _with_article(kind: str) -> str:
    return f"an {kind}" if kind == "author" else f"a {kind}"


def _build_router(
    taxonomy: Taxonomy[T, New, Patch],
    page_model: type[BaseModel],
    *,
    filters: type[TermQuery] = TermQuery,
    creation: str,
    deletion: str,
) -> Router:
    """Build the router of a taxonomy."""
    router = Router(prefix=f"/v1/{taxonomy.plural}", tags=[taxonomy.plural])
    _add_reads(router, taxonomy, page_model, filters)
    _add_writes(router, taxonomy, creation, deletion)
    return router


sections_router = _build_router(
    SECTIONS,
    ListOut[SectionOut],
    filters=SectionQuery,
    creation="Create a section. Without a slug, one is generated from the name.\n\n"
    "409 `name_taken` if a section of the same parent has this name in any case.",
    deletion="Delete a section and its notices; 409 `in_use` while it has subsections or articles of any state.",
)
tags_router = _build_router(
    TAGS,
    ListOut[TagDetailOut],
    creation="Create a tag. Saving an article with an unknown tag name creates one too.\n\n"
    "409 `name_taken` if a tag has this name in any case.",
    deletion="Delete a tag; 409 `in_use` while articles of any state have it.",
)
authors_router = _build_router(
    AUTHORS,
    ListOut[AuthorOut],
    creation="Create an author. Names may repeat; the slugs of later authors are numbered.",
    deletion="Delete an author and their notices; 409 `in_use` while articles of any state have the author.",
)
series_router = _build_router(
    SERIES,
    ListOut[SeriesOut],
    creation="Create a series; 409 `name_taken` if a series has this name in any case.",
    deletion="Delete a series and its notices; 409 `in_use` while articles of any state are part of it.",
)
