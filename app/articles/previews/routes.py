"""Preview links over HTTP."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.addresses.schemas import Site
from app.articles.previews import actions, queries
from app.articles.previews.schemas import NewPreviewOut, PreviewIn, PreviewOut
from app.articles.routes import visible_to_editor
from app.identity.routes import DraftReader, requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import database, reply_list, settings
from app.kit.ids import IdPath, RefPath
from app.kit.paging import ListOut, PageQuery
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented

router = APIRouter(prefix="/v1/articles/{article}/previews", tags=["previews"])
Reader = DraftReader
Writer = Annotated[Actor, requires("content:write")]


@router.post(
    "",
    operation_id="createPreview",
    summary="Create a preview link",
    status_code=201,
    response_model=NewPreviewOut,
    responses=documented(Unauthorized, Forbidden, NotFound, Invalid),
)
async def create(request: Request, article: RefPath, body: PreviewIn, actor: Writer) -> Response:
    """Make a link that shows this article's newest revision to whoever holds it. The token is shown once."""

    def show(connection: sa.Connection, made: tuple[str, str]) -> dict[str, Any]:
        return {**(queries.by_id(connection, made[0]) or {}), "token": made[1]}

    return await write(
        request, actor, actions.create, article, body.hours, show=show, model=NewPreviewOut, status=201, secret=True
    )


@router.get(
    "",
    operation_id="listPreviews",
    summary="List the preview links of an article",
    response_model=ListOut[PreviewOut],
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def index(request: Request, article: RefPath, query: Annotated[PageQuery, Query()], actor: Reader) -> Response:
    """The article's preview links, newest first, without their tokens."""

    def find(connection: sa.Connection) -> dict[str, Any]:
        row = visible_to_editor(connection, article, actor, Site.of(settings(request)))
        if not actor.may_in(row["section_id"]):
            raise NotFound
        return queries.page(connection, row["id"], query)

    page = await database(request).read(find)
    fields = chosen(PreviewOut, query.fields)
    return reply_list(request, ListOut[PreviewOut], page, fields, groups=(), private=True)


@router.delete(
    "/{preview_id}",
    operation_id="revokePreview",
    summary="Revoke a preview link",
    status_code=204,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def revoke(request: Request, article: RefPath, preview_id: IdPath, actor: Writer) -> Response:
    """Revoke a link at once."""
    return await write(request, actor, actions.revoke, article, preview_id, status=204)
