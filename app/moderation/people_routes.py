"""People who comment, and canned reasons, over HTTP; for moderators."""

import re
from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import AfterValidator
from starlette.responses import Response

from app.core.clock import TimeOrDay
from app.core.ids import IdPath
from app.core.problems import NotFound, document_problems
from app.identity.access import ExpectedVersions, Moderator
from app.identity.writes import write
from app.moderation import canned, people, person_actions, transparency
from app.moderation.bans import AlreadyBanned
from app.moderation.people_schemas import (
    ActionIn,
    CannedIn,
    CannedOut,
    CommenterOut,
    NoteIn,
    NoteOut,
    PersonActionOut,
    PersonCommentQuery,
    PersonReportQuery,
    TransparencyOut,
)
from app.moderation.schemas import JudgedCommentOut, ReportOut
from app.web.fields import dump_json
from app.web.paging import ListOut
from app.web.responses import database, reply, reply_private, reply_private_list, settings
from app.web.routing import PageParameters, ReadParameters, Router

_PUBLIC_ID = re.compile(r"[0-9a-f]{32}")


def _require_public_id(text: str) -> str:
    if not _PUBLIC_ID.fullmatch(text):
        raise NotFound  # the same answer as for an unknown id
    return text


PersonPath = Annotated[str, AfterValidator(_require_public_id)]
"""The public id of a person, `author.id` of comments, in a path; 404 for any other text."""
people_router = Router(prefix="/v1/moderation/people/{participant}", tags=["moderation"])


@people_router.get("", summary="Get a person who comments", response_model=CommenterOut)
async def get_commenter(request: Request, participant: PersonPath, query: ReadParameters, actor: Moderator) -> Response:
    """Get somebody by the `author.id` of their comments: what they wrote, reports, bans. Never an e-mail address.

    Moderators of some sections find people who wrote or reported there, with what belongs there.
    """
    row = await database(request).scan(people.get_person, actor, participant)
    return reply_private(request, CommenterOut, row, query)


@people_router.get("/comments", summary="List a person's comments", response_model=ListOut[JudgedCommentOut])
async def list_person_comments(
    request: Request, participant: PersonPath, query: Annotated[PersonCommentQuery, Query()], actor: Moderator
) -> Response:
    """List the comments of a person in every state, newest first."""
    page = await database(request).scan(people.list_comments, actor, participant, query)
    return reply_private_list(request, ListOut[JudgedCommentOut], page, query)


@people_router.get("/reports", summary="List a person's reports", response_model=ListOut[ReportOut])
async def list_person_reports(
    request: Request, participant: PersonPath, query: Annotated[PersonReportQuery, Query()], actor: Moderator
) -> Response:
    """List the reports on a person's comments, or those that the person sent, newest first."""
    page = await database(request).scan(people.list_reports, actor, participant, query)
    return reply_private_list(request, ListOut[ReportOut], page, query)


@people_router.get("/notes", summary="List the notes on a person", response_model=ListOut[NoteOut])
async def list_person_notes(
    request: Request, participant: PersonPath, query: PageParameters, actor: Moderator
) -> Response:
    """List moderators' notes on a person, newest first. Moderators of some sections read their own."""
    page = await database(request).scan(people.list_notes, actor, participant, query)
    return reply_private_list(request, ListOut[NoteOut], page, query)


@people_router.post("/notes", summary="Write a note on a person", status_code=201, response_model=NoteOut)
async def create_person_note(request: Request, participant: PersonPath, body: NoteIn, actor: Moderator) -> Response:
    """Write a note for moderators."""
    return await write(
        request, actor, people.create_note, participant, body, render=people.get_note, model=NoteOut, status=201
    )


@people_router.delete("/notes/{note}", summary="Delete a note on a person", status_code=204)
async def delete_person_note(request: Request, participant: PersonPath, note: IdPath, actor: Moderator) -> Response:
    """Delete a note."""
    return await write(request, actor, people.delete_note, participant, note, status=204)


@people_router.get("/actions", summary="List the actions on a person", response_model=ListOut[PersonActionOut])
async def list_person_actions(
    request: Request, participant: PersonPath, query: PageParameters, actor: Moderator
) -> Response:
    """List what was done about a person, newest first. Moderators of some sections see their own actions."""
    page = await database(request).scan(person_actions.list_actions, actor, participant, query)
    return reply_private_list(request, ListOut[PersonActionOut], page, query)


@people_router.post(
    "/actions",
    summary="Act on a person",
    status_code=202,
    response_model=PersonActionOut,
    responses=document_problems(AlreadyBanned),
)
async def create_person_action(request: Request, participant: PersonPath, body: ActionIn, actor: Moderator) -> Response:
    """Ban a person, or remove all of their comments, or both. The ban holds at once.

    The worker removes pending and published comments in short transactions; read the action to follow it. Bans need
    `comments:moderate` everywhere; without it, comments are removed in the caller's sections.
    """
    return await write(
        request,
        actor,
        person_actions.create_action,
        participant,
        body,
        render=person_actions.get_action,
        model=PersonActionOut,
        status=202,
    )


@people_router.get("/actions/{action}", summary="Get an action on a person", response_model=PersonActionOut)
async def get_person_action(
    request: Request, participant: PersonPath, action: IdPath, query: ReadParameters, actor: Moderator
) -> Response:
    """Get an action, with the number of comments that it has removed so far."""
    row = await database(request).scan(person_actions.find_action, actor, participant, action)
    return reply_private(request, PersonActionOut, row, query)


@people_router.post(
    "/actions/{action}/undo",
    summary="Undo an action on a person",
    status_code=202,
    response_model=PersonActionOut,
    responses=document_problems(person_actions.AlreadyUndone),
)
async def undo_person_action(request: Request, participant: PersonPath, action: IdPath, actor: Moderator) -> Response:
    """Lift the ban of an action, and restore the comments that it removed, except for those decided since."""
    return await write(
        request,
        actor,
        person_actions.undo_action,
        participant,
        action,
        render=person_actions.get_action,
        model=PersonActionOut,
        status=202,
    )


reasons_router = Router(prefix="/v1/moderation/reasons", tags=["moderation"])
_REASON_EXISTS = document_problems(canned.ReasonExists)


@reasons_router.get("", summary="List canned reasons", response_model=ListOut[CannedOut])
async def list_canned_reasons(request: Request, query: PageParameters, actor: Moderator) -> Response:
    """List the reasons that decisions may name, newest first."""
    page = await database(request).scan(canned.list_reasons, query)
    return reply_private_list(request, ListOut[CannedOut], page, query)


@reasons_router.get("/{reason}", summary="Get a canned reason", response_model=CannedOut)
async def get_canned_reason(request: Request, reason: IdPath, query: ReadParameters, actor: Moderator) -> Response:
    """Get a canned reason."""
    row = await database(request).read(canned.find_reason, reason)
    return reply_private(request, CannedOut, row, query, versioned=True)


@reasons_router.post(
    "", summary="Create a canned reason", status_code=201, response_model=CannedOut, responses=_REASON_EXISTS
)
async def create_canned_reason(request: Request, body: CannedIn, actor: Moderator) -> Response:
    """Create a reason for many decisions, with its text in several languages."""
    return await write(
        request,
        actor,
        canned.create_reason,
        body,
        render=canned.get_reason,
        model=CannedOut,
        status=201,
        location="/v1/moderation/reasons/{id}",
    )


@reasons_router.put("/{reason}", summary="Replace a canned reason", response_model=CannedOut, responses=_REASON_EXISTS)
async def update_canned_reason(
    request: Request, reason: IdPath, body: CannedIn, versions: ExpectedVersions, actor: Moderator
) -> Response:
    """Replace a canned reason. Decisions that named it keep the text they were given."""
    return await write(
        request, actor, canned.replace_reason, reason, body, versions, render=canned.get_reason, model=CannedOut
    )


@reasons_router.delete("/{reason}", summary="Delete a canned reason", status_code=204)
async def delete_canned_reason(
    request: Request, reason: IdPath, versions: ExpectedVersions, actor: Moderator
) -> Response:
    """Delete a canned reason."""
    return await write(request, actor, canned.delete_reason, reason, versions, status=204)


transparency_router = Router(prefix="/v1/moderation/transparency", tags=["moderation"])


@transparency_router.get("", summary="Get a transparency report", response_model=TransparencyOut)
async def get_transparency_report(
    request: Request,
    since: Annotated[TimeOrDay, Query(alias="from", description="Beginning: a time (RFC 3339) or a day.")],
    until: Annotated[TimeOrDay, Query(description="End, which is not in the period; at most 400 days later.")],
    actor: Moderator,
    format: Annotated[Literal["json", "csv"], Query(description="`csv`: a line for each number (RFC 4180).")] = "json",
) -> Response:
    """Get what was reported, decided and appealed in a period, as Regulation (EU) 2022/2065 (DSA) asks for.

    It needs `comments:moderate` everywhere, and names nobody. Days are those of `TIME_ZONE`.
    """
    period = transparency.read_period(since, until, settings(request).time_zone)
    report = await database(request).scan(transparency.make_report, actor, period)
    if format == "csv":
        body, media_type = transparency.write_csv(report), "text/csv; charset=utf-8"
        return reply(request, body, groups=(), private=True, media_type=media_type)
    return reply(request, dump_json(TransparencyOut, report), groups=(), private=True)
