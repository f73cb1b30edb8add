"""Editing over HTTP; each write answers with the article as its newest revision has it."""

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.articles.addresses.actions import SlugTaken
from app.articles.editing import actions
from app.articles.editing.schemas import ArticleIn, ArticlePatch
from app.articles.publishing.routes import EDITED, show_edited
from app.articles.schemas import SingleArticleOut
from app.identity.routes import Versions, requires, write
from app.identity.schemas import Actor
from app.kit.ids import RefPath
from app.kit.problems import Forbidden, Invalid, Unauthorized, documented

router = APIRouter(prefix="/v1/articles", tags=["editing"])
Writer = Annotated[Actor, requires("content:write")]


@router.post(
    "",
    status_code=201,
    response_model=SingleArticleOut,
    responses=documented(Unauthorized, Forbidden, SlugTaken, Invalid),
)
async def create(request: Request, body: ArticleIn, actor: Writer) -> Response:
    """Make a draft."""
    show = show_edited(request)
    return await write(
        request,
        actor,
        actions.create,
        body,
        show=show,
        model=SingleArticleOut,
        status=201,
        location="/v1/articles/{id}",
    )


@router.patch("/{article}", response_model=SingleArticleOut, responses=EDITED)
async def patch(request: Request, article: RefPath, body: ArticlePatch, versions: Versions, actor: Writer) -> Response:
    """Change an article (RFC 7396). What readers see of its text changes when it is published."""
    show = show_edited(request)
    return await write(request, actor, actions.patch, article, body, versions, show=show, model=SingleArticleOut)


@router.delete("/{article}", status_code=204, responses=EDITED)
async def delete(request: Request, article: RefPath, versions: Versions, actor: Writer) -> Response:
    """Delete a draft that was never published."""
    return await write(request, actor, actions.delete, article, versions, status=204)
