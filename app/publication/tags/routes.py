"""Tags over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import Public, Versions, write
from app.kit.fields import chosen
from app.kit.http import database, reply_list
from app.kit.paging import ListOut
from app.publication import routes
from app.publication.routes import CHANGES, COUNTED, CREATES, DELETES, Reading, Writer
from app.publication.schemas import TermQuery
from app.publication.tags import actions, queries
from app.publication.tags.schemas import TagDetailOut, TagIn, TagPatch

router = APIRouter(prefix="/v1/tags", tags=["tags"])


@router.get(
    "", operation_id="listTags", summary="List tags", response_model=ListOut[TagDetailOut], responses=routes.READS
)
async def index(request: Request, query: Annotated[TermQuery, Query()], actor: Public) -> Response:
    """Tags with their numbers of public articles."""
    fields = chosen(TagDetailOut, query.fields)
    page = await database(request).read(queries.page, query)
    return reply_list(request, ListOut[TagDetailOut], page, fields, groups=("tags", COUNTED))


@router.get("/{tag}", operation_id="getTag", summary="Get a tag", response_model=TagDetailOut, responses=routes.SHOWS)
async def show(request: Request, tag: str, query: Reading, actor: Public) -> Response:
    """One tag, by id or slug; a slug that it had before leads on to the present one."""
    return await routes.show(request, queries.by_ref, tag, TagDetailOut, query, own="tag")


@router.post(
    "",
    operation_id="createTag",
    summary="Create a tag",
    status_code=201,
    response_model=TagDetailOut,
    responses=CREATES,
)
async def create(request: Request, body: TagIn, actor: Writer) -> Response:
    """Make a tag. Saving an article with a name that no tag has makes one as well.

    409 `name_taken` names the existing one if a tag has this name in whatever letter case.
    """
    return await write(
        request,
        actor,
        actions.create,
        body,
        show=queries.shown,
        model=TagDetailOut,
        status=201,
        location="/v1/tags/{id}",
    )


@router.patch(
    "/{tag}", operation_id="updateTag", summary="Change a tag", response_model=TagDetailOut, responses=CHANGES
)
async def change(request: Request, tag: str, body: TagPatch, versions: Versions, actor: Writer) -> Response:
    """Change a tag by RFC 7396 merge patch. The address of an old slug leads on to the new one."""
    return await write(request, actor, actions.change, tag, body, versions, show=queries.shown, model=TagDetailOut)


@router.delete("/{tag}", operation_id="deleteTag", summary="Delete a tag", status_code=204, responses=DELETES)
async def delete(request: Request, tag: str, versions: Versions, actor: Writer) -> Response:
    """Delete a tag; 409 `in_use` while articles in whatever state have it."""
    return await write(request, actor, actions.delete, tag, versions, status=204)
