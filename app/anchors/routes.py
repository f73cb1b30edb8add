"""Routes of anchors and prompts."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from app.anchors import anchors, editing
from app.anchors.anchors import PassageRow, QuoteNotFound, StaleRevision, TooManyAnchors
from app.anchors.editing import AlreadyAsked
from app.anchors.schemas import AnchorPatch, AnchorQuery, PassageOut, PromptIn
from app.articles.includes import ListPosition
from app.articles.projection import WrongState
from app.articles.rendering import RenderedArticle
from app.articles.routes import RETRACTED, get_visible
from app.articles.services import ArticleServices
from app.core.ids import IdPath, RefPath
from app.core.problems import NotFound, document_problems
from app.events.cache_groups import discussion_cache_groups
from app.identity.access import ExpectedVersions, Public, Writer
from app.identity.schemas import Actor
from app.identity.writes import write
from app.publication.site import Site
from app.web.fields import dump_json, parse_fields
from app.web.paging import ListOut, Page
from app.web.responses import database, reply, reply_list
from app.web.routing import PreviewedParameters, RouteOptions, Router

router = Router(prefix="/v1", tags=["anchors"])
PASSAGE_EDIT: RouteOptions = {"response_model": PassageOut, "responses": document_problems(WrongState)}
PLACING_PROBLEMS = (WrongState, QuoteNotFound, StaleRevision)


def _cache_groups(article_id: str) -> tuple[str, ...]:
    return (f"anchors:{article_id}", f"article:{article_id}", *discussion_cache_groups(article_id))


def _get_passage(connection: sa.Connection, anchor_id: str) -> PassageRow:
    row = anchors.find_anchor(connection, anchor_id)
    if row is None:
        raise NotFound
    return row


def include_anchors(
    connection: sa.Connection, row: ListPosition, _article: RenderedArticle, _site: Site, _actor: Actor
) -> RenderedArticle:
    """Return the first 100 anchors of an article for `include=anchors`."""
    page = anchors.list_anchors(connection, row["id"], AnchorQuery(limit=100))
    return RenderedArticle(dump_json(ListOut[PassageOut], page), groups=_cache_groups(row["id"]))


@router.get(
    "/articles/{article}/anchors",
    summary="List the anchors of an article",
    response_model=ListOut[PassageOut],
    responses=RETRACTED,
)
async def list_anchors(
    request: Request, article: RefPath, query: Annotated[AnchorQuery, Query()], actor: Public
) -> Response:
    """List an article's prompts and commented passages, in the order of the text, including orphaned ones."""
    site = ArticleServices.of(request).site

    def find(connection: sa.Connection) -> tuple[str, Page[PassageRow]]:
        row = get_visible(connection, article, actor, site)
        return row["id"], anchors.list_anchors(connection, row["id"], query)

    article_id, page = await database(request).read(find)
    fields = parse_fields(PassageOut, query.fields)
    private = not actor.is_anonymous
    return reply_list(request, ListOut[PassageOut], page, fields, groups=_cache_groups(article_id), private=private)


@router.post(
    "/articles/{article}/anchors",
    summary="Add a prompt to a passage",
    status_code=201,
    response_model=PassageOut,
    responses=document_problems(*PLACING_PROBLEMS, TooManyAnchors, AlreadyAsked),
)
async def create_prompt(request: Request, article: RefPath, body: PromptIn, actor: Writer) -> Response:
    """Add a question for readers to a passage of the public text."""
    return await write(
        request,
        actor,
        editing.create_prompt,
        article,
        body,
        render=_get_passage,
        model=PassageOut,
        status=201,
        location="/v1/anchors/{id}",
    )


@router.get("/anchors/{anchor}", summary="Get an anchor", response_model=PassageOut, responses=RETRACTED)
async def get_anchor(request: Request, anchor: IdPath, query: PreviewedParameters, actor: Public) -> Response:
    """Get an anchor, with the ETag needed to change it."""
    site = ArticleServices.of(request).site

    def find(connection: sa.Connection) -> PassageRow:
        row = _get_passage(connection, anchor)
        get_visible(connection, row["article_id"], actor, site)
        return row

    row = await database(request).read(find)
    body = dump_json(PassageOut, row, parse_fields(PassageOut, query.fields))
    private = not actor.is_anonymous
    return reply(request, body, groups=_cache_groups(row["article_id"]), version=row["version"], private=private)


@router.patch(
    "/anchors/{anchor}",
    summary="Change an anchor",
    response_model=PassageOut,
    responses=document_problems(*PLACING_PROBLEMS, WrongState),
)
async def update_anchor(
    request: Request, anchor: IdPath, body: AnchorPatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Change the question of a prompt, or move an anchor within the public text."""
    return await write(
        request, actor, editing.update_anchor, anchor, body, versions, render=_get_passage, model=PassageOut
    )


@router.post("/anchors/{anchor}/detach", summary="Detach an anchor from the text", **PASSAGE_EDIT)
async def detach_anchor(request: Request, anchor: IdPath, versions: ExpectedVersions, actor: Writer) -> Response:
    """Detach an anchor from the text; its comments stay. `PATCH` with `place` attaches it again."""
    return await write(request, actor, editing.detach_anchor, anchor, versions, render=_get_passage, model=PassageOut)


@router.post("/anchors/{anchor}/redact", summary="Redact the quoted words of an anchor", **PASSAGE_EDIT)
async def redact_anchor(request: Request, anchor: IdPath, versions: ExpectedVersions, actor: Writer) -> Response:
    """Erase the quoted words permanently. The comments stay with the block as long as the article has it."""
    return await write(request, actor, editing.redact_anchor, anchor, versions, render=_get_passage, model=PassageOut)
