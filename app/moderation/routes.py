"""Moderation over HTTP: appeals, decisions, the queue, redaction, reports and the log."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.comments.lifecycle import ParentNotPublished
from app.comments.moderation import Banned
from app.comments.routes import hash_address
from app.core.ids import IdPath, RefPath
from app.core.problems import FORBIDDEN, document_problems
from app.db.rows import JsonObject
from app.identity.access import Moderator, Public, SelfService
from app.identity.schemas import Actor
from app.identity.services import IdentityServices
from app.identity.writes import write
from app.moderation import appeals, decisions, log, queue, queue_counts, redaction, reports
from app.moderation.comment_access import get_comment
from app.moderation.decisions import DecisionResult, WrongCommentState
from app.moderation.queue import Leased
from app.moderation.schemas import (
    Action,
    AppealIn,
    ClaimedOut,
    ClaimIn,
    CommentRevisionOut,
    CommentRevisionQuery,
    DecisionBulkIn,
    DecisionBulkOut,
    DecisionOut,
    FeaturedIn,
    JudgedCommentOut,
    LogOut,
    LogQuery,
    QueueCountsOut,
    QueueCountsQuery,
    QueueItemOut,
    QueueQuery,
    ReasonIn,
    ReceivedOut,
    RedactIn,
    ReportIn,
    ReportOut,
    ReportQuery,
)
from app.web.fields import dump_json, parse_fields
from app.web.paging import ListOut
from app.web.responses import database, reply, reply_private, reply_private_list, settings
from app.web.routing import ReadParameters, RouteOptions, Router

appeals_router = Router(prefix="/v1/comments/{comment}", tags=["moderation"])


@appeals_router.get(
    "/decision", summary="Get the decision on a comment", response_model=DecisionOut, responses=FORBIDDEN
)
async def get_decision(request: Request, comment: IdPath, query: ReadParameters, actor: SelfService) -> Response:
    """The state of a comment and the reason for it. For the comment's author, with its edit token or their own
    token.
    """
    fields = parse_fields(DecisionOut, query.fields)
    decision = await database(request).read(appeals.get_decision, comment, actor)
    return reply(request, dump_json(DecisionOut, decision, fields), groups=(), private=True)


@appeals_router.post(
    "/appeal",
    summary="Appeal a moderation decision",
    status_code=201,
    response_model=DecisionOut,
    responses=document_problems(appeals.NotAppealable, appeals.AlreadyAppealed),
)
async def appeal_decision(request: Request, comment: IdPath, body: AppealIn, actor: Public) -> Response:
    """Ask moderators to review a decision. Each decision can be appealed once, with the comment's edit token or the
    author's own token.
    """
    render = partial(appeals.get_decision, actor=actor)
    return await write(
        request, actor, appeals.appeal_decision, comment, body, render=render, model=DecisionOut, status=201
    )


@appeals_router.post(
    "/appeal/decline",
    summary="Decline an appeal",
    response_model=DecisionOut,
    responses=document_problems(appeals.NoAppeal, appeals.SameModerator),
)
async def decline_appeal(request: Request, comment: IdPath, actor: Moderator, body: ReasonIn | None = None) -> Response:
    """Decline the open appeal; the author can read the reason. Approving or restoring the comment grants it."""
    return await write(
        request,
        actor,
        appeals.decline_appeal,
        comment,
        body,
        render=partial(appeals.get_decision, actor=actor),
        model=DecisionOut,
    )


decisions_router = Router(prefix="/v1", tags=["moderation"])
Force = Annotated[bool, Query(description="Decide even if another moderator has claimed the comment.")]
OptionalReason = ReasonIn | None
DECISION_RESPONSES = document_problems(decisions.WrongCommentState, Leased, ParentNotPublished, appeals.SameModerator)


def _make_decision(action: Action) -> Callable[..., Awaitable[Response]]:
    async def decide(
        request: Request, comment: IdPath, actor: Moderator, body: OptionalReason = None, force: Force = False
    ) -> Response:
        args = (comment, action, body, force)
        return await write(request, actor, decisions.decide_comment, *args, render=get_comment, model=JudgedCommentOut)

    return decide


# operation id, summary and description of each action
_DECISIONS: dict[Action, tuple[str, str, str]] = {
    "approve": (
        "approveComment",
        "Approve a comment",
        "Publish a comment. Open reports are dismissed, and further reports do not hide this text again.",
    ),
    "reject": ("rejectComment", "Reject a comment", "Reject a comment. Its author can read the reason and appeal."),
    "spam": ("markCommentAsSpam", "Mark a comment as spam", "Reject a comment, and train the spam filter with it."),
    "remove": (
        "removeComment",
        "Remove a comment as a moderator",
        "Remove a comment; its replies stay, under a tombstone.",
    ),
    "restore": ("restoreComment", "Restore a comment", "Publish a comment that moderators removed or rejected."),
}
for action, (operation_id, summary, description) in _DECISIONS.items():
    decisions_router.add_api_route(
        f"/comments/{{comment}}/{action}",
        _make_decision(action),
        methods=["POST"],
        operation_id=operation_id,
        summary=summary,
        description=description,
        response_model=JudgedCommentOut,
        responses=DECISION_RESPONSES,
    )


def _show_results(_connection: sa.Connection, results: list[DecisionResult]) -> JsonObject:
    return {"data": results}


@decisions_router.post("/moderation/decisions", summary="Decide many comments", response_model=DecisionBulkOut)
async def decide_comments(request: Request, body: DecisionBulkIn, actor: Moderator) -> Response:
    """Apply one action to up to 100 comments; each has its own result."""
    return await write(request, actor, decisions.decide_comments, body, render=_show_results, model=DecisionBulkOut)


@decisions_router.put(
    "/comments/{comment}/featured",
    summary="Feature a comment",
    response_model=JudgedCommentOut,
    responses=document_problems(decisions.WrongCommentState),
)
async def feature_comment(request: Request, comment: IdPath, body: FeaturedIn, actor: Moderator) -> Response:
    """Feature a published comment, or stop featuring it."""
    return await write(
        request, actor, decisions.feature_comment, comment, body.value, render=get_comment, model=JudgedCommentOut
    )


log_router = Router(prefix="/v1/moderation/log", tags=["moderation"])


@log_router.get("", summary="List the moderation log", response_model=ListOut[LogOut])
async def list_moderation_log(request: Request, query: Annotated[LogQuery, Query()], actor: Moderator) -> Response:
    """List decisions on comments, with who made them and why, newest first."""
    page = await database(request).scan(log.list_entries, actor, query)
    return reply_private_list(request, ListOut[LogOut], page, query)


queue_router = Router(prefix="/v1/moderation/queue", tags=["moderation"])


@queue_router.get("", summary="List the moderation queue", response_model=ListOut[QueueItemOut])
async def list_moderation_queue(request: Request, query: Annotated[QueueQuery, Query()], actor: Moderator) -> Response:
    """List comments that wait for a moderator: held, reported or appealed, with everything needed to decide.

    The items contain private e-mail addresses and are for moderators only.
    """
    page = await database(request).scan(queue.list_queue, actor, query)
    return reply_private_list(request, ListOut[QueueItemOut], page, query)


@queue_router.get("/counts", summary="Count the moderation queue", response_model=QueueCountsOut)
async def get_moderation_counts(
    request: Request, query: Annotated[QueueCountsQuery, Query()], actor: Moderator
) -> Response:
    """Count the comments in each state, the reasons why they wait, and the open reports."""
    counts = await database(request).scan(queue_counts.count_queue, actor, query.section)
    return reply_private(request, QueueCountsOut, counts, query)


@queue_router.post("/claim", summary="Claim comments to moderate", response_model=ClaimedOut)
async def claim_comments(request: Request, body: ClaimIn, actor: Moderator) -> Response:
    """Claim comments that no other moderator has claimed. For some minutes nobody else can claim them."""
    return await write(request, actor, queue.claim_comments, body, render=queue.present_claim, model=ClaimedOut)


@queue_router.delete(
    "/{comment}/lease", summary="Release a claimed comment", status_code=204, responses=document_problems(queue.Leased)
)
async def release_comment(request: Request, comment: IdPath, actor: Moderator) -> Response:
    """Release a comment that was claimed."""
    return await write(request, actor, queue.release_comment, comment, status=204)


redaction_router = Router(prefix="/v1/comments/{comment}", tags=["moderation"])
REDACTION: RouteOptions = {"response_model": JudgedCommentOut, "responses": document_problems(WrongCommentState)}


@redaction_router.post("/redact", summary="Redact passages of a comment", **REDACTION)
async def redact_comment(request: Request, comment: IdPath, body: RedactIn, actor: Moderator) -> Response:
    """Replace passages of a comment by `[…]`, and set `redacted_at`.

    The former text stays on record for moderators. The author sees the redaction and the reason in `GET
    /v1/comments/{comment}/decision`; an edit by the author then waits for a moderator.
    """
    return await write(
        request, actor, redaction.redact_comment, comment, body, render=get_comment, model=JudgedCommentOut
    )


@redaction_router.delete("/redaction", summary="Undo the redaction of a comment", **REDACTION)
async def undo_redaction(request: Request, comment: IdPath, actor: Moderator) -> Response:
    """Restore the author's text."""
    return await write(request, actor, redaction.undo_redaction, comment, render=get_comment, model=JudgedCommentOut)


@redaction_router.get(
    "/revisions", summary="List former texts of a comment", response_model=ListOut[CommentRevisionOut]
)
async def list_comment_revisions(
    request: Request, comment: IdPath, query: Annotated[CommentRevisionQuery, Query()], actor: Moderator
) -> Response:
    """List the former texts of a comment, newest first. They are erased together with the comment's author."""
    page = await database(request).read(redaction.list_revisions, actor, comment, query)
    return reply_private_list(request, ListOut[CommentRevisionOut], page, query)


reports_router = Router(prefix="/v1", tags=["moderation"])
REPORT_RECEIPT: RouteOptions = {
    "status_code": 202,
    "response_model": ReceivedOut,
    "responses": document_problems(Banned),
}
REPORT_DECISION: RouteOptions = {"response_model": ReportOut, "responses": document_problems(reports.ReportDecided)}


def _show_received(_connection: sa.Connection, _result: None) -> JsonObject:
    return {"received": True}


async def _receive_report(request: Request, actor: Actor, report: Callable[[Session, Actor], None]) -> Response:
    """Save a report. The response is the same for all reports."""
    vault = IdentityServices.of(request).vault

    def receive(session: Session, caller: Actor) -> None:
        reports.register_reader(session, caller, vault)
        report(session, caller)

    return await write(request, actor, receive, render=_show_received, model=ReceivedOut, status=202)


@reports_router.post("/comments/{comment}/reports", summary="Report a comment", **REPORT_RECEIPT)
async def report_comment(request: Request, comment: IdPath, body: ReportIn, actor: Public) -> Response:
    """Report a comment to the moderators. Anyone can report; each reporter counts once, and the response is always
    the same.
    """
    addresses, threshold = hash_address(request), settings(request).report_threshold

    def report(session: Session, caller: Actor) -> None:
        reports.report_comment(session, caller, comment, body, addresses, threshold)

    return await _receive_report(request, actor, report)


@reports_router.post("/articles/{article}/reports", summary="Report an article", **REPORT_RECEIPT)
async def report_article(request: Request, article: RefPath, body: ReportIn, actor: Public) -> Response:
    """Report an article to the editors. Anyone can report; each reporter counts once."""
    addresses = hash_address(request)

    def report(session: Session, caller: Actor) -> None:
        reports.report_article(session, caller, article, body, addresses)

    return await _receive_report(request, actor, report)


@reports_router.get("/moderation/reports", summary="List reports", response_model=ListOut[ReportOut])
async def list_reports(request: Request, query: Annotated[ReportQuery, Query()], actor: Moderator) -> Response:
    """List reports on comments and articles, newest first. They contain private e-mail addresses."""
    page = await database(request).scan(reports.list_reports, actor, query)
    return reply_private_list(request, ListOut[ReportOut], page, query)


@reports_router.post("/moderation/reports/{report}/dismiss", summary="Dismiss a report", **REPORT_DECISION)
async def dismiss_report(request: Request, report: IdPath, actor: Moderator) -> Response:
    """Dismiss a report as unfounded: later reports of its reporter weigh less. The comment does not change."""
    return await write(
        request, actor, reports.decide_report, report, "dismissed", render=reports.get_report, model=ReportOut
    )


@reports_router.post("/moderation/reports/{report}/uphold", summary="Uphold a report", **REPORT_DECISION)
async def uphold_report(request: Request, report: IdPath, actor: Moderator) -> Response:
    """Uphold a report. The comment does not change; decide on it separately."""
    return await write(
        request, actor, reports.decide_report, report, "upheld", render=reports.get_report, model=ReportOut
    )
