"""Comments over HTTP, as everyone reads them."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.addresses.schemas import Site
from app.articles.cards.queries import Beside
from app.articles.discussion.events import groups_of as discussion_groups
from app.articles.routes import Retracted, WithheldForLegalReasons, visible
from app.comments import queries
from app.comments.schemas import (
    CommentList,
    CommentQuery,
    OneCommentQuery,
    ReplyQuery,
    SingleCommentOut,
    ThreadedCommentOut,
)
from app.identity.routes import Public
from app.identity.schemas import ANONYMOUS, Actor
from app.kit.fields import chosen
from app.kit.http import database, dump, reply, reply_list, settings
from app.kit.ids import IdPath, RefPath
from app.kit.problems import Forbidden, InvalidParameter, NotFound, Unauthorized, documented
from app.kit.schema import Row

router = APIRouter(prefix="/v1", tags=["comments"])


def groups_of(article_id: str) -> tuple[str, ...]:
    """The cache groups of answers that hold comments of an article."""
    return (*discussion_groups(article_id), f"article:{article_id}")


def beside(connection: sa.Connection, row: Row, _site: Site, _actor: Actor) -> Beside:
    """The first page of an article's discussion, to stand in the answer about it; null where readers see none."""
    groups = groups_of(row["id"])
    try:
        return Beside(dump(CommentList, queries.discussion(connection, row["id"], CommentQuery())[1]), groups)
    except NotFound:
        return Beside(b"null", groups)


@router.get(
    "/articles/{article}/comments",
    operation_id="listComments",
    summary="List the comments of an article",
    response_model=CommentList,
    responses=documented(NotFound, Retracted, WithheldForLegalReasons),
)
async def index(request: Request, article: RefPath, query: Annotated[CommentQuery, Query()], actor: Public) -> Response:
    """An article's discussion: its threads with their first replies, all comments, or those on passages.

    Moderators find what is not public in `/v1/moderation/queue`. What was removed keeps its place as a tombstone while
    replies stand under it; flat views leave it out.
    """
    fields = chosen(ThreadedCommentOut, query.fields)
    if "replies" in query.model_fields_set and (query.view != "threads" or query.anchor is not None):
        raise InvalidParameter("replies", "replies: only with view=threads, and not with anchor.")

    def find(connection: sa.Connection) -> tuple[str, dict[str, Any]]:
        try:
            return queries.discussion(connection, article, query)
        except NotFound:
            visible(connection, article, ANONYMOUS, Site.of(settings(request)))  # retracted or withheld says so
            raise

    article_id, page = await database(request).read(find)
    return reply_list(request, CommentList, page, fields, groups=groups_of(article_id), private=actor is not ANONYMOUS)


@router.get(
    "/comments/{comment}",
    operation_id="getComment",
    summary="Get a comment",
    response_model=SingleCommentOut,
    responses=documented(NotFound, Unauthorized, Forbidden),
)
async def show(
    request: Request, comment: IdPath, query: Annotated[OneCommentQuery, Query()], actor: Public
) -> Response:
    """One comment; `include=ancestors` adds those above it, up to 100.

    The token that it was written with, or its `edit_token`, shows the author its `source`, and the comment with its
    state also while it waits or after it was refused. Asked for by others, `fields=source` is a 401 or 403.
    """
    fields = chosen(SingleCommentOut, query.fields)
    ancestors = query.include == "ancestors" or "ancestors" in (fields or {})
    found = await database(request).read(_single, comment, actor, ancestors)
    _check_source(found, fields, actor)
    body = dump(SingleCommentOut, found, fields or None)
    return reply(request, body, groups=groups_of(found["article_id"]), private=actor is not ANONYMOUS)


def _single(connection: sa.Connection, comment_id: str, actor: Actor, ancestors: bool) -> Row:
    return queries.single(connection, comment_id, actor, ancestors=ancestors)


def _check_source(found: Row, fields: dict[str, Any] | None, actor: Actor) -> None:
    if "source" in (fields or {}) and "source" not in found:
        raise (Unauthorized if actor is ANONYMOUS else Forbidden)("source is given to the author of the comment alone.")


@router.get(
    "/comments/{comment}/replies",
    operation_id="listReplies",
    summary="List the replies to a comment",
    response_model=CommentList,
    responses=documented(NotFound),
)
async def replies(request: Request, comment: IdPath, query: Annotated[ReplyQuery, Query()], actor: Public) -> Response:
    """The direct replies to a comment, the earliest first unless `sort` says otherwise."""
    fields = chosen(ThreadedCommentOut, query.fields)
    article_id, page = await database(request).read(queries.replies, comment, query)
    return reply_list(request, CommentList, page, fields, groups=groups_of(article_id), private=actor is not ANONYMOUS)
