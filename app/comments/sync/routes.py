"""Offline work over HTTP."""

import asyncio
import json
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.comments.editing.actions import Editor
from app.comments.editing.routes import editor_of, prepare_edit
from app.comments.posting.actions import Poster, check_may_write
from app.comments.posting.routes import count_attempt, poster_of, prepare
from app.comments.sync.actions import Step, author_by_token, carry_out
from app.comments.sync.schemas import EditOp, PostOp, SyncIn, SyncOut
from app.identity.routes import Done, admits, is_replay, write_private
from app.identity.schemas import Actor
from app.kit.problems import Forbidden, Invalid, Problem, TooManyRequests, Unauthorized, documented
from app.kit.schema import Row

router = APIRouter(prefix="/v1/sync", tags=["comments"])
MAX_SYNC_BYTES = 1_600_000  # 50 comments of 10,000 characters that take three bytes each


async def _admit(request: Request, actor: Actor) -> None:
    """Refuse who cannot write, and count the first operation before the list is read; the others are counted then."""
    if actor.kind != "edit":
        check_may_write(actor)
    await count_attempt(request, actor)


@router.post(
    "/comments",
    operation_id="syncComments",
    summary="Sync comments made offline",
    response_model=SyncOut,
    responses=documented(Unauthorized, Forbidden, Invalid),
)
async def sync(
    request: Request, body: SyncIn, actor: Annotated[Actor, admits(_admit, max_bytes=MAX_SYNC_BYTES)]
) -> Response:
    """Carry out up to 50 posts, edits and deletes that were made offline, in order, with one result for each.

    An operation that fails changes nothing and stops no other. A `parent_id` may be the id of a comment that was posted
    earlier in the same list. Sending the same list again posts nothing twice. Each operation counts towards the limits
    as it would alone; those beyond them are answered 429 `rate_limited` with `retry_after`, and are taken when they are
    sent again later. Where none is left the whole request is answered so, and is not read. A list has at most 1,600,000
    bytes.
    """
    (poster, again), editor = await poster_of(request, actor), editor_of(request, actor)
    steps = [] if await is_replay(request, actor) else await _prepared(request, body.operations, poster, editor)

    def send(session: Session, _actor: Actor) -> Done:
        return Done(json.dumps(carry_out(session, poster, editor, body.operations, steps)))

    def render(_connection: sa.Connection, kept: str, first: bool) -> Row:
        results = json.loads(kept)
        for result in results:
            shown = result.pop("mine", False) and result["code"] is None
            result["edit_token"] = poster.vault.edit_token(result["id"]) if shown else None
        posted = any(result["status"] == 201 for result in results)
        return {"guest_token": poster.token if posted and (first or again) else None, "data": results}

    return await write_private(request, actor, send, render=render, model=SyncOut)


async def _prepared(request: Request, operations: list[Any], poster: Poster, editor: Editor) -> list[Step]:
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
            steps.append(await _step(request, op, poster, editor, ahead))
        except Problem as problem:
            steps.append(problem)
    return steps


async def _step(request: Request, op: Any, poster: Poster, editor: Editor, ahead: list[str]) -> Step:
    if isinstance(op, PostOp):
        data = op.comment.model_copy(update={"id": op.id})
        prepared = await prepare(request, poster, op.article, data, ahead)
        if prepared is not None:
            ahead.append(op.id)
        return prepared
    if isinstance(op, EditOp):
        own = editor._replace(actor=author_by_token(poster, op))
        return await prepare_edit(request, own, op.id, op.changes, is_ahead=op.id in ahead)
    return None
