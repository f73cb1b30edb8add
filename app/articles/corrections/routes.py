"""Changing and withdrawing corrections over HTTP, and what they said before."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.articles.addresses.schemas import Site
from app.articles.corrections import actions, queries
from app.articles.corrections.schemas import CorrectionPatch, CorrectionVersionOut
from app.articles.publishing.routes import EDITED, Publisher, show_edited
from app.articles.routes import visible
from app.articles.schemas import SingleArticleOut
from app.identity.routes import DraftReader, Versions, write
from app.kit.fields import chosen
from app.kit.http import database, reply_list, settings
from app.kit.ids import RefPath
from app.kit.paging import ListOut, PageQuery
from app.kit.problems import Forbidden, NotFound, Unauthorized, documented

router = APIRouter(prefix="/v1/articles/{article}/corrections", tags=["publishing"])
Number = Annotated[int, Path(ge=1, le=999_999_999, description="The correction's `n`.")]


@router.get(
    "/history",
    operation_id="listCorrectionHistory",
    summary="List former texts of corrections",
    response_model=ListOut[CorrectionVersionOut],
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def list_history(
    request: Request,
    article: RefPath,
    query: Annotated[PageQuery, Query()],
    actor: DraftReader,
) -> Response:
    """What corrections said before they were changed or withdrawn, the last replaced first."""

    def find(connection: sa.Connection) -> dict[str, Any]:
        row = visible(connection, article, actor, Site.of(settings(request)))
        if not actor.may_in(row["section_id"]):
            raise NotFound
        return queries.list_versions(connection, row["id"], query)

    page = await database(request).read(find)
    fields = chosen(CorrectionVersionOut, query.fields)
    return reply_list(request, ListOut[CorrectionVersionOut], page, fields, groups=(), private=True)


@router.patch(
    "/{n}",
    operation_id="updateCorrection",
    summary="Change a correction",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def change(
    request: Request, article: RefPath, n: Number, body: CorrectionPatch, versions: Versions, actor: Publisher
) -> Response:
    """Change what a correction says (RFC 7396). Readers see it at once; editors still find what it said before."""
    show = show_edited(request)
    args = (article, n, body, versions)
    return await write(request, actor, actions.change_correction, *args, show=show, model=SingleArticleOut)


@router.delete(
    "/{n}",
    operation_id="withdrawCorrection",
    summary="Withdraw a correction",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def withdraw(request: Request, article: RefPath, n: Number, versions: Versions, actor: Publisher) -> Response:
    """Withdraw a correction: readers no longer see it, editors still find what it said. Its number stays taken."""
    show = show_edited(request)
    return await write(
        request, actor, actions.withdraw_correction, article, n, versions, show=show, model=SingleArticleOut
    )
