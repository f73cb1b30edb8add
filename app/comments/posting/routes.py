"""Posting over HTTP: what can be refused cheaply is refused first; what takes long is done before the transaction."""

import hashlib
from collections.abc import Callable, Collection
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.anchors.actions import QuoteNotFound, StaleRevision, TooManyAnchors
from app.comments.actions import ParentNotPublished
from app.comments.body import Body, from_markdown, is_quick
from app.comments.posting import actions
from app.comments.posting.actions import (
    Checked,
    DiscussionClosed,
    IdReused,
    IdTaken,
    NameReserved,
    Posted,
    Poster,
    check,
    check_may_write,
    read,
    unreadable,
)
from app.comments.posting.schemas import (
    Attempt,
    Banned,
    CommentIn,
    Draft,
    DuplicateComment,
    PostedOut,
    PostQuery,
    PreparedText,
    Screen,
    TrialOut,
    Verdict,
)
from app.comments.queries import by_id, present_to_author
from app.identity.routes import Done, admits, is_replay, limit, limit_to, write_private
from app.identity.schemas import Actor
from app.kit.http import PRIVATE, database, dump, offload, settings
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


def addresses_of(request: Request) -> tuple[str, ...]:
    """The hashes of the caller's network address, under the present salt and the one before."""
    if request.client is None:
        return ()
    return tuple(found for found in request.app.state.vault.address_hashes(request.client.host) if found)


async def poster_of(request: Request, actor: Actor) -> tuple[Poster, bool]:
    """Who is posting, and whether a stranger's token can be shown again to who repeats the request."""
    state = request.app.state
    token, again = None, False
    if actor.kind == "anonymous":
        key = request.headers.get("idempotency-key", "")
        again = len(key) >= SECRET_KEY_LENGTH
        body = hashlib.sha256(await request.body()).hexdigest() if again else ""
        token = state.vault.guest_token(f"{key}:{body}") if again else state.vault.new_guest_token()
    name = settings(request).site_name
    ranges = state.vault.range_hashes(request.client.host) if request.client else None
    return Poster(actor, state.vault, state.screen, name, addresses_of(request), ranges, token), again


def draft_of(article: str, name: str | None, body: Body, actor: Actor) -> Draft:
    """What a judge outside of this process is told."""
    kind = {"key": "staff", "reader": "reader"}.get(actor.kind, "guest")
    return Draft(article, body.text, body.html, body.links, name, kind)


async def count_attempt(request: Request, actor: Actor) -> None:
    """Count a comment, an edit or a trial that somebody sends, whatever becomes of it; 429 beyond the limits.

    A token costs nothing, so that only readers whom the site vouches for count by themselves, all others by address.
    """
    if actor.kind != "key":  # which is counted with everything else that it does
        await limit(request, "comment", actor if actor.kind == "reader" else None)


async def _count_trial(request: Request, actor: Actor) -> None:
    """Count a trial as the comment that it could be, which floods are counted by."""
    chosen, caller = settings(request), actor if actor.kind == "reader" else None
    if actor.kind != "key" and chosen.rate_limits != "off":
        rate = chosen.flood_address if caller is None else chosen.flood_author
        await limit_to(request, "trial", rate, caller)


async def admit_author(request: Request, actor: Actor) -> None:
    """Refuse who cannot write comments, and count what they send before it is read."""
    check_may_write(actor)
    await count_attempt(request, actor)


async def read_text(request: Request, text: str, pointer: str = "/text") -> Body:
    """Read a text, away from the event loop unless it is short and plain; 422 for one that cannot be read."""
    if is_quick(text):
        return read(text, pointer)
    try:
        return await offload(request).run(from_markdown, text)
    except ValueError as error:
        raise unreadable(error, pointer) from error


async def examine(request: Request, screen: Screen, draft: Draft, body: Body, attempt: Attempt | None) -> PreparedText:
    """Find out what the judges need to know of a text that was read; whoever costs most is asked last."""
    if is_quick(body.source):
        reading = screen.read(body.text, body.links)
    else:
        reading = await screen.read_aside(offload(request), body.text, body.links)
    if screen.asks_outside and attempt is not None:
        known = attempt._replace(text=body.text, fingerprint=body.fingerprint)
        await database(request).fresh(_checking(screen, known))
    return PreparedText(body, await screen.consult(draft), reading)


def _checking(screen: Screen, attempt: Attempt) -> Callable[[sa.Connection], None]:
    return lambda connection: screen.check_attempt(connection, attempt)


async def prepare(
    request: Request, poster: Poster, article: str, data: CommentIn, ahead: Collection[str] = ()
) -> PreparedText | None:
    """Prepare a comment for `post`; None for one that was posted before.

    A short and plain text that goes to no checker is read at once: asking first would take longer than reading it, and
    the transaction asks as well. `ahead` are the comments of a batch that come before this one.
    """
    screen = poster.screen
    name = data.author.name if data.author else None
    if is_quick(data.text) and not screen.asks_outside:
        body = read(data.text)
        return PreparedText(body, None, screen.read(body.text, body.links))
    if await is_replay(request, poster.actor):
        return None

    def checked(connection: sa.Connection) -> Checked:
        return check(connection, poster, article, data, ahead)

    found = await database(request).fresh(checked)
    if found.is_known:
        return None
    body = await read_text(request, data.text)
    return await examine(request, screen, draft_of(article, name, body, poster.actor), body, found.attempt)


class _Undone(Exception):
    """Takes a trial back, with what it found."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict


def _try(session: Session, poster: Poster, article: str, data: CommentIn, prepared: PreparedText | None) -> None:
    posted = actions.post(session, poster, article, data, prepared)
    raise _Undone(posted.verdict)


@router.post(
    "/articles/{article}/comments",
    operation_id="postComment",
    summary="Post a comment",
    status_code=201,
    response_model=PostedOut,
    responses={
        **documented(*PROBLEMS),
        200: {"model": PostedOut | TrialOut, "description": "Posted before, or a trial"},
    },
)
async def post(
    request: Request,
    article: RefPath,
    body: CommentIn,
    query: Annotated[PostQuery, Query()],
    actor: Annotated[Actor, admits(admit_author)],
) -> Response:
    """Post a comment as a guest, a reader of the site or staff; the answer says in `state` what became of it.

    With an `id` of the client's making the same comment may be sent again and again: 201 the first time, 200 after
    that, 422 `id_reused` for another text. Send also an `Idempotency-Key` with a guest's first comment, so that a lost
    answer can be had again with its tokens. A comment with a `created_at` of before the discussion closed is taken up
    to 24 hours later and waits for a moderator.
    """
    poster, again = await poster_of(request, actor)
    if query.dry_run:
        await _count_trial(request, actor)
    prepared = await prepare(request, poster, article, body)
    if query.dry_run:
        return await _trial(request, poster, article, body, prepared)
    made: list[Posted] = []

    def send(session: Session, _actor: Actor) -> Done:
        posted = actions.post(session, poster, article, body, prepared)
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
