"""Routes for editors: publishing, editing, corrections, revisions and preview links."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Final, TypeVar, TypeVarTuple

import sqlalchemy as sa
from fastapi import Path, Query, Request
from pydantic import Field
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.articles import corrections, editing, previews, publishing, revisions
from app.articles.approval import ApprovalRequired
from app.articles.editing import BodyOutdated, PreparedBody
from app.articles.editorial_schemas import (
    ArticleIn,
    ArticlePatch,
    BodyIn,
    CorrectionIn,
    CorrectionPatch,
    CorrectionVersionOut,
    DiffOut,
    NewPreviewOut,
    PreviewIn,
    PreviewOut,
    PublishIn,
    RetractIn,
    RevisionOut,
    ScheduleIn,
    ScheduleOut,
)
from app.articles.media_addresses import find_unsized_files
from app.articles.projection import IndexArticle, WrongState
from app.articles.reading import find_article, is_visible, present_article
from app.articles.rendering import parse_formats
from app.articles.revisions import NewestBlocks, find_newest_blocks, overlay_revision
from app.articles.routes import RETRACTED, get_visible_to_editor
from app.articles.schemas import FormatQuery, SingleArticleOut
from app.articles.services import ArticleServices
from app.blocks.convert import Body
from app.core.ids import IdPath, RefPath
from app.core.problems import NotFound, document_problems
from app.db.rows import JsonObject
from app.identity.access import DraftReader, ExpectedVersions, Publisher, Writer
from app.identity.schemas import Actor
from app.identity.writes import write
from app.publication.media_library import find_sizes
from app.publication.terms import SlugTaken
from app.web.paging import ListOut, Page, PageQuery, ReadQuery
from app.web.responses import database, offload, reply_private, reply_private_list, settings
from app.web.routing import PageParameters, ReadParameters, RouteOptions, Router

R = TypeVar("R", bound=Mapping[str, object])
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
publishing_router = Router(prefix="/v1/articles/{article}", tags=["publishing"])
EDIT_RESPONSES = document_problems(WrongState, ApprovalRequired)
ARTICLE_EDIT: RouteOptions = {"response_model": SingleArticleOut, "responses": EDIT_RESPONSES}


def show_edited(request: Request) -> Callable[[sa.Connection, str], JsonObject]:
    """Return how a write answers: with the newest revision of the article, as HTML and Markdown."""
    site, formats = ArticleServices.of(request).site, ("html", "markdown")

    def show(connection: sa.Connection, article_id: str) -> JsonObject:
        row = find_article(connection, article_id, formats)
        if row is not None and row["revision"] != row["latest_revision"]:
            row = overlay_revision(connection, row, row["latest_revision"], formats)
        if row is None:
            raise NotFound
        return present_article(row, site, formats, editing=True)

    return show


async def _write_article(
    request: Request, actor: Actor, action: Callable[[Session, Actor, IndexArticle, *Ts], str], *args: *Ts
) -> Response:
    """Run an action that may change what readers see, and answer with the article as editors see it."""
    index_article, show = ArticleServices.of(request).index_article, show_edited(request)
    return await write(request, actor, action, index_article, *args, render=show, model=SingleArticleOut)


async def list_for_editors(
    request: Request,
    article: str,
    actor: Actor,
    list_rows: Callable[[sa.Connection, str, PageQuery], Page[R]],
    query: PageQuery,
) -> Page[R]:
    """Return a page of what belongs to an article, for callers who may read drafts in its section."""

    def find(connection: sa.Connection) -> Page[R]:
        row = get_visible_to_editor(connection, article, actor, ArticleServices.of(request).site)
        if not actor.reads_drafts_in(row["section_id"]):
            raise NotFound
        return list_rows(connection, row["id"], query)

    return await database(request).read(find)


@publishing_router.post("/publish", summary="Publish an article", **ARTICLE_EDIT)
async def publish_article(
    request: Request, article: RefPath, versions: ExpectedVersions, actor: Publisher, body: PublishIn | None = None
) -> Response:
    """Publish a revision of the article: the one named, or the newest.

    The text may be empty: a headline alone, or with a picture, is complete. Under an embargo the article becomes public
    when it ends; `published_at` is set to that moment unless it was set by hand.
    """
    return await _write_article(
        request, actor, publishing.publish_article, article, versions, body.revision if body else None
    )


@publishing_router.post("/unpublish", summary="Unpublish an article", **ARTICLE_EDIT)
async def unpublish_article(
    request: Request, article: RefPath, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Unpublish the article: readers get 404 from now on."""
    return await _write_article(request, actor, publishing.unpublish_article, article, versions)


@publishing_router.post("/retract", summary="Retract an article", **ARTICLE_EDIT)
async def retract_article(
    request: Request, article: RefPath, body: RetractIn, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Retract the article for good: readers get 410, or 451 for legal reasons, with the reason."""
    return await _write_article(request, actor, publishing.retract_article, article, body, versions)


@publishing_router.put("/schedule", summary="Schedule an article", **ARTICLE_EDIT)
async def schedule_article(
    request: Request, article: RefPath, body: ScheduleIn, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Publish a revision at a future time, to the second: the one named, or the newest one at this moment.

    Later edits are not published: `editing.scheduled_revision` stays while `latest_revision` grows. Schedule the
    article again to publish a newer revision.
    """
    return await _write_article(request, actor, publishing.schedule_article, article, body.at, versions, body.revision)


@publishing_router.get("/schedule", summary="Get the schedule of an article", response_model=ScheduleOut)
async def get_schedule(request: Request, article: RefPath, query: ReadParameters, actor: DraftReader) -> Response:
    """Return which revision is published when; 404 if the article is not scheduled. The ETag is the article's."""
    row = await database(request).read(publishing.find_schedule, article)
    if row is None or not is_visible(row, actor):
        raise NotFound
    return reply_private(request, ScheduleOut, row, query, versioned=True)


@publishing_router.delete("/schedule", summary="Cancel the schedule of an article", **ARTICLE_EDIT)
async def unschedule_article(
    request: Request, article: RefPath, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Cancel the schedule of the article."""
    return await _write_article(request, actor, publishing.unschedule_article, article, versions)


editing_router = Router(prefix="/v1/articles", tags=["editing"])
MAX_THREAD_CHARACTERS: Final = 2000  # converted in a few milliseconds at worst
MAX_CONVERSIONS: Final = 2  # while other revisions are saved


async def _prepare_body(request: Request, ref: str | None, body: BodyIn) -> PreparedBody | None:
    """Convert a body before the write begins; None if the article does not exist, which the write reports."""
    newest = await database(request).scan_fresh(find_newest_blocks, ref) if ref else NewestBlocks(0, [])
    if newest is None:
        return None
    run = run_in_threadpool if len(body.markdown or body.html or "") <= MAX_THREAD_CHARACTERS else offload(request).run
    try:
        text = await run(editing.read_body, body, newest.blocks, [settings(request).media_base, settings(request).api])
    except ValueError as error:
        raise editing.make_body_problem(error, body) from error
    editing.refuse_data_images(text, body)
    sizes = await database(request).read(find_sizes, find_unsized_files(text.blocks))
    return PreparedBody(await run(editing.add_sizes, text, sizes) if sizes else text, newest.n)


async def send_with_body(
    request: Request, ref: str | None, body: ArticlePatch, send: Callable[[PreparedBody | None], Awaitable[T]]
) -> T:
    """Convert the body outside of the event loop and the transaction, and pass it to `send`.

    If another revision is saved meanwhile, it is converted again so that unchanged blocks keep their ids; the last
    attempt is sent whatever was saved.
    """
    if "body" not in body.model_fields_set:
        return await send(None)
    for _ in range(MAX_CONVERSIONS):
        prepared = await _prepare_body(request, ref, body.body)
        try:
            return await send(prepared)
        except BodyOutdated:
            continue
    prepared = await _prepare_body(request, ref, body.body)
    return await send(prepared and prepared._replace(after=None))


def _show_with_dropped(request: Request, text: Body | None) -> Callable[[sa.Connection, str], JsonObject]:
    """Return how a write answers: with the article, and the content that was dropped from its body."""
    show = show_edited(request)
    if text is None:
        return show
    dropped = [asdict(each) for each in text.dropped]
    return lambda connection, article_id: {**show(connection, article_id), "dropped": dropped}


@editing_router.post(
    "",
    summary="Create an article",
    status_code=201,
    response_model=SingleArticleOut,
    responses=document_problems(SlugTaken),
)
async def create_article(request: Request, body: ArticleIn, actor: Writer) -> Response:
    """Create a draft."""

    async def send(prepared: PreparedBody | None) -> Response:
        text = prepared and prepared.text
        return await write(
            request,
            actor,
            editing.create_article,
            ArticleServices.of(request).index_article,
            body,
            None,
            text,
            render=_show_with_dropped(request, text),
            model=SingleArticleOut,
            status=201,
            location="/v1/articles/{id}",
        )

    return await send_with_body(request, None, body, send)


@editing_router.patch("/{article}", summary="Change an article", **ARTICLE_EDIT)
async def update_article(
    request: Request, article: RefPath, body: ArticlePatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Update an article (RFC 7396). Readers see changes of the text once they are published."""

    async def send(prepared: PreparedBody | None) -> Response:
        text, after = prepared or (None, None)
        show = _show_with_dropped(request, text)
        change = (ArticleServices.of(request).index_article, article, body, versions, text, after)
        return await write(request, actor, editing.update_article, *change, render=show, model=SingleArticleOut)

    return await send_with_body(request, article, body, send)


@editing_router.delete("/{article}", summary="Delete a draft", status_code=204, responses=EDIT_RESPONSES)
async def delete_article(request: Request, article: RefPath, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a draft that was never published."""
    return await write(request, actor, editing.delete_article, article, versions, status=204)


corrections_router = Router(prefix="/v1/articles/{article}/corrections", tags=["publishing"])
CorrectionNumber = Annotated[int, Path(ge=1, le=999_999_999, description="Number of the correction, its `n`.")]


@corrections_router.post("", summary="Add a correction", **ARTICLE_EDIT)
async def add_correction(
    request: Request, article: RefPath, body: CorrectionIn, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Add a correction, which readers see at once."""
    return await _write_article(request, actor, corrections.add_correction, article, body, versions)


@corrections_router.get(
    "/history",
    summary="List former texts of corrections",
    response_model=ListOut[CorrectionVersionOut],
    responses=RETRACTED,
)
async def list_correction_history(
    request: Request, article: RefPath, query: PageParameters, actor: DraftReader
) -> Response:
    """List former versions of corrections, the last replaced first."""
    page = await list_for_editors(request, article, actor, corrections.list_versions, query)
    return reply_private_list(request, ListOut[CorrectionVersionOut], page, query)


@corrections_router.patch("/{n}", summary="Change a correction", **ARTICLE_EDIT)
async def update_correction(
    request: Request,
    article: RefPath,
    n: CorrectionNumber,
    body: CorrectionPatch,
    versions: ExpectedVersions,
    actor: Publisher,
) -> Response:
    """Update a correction (RFC 7396). Readers see it at once; editors find the former version."""
    return await _write_article(request, actor, corrections.change_correction, article, n, body, versions)


@corrections_router.delete("/{n}", summary="Withdraw a correction", **ARTICLE_EDIT)
async def withdraw_correction(
    request: Request, article: RefPath, n: CorrectionNumber, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Withdraw a correction. Readers no longer see it; editors find it. Its number is not reused."""
    return await _write_article(request, actor, corrections.withdraw_correction, article, n, versions)


revisions_router = Router(prefix="/v1/articles/{article}/revisions", tags=["revisions"])
RevisionNumber = Annotated[int, Path(ge=1, le=999_999_999)]


class DiffQuery(ReadQuery):
    """Parameters of comparing revisions."""

    against: int | None = Field(
        None, ge=1, le=999_999_999, description="The earlier revision; default: the previous one."
    )


@revisions_router.get(
    "", summary="List the revisions of an article", response_model=ListOut[RevisionOut], responses=RETRACTED
)
async def list_revisions(request: Request, article: RefPath, query: PageParameters, actor: DraftReader) -> Response:
    """List all revisions, newest first, without their texts."""

    def find(connection: sa.Connection) -> JsonObject:
        row = get_visible_to_editor(connection, article, actor, ArticleServices.of(request).site)
        return revisions.list_revisions(connection, actor, row["id"], row["published_revision"], query)

    page = await database(request).read(find)
    return reply_private_list(request, ListOut[RevisionOut], page, query)


@revisions_router.get("/{n}", summary="Get a revision", response_model=RevisionOut, responses=RETRACTED)
async def get_revision(
    request: Request, article: RefPath, n: RevisionNumber, query: Annotated[FormatQuery, Query()], actor: DraftReader
) -> Response:
    """Return one revision, with its text as HTML unless `formats` names other formats."""
    formats = parse_formats(query.formats, ("html",))

    def find(connection: sa.Connection) -> JsonObject:
        row = get_visible_to_editor(connection, article, actor, ArticleServices.of(request).site)
        revision = revisions.find_revision_with_terms(connection, row["id"], n)
        if revision is None or not actor.reads_drafts_in(revision["section_id"]):
            raise NotFound
        columns: Mapping[str, object] = revision
        body = {name: columns[name] for name in formats}
        return {**revision, "published": n == row["published_revision"], "body": body}

    out = await database(request).read(find)
    return reply_private(request, RevisionOut, out, query)


@revisions_router.get("/{n}/diff", summary="Compare two revisions", response_model=DiffOut, responses=RETRACTED)
async def compare_revisions(
    request: Request, article: RefPath, n: RevisionNumber, query: Annotated[DiffQuery, Query()], actor: DraftReader
) -> Response:
    """Return the changes in revision `n` since the previous one, or since `against`."""

    def find(connection: sa.Connection) -> JsonObject:
        row = get_visible_to_editor(connection, article, actor, ArticleServices.of(request).site)
        diff = revisions.compare_revisions(connection, actor, row["id"], n, query.against or max(1, n - 1))
        if diff is None:
            raise NotFound
        return diff

    out = await database(request).scan(find)
    return reply_private(request, DiffOut, out, query)


@revisions_router.post("/{n}/restore", summary="Restore a revision", **ARTICLE_EDIT)
async def restore_revision(
    request: Request,
    article: RefPath,
    n: RevisionNumber,
    versions: ExpectedVersions,
    actor: Writer,
) -> Response:
    """Save the text of an old revision as a new one; publish it to show it to readers."""
    return await _write_article(request, actor, revisions.restore_revision, article, n, versions)


previews_router = Router(prefix="/v1/articles/{article}/previews", tags=["previews"])


@previews_router.post("", summary="Create a preview link", status_code=201, response_model=NewPreviewOut)
async def create_preview(request: Request, article: RefPath, body: PreviewIn, actor: Writer) -> Response:
    """Create a link that shows the article's newest revision to anyone. The token is returned only once."""

    def show(connection: sa.Connection, created: tuple[str, str]) -> JsonObject:
        preview_id, token = created
        return {**(previews.find_preview(connection, preview_id) or {}), "token": token}

    return await write(
        request,
        actor,
        previews.create_preview,
        article,
        body.hours,
        render=show,
        model=NewPreviewOut,
        status=201,
        secret=True,
    )


@previews_router.get(
    "", summary="List the preview links of an article", response_model=ListOut[PreviewOut], responses=RETRACTED
)
async def list_previews(request: Request, article: RefPath, query: PageParameters, actor: DraftReader) -> Response:
    """List the article's preview links, newest first, without their tokens."""
    page = await list_for_editors(request, article, actor, previews.list_previews, query)
    return reply_private_list(request, ListOut[PreviewOut], page, query)


@previews_router.delete("/{preview_id}", summary="Revoke a preview link", status_code=204)
async def revoke_preview(request: Request, article: RefPath, preview_id: IdPath, actor: Writer) -> Response:
    """Revoke a preview link at once."""
    return await write(request, actor, previews.revoke_preview, article, preview_id, status=204)
