"""Editing over HTTP; each write answers with the article as its newest revision has it."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.articles.body import Body, from_blocks
from app.articles.body.addresses import Sizes, fill_sizes, unsized_files
from app.articles.editing import actions
from app.articles.editing.schemas import ArticleIn, ArticlePatch
from app.articles.publishing.routes import EDITED, show_edited
from app.articles.revisions.queries import newest_blocks
from app.articles.schemas import SingleArticleOut
from app.identity.routes import Versions, requires, write
from app.identity.schemas import Actor
from app.kit.http import database, settings
from app.kit.ids import RefPath
from app.kit.problems import Forbidden, Invalid, Unauthorized, documented
from app.kit.schema import Row
from app.publication.actions import SlugTaken
from app.publication.media.queries import find_sizes

router = APIRouter(prefix="/v1/articles", tags=["editing"])
Writer = Annotated[Actor, requires("content:write")]


async def prepare_text(request: Request, ref: str | None, body: ArticlePatch) -> Body | None:
    """Convert the text before the write begins: long texts take long, and the writer is one for all."""
    if "body" not in body.model_fields_set:
        return None
    previous = await database(request).read(newest_blocks, ref) if ref else []
    text = await run_in_threadpool(actions.convert, body.body, previous, settings(request).api)
    sizes = await database(request).read(find_sizes, unsized_files(text.blocks))
    return await run_in_threadpool(_sized, text, sizes) if sizes else text


def _sized(text: Body, sizes: Sizes) -> Body:
    return from_blocks(fill_sizes(text.blocks, sizes), text.dropped)


def _showing(request: Request, text: Body | None) -> Callable[[sa.Connection, str], Row]:
    """How a write answers: with what its text lost, if it has one."""
    show = show_edited(request)
    if text is None:
        return show
    dropped = [asdict(each) for each in text.dropped]
    return lambda connection, article_id: {**show(connection, article_id), "dropped": dropped}


@router.post(
    "",
    status_code=201,
    response_model=SingleArticleOut,
    responses=documented(Unauthorized, Forbidden, SlugTaken, Invalid),
)
async def create(request: Request, body: ArticleIn, actor: Writer) -> Response:
    """Make a draft."""
    text = await prepare_text(request, None, body)
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


@router.patch("/{article}", response_model=SingleArticleOut, responses=EDITED)
async def patch(request: Request, article: RefPath, body: ArticlePatch, versions: Versions, actor: Writer) -> Response:
    """Change an article (RFC 7396). What readers see of its text changes when it is published."""
    text = await prepare_text(request, article, body)
    return await write(
        request,
        actor,
        actions.patch,
        article,
        body,
        versions,
        text,
        show=_showing(request, text),
        model=SingleArticleOut,
    )


@router.delete("/{article}", status_code=204, responses=EDITED)
async def delete(request: Request, article: RefPath, versions: Versions, actor: Writer) -> Response:
    """Delete a draft that was never published."""
    return await write(request, actor, actions.delete, article, versions, status=204)
