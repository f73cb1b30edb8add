"""Routes of sections, tags, authors and series."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.access import ExpectedVersions, Public
from app.identity.writes import write
from app.publication import authors, responses, sections, tags, term_queries
from app.publication import series as series_terms
from app.publication.responses import (
    COUNTS_GROUP,
    CREATE_RESPONSES,
    DELETE_RESPONSES,
    UPDATE_RESPONSES,
    Reading,
    Writer,
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
from app.web.fields import parse_fields
from app.web.paging import ListOut
from app.web.responses import database, reply_list, settings

sections_router = APIRouter(prefix="/v1/sections", tags=["sections"])


@sections_router.get(
    "",
    operation_id="listSections",
    summary="List sections",
    response_model=ListOut[SectionOut],
    responses=responses.READ_RESPONSES,
)
async def list_sections(request: Request, query: Annotated[SectionQuery, Query()], actor: Public) -> Response:
    """List sections with their numbers of public articles."""
    fields = parse_fields(SectionOut, query.fields)
    page = await database(request).read(term_queries.list_sections, query)
    return reply_list(request, ListOut[SectionOut], page, fields, groups=("sections", COUNTS_GROUP))


@sections_router.get(
    "/{section}",
    operation_id="getSection",
    summary="Get a section",
    response_model=SectionOut,
    responses=responses.TERM_RESPONSES,
)
async def get_section(request: Request, section: str, query: Reading, actor: Public) -> Response:
    """Return a section by id or slug; a former slug redirects to the present one."""
    return await responses.reply_row(
        request,
        term_queries.find_section,
        section,
        SectionOut,
        query,
        present=term_queries.present_section,
        own="section",
        groups=("sections",),
    )


@sections_router.post(
    "",
    operation_id="createSection",
    summary="Create a section",
    status_code=201,
    response_model=SectionOut,
    responses=CREATE_RESPONSES,
)
async def create_section(request: Request, body: SectionIn, actor: Writer) -> Response:
    """Create a section. Without a slug, one is generated from the name.

    409 `name_taken` if a section of the same parent has this name in any case.
    """
    return await write(
        request,
        actor,
        sections.create_section,
        body,
        render=term_queries.get_section,
        model=SectionOut,
        status=201,
        location="/v1/sections/{id}",
    )


@sections_router.patch(
    "/{section}",
    operation_id="updateSection",
    summary="Change a section",
    response_model=SectionOut,
    responses=UPDATE_RESPONSES,
)
async def update_section(
    request: Request, section: str, body: SectionPatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Update a section (RFC 7396). A former slug redirects to the new one."""
    return await write(
        request,
        actor,
        sections.update_section,
        section,
        body,
        versions,
        render=term_queries.get_section,
        model=SectionOut,
    )


@sections_router.delete(
    "/{section}", operation_id="deleteSection", summary="Delete a section", status_code=204, responses=DELETE_RESPONSES
)
async def delete_section(request: Request, section: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a section and its notices; 409 `in_use` while it has subsections or articles of any state."""
    return await write(request, actor, sections.delete_section, section, versions, status=204)


tags_router = APIRouter(prefix="/v1/tags", tags=["tags"])


@tags_router.get(
    "",
    operation_id="listTags",
    summary="List tags",
    response_model=ListOut[TagDetailOut],
    responses=responses.READ_RESPONSES,
)
async def list_tags(request: Request, query: Annotated[TermQuery, Query()], actor: Public) -> Response:
    """List tags with their numbers of public articles."""
    fields = parse_fields(TagDetailOut, query.fields)
    page = await database(request).read(term_queries.list_tags, query)
    return reply_list(request, ListOut[TagDetailOut], page, fields, groups=("tags", COUNTS_GROUP))


@tags_router.get(
    "/{tag}",
    operation_id="getTag",
    summary="Get a tag",
    response_model=TagDetailOut,
    responses=responses.TERM_RESPONSES,
)
async def get_tag(request: Request, tag: str, query: Reading, actor: Public) -> Response:
    """Return a tag by id or slug; a former slug redirects to the present one."""
    return await responses.reply_row(request, term_queries.find_tag, tag, TagDetailOut, query, own="tag")


@tags_router.post(
    "",
    operation_id="createTag",
    summary="Create a tag",
    status_code=201,
    response_model=TagDetailOut,
    responses=CREATE_RESPONSES,
)
async def create_tag(request: Request, body: TagIn, actor: Writer) -> Response:
    """Create a tag. Saving an article with an unknown tag name creates one too.

    409 `name_taken` if a tag has this name in any case.
    """
    return await write(
        request,
        actor,
        tags.create_tag,
        body,
        render=term_queries.get_tag,
        model=TagDetailOut,
        status=201,
        location="/v1/tags/{id}",
    )


@tags_router.patch(
    "/{tag}", operation_id="updateTag", summary="Change a tag", response_model=TagDetailOut, responses=UPDATE_RESPONSES
)
async def update_tag(request: Request, tag: str, body: TagPatch, versions: ExpectedVersions, actor: Writer) -> Response:
    """Update a tag (RFC 7396). A former slug redirects to the new one."""
    return await write(
        request, actor, tags.update_tag, tag, body, versions, render=term_queries.get_tag, model=TagDetailOut
    )


@tags_router.delete(
    "/{tag}", operation_id="deleteTag", summary="Delete a tag", status_code=204, responses=DELETE_RESPONSES
)
async def delete_tag(request: Request, tag: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a tag; 409 `in_use` while articles of any state have it."""
    return await write(request, actor, tags.delete_tag, tag, versions, status=204)


authors_router = APIRouter(prefix="/v1/authors", tags=["authors"])


def _show_author(request: Request) -> Callable[[sa.Connection, str], dict[str, Any]]:
    """Return the `show` of a write."""
    return partial(term_queries.get_author, api=settings(request).api)


def _present_author(request: Request) -> Callable[[Mapping[Any, Any]], dict[str, Any]]:
    return partial(term_queries.present_author, api=settings(request).api)


@authors_router.get(
    "",
    operation_id="listAuthors",
    summary="List authors",
    response_model=ListOut[AuthorOut],
    responses=responses.READ_RESPONSES,
)
async def list_authors(request: Request, query: Annotated[TermQuery, Query()], actor: Public) -> Response:
    """List authors with their numbers of public articles."""
    fields = parse_fields(AuthorOut, query.fields)
    page = await database(request).read(term_queries.list_authors, query, settings(request).api)
    return reply_list(request, ListOut[AuthorOut], page, fields, groups=("authors", "media", COUNTS_GROUP))


@authors_router.get(
    "/{author}",
    operation_id="getAuthor",
    summary="Get an author",
    response_model=AuthorOut,
    responses=responses.TERM_RESPONSES,
)
async def get_author(request: Request, author: str, query: Reading, actor: Public) -> Response:
    """Return an author by id or slug; a former slug redirects to the present one."""
    return await responses.reply_row(
        request,
        term_queries.find_author,
        author,
        AuthorOut,
        query,
        present=_present_author(request),
        own="author",
        groups=("media",),
    )


@authors_router.post(
    "",
    operation_id="createAuthor",
    summary="Create an author",
    status_code=201,
    response_model=AuthorOut,
    responses=CREATE_RESPONSES,
)
async def create_author(request: Request, body: AuthorIn, actor: Writer) -> Response:
    """Create an author. Names may repeat; the slugs of later authors are numbered."""
    return await write(
        request,
        actor,
        authors.create_author,
        body,
        render=_show_author(request),
        model=AuthorOut,
        status=201,
        location="/v1/authors/{id}",
    )


@authors_router.patch(
    "/{author}",
    operation_id="updateAuthor",
    summary="Change an author",
    response_model=AuthorOut,
    responses=UPDATE_RESPONSES,
)
async def update_author(
    request: Request, author: str, body: AuthorPatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Update an author (RFC 7396). A former slug redirects to the new one."""
    return await write(
        request,
        actor,
        authors.update_author,
        author,
        body,
        versions,
        render=_show_author(request),
        model=AuthorOut,
    )


@authors_router.delete(
    "/{author}", operation_id="deleteAuthor", summary="Delete an author", status_code=204, responses=DELETE_RESPONSES
)
async def delete_author(request: Request, author: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete an author and their notices; 409 `in_use` while articles of any state have the author."""
    return await write(request, actor, authors.delete_author, author, versions, status=204)


series_router = APIRouter(prefix="/v1/series", tags=["series"])


@series_router.get(
    "",
    operation_id="listSeries",
    summary="List series",
    response_model=ListOut[SeriesOut],
    responses=responses.READ_RESPONSES,
)
async def list_series(request: Request, query: Annotated[TermQuery, Query()], actor: Public) -> Response:
    """List series with their numbers of public articles."""
    fields = parse_fields(SeriesOut, query.fields)
    page = await database(request).read(term_queries.list_series, query)
    return reply_list(request, ListOut[SeriesOut], page, fields, groups=("series", COUNTS_GROUP))


@series_router.get(
    "/{series}",
    operation_id="getSeries",
    summary="Get a series",
    response_model=SeriesOut,
    responses=responses.TERM_RESPONSES,
)
async def get_series(request: Request, series: str, query: Reading, actor: Public) -> Response:
    """Return a series by id or slug; a former slug redirects to the present one."""
    return await responses.reply_row(request, term_queries.find_series, series, SeriesOut, query, own="series")


@series_router.post(
    "",
    operation_id="createSeries",
    summary="Create a series",
    status_code=201,
    response_model=SeriesOut,
    responses=CREATE_RESPONSES,
)
async def create_series(request: Request, body: SeriesIn, actor: Writer) -> Response:
    """Create a series; 409 `name_taken` if a series has this name in any case."""
    return await write(
        request,
        actor,
        series_terms.create_series,
        body,
        render=term_queries.get_series,
        model=SeriesOut,
        status=201,
        location="/v1/series/{id}",
    )


@series_router.patch(
    "/{series}",
    operation_id="updateSeries",
    summary="Change a series",
    response_model=SeriesOut,
    responses=UPDATE_RESPONSES,
)
async def update_series(
    request: Request, series: str, body: SeriesPatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Update a series (RFC 7396). A former slug redirects to the new one."""
    return await write(
        request,
        actor,
        series_terms.update_series,
        series,
        body,
        versions,
        render=term_queries.get_series,
        model=SeriesOut,
    )


@series_router.delete(
    "/{series}", operation_id="deleteSeries", summary="Delete a series", status_code=204, responses=DELETE_RESPONSES
)
async def delete_series(request: Request, series: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a series and its notices; 409 `in_use` while articles of any state are part of it."""
    return await write(request, actor, series_terms.delete_series, series, versions, status=204)
