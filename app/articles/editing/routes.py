"""Editing over HTTP; each write answers with the article as its newest revision has it."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Final, TypeVar

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.articles.body import Body
from app.articles.body.addresses import unsized_files
from app.articles.editing import actions
from app.articles.editing.actions import BodyOutdated, PreparedBody
from app.articles.editing.schemas import ArticleIn, ArticlePatch, BodyIn
from app.articles.publishing.routes import EDITED, show_edited
from app.articles.revisions.queries import Newest, newest_blocks
from app.articles.schemas import SingleArticleOut
from app.identity.routes import Versions, requires, write
from app.identity.schemas import Actor
from app.kit.http import database, offload, settings
from app.kit.ids import RefPath
from app.kit.problems import Forbidden, Invalid, Unauthorized, documented
from app.kit.schema import Row
from app.publication.actions import SlugTaken
from app.publication.media.queries import find_sizes

router = APIRouter(prefix="/v1/articles", tags=["editing"])
Writer = Annotated[Actor, requires("content:write")]
QUICK_LENGTH: Final = 2000  # characters, which are read in a few milliseconds whatever they are
TRIES: Final = 2  # at a text, while others save revisions between
T = TypeVar("T")


async def _prepare(request: Request, ref: str | None, body: BodyIn) -> PreparedBody | None:
    """Convert a text before the write begins; None where there is no such article, as the write will find as well."""
    newest = await database(request).fresh(newest_blocks, ref) if ref else Newest(0, [])
    if newest is None:
        return None
    run = run_in_threadpool if len(body.markdown or body.html or "") <= QUICK_LENGTH else offload(request).run
    try:
        text = await run(actions.read_body, body, newest.blocks, settings(request).api)
    except ValueError as error:
        raise actions.refused_body(error, body) from error
    actions.check_text(text, body)
    sizes = await database(request).read(find_sizes, unsized_files(text.blocks))
    return PreparedBody(await run(actions.add_sizes, text, sizes) if sizes else text, newest.n)


async def with_text(
    request: Request, ref: str | None, body: ArticlePatch, send: Callable[[PreparedBody | None], Awaitable[T]]
) -> T:
    """Convert the text of a change, away from the event loop and the writer, and `send` it.

    Where somebody saves another revision meanwhile it is converted again, so that its blocks keep their ids; the last
    time whatever is saved between.
    """
    if "body" not in body.model_fields_set:
        return await send(None)
    for _ in range(TRIES):
        prepared = await _prepare(request, ref, body.body)
        try:
            return await send(prepared)
        except BodyOutdated:
            continue
    prepared = await _prepare(request, ref, body.body)
    return await send(prepared and prepared._replace(after=None))


def _showing(request: Request, text: Body | None) -> Callable[[sa.Connection, str], Row]:
    """How a write answers: with what its text lost, if it has one."""
    show = show_edited(request)
    if text is None:
        return show
    dropped = [asdict(each) for each in text.dropped]
    return lambda connection, article_id: {**show(connection, article_id), "dropped": dropped}


@router.post(
    "",
    operation_id="createArticle",
    summary="Create an article",
    status_code=201,
    response_model=SingleArticleOut,
    responses=documented(Unauthorized, Forbidden, SlugTaken, Invalid),
)
async def create(request: Request, body: ArticleIn, actor: Writer) -> Response:
    """Make a draft."""

    async def send(prepared: PreparedBody | None) -> Response:
        text = prepared and prepared.text
        return await write(
            request,
            actor,
            actions.create,
            body,
            None,
            text,
            show=_showing(request, text),
            model=SingleArticleOut,
            status=201,
            location="/v1/articles/{id}",
        )

    return await with_text(request, None, body, send)


@router.patch(
    "/{article}",
    operation_id="updateArticle",
    summary="Change an article",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def patch(request: Request, article: RefPath, body: ArticlePatch, versions: Versions, actor: Writer) -> Response:
    """Change an article (RFC 7396). What readers see of its text changes when it is published."""

    async def send(prepared: PreparedBody | None) -> Response:
        text, after = prepared or (None, None)
        show = _showing(request, text)
        change = (article, body, versions, text, after)
        return await write(request, actor, actions.patch, *change, show=show, model=SingleArticleOut)

    return await with_text(request, article, body, send)


@router.delete("/{article}", operation_id="deleteArticle", summary="Delete a draft", status_code=204, responses=EDITED)
async def delete(request: Request, article: RefPath, versions: Versions, actor: Writer) -> Response:
    """Delete a draft that was never published."""
    return await write(request, actor, actions.delete, article, versions, status=204)
