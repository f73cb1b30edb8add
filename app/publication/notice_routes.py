"""Routes of notices for editors; articles show notices to readers."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from app.identity.access import DraftReader, ExpectedVersions, Writer
from app.identity.writes import write
from app.publication import notice_targets, notices, responses
from app.publication.notice_targets import NoticeArticles, NoticeRow
from app.publication.responses import CREATE_RESPONSES, DELETE_RESPONSES, UPDATE_RESPONSES
from app.publication.schemas import NoticeDetailOut, NoticeIn, NoticePatch, NoticeQuery
from app.publication.services import PublicationServices
from app.web.paging import ListOut
from app.web.responses import database, reply_private_list
from app.web.routing import PreviewedParameters, Router

router = Router(prefix="/v1/notices", tags=["notices"])


def _articles(request: Request) -> NoticeArticles:
    return PublicationServices.of(request).notice_articles


@router.get("", summary="List notices", response_model=ListOut[NoticeDetailOut])
async def list_notices(request: Request, query: Annotated[NoticeQuery, Query()], actor: DraftReader) -> Response:
    """List notices, newest first."""
    page = await database(request).read(notice_targets.list_notices, actor, _articles(request), query)
    return reply_private_list(request, ListOut[NoticeDetailOut], page, query)


@router.get("/{notice}", summary="Get a notice", response_model=NoticeDetailOut)
async def get_notice(request: Request, notice: str, query: PreviewedParameters, actor: DraftReader) -> Response:
    """Return a notice."""
    articles = _articles(request)

    def read(connection: sa.Connection, ref: str) -> NoticeRow | None:
        return notice_targets.find_notice(connection, actor, articles, ref)

    return await responses.reply_row(request, read, notice, NoticeDetailOut, query)


@router.post("", summary="Create a notice", status_code=201, response_model=NoticeDetailOut, responses=CREATE_RESPONSES)
async def create_notice(request: Request, body: NoticeIn, actor: Writer) -> Response:
    """Create a notice, which is shown with the articles of its target at once. Name targets by id or slug."""
    return await write(
        request,
        actor,
        notices.create_notice,
        _articles(request),
        body,
        render=notice_targets.get_notice,
        model=NoticeDetailOut,
        status=201,
        location="/v1/notices/{id}",
    )


@router.patch("/{notice}", summary="Change a notice", response_model=NoticeDetailOut, responses=UPDATE_RESPONSES)
async def update_notice(
    request: Request, notice: str, body: NoticePatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Update a notice (RFC 7396); scope and target cannot be changed."""
    change, show = (_articles(request), notice, body, versions), notice_targets.get_notice
    return await write(request, actor, notices.update_notice, *change, render=show, model=NoticeDetailOut)


@router.delete("/{notice}", summary="Delete a notice", status_code=204, responses=DELETE_RESPONSES)
async def delete_notice(request: Request, notice: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a notice."""
    return await write(request, actor, notices.delete_notice, _articles(request), notice, versions, status=204)
