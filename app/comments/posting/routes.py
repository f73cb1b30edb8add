"""Posting over HTTP."""

import hashlib
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.anchors.actions import QuoteNotFound, StaleRevision, TooManyAnchors
from app.comments.actions import ParentNotPublished
from app.comments.body import Body
from app.comments.posting import actions
from app.comments.posting.actions import (
    DiscussionClosed,
    IdReused,
    IdTaken,
    NameReserved,
    Posted,
    Poster,
    check_may_write,
)
from app.comments.posting.schemas import (
    Banned,
    CommentIn,
    Draft,
    DuplicateComment,
    PostedOut,
    PostQuery,
    TrialOut,
    Verdict,
)
from app.comments.queries import by_id, present_to_author
from app.identity.routes import Done, Public, write_private
from app.identity.schemas import Actor
from app.kit.http import PRIVATE, database, dump, settings
from app.kit.ids import RefPath
from app.kit.problems import Forbidden, Invalid, NotFound, TooManyRequests, Unauthorized, documented
from app.kit.schema import Row

router = APIRouter(prefix="/v1", tags=["comments"])
SECRET_KEY_LENGTH = 16  # of an idempotency key that nobody guesses
PROBLEMS = (
    Unauthorized,
    Forbidden,
    Banned,
    NotFound,
    DiscussionClosed,
    DuplicateComment,
    ParentNotPublished,
    IdTaken,
    IdReused,
    NameReserved,
    Invalid,
    QuoteNotFound,
    StaleRevision,
    TooManyAnchors,
    TooManyRequests,
)


async def poster_of(request: Request, actor: Actor) -> tuple[Poster, bool]:
    """Who is posting, and whether a stranger's token can be shown again to who repeats the request."""
    state = request.app.state
    token, again = None, False
    if actor.kind == "anonymous":
        key = request.headers.get("idempotency-key", "")
        again = len(key) >= SECRET_KEY_LENGTH
        body = hashlib.sha256(await request.body()).hexdigest()
        token = state.vault.guest_token(f"{key}:{body}") if again else state.vault.new_guest_token()
    address = request.client.host if request.client else ""
    name = settings(request).site_name
    return Poster(actor, state.vault, state.screen, name, address, token), again


def draft_of(article: str, name: str | None, body: Body, actor: Actor) -> Draft:
    """What a judge outside of this process is told."""
    kind = {"key": "staff", "reader": "reader"}.get(actor.kind, "guest")
    return Draft(article, body.text, body.html, body.links, name, kind)


class _Undone(Exception):
    """Takes a trial back, with what it found."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict


def _try(session: Session, poster: Poster, article: str, data: CommentIn, text: Body, opinion: object) -> None:
    posted = actions.post(session, poster, article, data, text, opinion)
    raise _Undone(posted.verdict)


@router.post(
    "/articles/{article}/comments",
    status_code=201,
    response_model=PostedOut,
    responses={
        **documented(*PROBLEMS),
        200: {"model": PostedOut | TrialOut, "description": "Posted before, or a trial"},
    },
)
async def post(
    request: Request, article: RefPath, body: CommentIn, query: Annotated[PostQuery, Query()], actor: Public
) -> Response:
    """Post a comment as a guest, a reader of the site or staff; the answer says in `state` what became of it.

    With an `id` of the client's making the same comment may be sent again and again: 201 the first time, 200 after
    that, 422 `id_reused` for another text. Send also an `Idempotency-Key` with a guest's first comment, so that a lost
    answer can be had again with its tokens. A comment with a `created_at` of before the discussion closed is taken up
    to 24 hours later and waits for a moderator.
    """
    check_may_write(actor)
    poster, again = await poster_of(request, actor)
    text = actions.read(body.text)
    opinion = await poster.screen.consult(draft_of(article, body.author.name if body.author else None, text, actor))
    if query.dry_run:
        return await _trial(request, poster, article, body, text, opinion)
    made: list[Posted] = []

    def send(session: Session, _actor: Actor) -> Done:
        posted = actions.post(session, poster, article, body, text, opinion)
        made[:] = [posted]  # a write that was lost is tried again
        return Done(posted.id, 201 if posted.is_new else 200)

    def render(connection: sa.Connection, comment_id: str, first: bool) -> Row:
        return posted_out(connection, poster, comment_id, made[0] if made else None, first or again)

    return await write_private(request, actor, send, render=render, model=PostedOut, location="/v1/comments/{id}")


def posted_out(
    connection: sa.Connection, poster: Poster, comment_id: str, posted: Posted | None, with_token: bool
) -> dict[str, object]:
    """A comment with the tokens for it, as its author gets it; `posted` is None where a kept answer is given again."""
    row = (posted and posted.row) or by_id(connection, comment_id)
    if row is None:
        raise NotFound
    tokens: dict[str, object] = {"guest_token": None, "edit_token": None}
    if posted is None or posted.is_mine:
        tokens["edit_token"] = poster.vault.edit_token(comment_id)
        tokens["guest_token"] = poster.token if with_token else None
    return present_to_author(row) | tokens


async def _trial(request: Request, *sent: Any) -> Response:
    try:
        await database(request).write(_try, *sent)
    except _Undone as done:
        reasons = [{"stage": reason.stage} for reason in done.verdict.reasons]
        content = dump(TrialOut, {"state": done.verdict.state, "reasons": reasons})
        return Response(content, 200, {"Cache-Control": PRIVATE}, "application/json")
    raise AssertionError("a trial is always taken back")
