"""Merging tags, authors and series over HTTP."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.merging import actions
from app.articles.merging.schemas import MergeIn, MergeOut, present_merge
from app.identity.routes import VERSIONED, Versions, requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply
from app.kit.ids import IdPath
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.publication.merges.actions import MergeRunning
from app.publication.merges.queries import find_merge

router = APIRouter(prefix="/v1", tags=["merging"])
Publisher = Annotated[Actor, requires("content:publish")]
MERGES = documented(*VERSIONED, Invalid, MergeRunning)


def _read(connection: sa.Connection, merge_id: str) -> dict[str, Any]:
    row = find_merge(connection, merge_id)
    if row is None:
        raise NotFound
    return present_merge(row)


async def _merge(request: Request, actor: Actor, kind: str, ref: str, body: MergeIn, versions: Any) -> Response:
    args = (kind, ref, body.into, versions)
    location = "/v1/merges/{id}"
    return await write(
        request, actor, actions.merge_terms, *args, show=_read, model=MergeOut, status=202, location=location
    )


@router.post(
    "/tags/{tag}/merge",
    operation_id="mergeTag",
    summary="Merge a tag into another",
    status_code=202,
    response_model=MergeOut,
    responses=MERGES,
)
async def merge_tag(request: Request, tag: str, body: MergeIn, versions: Versions, actor: Publisher) -> Response:
    """Merge a tag into another one, over any number of articles; `into: null` takes it off them.

    The answer tells how far it is, as `GET /v1/merges/{id}` does later. Each article is moved whole: it has one of the
    two tags at any time. Afterwards the tag is gone, its slug leads on, and old revisions show the other tag.
    """
    return await _merge(request, actor, "tag", tag, body, versions)


@router.post(
    "/authors/{author}/merge",
    operation_id="mergeAuthor",
    summary="Merge an author into another",
    status_code=202,
    response_model=MergeOut,
    responses=MERGES,
)
async def merge_author(request: Request, author: str, body: MergeIn, versions: Versions, actor: Publisher) -> Response:
    """Merge an author into another one, as tags are merged; the notices of the former go with the articles."""
    return await _merge(request, actor, "author", author, body, versions)


@router.post(
    "/series/{series}/merge",
    operation_id="mergeSeries",
    summary="Merge a series into another",
    status_code=202,
    response_model=MergeOut,
    responses=MERGES,
)
async def merge_series(request: Request, series: str, body: MergeIn, versions: Versions, actor: Publisher) -> Response:
    """Merge a series into another one, as tags are merged; the notices of the former go with the articles."""
    return await _merge(request, actor, "series", series, body, versions)


@router.get(
    "/merges/{merge}",
    operation_id="getMerge",
    summary="Get the progress of a merge",
    response_model=MergeOut,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def show_merge(
    request: Request, merge: IdPath, query: Annotated[ReadQuery, Query()], actor: Publisher
) -> Response:
    """How far a merge is."""
    out = await database(request).read(_read, merge)
    return reply(request, dump(MergeOut, out, chosen(MergeOut, query.fields)), groups=(), private=True)
