"""Routes of comments: reading, posting, editing, deleting and offline sync."""

import asyncio
import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.anchors.anchors import QuoteNotFound, StaleRevision, TooManyAnchors
from app.articles.includes import ListPosition
from app.articles.rendering import RenderedArticle
from app.articles.routes import RETRACTED, get_visible
from app.articles.services import ArticleServices
from app.comments import editing, own, posting, reading
from app.comments.editing import Editor, EditWindowClosed
from app.comments.lifecycle import ParentNotPublished
from app.comments.moderation import (
    Attempt,
    Banned,
    Draft,
    DuplicateComment,
    ModerationPipeline,
    PreparedText,
)
from app.comments.posting import (
    DiscussionClosed,
    IdReused,
    IdTaken,
    NameReserved,
    Posted,
    Poster,
    check_may_write,
    check_post,
    render_text,
    unreadable_text,
)
from app.comments.reading import find_comment, present_stored, present_to_author
from app.comments.rendering import Body, is_quick, render_markdown
from app.comments.schemas import (
    CommentIn,
    CommentList,
    CommentOut,
    CommentPatch,
    CommentQuery,
    EditOp,
    OneCommentQuery,
    Op,
    OwnCommentOut,
    OwnQuery,
    OwnRepliesOut,
    OwnRepliesQuery,
    PostedOut,
    PostOp,
    PostQuery,
    ReplyQuery,
    SingleCommentOut,
    SyncIn,
    SyncOut,
    ThreadedCommentOut,
    TrialOut,
)
from app.comments.services import CommentServices
from app.comments.sync import OperationResult, Step, apply_operations, author_by_token
from app.core.ids import IdPath, RefPath
from app.core.problems import (
    FORBIDDEN,
    Conflict,
    Forbidden,
    InvalidParameter,
    NotFound,
    Problem,
    TooManyRequests,
    Unauthorized,
    document_problems,
)
from app.db.rows import JsonObject
from app.events.cache_groups import discussion_cache_groups as discussion_groups
from app.identity.access import Public, SelfService, count_write, enforce_rate, require_admission
from app.identity.permissions import refusal
from app.identity.schemas import ANONYMOUS, Actor
from app.identity.secrets import GUEST_PREFIX
from app.identity.services import IdentityServices
from app.identity.tokens import make_token
from app.identity.writes import WriteResult, is_replay, write, write_private
from app.publication.site import Site
from app.web.fields import FieldTree, dump_json, parse_fields
from app.web.paging import ListOut, Page
from app.web.responses import (
    PRIVATE_CACHE_CONTROL,
    database,
    offload,
    reply,
    reply_page,
    reply_private_list,
    reply_rendered,
    settings,
)
from app.web.routing import Router

comments_router = Router(prefix="/v1", tags=["comments"])


def cache_groups_of(article_id: str) -> tuple[str, ...]:
    """Return the cache groups of answers that contain comments on an article."""
    return (*discussion_groups(article_id), f"article:{article_id}")


def include_comments(
    connection: sa.Connection, row: ListPosition, _article: RenderedArticle, _site: Site, _actor: Actor
) -> RenderedArticle:
    """Return the first page of an article's discussion for `include=comments`; null if readers do not see it."""
    groups = cache_groups_of(row["id"])
    try:
        _, page = reading.list_discussion(connection, row["id"], CommentQuery())
    except NotFound:
        return RenderedArticle(b"null", groups=groups)
    return RenderedArticle(dump_json(CommentList, page), groups=groups)


@comments_router.get(
    "/articles/{article}/comments",
    summary="List the comments of an article",
    response_model=CommentList,
    responses=RETRACTED,
)
async def list_comments(
    request: Request, article: RefPath, query: Annotated[CommentQuery, Query()], actor: Public
) -> Response:
    """List an article's comments: threads with their first replies, all comments, or those on passages.

    Removed comments that have replies are shown as tombstones in threads; flat views omit them. Moderators find
    comments that are not public in `/v1/moderation/queue`.
    """
    fields = parse_fields(ThreadedCommentOut, query.fields)
    if "replies" in query.model_fields_set and (query.view != "threads" or query.anchor is not None):
        raise InvalidParameter("replies", "replies: only with view=threads, and not with anchor.")

    def find(connection: sa.Connection) -> tuple[str, Page[JsonObject]]:
        try:
            return reading.list_discussion(connection, article, query)
        except NotFound:
            # raises the problem of a retracted or withheld article
            get_visible(connection, article, ANONYMOUS, ArticleServices.of(request).site)
            raise

    article_id, page = await database(request).read(find)
    return reply_page(request, page, fields, groups=cache_groups_of(article_id), private=not actor.is_anonymous)


@comments_router.get(
    "/comments/{comment}", summary="Get a comment", response_model=SingleCommentOut, responses=FORBIDDEN
)
async def get_comment(
    request: Request, comment: IdPath, query: Annotated[OneCommentQuery, Query()], actor: Public
) -> Response:
    """Get a comment; `include=ancestors` adds up to 100 comments above it in the thread.

    With the token that it was written with, or its `edit_token`, authors also get its `source`, and see their comment
    and its state while it is pending or after it was rejected. For all others `fields=source` is a 401 or 403.
    """
    fields = parse_fields(SingleCommentOut, query.fields) or {}
    ancestors = query.include == "ancestors" or "ancestors" in fields
    article_id, row = await database(request).read(reading.get_comment, comment, actor, ancestors=ancestors)
    if "source" in fields and "source" not in row:
        raise refusal(actor, "Only the author of a comment may read its source.")
    body = dump_json(SingleCommentOut, row, fields or None)
    return reply(request, body, groups=cache_groups_of(article_id), private=not actor.is_anonymous)


@comments_router.get("/comments/{comment}/replies", summary="List the replies to a comment", response_model=CommentList)
async def list_replies(
    request: Request, comment: IdPath, query: Annotated[ReplyQuery, Query()], actor: Public
) -> Response:
    """List the direct replies to a comment, oldest first by default."""
    fields = parse_fields(ThreadedCommentOut, query.fields)
    article_id, page = await database(request).read(reading.list_replies, comment, query)
    return reply_page(request, page, fields, groups=cache_groups_of(article_id), private=not actor.is_anonymous)


own_router = Router(prefix="/v1/me", tags=["comments"])


def _require_token(actor: Actor) -> None:
    """Raise 401 or 403 for callers whose comments are not known by who they are."""
    if actor.is_anonymous:
        raise Unauthorized("Send the token that you write with.")
    if actor.kind == "edit":
        raise Forbidden("An edit token is valid for its comment only. Send the token that you write with.")


@own_router.get(
    "/comments", summary="List one's own comments", response_model=ListOut[OwnCommentOut], responses=FORBIDDEN
)
async def list_own_comments(request: Request, query: Annotated[OwnQuery, Query()], actor: SelfService) -> Response:
    """List what the caller wrote, newest first, in every state and with its Markdown."""
    _require_token(actor)
    page = await database(request).scan(own.list_own_comments, actor, query)
    return reply_private_list(request, ListOut[OwnCommentOut], page, query)


@own_router.get(
    "/replies", summary="List replies to one's own comments", response_model=OwnRepliesOut, responses=FORBIDDEN
)
async def list_own_replies(
    request: Request, query: Annotated[OwnRepliesQuery, Query()], actor: SelfService
) -> Response:
    """List what others replied to the caller's comments, newest first; `unread` counts all since `since`."""
    _require_token(actor)
    replies = await database(request).scan(own.list_replies_to_own, actor, query)
    tree = parse_fields(CommentOut, query.fields)
    include: FieldTree = {"data": {"__all__": tree}, "page": True, "unread": True} if tree else {}
    body = dump_json(OwnRepliesOut, own.present_replies(replies), include or None)
    return reply_rendered(request, body, dict(replies.page["page"]), groups=(), private=True)


posting_router = Router(prefix="/v1", tags=["comments"])
MIN_SECRET_KEY_LENGTH = 16  # of an idempotency key that is unlikely to be guessed
POST_PROBLEMS = (
    Forbidden,
    Banned,
    DiscussionClosed,
    DuplicateComment,
    ParentNotPublished,
    IdTaken,
    IdReused,
    NameReserved,
    QuoteNotFound,
    StaleRevision,
    TooManyAnchors,
)


def hash_address(request: Request) -> tuple[str, ...]:
    """Return the hashes of the caller's network address, under the current and the previous salt."""
    if request.client is None:
        return ()
    return tuple(hashed for hashed in IdentityServices.of(request).vault.hash_address(request.client.host) if hashed)


async def make_poster(request: Request, actor: Actor) -> tuple[Poster, bool]:
    """Return the caller as a poster, and whether a retry may get a stranger's new token again."""
    services = CommentServices.of(request)
    token, is_repeatable = None, False
    if actor.kind == "anonymous":
        key = request.headers.get("idempotency-key", "")
        is_repeatable = len(key) >= MIN_SECRET_KEY_LENGTH
        body = hashlib.sha256(await request.body()).hexdigest() if is_repeatable else ""
        token = services.vault.derive_guest_token(f"{key}:{body}") if is_repeatable else make_token(GUEST_PREFIX)
    name = settings(request).site_name
    host = request.client.host if request.client else None
    return Poster(actor, services.vault, services.pipeline, name, hash_address(request), host, token), is_repeatable


def make_draft(article: str, name: str | None, body: Body, actor: Actor) -> Draft:
    """Return a comment as the external checker receives it."""
    kind = {"key": "staff", "person": "staff", "reader": "reader"}.get(actor.kind, "guest")
    return Draft(article, body.text, body.html, body.links, name, kind)


async def count_attempt(request: Request, actor: Actor) -> None:
    """Count a comment, edit or trial, whatever its outcome; 429 beyond the limit."""
    await count_write(request, actor, "comment")


async def _count_trial(request: Request, actor: Actor) -> None:
    """Count a trial towards the flood limit that holds for posted comments; 429 beyond it."""
    config, caller = settings(request), actor if actor.kind == "reader" else None
    if not actor.is_staff and config.rate_limits != "off":
        rate = config.flood_address if caller is None else config.flood_author
        await enforce_rate(request, "trial", rate, caller)


async def admit_author(request: Request, actor: Actor) -> None:
    """Refuse callers who may not write comments, and count the request before its body is read."""
    check_may_write(actor)
    await count_attempt(request, actor)


async def render_text_offloaded(request: Request, text: str, pointer: str = "/text") -> Body:
    """Render a text, outside the event loop unless it is short and plain; 422 if it cannot be parsed."""
    if is_quick(text):
        return render_text(text, pointer)
    try:
        return await offload(request).run(render_markdown, text)
    except ValueError as error:
        raise unreadable_text(error, pointer) from error


async def prepare_moderation(
    request: Request, pipeline: ModerationPipeline, draft: Draft, body: Body, attempt: Attempt | None
) -> PreparedText:
    """Prepare a rendered text for its evaluation; the external checker is asked last, as it may cost money."""
    if is_quick(body.source):
        analysis = pipeline.analyze(body.text, body.links)
    else:
        analysis = await pipeline.analyze_offloaded(offload(request), body.text, body.links)
    if pipeline.has_checker and attempt is not None:
        complete = attempt._replace(text=body.text, fingerprint=body.fingerprint)
        await database(request).scan_fresh(pipeline.check_attempt, complete)
    return PreparedText(body, await pipeline.ask_checker(draft), analysis)


def _prepare_quick(pipeline: ModerationPipeline, text: str) -> PreparedText | None:
    """Prepare a short and plain text that is not sent to a checker at once, on the event loop; None for all others.

    Checking first whether it may be written would take longer, and the transaction does so anyway.
    """
    if not is_quick(text) or pipeline.has_checker:
        return None
    body = render_text(text)
    return PreparedText(body, None, pipeline.analyze(body.text, body.links))


async def prepare_post(
    request: Request, poster: Poster, article: str, data: CommentIn, ahead: Collection[str] = ()
) -> PreparedText | None:
    """Prepare a comment for `posting.post_comment`; None for one that was posted before.

    `ahead` are the ids of comments of the same batch that come before this one.
    """
    if (prepared := _prepare_quick(poster.pipeline, data.text)) is not None:
        return prepared
    if await is_replay(request, poster.actor):
        return None
    result = await database(request).scan_fresh(check_post, poster, article, data, ahead)
    if result.is_known:
        return None
    body = await render_text_offloaded(request, data.text)
    draft = make_draft(article, data.author.name if data.author else None, body, poster.actor)
    return await prepare_moderation(request, poster.pipeline, draft, body, result.attempt)


class _TrialDone(Exception):
    """Rolls back the transaction of a trial, and carries its result."""

    def __init__(self, result: Posted) -> None:
        super().__init__()
        self.result = result


def _try_post(session: Session, poster: Poster, article: str, data: CommentIn, prepared: PreparedText | None) -> None:
    raise _TrialDone(posting.post_comment(session, poster, article, data, prepared))


@posting_router.post(
    "/articles/{article}/comments",
    summary="Post a comment",
    status_code=201,
    response_model=PostedOut,
    responses={
        **document_problems(*POST_PROBLEMS),
        200: {"model": PostedOut | TrialOut, "description": "Posted before, or the outcome of a trial"},
    },
)
async def post_comment(
    request: Request,
    article: RefPath,
    body: CommentIn,
    query: Annotated[PostQuery, Query()],
    actor: Annotated[Actor, require_admission(admit_author)],
) -> Response:
    """Post a comment as a guest, a reader of the site or staff. `state` tells whether it was published.

    With an `id` made by the client the same comment can be sent repeatedly: 201 the first time, 200 after that, and
    422 `id_reused` for another text. Send an `Idempotency-Key` with a guest's first comment, too, so that a lost
    response can be retrieved with its tokens. A comment whose `created_at` is before the discussion closed is accepted
    up to 24 hours later and waits for a moderator.
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
        results[:] = [posted]  # replaced if the transaction is retried
        return WriteResult(posted.id, 201 if posted.is_new else 200)

    def render(connection: sa.Connection, comment_id: str, first: bool) -> JsonObject:
        return present_posted(connection, poster, comment_id, results[0] if results else None, first or is_repeatable)

    return await write_private(request, actor, send, render=render, model=PostedOut, location="/v1/comments/{id}")


def present_posted(
    connection: sa.Connection, poster: Poster, comment_id: str, posted: Posted | None, with_token: bool
) -> JsonObject:
    """Return a comment with its tokens, as its author gets it; `posted` is None when a retry is answered."""
    tokens: JsonObject = {"guest_token": None, "edit_token": None}
    if posted is None or posted.is_mine:
        tokens["edit_token"] = poster.vault.make_edit_token(comment_id)
        tokens["guest_token"] = poster.token if with_token else None
    if posted is not None and posted.row is not None:
        return present_stored(posted.row) | tokens
    return _show_to_author(connection, comment_id) | tokens


def _show_to_author(connection: sa.Connection, comment_id: str) -> JsonObject:
    row = find_comment(connection, comment_id)
    if row is None:
        raise NotFound
    return present_to_author(row)


async def _answer_trial(
    request: Request, poster: Poster, article: str, data: CommentIn, prepared: PreparedText | None
) -> Response:
    try:
        await database(request).write(_try_post, poster, article, data, prepared)
    except _TrialDone as trial:
        reasons = [{"stage": reason.stage} for reason in trial.result.reasons]
        content = dump_json(TrialOut, {"state": trial.result.state, "reasons": reasons})
        return Response(content, 200, {"Cache-Control": PRIVATE_CACHE_CONTROL}, "application/json")
    raise AssertionError("a trial is always rolled back")


editing_router = Router(prefix="/v1/comments", tags=["comments"])
EDITS = document_problems(Forbidden, Banned, EditWindowClosed, ParentNotPublished, DuplicateComment)


def make_editor(request: Request, actor: Actor) -> Editor:
    """Return the caller as an editor."""
    services = CommentServices.of(request)
    window = timedelta(minutes=services.settings.edit_window)
    return Editor(actor, services.vault, services.pipeline, services.moderation, window, hash_address(request))


async def prepare_edit(
    request: Request, editor: Editor, comment: str, data: CommentPatch, *, is_ahead: bool = False
) -> PreparedText | None:
    """Prepare an edit for `editing.edit_comment`; None if it has no text.

    The texts of staff are rendered but not sent to the checker. `is_ahead` tells that an earlier operation of the same
    batch posts the comment.
    """
    if "text" not in data.model_fields_set:
        return None
    if (prepared := _prepare_quick(editor.pipeline, data.text)) is not None:
        return prepared
    attempt = None
    if not is_ahead:
        attempt = await database(request).scan_fresh(editing.check_edit, editor, comment, data.text)
    body = await render_text_offloaded(request, data.text)
    if not is_ahead and (attempt is None or editor.actor.is_staff):
        return PreparedText(body)
    draft = make_draft(comment, None, body, editor.actor)
    return await prepare_moderation(request, editor.pipeline, draft, body, attempt)


def _require_caller(actor: Actor) -> Actor:
    if actor.is_anonymous:
        raise Unauthorized("Send the token that the comment was written with, or its edit token.")
    return actor


async def _admit_editor(request: Request, actor: Actor) -> None:
    await count_attempt(request, _require_caller(actor))


@editing_router.patch("/{comment}", summary="Edit a comment", response_model=CommentOut, responses=EDITS)
async def update_comment(
    request: Request, comment: IdPath, body: CommentPatch, actor: Annotated[Actor, require_admission(_admit_editor)]
) -> Response:
    """Edit your own comment within the edit window (`EDIT_WINDOW` minutes).

    The new text is moderated like a new comment and may have to wait again; the former text is kept for moderators.
    Nobody can edit the comments of others: moderators redact or remove them instead.
    """
    editor = make_editor(request, actor)
    prepared = await prepare_edit(request, editor, comment, body)

    def change(session: Session, _actor: Actor) -> WriteResult:
        return WriteResult(editing.edit_comment(session, editor, comment, body, prepared))

    def render(connection: sa.Connection, comment_id: str, _first: bool) -> JsonObject:
        return _show_to_author(connection, comment_id)

    return await write_private(request, actor, change, render=render, model=CommentOut)


@editing_router.delete(
    "/{comment}", summary="Delete a comment", status_code=204, responses=document_problems(Forbidden, Conflict)
)
async def delete_comment(request: Request, comment: IdPath, actor: Public) -> Response:
    """Delete a comment: its author at any time and for good, or a moderator, who can restore it.

    A comment that has replies leaves a tombstone without text, name or address. For moderators the rules of
    `POST /v1/comments/{comment}/remove` apply.
    """
    editor = make_editor(request, _require_caller(actor))

    def remove(session: Session, _actor: Actor) -> None:
        editing.remove_comment(session, editor, comment)

    return await write(request, actor, remove, status=204)


sync_router = Router(prefix="/v1/sync", tags=["comments"])
MAX_SYNC_BYTES = 1_600_000  # 50 comments of 10,000 characters of three bytes


async def _admit_sync(request: Request, actor: Actor) -> None:
    """Refuse callers who may not write, and count the first operation before the body is read, the others after."""
    if actor.kind != "edit":
        check_may_write(actor)
    await count_attempt(request, actor)


@sync_router.post("/comments", summary="Sync comments made offline", response_model=SyncOut, responses=FORBIDDEN)
async def sync_comments(
    request: Request, body: SyncIn, actor: Annotated[Actor, require_admission(_admit_sync, max_bytes=MAX_SYNC_BYTES)]
) -> Response:
    """Carry out up to 50 posts, edits and deletes that were made offline, in order, with one result for each.

    An operation that fails changes nothing and does not stop the others. `parent_id` may be the id of a comment that
    the same list posts before. Sending the same list again posts nothing twice. Each operation counts towards the rate
    limits like a request of its own; beyond them its result is 429 `rate_limited` with `retry_after`, and it can be
    sent again later. If no request is left at all, the whole list is refused with 429. The body may have at most
    1,600,000 bytes.
    """
    (poster, is_repeatable), editor = await make_poster(request, actor), make_editor(request, actor)
    steps = (
        [] if await is_replay(request, actor) else await _prepare_operations(request, body.operations, poster, editor)
    )

    def send(session: Session, _actor: Actor) -> WriteResult:
        return WriteResult(json.dumps(apply_operations(session, poster, editor, body.operations, steps)))

    def render(_connection: sa.Connection, stored: str, first: bool) -> JsonObject:
        results: list[OperationResult] = json.loads(stored)
        posted = any(result["status"] == 201 for result in results)
        return {
            "guest_token": poster.token if posted and (first or is_repeatable) else None,
            "data": [_present_result(poster, result) for result in results],
        }

    return await write_private(request, actor, send, render=render, model=SyncOut)


def _present_result(poster: Poster, result: OperationResult) -> JsonObject:
    """Return a stored result in the shape of `SyncedOut`."""
    is_shown = result.get("mine") and result["code"] is None
    return {**result, "edit_token": poster.vault.make_edit_token(result["id"]) if is_shown else None}


async def _prepare_operations(request: Request, operations: Sequence[Op], poster: Poster, editor: Editor) -> list[Step]:
    """Prepare each operation before the transaction, or find the problem that it is refused with."""
    steps: list[Step] = []
    ahead: list[str] = []  # ids of the comments that earlier operations will post
    for number, op in enumerate(operations):
        await asyncio.sleep(0)  # short texts are rendered on the event loop: let other requests run in between
        try:
            if number:  # the first was counted before the body was read
                await count_attempt(request, poster.actor)
        except TooManyRequests as problem:
            return steps + [problem] * (len(operations) - number)
        try:
            steps.append(await _prepare_operation(request, op, poster, editor, ahead))
        except Problem as problem:
            steps.append(problem)
    return steps


async def _prepare_operation(request: Request, op: Op, poster: Poster, editor: Editor, ahead: list[str]) -> Step:
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
