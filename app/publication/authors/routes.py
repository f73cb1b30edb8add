"""Authors over HTTP."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import Public, Versions, write
from app.kit.fields import chosen
from app.kit.http import database, reply_list, settings
from app.kit.paging import ListOut
from app.publication import routes
from app.publication.authors import actions, queries
from app.publication.authors.schemas import AuthorIn, AuthorOut, AuthorPatch
from app.publication.routes import CHANGES, COUNTED, CREATES, DELETES, Reading, Writer
from app.publication.schemas import TermQuery

router = APIRouter(prefix="/v1/authors", tags=["authors"])


def _shown(request: Request) -> Callable[[sa.Connection, str], dict[str, Any]]:
    """How a write is answered."""
    return partial(queries.shown, api=settings(request).api)


def _present(request: Request) -> Callable[[Mapping[Any, Any]], dict[str, Any]]:
    return partial(queries.present, api=settings(request).api)


@router.get(
    "", operation_id="listAuthors", summary="List authors", response_model=ListOut[AuthorOut], responses=routes.READS
)
async def index(request: Request, query: Annotated[TermQuery, Query()], actor: Public) -> Response:
    """Authors with their numbers of public articles."""
    fields = chosen(AuthorOut, query.fields)
    page = await database(request).read(queries.page, query, settings(request).api)
    return reply_list(request, ListOut[AuthorOut], page, fields, groups=("authors", "media", COUNTED))


@router.get(
    "/{author}", operation_id="getAuthor", summary="Get an author", response_model=AuthorOut, responses=routes.SHOWS
)
async def show(request: Request, author: str, query: Reading, actor: Public) -> Response:
    """One author, by id or slug; a slug that they had before leads on to the present one."""
    return await routes.show(
        request,
        queries.by_ref,
        author,
        AuthorOut,
        query,
        present=_present(request),
        own="author",
        groups=("media",),
    )


@router.post(
    "",
    operation_id="createAuthor",
    summary="Create an author",
    status_code=201,
    response_model=AuthorOut,
    responses=CREATES,
)
async def create(request: Request, body: AuthorIn, actor: Writer) -> Response:
    """Make an author. Two people may share a name: the slug of a later one is numbered."""
    return await write(
        request,
        actor,
        actions.create,
        body,
        show=_shown(request),
        model=AuthorOut,
        status=201,
        location="/v1/authors/{id}",
    )


@router.patch(
    "/{author}", operation_id="updateAuthor", summary="Change an author", response_model=AuthorOut, responses=CHANGES
)
async def change(request: Request, author: str, body: AuthorPatch, versions: Versions, actor: Writer) -> Response:
    """Change an author by RFC 7396 merge patch. The address of an old slug leads on to the new one."""
    return await write(
        request,
        actor,
        actions.change,
        author,
        body,
        versions,
        show=_shown(request),
        model=AuthorOut,
    )


@router.delete("/{author}", operation_id="deleteAuthor", summary="Delete an author", status_code=204, responses=DELETES)
async def delete(request: Request, author: str, versions: Versions, actor: Writer) -> Response:
    """Delete an author; 409 `in_use` while articles in whatever state are by them. Their notices go too."""
    return await write(request, actor, actions.delete, author, versions, status=204)
