"""Appeals over HTTP, and what authors are told of decisions."""

from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.comments.lifecycle import ParentNotPublished
from app.comments.schemas import Banned
from app.core.ids import IdPath, RefPath
from app.core.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.identity.access import VERSIONED, Own, Public, Versions, requires
from app.identity.schemas import Actor
from app.identity.writes import write
from app.moderation import appeals, bans, decisions, log, phrases, queue, redaction, reports
from app.moderation.comment_access import judged
from app.moderation.decisions import WrongCommentState
from app.moderation.queue import Leased
from app.moderation.rule_schemas import (
    BanIn,
    BanOut,
    BanQuery,
    PhraseIn,
    PhraseOut,
    PhrasePatch,
    PhraseQuery,
    PhrasesIn,
    PhrasesOut,
    is_network_address,
)
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
    QueueItemOut,
    QueueQuery,
    ReasonIn,
    ReceivedOut,
    RedactIn,
    ReportIn,
    ReportOut,
    ReportQuery,
)
from app.web.fields import chosen
from app.web.paging import ListOut
from app.web.responses import ReadQuery, database, dump, reply, reply_list, settings

appeals_router = APIRouter(prefix="/v1/comments/{comment}", tags=["moderation"])
Moderator = Annotated[Actor, requires("comments:moderate")]


def _told(connection: sa.Connection, comment_id: str, *, actor: Actor) -> dict[str, Any]:
    return appeals.told(connection, actor, comment_id)


@appeals_router.get(
    "/decision",
    operation_id="getDecision",
    summary="Get the decision on a comment",
    response_model=DecisionOut,
    responses=documented(NotFound),
)
async def get_decision(request: Request, comment: IdPath, query: Annotated[ReadQuery, Query()], actor: Own) -> Response:
    """What became of a comment and why, for its author: with its edit token, or the author's own."""
    fields = chosen(DecisionOut, query.fields)
    found = await database(request).read(appeals.told, actor, comment)
    return reply(request, dump(DecisionOut, found, fields), groups=(), private=True)


@appeals_router.post(
    "/appeal",
    operation_id="appealDecision",
    summary="Appeal a moderation decision",
    status_code=201,
    response_model=DecisionOut,
    responses=documented(NotFound, Invalid, appeals.NotAppealable, appeals.AlreadyAppealed),
)
async def appeal_decision(request: Request, comment: IdPath, body: AppealIn, actor: Public) -> Response:
    """Ask moderators to look at a decision again, once; with the comment's edit token, or the author's own."""
    show = partial(_told, actor=actor)
    return await write(request, actor, appeals.appeal, comment, body, show=show, model=DecisionOut, status=201)


@appeals_router.post(
    "/appeal/decline",
    operation_id="declineAppeal",
    summary="Decline an appeal",
    response_model=DecisionOut,
    responses=documented(Unauthorized, Forbidden, NotFound, Invalid, appeals.NoAppeal),
)
async def decline_appeal(request: Request, comment: IdPath, actor: Moderator, body: ReasonIn | None = None) -> Response:
    """Leave the decision as it is; the author reads the reason. Approving or restoring grants an appeal."""
    return await write(
        request,
        actor,
        appeals.decline,
        comment,
        body.reason if body else None,
        show=partial(_told, actor=actor),
        model=DecisionOut,
    )


bans_router = APIRouter(prefix="/v1/bans", tags=["moderation"])
IMPOSES = documented(Unauthorized, Forbidden, Invalid, bans.AlreadyBanned)


@bans_router.get(
    "",
    operation_id="listBans",
    summary="List bans",
    response_model=ListOut[BanOut],
    responses=documented(Unauthorized, Forbidden),
)
async def list_bans(request: Request, query: Annotated[BanQuery, Query()], actor: Moderator) -> Response:
    """All bans, newest first; those that have ended stay in the list until they are lifted."""
    page = await database(request).scan(bans.page, query)
    return reply_list(request, ListOut[BanOut], page, chosen(BanOut, query.fields), groups=(), private=True)


@bans_router.get(
    "/{ban}",
    operation_id="getBan",
    summary="Get a ban",
    response_model=BanOut,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def get_ban(request: Request, ban: IdPath, query: Annotated[ReadQuery, Query()], actor: Moderator) -> Response:
    """One ban, also one that has ended."""
    row = await database(request).read(bans.find_ban, ban)
    if row is None:
        raise NotFound
    return reply(request, dump(BanOut, row, chosen(BanOut, query.fields)), groups=(), private=True)


@bans_router.post(
    "", operation_id="createBan", summary="Ban a commenter", status_code=201, response_model=BanOut, responses=IMPOSES
)
async def create_ban(request: Request, body: BanIn, actor: Moderator) -> Response:
    """Exclude somebody from commenting, voting and reporting, by what stands behind a comment or by an address.

    Network addresses are known under salts that change every 30 days, so that such a ban ends after 60 at the latest.
    """
    address = None
    if body.kind == "address" and body.value is not None and is_network_address(body.value):
        address, _ = request.app.state.vault.address_hashes(str(ip_address(body.value)))
    return await write(
        request,
        actor,
        bans.create,
        body,
        address,
        show=bans.shown,
        model=BanOut,
        status=201,
        location="/v1/bans/{id}",
    )


@bans_router.delete(
    "/{ban}",
    operation_id="liftBan",
    summary="Lift a ban",
    status_code=204,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def lift_ban(request: Request, ban: IdPath, actor: Moderator) -> Response:
    """Lift a ban."""
    return await write(request, actor, bans.lift, ban, status=204)


decisions_router = APIRouter(prefix="/v1", tags=["moderation"])
Force = Annotated[bool, Query(description="Decide also about what another moderator is working on.")]
Why = ReasonIn | None
_REFUSED = (Unauthorized, Forbidden, NotFound, Invalid, decisions.WrongCommentState)
DECISION_RESPONSES = documented(*_REFUSED, Leased, ParentNotPublished)


async def _decide(
    request: Request, actor: Actor, comment: str, action: Action, body: ReasonIn | None, force: bool
) -> Response:
    args = (comment, action, body.reason if body else None, force)
    return await write(request, actor, decisions.decide, *args, show=judged, model=JudgedCommentOut)


@decisions_router.post(
    "/comments/{comment}/approve",
    operation_id="approveComment",
    summary="Approve a comment",
    response_model=JudgedCommentOut,
    responses=DECISION_RESPONSES,
)
async def approve_comment(
    request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False
) -> Response:
    """Publish a comment. Open reports are dismissed, and no report hides this very text again."""
    return await _decide(request, actor, comment, "approve", body, force)


@decisions_router.post(
    "/comments/{comment}/reject",
    operation_id="rejectComment",
    summary="Reject a comment",
    response_model=JudgedCommentOut,
    responses=DECISION_RESPONSES,
)
async def reject_comment(
    request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False
) -> Response:
    """Refuse a comment; its author may read the reason and appeal."""
    return await _decide(request, actor, comment, "reject", body, force)


@decisions_router.post(
    "/comments/{comment}/spam",
    operation_id="markCommentAsSpam",
    summary="Mark a comment as spam",
    response_model=JudgedCommentOut,
    responses=DECISION_RESPONSES,
)
async def mark_comment_as_spam(
    request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False
) -> Response:
    """Refuse a comment as spam; later ones are measured by it."""
    return await _decide(request, actor, comment, "spam", body, force)


@decisions_router.post(
    "/comments/{comment}/remove",
    operation_id="removeComment",
    summary="Remove a comment as a moderator",
    response_model=JudgedCommentOut,
    responses=DECISION_RESPONSES,
)
async def remove_comment(
    request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False
) -> Response:
    """Take a comment away; where it has replies, they stay under a tombstone."""
    return await _decide(request, actor, comment, "remove", body, force)


@decisions_router.post(
    "/comments/{comment}/restore",
    operation_id="restoreComment",
    summary="Restore a comment",
    response_model=JudgedCommentOut,
    responses=DECISION_RESPONSES,
)
async def restore_comment(
    request: Request, comment: IdPath, actor: Moderator, body: Why = None, force: Force = False
) -> Response:
    """Publish a comment again that moderators removed or refused."""
    return await _decide(request, actor, comment, "restore", body, force)


def _results(_connection: sa.Connection, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data": results}


@decisions_router.post(
    "/moderation/decisions",
    operation_id="decideComments",
    summary="Decide many comments",
    response_model=DecisionBulkOut,
    responses=documented(Unauthorized, Forbidden, NotFound, Invalid),
)
async def decide_comments(request: Request, body: DecisionBulkIn, actor: Moderator) -> Response:
    """One decision about up to 100 comments; each has a result of its own."""
    return await write(request, actor, decisions.decide_all, body, show=_results, model=DecisionBulkOut)


@decisions_router.put(
    "/comments/{comment}/featured",
    operation_id="featureComment",
    summary="Feature a comment",
    response_model=JudgedCommentOut,
    responses=documented(*_REFUSED),
)
async def feature_comment(request: Request, comment: IdPath, body: FeaturedIn, actor: Moderator) -> Response:
    """Let a published comment stand out, or no longer."""
    return await write(request, actor, decisions.feature, comment, body.value, show=judged, model=JudgedCommentOut)


log_router = APIRouter(prefix="/v1/moderation/log", tags=["moderation"])


@log_router.get(
    "",
    operation_id="listModerationLog",
    summary="List the moderation log",
    response_model=ListOut[LogOut],
    responses=documented(Unauthorized, Forbidden),
)
async def list_moderation_log(
    request: Request, query: Annotated[LogQuery, Query()], actor: Annotated[Actor, requires("comments:moderate")]
) -> Response:
    """What was decided about comments, by whom and why, newest first."""
    fields = chosen(LogOut, query.fields)
    page = await database(request).scan(log.page, actor, query)
    return reply_list(request, ListOut[LogOut], page, fields, groups=(), private=True)


phrases_router = APIRouter(prefix="/v1/moderation/phrases", tags=["moderation"])
LISTS = documented(Unauthorized, Forbidden)
DELETES = documented(*VERSIONED)


@phrases_router.get(
    "", operation_id="listPhrases", summary="List watched phrases", response_model=ListOut[PhraseOut], responses=LISTS
)
async def list_phrases(request: Request, query: Annotated[PhraseQuery, Query()], actor: Moderator) -> Response:
    """The phrases that are watched for, newest first."""
    page = await database(request).scan(phrases.page, query)
    return reply_list(request, ListOut[PhraseOut], page, chosen(PhraseOut, query.fields), groups=(), private=True)


@phrases_router.get(
    "/{phrase}",
    operation_id="getPhrase",
    summary="Get a watched phrase",
    response_model=PhraseOut,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def get_phrase(
    request: Request, phrase: IdPath, query: Annotated[ReadQuery, Query()], actor: Moderator
) -> Response:
    """One phrase."""
    row = await database(request).read(phrases.by_id, phrase)
    if row is None:
        raise NotFound
    body = dump(PhraseOut, row, chosen(PhraseOut, query.fields))
    return reply(request, body, version=row["version"], groups=(), private=True)


@phrases_router.post(
    "",
    operation_id="createPhrase",
    summary="Watch for a phrase",
    status_code=201,
    response_model=PhraseOut,
    responses=documented(Unauthorized, Forbidden, Invalid, phrases.TooManyPhrases),
)
async def create_phrase(request: Request, body: PhraseIn, actor: Moderator) -> Response:
    """Watch for a phrase in comments, names of authors and links; what stands already is not judged again."""
    location = "/v1/moderation/phrases/{id}"
    return await write(
        request, actor, phrases.create, body, show=phrases.shown, model=PhraseOut, status=201, location=location
    )


@phrases_router.post(
    "/bulk",
    operation_id="createPhrases",
    summary="Watch for many phrases",
    response_model=PhrasesOut,
    responses=documented(Unauthorized, Forbidden, Invalid, phrases.TooManyPhrases),
)
async def create_phrases(request: Request, body: PhrasesIn, actor: Moderator) -> Response:
    """Watch for up to 500 phrases, all of them or none; answers those that are new.

    What is watched for already, by the same text and `match`, stays as it is.
    """
    return await write(request, actor, phrases.create_many, body, show=phrases.list_made, model=PhrasesOut)


@phrases_router.patch(
    "/{phrase}",
    operation_id="updatePhrase",
    summary="Change a watched phrase",
    response_model=PhraseOut,
    responses=DELETES | documented(Invalid),
)
async def update_phrase(
    request: Request, phrase: IdPath, body: PhrasePatch, versions: Versions, actor: Moderator
) -> Response:
    """Change a phrase by RFC 7396 merge patch."""
    return await write(request, actor, phrases.change, phrase, body, versions, show=phrases.shown, model=PhraseOut)


@phrases_router.delete(
    "/{phrase}", operation_id="deletePhrase", summary="Delete a watched phrase", status_code=204, responses=DELETES
)
async def delete_phrase(request: Request, phrase: IdPath, versions: Versions, actor: Moderator) -> Response:
    """Watch for a phrase no longer."""
    return await write(request, actor, phrases.delete, phrase, versions, status=204)


queue_router = APIRouter(prefix="/v1/moderation/queue", tags=["moderation"])


@queue_router.get(
    "",
    operation_id="listModerationQueue",
    summary="List the moderation queue",
    response_model=ListOut[QueueItemOut],
    responses=documented(Unauthorized, Forbidden),
)
async def list_moderation_queue(request: Request, query: Annotated[QueueQuery, Query()], actor: Moderator) -> Response:
    """Comments that wait for a moderator: held back, reported or appealed, with what is needed to decide.

    Private e-mail addresses are in it: it is for moderators' eyes.
    """
    fields = chosen(QueueItemOut, query.fields)
    page = await database(request).scan(queue.page, actor, query)
    return reply_list(request, ListOut[QueueItemOut], page, fields, groups=(), private=True)


@queue_router.post(
    "/claim",
    operation_id="claimComments",
    summary="Claim comments to moderate",
    response_model=ClaimedOut,
    responses=documented(Unauthorized, Forbidden, Invalid),
)
async def claim_comments(request: Request, body: ClaimIn, actor: Moderator) -> Response:
    """Take comments that nobody else works on; for some minutes no other moderator is given them."""
    return await write(request, actor, queue.claim, body, show=queue.claimed, model=ClaimedOut)


@queue_router.delete(
    "/{comment}/lease",
    operation_id="releaseComment",
    summary="Release a claimed comment",
    status_code=204,
    responses=documented(Unauthorized, Forbidden, NotFound, queue.Leased),
)
async def release_comment(request: Request, comment: IdPath, actor: Moderator) -> Response:
    """Give a comment back that was taken."""
    return await write(request, actor, queue.release, comment, status=204)


redaction_router = APIRouter(prefix="/v1/comments/{comment}", tags=["moderation"])
CHANGES = documented(Unauthorized, Forbidden, NotFound, Invalid, WrongCommentState)


@redaction_router.post(
    "/redact",
    operation_id="redactComment",
    summary="Redact passages of a comment",
    response_model=JudgedCommentOut,
    responses=CHANGES,
)
async def redact_comment(request: Request, comment: IdPath, body: RedactIn, actor: Moderator) -> Response:
    """Take passages out of a comment: readers see `[…]` in their place, and `redacted_at`.

    The former text stays on record for moderators. The author reads what was done, and the reason, in
    `GET /v1/comments/{comment}/decision`; what they write instead waits for a moderator.
    """
    return await write(request, actor, redaction.redact_comment, comment, body, show=judged, model=JudgedCommentOut)


@redaction_router.delete(
    "/redaction",
    operation_id="undoRedaction",
    summary="Undo the redaction of a comment",
    response_model=JudgedCommentOut,
    responses=CHANGES,
)
async def undo_redaction(request: Request, comment: IdPath, actor: Moderator) -> Response:
    """Put the author's own words back."""
    return await write(request, actor, redaction.undo_redaction, comment, show=judged, model=JudgedCommentOut)


@redaction_router.get(
    "/revisions",
    operation_id="listCommentRevisions",
    summary="List former texts of a comment",
    response_model=ListOut[CommentRevisionOut],
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def list_comment_revisions(
    request: Request, comment: IdPath, query: Annotated[CommentRevisionQuery, Query()], actor: Moderator
) -> Response:
    """The texts that a comment had before each change, newest first. They are erased with the comment's author."""
    page = await database(request).read(redaction.list_revisions, actor, comment, query)
    return reply_list(
        request, ListOut[CommentRevisionOut], page, chosen(CommentRevisionOut, query.fields), groups=(), private=True
    )


reports_router = APIRouter(prefix="/v1", tags=["moderation"])
TAKES = documented(NotFound, Invalid, Banned)
REPORT_DECISION_RESPONSES = documented(Unauthorized, Forbidden, NotFound, reports.ReportDecided)


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
        reports.introduce(session, caller, vault)
        report(session, caller, *args)

    return await write(request, actor, tell, show=_received, model=ReceivedOut, status=202)


@reports_router.post(
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
    return await _take(request, actor, reports.report_comment, *args)


@reports_router.post(
    "/articles/{article}/reports",
    operation_id="reportArticle",
    summary="Report an article",
    status_code=202,
    response_model=ReceivedOut,
    responses=TAKES,
)
async def report_article(request: Request, article: RefPath, body: ReportIn, actor: Public) -> Response:
    """Tell the editors that something is wrong with an article. Anyone may; each counts once."""
    return await _take(request, actor, reports.report_article, article, body, _addresses(request))


@reports_router.get(
    "/moderation/reports",
    operation_id="listReports",
    summary="List reports",
    response_model=ListOut[ReportOut],
    responses=documented(Unauthorized, Forbidden),
)
async def list_reports(request: Request, query: Annotated[ReportQuery, Query()], actor: Moderator) -> Response:
    """Reports on comments and articles, newest first. Private e-mail addresses are in it."""
    fields = chosen(ReportOut, query.fields)
    page = await database(request).scan(reports.page, actor, query)
    return reply_list(request, ListOut[ReportOut], page, fields, groups=(), private=True)


@reports_router.post(
    "/moderation/reports/{report}/dismiss",
    operation_id="dismissReport",
    summary="Dismiss a report",
    response_model=ReportOut,
    responses=REPORT_DECISION_RESPONSES,
)
async def dismiss_report(request: Request, report: IdPath, actor: Moderator) -> Response:
    """Find a report unfounded: its reporter weighs less from now on. The comment stays as it is."""
    return await write(request, actor, reports.decide, report, "dismissed", show=reports.shown, model=ReportOut)


@reports_router.post(
    "/moderation/reports/{report}/uphold",
    operation_id="upholdReport",
    summary="Uphold a report",
    response_model=ReportOut,
    responses=REPORT_DECISION_RESPONSES,
)
async def uphold_report(request: Request, report: IdPath, actor: Moderator) -> Response:
    """Find a report founded. The comment stays as it is: that is another decision."""
    return await write(request, actor, reports.decide, report, "upheld", show=reports.shown, model=ReportOut)
