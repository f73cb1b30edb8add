"""Offline work over HTTP."""

import json
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.comments.editing.routes import editor_of
from app.comments.posting.actions import check_may_write, read
from app.comments.posting.routes import draft_of, poster_of
from app.comments.sync.actions import carry_out
from app.comments.sync.schemas import DeleteOp, PostOp, SyncIn, SyncOut
from app.identity.routes import Done, Public, write_private
from app.identity.schemas import Actor
from app.kit.problems import Forbidden, Invalid, Unauthorized, documented
from app.kit.schema import Row

router = APIRouter(prefix="/v1/sync", tags=["comments"])


@router.post("/comments", response_model=SyncOut, responses=documented(Unauthorized, Forbidden, Invalid))
async def sync(request: Request, body: SyncIn, actor: Public) -> Response:
    """Carry out up to 50 posts, edits and deletes that were made offline, in order, with one result for each.

    An operation that fails changes nothing and stops no other. A `parent_id` may be the id of a comment that was posted
    earlier in the same list. Sending the same list again posts nothing twice. Comments beyond the rate of one author
    are answered 429 `rate_limited` and are taken when they are sent again later.
    """
    if actor.kind != "edit":
        check_may_write(actor)
    (poster, again), editor = await poster_of(request, actor), editor_of(request, actor)
    opinions: list[Any] = []
    for op in body.operations:
        asked = None if isinstance(op, DeleteOp) else _draft(op, actor)
        opinions.append(await poster.screen.consult(asked) if asked else None)

    def send(session: Session, _actor: Actor) -> Done:
        return Done(json.dumps(carry_out(session, poster, editor, body.operations, opinions)))

    def render(_connection: sa.Connection, kept: str, first: bool) -> Row:
        results = json.loads(kept)
        for result in results:
            shown = result.pop("mine", False) and result["code"] is None
            result["edit_token"] = poster.vault.edit_token(result["id"]) if shown else None
        posted = any(result["status"] == 201 for result in results)
        return {"guest_token": poster.token if posted and (first or again) else None, "data": results}

    return await write_private(request, actor, send, render=render, model=SyncOut)


def _draft(op: Any, actor: Actor) -> Any:
    """What a judge outside of this process is told of an operation, if it has a text that can be read."""
    is_post = isinstance(op, PostOp)
    if not is_post and "text" not in op.changes.model_fields_set:
        return None
    try:
        text = read(op.comment.text if is_post else op.changes.text)
    except Invalid:
        return None  # the operation's own result says so
    author = op.comment.author if is_post else None
    return draft_of(op.article if is_post else op.id, author.name if author else None, text, actor)
