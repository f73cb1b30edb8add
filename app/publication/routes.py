"""Routes of sections, tags, authors and series."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from app.core.models import BaseModel
from app.db.rows import JsonObject
from app.identity.access import ExpectedVersions, Public, Writer
from app.identity.schemas import Actor
from app.identity.writes import write
from app.publication.responses import (
    COUNTS_GROUP,
    CREATE_RESPONSES,
    DELETE_RESPONSES,
    REDIRECT_RESPONSE,
    UPDATE_RESPONSES,
    reply_row,
)
from app.publication.schemas import (
    AuthorIn,
    AuthorOut,
    AuthorPatch,
    SectionIn,
    SectionOut,
    SectionPatch,
    SectionQuery,
    SeriesIn,
    SeriesOut,
    SeriesPatch,
    TagDetailOut,
    TagIn,
    TagPatch,
    TermQuery,
)
from app.publication.services import PublicationServices
from app.publication.site import Site
from app.publication.taxonomies import AUTHORS, SECTIONS, SERIES, TAGS
from app.publication.taxonomy import New, Patch, T, Taxonomy
from app.web.fields import parse_fields
from app.web.paging import ListOut
from app.web.responses import database, reply_list
from app.web.routing import ReadParameters, Router

TermParameters = Annotated[TermQuery, Query()]


def _site(request: Request) -> Site:
    return PublicationServices.of(request).site


async def _list_terms(
    request: Request, taxonomy: Taxonomy[T, New, Patch], model: type[BaseModel], query: TermQuery
) -> Response:
    """Return a page of terms as `model`, the list of the taxonomy's own."""
    fields = parse_fields(taxonomy.out, query.fields)
    page = await database(request).read(taxonomy.list_page, query, _site(request))
    groups = dict.fromkeys((taxonomy.plural, *taxonomy.groups, COUNTS_GROUP))
    return reply_list(request, model, page, fields, groups=tuple(groups))


async def _get_term(request: Request, taxonomy: Taxonomy[T, New, Patch], ref: str, query: ReadParameters) -> Response:
    """Return a term by id or slug; a former slug redirects to the present one."""
    return await reply_row(
        request,
        taxonomy.find,
        ref,
        taxonomy.out,
        query,
        present=partial(taxonomy.present, site=_site(request)),
        own=taxonomy.kind,
        groups=taxonomy.groups,
    )


def _renderer(request: Request, taxonomy: Taxonomy[T, New, Patch]) -> Callable[[sa.Connection, str], JsonObject]:
    """Return the `render` of a write."""
    return partial(taxonomy.get, site=_site(request))


async def _create_term(request: Request, actor: Actor, taxonomy: Taxonomy[T, New, Patch], data: New) -> Response:
    render, location = _renderer(request, taxonomy), f"/v1/{taxonomy.plural}/{{id}}"
    model = taxonomy.out
    return await write(request, actor, taxonomy.create, data, render=render, model=model, status=201, location=location)


async def _update_term(
    request: Request,
    actor: Actor,
    taxonomy: Taxonomy[T, New, Patch],
    ref: str,
    data: Patch,
    versions: frozenset[int] | None,
) -> Response:
    render = _renderer(request, taxonomy)
    return await write(request, actor, taxonomy.update, ref, data, versions, render=render, model=taxonomy.out)


sections_router = Router(prefix="/v1/sections", tags=["sections"])


@sections_router.get("", summary="List sections", response_model=ListOut[SectionOut])
async def list_sections(request: Request, query: Annotated[SectionQuery, Query()], actor: Public) -> Response:
    """List sections with their numbers of public articles."""
    return await _list_terms(request, SECTIONS, ListOut[SectionOut], query)


@sections_router.get("/{section}", summary="Get a section", response_model=SectionOut, responses=REDIRECT_RESPONSE)
async def get_section(request: Request, section: str, query: ReadParameters, actor: Public) -> Response:
    """Return a section by id or slug; a former slug redirects to the present one."""
    return await _get_term(request, SECTIONS, section, query)


@sections_router.post(
    "", summary="Create a section", status_code=201, response_model=SectionOut, responses=CREATE_RESPONSES
)
async def create_section(request: Request, body: SectionIn, actor: Writer) -> Response:
    """Create a section. Without a slug, one is generated from the name.

    409 `name_taken` if a section of the same parent has this name in any case.
    """
    return await _create_term(request, actor, SECTIONS, body)


@sections_router.patch("/{section}", summary="Change a section", response_model=SectionOut, responses=UPDATE_RESPONSES)
async def update_section(
    request: Request, section: str, body: SectionPatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Update a section (RFC 7396). A former slug redirects to the new one."""
    return await _update_term(request, actor, SECTIONS, section, body, versions)


@sections_router.delete("/{section}", summary="Delete a section", status_code=204, responses=DELETE_RESPONSES)
async def delete_section(request: Request, section: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a section and its notices; 409 `in_use` while it has subsections or articles of any state."""
    return await write(request, actor, SECTIONS.delete, section, versions, status=204)


tags_router = Router(prefix="/v1/tags", tags=["tags"])


@tags_router.get("", summary="List tags", response_model=ListOut[TagDetailOut])
async def list_tags(request: Request, query: TermParameters, actor: Public) -> Response:
    """List tags with their numbers of public articles."""
    return await _list_terms(request, TAGS, ListOut[TagDetailOut], query)


@tags_router.get("/{tag}", summary="Get a tag", response_model=TagDetailOut, responses=REDIRECT_RESPONSE)
async def get_tag(request: Request, tag: str, query: ReadParameters, actor: Public) -> Response:
    """Return a tag by id or slug; a former slug redirects to the present one."""
    return await _get_term(request, TAGS, tag, query)


@tags_router.post("", summary="Create a tag", status_code=201, response_model=TagDetailOut, responses=CREATE_RESPONSES)
async def create_tag(request: Request, body: TagIn, actor: Writer) -> Response:
    """Create a tag. Saving an article with an unknown tag name creates one too.

    409 `name_taken` if a tag has this name in any case.
    """
    return await _create_term(request, actor, TAGS, body)


@tags_router.patch("/{tag}", summary="Change a tag", response_model=TagDetailOut, responses=UPDATE_RESPONSES)
async def update_tag(request: Request, tag: str, body: TagPatch, versions: ExpectedVersions, actor: Writer) -> Response:
    """Update a tag (RFC 7396). A former slug redirects to the new one."""
    return await _update_term(request, actor, TAGS, tag, body, versions)


@tags_router.delete("/{tag}", summary="Delete a tag", status_code=204, responses=DELETE_RESPONSES)
async def delete_tag(request: Request, tag: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a tag; 409 `in_use` while articles of any state have it."""
    return await write(request, actor, TAGS.delete, tag, versions, status=204)


authors_router = Router(prefix="/v1/authors", tags=["authors"])


@authors_router.get("", summary="List authors", response_model=ListOut[AuthorOut])
async def list_authors(request: Request, query: TermParameters, actor: Public) -> Response:
    """List authors with their numbers of public articles."""
    return await _list_terms(request, AUTHORS, ListOut[AuthorOut], query)


@authors_router.get("/{author}", summary="Get an author", response_model=AuthorOut, responses=REDIRECT_RESPONSE)
async def get_author(request: Request, author: str, query: ReadParameters, actor: Public) -> Response:
    """Return an author by id or slug; a former slug redirects to the present one."""
    return await _get_term(request, AUTHORS, author, query)


@authors_router.post(
    "", summary="Create an author", status_code=201, response_model=AuthorOut, responses=CREATE_RESPONSES
)
async def create_author(request: Request, body: AuthorIn, actor: Writer) -> Response:
    """Create an author. Names may repeat; the slugs of later authors are numbered."""
    return await _create_term(request, actor, AUTHORS, body)


@authors_router.patch("/{author}", summary="Change an author", response_model=AuthorOut, responses=UPDATE_RESPONSES)
async def update_author(
    request: Request, author: str, body: AuthorPatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Update an author (RFC 7396). A former slug redirects to the new one."""
    return await _update_term(request, actor, AUTHORS, author, body, versions)


@authors_router.delete("/{author}", summary="Delete an author", status_code=204, responses=DELETE_RESPONSES)
async def delete_author(request: Request, author: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete an author and their notices; 409 `in_use` while articles of any state have the author."""
    return await write(request, actor, AUTHORS.delete, author, versions, status=204)


series_router = Router(prefix="/v1/series", tags=["series"])


@series_router.get("", summary="List series", response_model=ListOut[SeriesOut])
async def list_series(request: Request, query: TermParameters, actor: Public) -> Response:
    """List series with their numbers of public articles."""
    return await _list_terms(request, SERIES, ListOut[SeriesOut], query)


@series_router.get("/{series}", summary="Get a series", response_model=SeriesOut, responses=REDIRECT_RESPONSE)
async def get_series(request: Request, series: str, query: ReadParameters, actor: Public) -> Response:
    """Return a series by id or slug; a former slug redirects to the present one."""
    return await _get_term(request, SERIES, series, query)


@series_router.post(
    "", summary="Create a series", status_code=201, response_model=SeriesOut, responses=CREATE_RESPONSES
)
async def create_series(request: Request, body: SeriesIn, actor: Writer) -> Response:
    """Create a series; 409 `name_taken` if a series has this name in any case."""
    return await _create_term(request, actor, SERIES, body)


@series_router.patch("/{series}", summary="Change a series", response_model=SeriesOut, responses=UPDATE_RESPONSES)
async def update_series(
    request: Request, series: str, body: SeriesPatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Update a series (RFC 7396). A former slug redirects to the new one."""
    return await _update_term(request, actor, SERIES, series, body, versions)


@series_router.delete("/{series}", summary="Delete a series", status_code=204, responses=DELETE_RESPONSES)
async def delete_series(request: Request, series: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a series and its notices; 409 `in_use` while articles of any state are part of it."""
    return await write(request, actor, SERIES.delete, series, versions, status=204)
