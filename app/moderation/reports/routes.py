"""Reports over HTTP."""

from collections.abc import Callable
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.comments.posting.schemas import Banned
from app.identity.routes import Public, requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import database, reply_list, settings
from app.kit.ids import IdPath, RefPath
from app.kit.paging import ListOut
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.moderation.reports import actions, queries
from app.moderation.reports.schemas import ReceivedOut, ReportIn, ReportOut, ReportQuery

router = APIRouter(prefix="/v1", tags=["moderation"])
Moderator = Annotated[Actor, requires("comments:moderate")]
TAKES = documented(NotFound, Invalid, Banned)
DECIDES = documented(Unauthorized, Forbidden, NotFound, actions.ReportDecided)


def _addresses(request: Request) -> tuple[str, ...]:
    """The hashes of the caller's address, under the present salt and the one before."""
    if request.client is None:
        return ()
    return tuple(found for found in request.app.state.vault.address_hashes(request.client.host) if found)


def _received(_connection: sa.Connection, _result: Any) -> dict[str, Any]:
    return {"received": True}


async def _take(request: Request, actor: Actor, report: Callable[..., None], *args: Any) -> Response:
    """Take a report, and give the one answer to it."""
    vault = request.app.state.vault

    def tell(session: Session, caller: Actor) -> None:
        actions.introduce(session, caller, vault)
        report(session, caller, *args)

    return await write(request, actor, tell, show=_received, model=ReceivedOut, status=202)


@router.post(
    "/comments/{comment}/reports",
    operation_id="reportComment",
    summary="Report a comment",
    status_code=202,
    response_model=ReceivedOut,
    responses=TAKES,
)
async def report_comment(request: Request, comment: IdPath, body: ReportIn, actor: Public) -> Response:
    """Tell moderators that something is wrong with a comment. Anyone may; each counts once, all get this answer."""
    args = (comment, body, _addresses(request), settings(request).report_threshold)
    return await _take(request, actor, actions.report_comment, *args)


@router.post(
    "/articles/{article}/reports",
    operation_id="reportArticle",
    summary="Report an article",
    status_code=202,
    response_model=ReceivedOut,
    responses=TAKES,
)
async def report_article(request: Request, article: RefPath, body: ReportIn, actor: Public) -> Response:
    """Tell the editors that something is wrong with an article. Anyone may; each counts once."""
    return await _take(request, actor, actions.report_article, article, body, _addresses(request))


@router.get(
    "/moderation/reports",
    operation_id="listReports",
    summary="List reports",
    response_model=ListOut[ReportOut],
    responses=documented(Unauthorized, Forbidden),
)
async def index(request: Request, query: Annotated[ReportQuery, Query()], actor: Moderator) -> Response:
    """Reports on comments and articles, newest first. Private e-mail addresses are in it."""
    fields = chosen(ReportOut, query.fields)
    page = await database(request).scan(queries.page, actor, query)
    return reply_list(request, ListOut[ReportOut], page, fields, groups=(), private=True)


@router.post(
    "/moderation/reports/{report}/dismiss",
    operation_id="dismissReport",
    summary="Dismiss a report",
    response_model=ReportOut,
    responses=DECIDES,
)
async def dismiss(request: Request, report: IdPath, actor: Moderator) -> Response:
    """Find a report unfounded: its reporter weighs less from now on. The comment stays as it is."""
    return await write(request, actor, actions.decide, report, "dismissed", show=queries.shown, model=ReportOut)


@router.post(
    "/moderation/reports/{report}/uphold",
    operation_id="upholdReport",
    summary="Uphold a report",
    response_model=ReportOut,
    responses=DECIDES,
)
async def uphold(request: Request, report: IdPath, actor: Moderator) -> Response:
    """Find a report founded. The comment stays as it is: that is another decision."""
    return await write(request, actor, actions.decide, report, "upheld", show=queries.shown, model=ReportOut)
