"""Notices over HTTP; articles show them to everyone, this is where they are written."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import Versions, write
from app.kit.fields import chosen
from app.kit.http import database, reply_list
from app.kit.paging import ListOut
from app.kit.problems import Forbidden, Unauthorized, documented
from app.publication import routes
from app.publication.notices import actions, queries
from app.publication.notices.schemas import NoticeDetailOut, NoticeIn, NoticePatch, NoticeQuery
from app.publication.routes import CHANGES, CREATES, DELETES, READS, Reader, Reading, Writer

router = APIRouter(prefix="/v1/notices", tags=["notices"])


@router.get(
    "",
    operation_id="listNotices",
    summary="List notices",
    response_model=ListOut[NoticeDetailOut],
    responses=documented(Unauthorized, Forbidden),
)
async def index(request: Request, query: Annotated[NoticeQuery, Query()], actor: Reader) -> Response:
    """All notices, newest first."""
    fields = chosen(NoticeDetailOut, query.fields)
    page = await database(request).read(queries.page, actor, query)
    return reply_list(request, ListOut[NoticeDetailOut], page, fields, groups=(), private=True)


@router.get(
    "/{notice}",
    operation_id="getNotice",
    summary="Get a notice",
    response_model=NoticeDetailOut,
    responses=READS | documented(Unauthorized, Forbidden),
)
async def show(request: Request, notice: str, query: Reading, actor: Reader) -> Response:
    """One notice."""

    def read(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
        return queries.by_id(connection, actor, ref)

    return await routes.show(request, read, notice, NoticeDetailOut, query)


@router.post(
    "",
    operation_id="createNotice",
    summary="Create a notice",
    status_code=201,
    response_model=NoticeDetailOut,
    responses=CREATES,
)
async def create(request: Request, body: NoticeIn, actor: Writer) -> Response:
    """Put up a notice: it stands with the articles of its target at once. Targets are named by id or slug."""
    return await write(
        request,
        actor,
        actions.create,
        body,
        show=queries.shown,
        model=NoticeDetailOut,
        status=201,
        location="/v1/notices/{id}",
    )


@router.patch(
    "/{notice}",
    operation_id="updateNotice",
    summary="Change a notice",
    response_model=NoticeDetailOut,
    responses=CHANGES,
)
async def change(request: Request, notice: str, body: NoticePatch, versions: Versions, actor: Writer) -> Response:
    """Change a notice by RFC 7396 merge patch; scope and target stay."""
    return await write(
        request, actor, actions.change, notice, body, versions, show=queries.shown, model=NoticeDetailOut
    )


@router.delete("/{notice}", operation_id="deleteNotice", summary="Delete a notice", status_code=204, responses=DELETES)
async def delete(request: Request, notice: str, versions: Versions, actor: Writer) -> Response:
    """Take down a notice."""
    return await write(request, actor, actions.delete, notice, versions, status=204)
