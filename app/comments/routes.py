"""Comments over HTTP, as everyone reads them."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.anchors.anchors import QuoteNotFound, StaleRevision, TooManyAnchors
from app.articles.cached_json import IncludedPart
from app.articles.routes import Retracted, WithheldForLegalReasons, get_visible
from app.articles.services import ArticleServices
from app.articles.site import Site
from app.comments import editing, posting, reading
from app.comments.editing import Editor, EditWindowClosed
from app.comments.lifecycle import ParentNotPublished
from app.comments.posting import (
    DiscussionClosed,
    IdReused,
    IdTaken,
    NameReserved,
    PostCheck,
    Posted,
    Poster,
    check_may_write,
    check_post,
    render_text,
    unreadable_text,
)
from app.comments.reading import find_comment, present_to_author
from app.comments.rendering import Body, is_quick, render_markdown
from app.comments.schemas import (
    Attempt,
    Banned,
    CommentIn,
    CommentList,
    CommentOut,
    CommentPatch,
    CommentQuery,
    Draft,
    DuplicateComment,
    EditOp,
    ModerationPipeline,
    OneCommentQuery,
    PostedOut,
    PostOp,
    PostQuery,
    PreparedText,
    ReplyQuery,
    SingleCommentOut,
    SyncIn,
    SyncOut,
    ThreadedCommentOut,
    TrialOut,
    Verdict,
)
from app.comments.services import CommentServices
from app.comments.sync import Step, apply_operations, author_by_token
from app.core.ids import IdPath, RefPath
from app.core.problems import (
    Conflict,
    Forbidden,
    Invalid,
    InvalidParameter,
    NotFound,
    Problem,
    TooManyRequests,
    Unauthorized,
    document_problems,
)
from app.db.columns import Row
from app.events.cache_groups import discussion_cache_groups as discussion_groups
from app.identity.access import Public, enforce_limit, enforce_rate, require_admission
from app.identity.schemas import ANONYMOUS, Actor
from app.identity.writes import WriteResult, is_replay, write, write_private
from app.web.fields import parse_fields
from app.web.responses import PRIVATE_CACHE_CONTROL, database, dump_json, offload, reply, reply_list, settings

comments_router = APIRouter(prefix="/v1", tags=["comments"])


def cache_groups_of(article_id: str) -> tuple[str, ...]:
    """The cache groups of answers that hold comments of an article."""
    return (*discussion_groups(article_id), f"article:{article_id}")


def include_comments(connection: sa.Connection, row: Row, _site: Site, _actor: Actor) -> IncludedPart:
    """The first page of an article's discussion, to stand in the answer about it; null where readers see none."""
    groups = cache_groups_of(row["id"])
    try:
        return IncludedPart(
            dump_json(CommentList, reading.list_discussion(connection, row["id"], CommentQuery())[1]), groups
        )
    except NotFound:
        return IncludedPart(b"null", groups)


@comments_router.get(
    "/articles/{article}/comments",
    operation_id="listComments",
    summary="List the comments of an article",
    response_model=CommentList,
    responses=document_problems(NotFound, Retracted, WithheldForLegalReasons),
)
async def list_comments(
    request: Request, article: RefPath, query: Annotated[CommentQuery, Query()], actor: Public
) -> Response:
    """An article's discussion: its threads with their first replies, all comments, or those on passages.

    Moderators find what is not public in `/v1/moderation/queue`. What was removed keeps its place as a tombstone while
    replies stand under it; flat views leave it out.
    """
    fields = parse_fields(ThreadedCommentOut, query.fields)
    if "replies" in query.model_fields_set and (query.view != "threads" or query.anchor is not None):
        raise InvalidParameter("replies", "replies: only with view=threads, and not with anchor.")

    def find(connection: sa.Connection) -> tuple[str, dict[str, Any]]:
        try:
            return reading.list_discussion(connection, article, query)
        except NotFound:
            get_visible(
                connection, article, ANONYMOUS, ArticleServices.of(request).site
            )  # retracted or withheld says so
            raise

    article_id, page = await database(request).read(find)
    return reply_list(
        request, CommentList, page, fields, groups=cache_groups_of(article_id), private=actor is not ANONYMOUS
    )


@comments_router.get(
    "/comments/{comment}",
    operation_id="getComment",
    summary="Get a comment",
    response_model=SingleCommentOut,
    responses=document_problems(NotFound, Unauthorized, Forbidden),
)
async def get_comment(
    request: Request, comment: IdPath, query: Annotated[OneCommentQuery, Query()], actor: Public
) -> Response:
    """One comment; `include=ancestors` adds those above it, up to 100.

    The token that it was written with, or its `edit_token`, shows the author its `source`, and the comment with its
    state also while it waits or after it was refused. Asked for by others, `fields=source` is a 401 or 403.
    """
    fields = parse_fields(SingleCommentOut, query.fields)
    ancestors = query.include == "ancestors" or "ancestors" in (fields or {})
    row = await database(request).read(_get_comment, comment, actor, ancestors)
    _check_source(row, fields, actor)
    body = dump_json(SingleCommentOut, row, fields or None)
    return reply(request, body, groups=cache_groups_of(row["article_id"]), private=actor is not ANONYMOUS)


def _get_comment(connection: sa.Connection, comment_id: str, actor: Actor, ancestors: bool) -> Row:
    return reading.get_comment(connection, comment_id, actor, ancestors=ancestors)


def _check_source(row: Row, fields: dict[str, Any] | None, actor: Actor) -> None:
    if "source" in (fields or {}) and "source" not in row:
        raise (Unauthorized if actor is ANONYMOUS else Forbidden)("source is given to the author of the comment alone.")


@comments_router.get(
    "/comments/{comment}/replies",
    operation_id="listReplies",
    summary="List the replies to a comment",
    response_model=CommentList,
    responses=document_problems(NotFound),
)
async def list_replies(
    request: Request, comment: IdPath, query: Annotated[ReplyQuery, Query()], actor: Public
) -> Response:
    """The direct replies to a comment, the earliest first unless `sort` says otherwise."""
    fields = parse_fields(ThreadedCommentOut, query.fields)
    article_id, page = await database(request).read(reading.list_replies, comment, query)
    return reply_list(
        request, CommentList, page, fields, groups=cache_groups_of(article_id), private=actor is not ANONYMOUS
    )


posting_router = APIRouter(prefix="/v1", tags=["comments"])
MIN_SECRET_KEY_LENGTH = 16  # of an idempotency key that nobody guesses
POST_PROBLEMS = (
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


def hash_address(request: Request) -> tuple[str, ...]:
    """The hashes of the caller's network address, under the present salt and the one before."""
    if request.client is None:
        return ()
    return tuple(found for found in CommentServices.of(request).vault.hash_address(request.client.host) if found)


async def make_poster(request: Request, actor: Actor) -> tuple[Poster, bool]:
    """Who is posting, and whether a stranger's token can be shown again to who repeats the request."""
    services = CommentServices.of(request)
    token, is_repeatable = None, False
    if actor.kind == "anonymous":
        key = request.headers.get("idempotency-key", "")
        is_repeatable = len(key) >= MIN_SECRET_KEY_LENGTH
        body = hashlib.sha256(await request.body()).hexdigest() if is_repeatable else ""
        token = (
            services.vault.derive_guest_token(f"{key}:{body}") if is_repeatable else services.vault.make_guest_token()
        )
    name = settings(request).site_name
    host = request.client.host if request.client else None
    return Poster(actor, services.vault, services.pipeline, name, hash_address(request), host, token), is_repeatable


def make_draft(article: str, name: str | None, body: Body, actor: Actor) -> Draft:
    """What a judge outside of this process is told."""
    kind = {"key": "staff", "reader": "reader"}.get(actor.kind, "guest")
    return Draft(article, body.text, body.html, body.links, name, kind)


async def count_attempt(request: Request, actor: Actor) -> None:
    """Count a comment, an edit or a trial that somebody sends, whatever becomes of it; 429 beyond the limits.

    A token costs nothing, so that only readers whom the site vouches for count by themselves, all others by address.
    """
    if actor.kind != "key":  # which is counted with everything else that it does
        await enforce_limit(request, "comment", actor if actor.kind == "reader" else None)


async def _count_trial(request: Request, actor: Actor) -> None:
    """Count a trial as the comment that it could be, which floods are counted by."""
    config, caller = settings(request), actor if actor.kind == "reader" else None
    if actor.kind != "key" and config.rate_limits != "off":
        rate = config.flood_address if caller is None else config.flood_author
        await enforce_rate(request, "trial", rate, caller)


async def admit_author(request: Request, actor: Actor) -> None:
    """Refuse who cannot write comments, and count what they send before it is read."""
    check_may_write(actor)
    await count_attempt(request, actor)


async def render_text_offloaded(request: Request, text: str, pointer: str = "/text") -> Body:
    """Read a text, away from the event loop unless it is short and plain; 422 for one that cannot be read."""
    if is_quick(text):
        return render_text(text, pointer)
    try:
        return await offload(request).run(render_markdown, text)
    except ValueError as error:
        raise unreadable_text(error, pointer) from error


async def prepare_moderation(
    request: Request, screen: ModerationPipeline, draft: Draft, body: Body, attempt: Attempt | None
) -> PreparedText:
    """Find out what the judges need to know of a text that was read; whoever costs most is asked last."""
    if is_quick(body.source):
        reading = screen.analyze(body.text, body.links)
    else:
        reading = await screen.analyze_offloaded(offload(request), body.text, body.links)
    if screen.has_checker and attempt is not None:
        complete = attempt._replace(text=body.text, fingerprint=body.fingerprint)
        await database(request).scan_fresh(_attempt_check(screen, complete))
    return PreparedText(body, await screen.ask_checker(draft), reading)


def _attempt_check(screen: ModerationPipeline, attempt: Attempt) -> Callable[[sa.Connection], None]:
    return lambda connection: screen.check_attempt(connection, attempt)


async def prepare_post(
    request: Request, poster: Poster, article: str, data: CommentIn, ahead: Collection[str] = ()
) -> PreparedText | None:
    """Prepare a comment for `post`; None for one that was posted before.

    A short and plain text that goes to no checker is read at once: asking first would take longer than reading it, and
    the transaction asks as well. `ahead` are the comments of a batch that come before this one.
    """
    screen = poster.screen
    name = data.author.name if data.author else None
    if is_quick(data.text) and not screen.has_checker:
        body = render_text(data.text)
        return PreparedText(body, None, screen.analyze(body.text, body.links))
    if await is_replay(request, poster.actor):
        return None

    def run_check(connection: sa.Connection) -> PostCheck:
        return check_post(connection, poster, article, data, ahead)

    result = await database(request).scan_fresh(run_check)
    if result.is_known:
        return None
    body = await render_text_offloaded(request, data.text)
    return await prepare_moderation(
        request, screen, make_draft(article, name, body, poster.actor), body, result.attempt
    )


class _TrialDone(Exception):
    """Takes a trial back, with what it found."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict


def _try_post(session: Session, poster: Poster, article: str, data: CommentIn, prepared: PreparedText | None) -> None:
    posted = posting.post_comment(session, poster, article, data, prepared)
    raise _TrialDone(posted.verdict)


@posting_router.post(
    "/articles/{article}/comments",
    operation_id="postComment",
    summary="Post a comment",
    status_code=201,
    response_model=PostedOut,
    responses={
        **document_problems(*POST_PROBLEMS),
        200: {"model": PostedOut | TrialOut, "description": "Posted before, or a trial"},
    },
)
async def post_comment(
    request: Request,
    article: RefPath,
    body: CommentIn,
    query: Annotated[PostQuery, Query()],
    actor: Annotated[Actor, require_admission(admit_author)],
) -> Response:
    """Post a comment as a guest, a reader of the site or staff; the answer says in `state` what became of it.

    With an `id` of the client's making the same comment may be sent again and again: 201 the first time, 200 after
    that, 422 `id_reused` for another text. Send also an `Idempotency-Key` with a guest's first comment, so that a lost
    answer can be had again with its tokens. A comment with a `created_at` of before the discussion closed is taken up
    to 24 hours later and waits for a moderator.
    """
    poster, is_repeatable = await make_poster(request, actor)
    if query.dry_run:
        await _count_trial(request, actor)
    prepared = await prepare_post(request, poster, article, body)
    if query.dry_run:
        return await _answer_trial(request, poster, article, body, prepared)
    results: list[Posted] = []

    def send(session: Session, _actor: Actor) -> WriteResult:
        posted = posting.post_comment(session, poster, article, body, prepared)
        results[:] = [posted]  # a write that was lost is tried again
        return WriteResult(posted.id, 201 if posted.is_new else 200)

    def render(connection: sa.Connection, comment_id: str, first: bool) -> Row:
        return present_posted(connection, poster, comment_id, results[0] if results else None, first or is_repeatable)

    return await write_private(request, actor, send, render=render, model=PostedOut, location="/v1/comments/{id}")


def present_posted(
    connection: sa.Connection, poster: Poster, comment_id: str, posted: Posted | None, with_token: bool
) -> dict[str, object]:
    """A comment with the tokens for it, as its author gets it; `posted` is None where a kept answer is given again."""
    row = (posted and posted.row) or find_comment(connection, comment_id)
    if row is None:
        raise NotFound
    tokens: dict[str, object] = {"guest_token": None, "edit_token": None}
    if posted is None or posted.is_mine:
        tokens["edit_token"] = poster.vault.make_edit_token(comment_id)
        tokens["guest_token"] = poster.token if with_token else None
    return present_to_author(row) | tokens


async def _answer_trial(request: Request, *arguments: Any) -> Response:
    try:
        await database(request).write(_try_post, *arguments)
    except _TrialDone as trial:
        reasons = [{"stage": reason.stage} for reason in trial.verdict.reasons]
        content = dump_json(TrialOut, {"state": trial.verdict.state, "reasons": reasons})
        return Response(content, 200, {"Cache-Control": PRIVATE_CACHE_CONTROL}, "application/json")
    raise AssertionError("a trial is always taken back")


editing_router = APIRouter(prefix="/v1/comments", tags=["comments"])
EDIT_PROBLEMS = (Unauthorized, Forbidden, NotFound, Invalid)
EDITS = document_problems(*EDIT_PROBLEMS, Banned, EditWindowClosed, ParentNotPublished, DuplicateComment)


def make_editor(request: Request, actor: Actor) -> Editor:
    """Return the context of an edit by this caller."""
    services = CommentServices.of(request)
    window = timedelta(minutes=services.settings.edit_window)
    return Editor(actor, services.vault, services.pipeline, services.moderation, window, hash_address(request))


async def prepare_edit(
    request: Request, editor: Editor, comment: str, data: CommentPatch, *, is_ahead: bool = False
) -> PreparedText | None:
    """Read a new text for `edit` and have it judged from outside; None where it has none.

    A moderator's text is read and not judged. `is_ahead`: the comment is one that the same batch is going to post.
    """
    if "text" not in data.model_fields_set:
        return None
    if is_quick(data.text) and not editor.screen.has_checker:
        body = render_text(data.text)
        return PreparedText(body, None, editor.screen.analyze(body.text, body.links))

    def run_check(connection: sa.Connection) -> Attempt | None:
        return editing.check_edit(connection, editor, comment, data.text)

    attempt = None if is_ahead else await database(request).scan_fresh(run_check)
    body = await render_text_offloaded(request, data.text)
    if not is_ahead and (attempt is None or editor.actor.kind == "key"):
        return PreparedText(body)
    return await prepare_moderation(
        request, editor.screen, make_draft(comment, None, body, editor.actor), body, attempt
    )


def _require_caller(actor: Actor) -> Actor:
    if actor is ANONYMOUS:
        raise Unauthorized("Send the token that the comment was written with, or the one to edit it.")
    return actor


async def _admit_editor(request: Request, actor: Actor) -> None:
    await count_attempt(request, _require_caller(actor))


@editing_router.patch(
    "/{comment}", operation_id="updateComment", summary="Edit a comment", response_model=CommentOut, responses=EDITS
)
async def update_comment(
    request: Request, comment: IdPath, body: CommentPatch, actor: Annotated[Actor, require_admission(_admit_editor)]
) -> Response:
    """Change one's own comment within the edit window (`EDIT_WINDOW` minutes).

    The new text passes moderation as a new comment does, and may have to wait again; the former one is kept for
    moderators. Nobody rewrites the comments of others: moderators redact them, or remove them.
    """
    editor = make_editor(request, actor)
    prepared = await prepare_edit(request, editor, comment, body)

    def change(session: Session, _actor: Actor) -> WriteResult:
        return WriteResult(editing.edit_comment(session, editor, comment, body, prepared))

    def render(connection: sa.Connection, comment_id: str, _first: bool) -> Row:
        row = find_comment(connection, comment_id)
        if row is None:
            raise NotFound
        return present_to_author(row)

    return await write_private(request, actor, change, render=render, model=CommentOut)


@editing_router.delete(
    "/{comment}",
    operation_id="deleteComment",
    summary="Delete a comment",
    status_code=204,
    responses=document_problems(*EDIT_PROBLEMS, Conflict),
)
async def delete_comment(request: Request, comment: IdPath, actor: Public) -> Response:
    """Take a comment back: its author at any time, and for good; or a moderator, who can restore it.

    With replies under it a tombstone keeps its place, without text, name or address. A moderator is refused as in
    `POST /v1/comments/{comment}/remove`.
    """
    editor = make_editor(request, _require_caller(actor))

    def take(session: Session, _actor: Actor) -> None:
        editing.remove_comment(session, editor, comment)

    return await write(request, actor, take, status=204)


sync_router = APIRouter(prefix="/v1/sync", tags=["comments"])
MAX_SYNC_BYTES = 1_600_000  # 50 comments of 10,000 characters that take three bytes each


async def _admit_sync(request: Request, actor: Actor) -> None:
    """Refuse who cannot write, and count the first operation before the list is read; the others are counted then."""
    if actor.kind != "edit":
        check_may_write(actor)
    await count_attempt(request, actor)


@sync_router.post(
    "/comments",
    operation_id="syncComments",
    summary="Sync comments made offline",
    response_model=SyncOut,
    responses=document_problems(Unauthorized, Forbidden, Invalid),
)
async def sync_comments(
    request: Request, body: SyncIn, actor: Annotated[Actor, require_admission(_admit_sync, max_bytes=MAX_SYNC_BYTES)]
) -> Response:
    """Carry out up to 50 posts, edits and deletes that were made offline, in order, with one result for each.

    An operation that fails changes nothing and stops no other. A `parent_id` may be the id of a comment that was posted
    earlier in the same list. Sending the same list again posts nothing twice. Each operation counts towards the limits
    as it would alone; those beyond them are answered 429 `rate_limited` with `retry_after`, and are taken when they are
    sent again later. Where none is left the whole request is answered so, and is not read. A list has at most 1,600,000
    bytes.
    """
    (poster, is_repeatable), editor = await make_poster(request, actor), make_editor(request, actor)
    steps = (
        [] if await is_replay(request, actor) else await _prepare_operations(request, body.operations, poster, editor)
    )

    def send(session: Session, _actor: Actor) -> WriteResult:
        return WriteResult(json.dumps(apply_operations(session, poster, editor, body.operations, steps)))

    def render(_connection: sa.Connection, stored: str, first: bool) -> Row:
        results = json.loads(stored)
        for result in results:
            shown = result.pop("mine", False) and result["code"] is None
            result["edit_token"] = poster.vault.make_edit_token(result["id"]) if shown else None
        posted = any(result["status"] == 201 for result in results)
        return {"guest_token": poster.token if posted and (first or is_repeatable) else None, "data": results}

    return await write_private(request, actor, send, render=render, model=SyncOut)


async def _prepare_operations(request: Request, operations: list[Any], poster: Poster, editor: Editor) -> list[Step]:
    """Prepare each operation, or find what it is refused for: what is refused here costs the writer nothing."""
    steps: list[Step] = []
    ahead: list[str] = []  # comments that are going to be posted by the operations before
    for number, op in enumerate(operations):
        await asyncio.sleep(0)  # short texts are read here: others have their turn between two of them
        try:
            if number:  # the first was counted before the list was read
                await count_attempt(request, poster.actor)
        except TooManyRequests as problem:
            return steps + [problem] * (len(operations) - number)
        try:
            steps.append(await _prepare_operation(request, op, poster, editor, ahead))
        except Problem as problem:
            steps.append(problem)
    return steps


async def _prepare_operation(request: Request, op: Any, poster: Poster, editor: Editor, ahead: list[str]) -> Step:
    if isinstance(op, PostOp):
        data = op.comment.model_copy(update={"id": op.id})
        prepared = await prepare_post(request, poster, op.article, data, ahead)
        if prepared is not None:
            ahead.append(op.id)
        return prepared
    if isinstance(op, EditOp):
        own = editor._replace(actor=author_by_token(poster, op))
        return await prepare_edit(request, own, op.id, op.changes, is_ahead=op.id in ahead)
    return None
