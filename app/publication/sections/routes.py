"""Sections over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import Public, Versions, write
from app.kit.fields import chosen
from app.kit.http import database, reply_list
from app.kit.paging import ListOut
from app.publication import routes
from app.publication.routes import CHANGES, COUNTED, CREATES, DELETES, Reading, Writer
from app.publication.sections import actions, queries
from app.publication.sections.schemas import SectionIn, SectionOut, SectionPatch, SectionQuery

router = APIRouter(prefix="/v1/sections", tags=["sections"])


@router.get(
    "", operation_id="listSections", summary="List sections", response_model=ListOut[SectionOut], responses=routes.READS
)
async def index(request: Request, query: Annotated[SectionQuery, Query()], actor: Public) -> Response:
    """Sections with their numbers of public articles."""
    fields = chosen(SectionOut, query.fields)
    page = await database(request).read(queries.page, query)
    return reply_list(request, ListOut[SectionOut], page, fields, groups=("sections", COUNTED))


@router.get(
    "/{section}", operation_id="getSection", summary="Get a section", response_model=SectionOut, responses=routes.SHOWS
)
async def show(request: Request, section: str, query: Reading, actor: Public) -> Response:
    """One section, by id or slug; a slug that it had before leads on to the present one."""
    return await routes.show(
        request,
        queries.by_ref,
        section,
        SectionOut,
        query,
        present=queries.present,
        own="section",
        groups=("sections",),
    )


@router.post(
    "",
    operation_id="createSection",
    summary="Create a section",
    status_code=201,
    response_model=SectionOut,
    responses=CREATES,
)
async def create(request: Request, body: SectionIn, actor: Writer) -> Response:
    """Make a section. The slug is made from the name unless one is sent.

    409 `name_taken` names the existing one if a section inside the same parent has this name in whatever letter case.
    """
    return await write(
        request,
        actor,
        actions.create,
        body,
        show=queries.shown,
        model=SectionOut,
        status=201,
        location="/v1/sections/{id}",
    )


@router.patch(
    "/{section}", operation_id="updateSection", summary="Change a section", response_model=SectionOut, responses=CHANGES
)
async def change(request: Request, section: str, body: SectionPatch, versions: Versions, actor: Writer) -> Response:
    """Change a section by RFC 7396 merge patch. The address of an old slug leads on to the new one."""
    return await write(request, actor, actions.change, section, body, versions, show=queries.shown, model=SectionOut)


@router.delete(
    "/{section}", operation_id="deleteSection", summary="Delete a section", status_code=204, responses=DELETES
)
async def delete(request: Request, section: str, versions: Versions, actor: Writer) -> Response:
    """Delete a section; 409 `in_use` while articles of any state or other sections are in it. Its notices go too."""
    return await write(request, actor, actions.delete, section, versions, status=204)
