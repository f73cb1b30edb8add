"""Routes of releases."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVarTuple

import sqlalchemy as sa
from fastapi import Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.articles.approval import ApprovalRequired
from app.articles.editorial_schemas import PreviewIn
from app.articles.services import ArticleServices
from app.core.ids import IdPath
from app.core.problems import Conflict, Invalid, document_problems
from app.db.rows import JsonObject
from app.events.log import find_last_position
from app.identity.access import DraftReader, ExpectedVersions, Publisher, Writer
from app.identity.schemas import Actor
from app.identity.writes import write
from app.releases import checking, previews, releases, scheduling
from app.releases.applying import ItemChanged, ItemGone, Tools
from app.releases.checking import CheckDone
from app.releases.releases import ReleaseState
from app.releases.schemas import (
    NewReleasePreviewOut,
    ReleaseCheckOut,
    ReleaseIn,
    ReleaseItemList,
    ReleaseItemsIn,
    ReleaseList,
    ReleaseOut,
    ReleasePatch,
    ReleasePreviewList,
    ReleaseQuery,
    ReleaseScheduleIn,
    RollBackIn,
)
from app.web.fields import dump_json
from app.web.responses import database, reply, reply_private, reply_private_list
from app.web.routing import PageParameters, ReadParameters, RouteOptions, Router

Ts = TypeVarTuple("Ts")
router = Router(prefix="/v1/releases", tags=["releases"])
EDIT: RouteOptions = {"response_model": ReleaseOut, "responses": document_problems(ReleaseState)}
PUBLISH: RouteOptions = {
    "response_model": ReleaseOut,
    "responses": document_problems(ReleaseState, ItemGone, ApprovalRequired, Conflict, Invalid),
}


def _tools(request: Request) -> Tools:
    services = ArticleServices.of(request)
    return Tools(services.index_article, services.notice_articles, services.site)


async def _write(
    request: Request, actor: Actor, action: Callable[[Session, Actor, *Ts], str], *args: *Ts, aside: bool = False
) -> Response:
    """Run an action that returns the id of a release, and answer with the release."""
    return await write(request, actor, action, *args, render=releases.get_release, model=ReleaseOut, aside=aside)


@router.get("", summary="List releases", response_model=ReleaseList)
async def list_releases(request: Request, query: Annotated[ReleaseQuery, Query()], actor: DraftReader) -> Response:
    """List releases, newest first: of some sections, those that change something there, one's own, and empty ones."""
    page = await database(request).read(releases.list_releases, actor, query)
    return reply_private_list(request, ReleaseList, page, query)


@router.post("", summary="Create a release", status_code=201, response_model=ReleaseOut)
async def create_release(request: Request, body: ReleaseIn, actor: Writer) -> Response:
    """Create a release without items."""
    return await write(
        request,
        actor,
        releases.create_release,
        body,
        render=releases.get_release,
        model=ReleaseOut,
        status=201,
        location="/v1/releases/{id}",
    )


@router.get("/{release}", summary="Get a release", response_model=ReleaseOut)
async def get_release(request: Request, release: IdPath, query: ReadParameters, actor: DraftReader) -> Response:
    """Return a release without its items."""

    def find(connection: sa.Connection) -> JsonObject | None:
        row = releases.find_release(connection, actor, release)
        return releases.present_release(row) if row else None

    out = await database(request).read(find)
    return reply_private(request, ReleaseOut, out, query, versioned=True)


@router.patch("/{release}", summary="Change a release", **EDIT)
async def update_release(
    request: Request, release: IdPath, body: ReleasePatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Change the name or the note of a release (RFC 7396), with `content:write` in all sections concerned."""
    return await _write(request, actor, releases.update_release, release, body, versions)


@router.delete("/{release}", summary="Delete a release", status_code=204, responses=document_problems(ReleaseState))
async def delete_release(request: Request, release: IdPath, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a release that is neither published nor scheduled."""
    return await write(request, actor, releases.delete_release, release, versions, status=204)


@router.get("/{release}/items", summary="List the items of a release", response_model=ReleaseItemList)
async def list_release_items(request: Request, release: IdPath, query: PageParameters, actor: DraftReader) -> Response:
    """List the items of a release, in their order."""
    page = await database(request).read(releases.list_release_items, actor, release, query)
    return reply_private_list(request, ReleaseItemList, page, query)


@router.put("/{release}/items", summary="Replace the items of a release", **EDIT)
async def replace_release_items(
    request: Request, release: IdPath, body: ReleaseItemsIn, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Replace all items of a release. Revisions are pinned now: what is saved later is not published.

    Articles are published in their order, before notices, redirects and fronts.
    """
    return await _write(request, actor, partial(releases.put_items, keep=False), release, body.items, versions)


@router.post("/{release}/items", summary="Add items to a release", **EDIT)
async def add_release_items(
    request: Request, release: IdPath, body: ReleaseItemsIn, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Add items after the others; an item that changes the same as one before replaces it."""
    return await _write(request, actor, partial(releases.put_items, keep=True), release, body.items, versions)


@router.delete(
    "/{release}/items/{item}",
    summary="Take an item out of a release",
    status_code=204,
    responses=document_problems(ReleaseState),
)
async def remove_release_item(
    request: Request, release: IdPath, item: IdPath, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Take an item out of a release; `If-Match` takes the ETag of the release."""
    return await write(request, actor, releases.remove_item, release, item, versions, status=204)


@router.post("/{release}/check", summary="Check a release", response_model=ReleaseCheckOut)
async def check_release(request: Request, release: IdPath, actor: Writer) -> Response:
    """Return everything that would keep the caller from publishing the release now; nothing is changed.

    Items are carried out by the rules of publishing, and undone.
    """
    db, tools, problems = database(request), _tools(request), list[JsonObject]()
    for part in range(await db.read(checking.count_check_parts, actor, release)):
        try:
            await db.write_aside(checking.check_items, actor, tools, release, part)
        except CheckDone as done:
            problems += done.problems
    out = {"ready": not problems, "problems": problems + await db.read(checking.list_warnings, release)}
    answer = reply(request, dump_json(ReleaseCheckOut, out), groups=(), private=True)
    answer.headers["Broadsheet-Position"] = str(await db.read(find_last_position))
    return answer


@router.post("/{release}/publish", summary="Publish a release", **PUBLISH)
async def publish_release(request: Request, release: IdPath, versions: ExpectedVersions, actor: Publisher) -> Response:
    """Publish all items in one transaction, or none of them: a problem names the `item` because of which.

    The caller must have `content:publish` in all sections concerned.
    """
    return await _write(request, actor, releases.publish_release, _tools(request), release, versions, aside=True)


@router.put("/{release}/schedule", summary="Schedule a release", **EDIT)
async def schedule_release(
    request: Request, release: IdPath, body: ReleaseScheduleIn, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Publish the release at a future time, with the permissions that the caller has then.

    A release that cannot be published at its time becomes `failed`; `failure` says why, and nothing is published.
    """
    return await _write(request, actor, scheduling.schedule_release, release, body.at, versions)


@router.delete("/{release}/schedule", summary="Cancel the schedule of a release", **EDIT)
async def unschedule_release(
    request: Request, release: IdPath, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Cancel the schedule of a release, with `content:publish` in all sections concerned."""
    return await _write(request, actor, scheduling.unschedule_release, release, versions)


@router.post(
    "/{release}/rollback",
    summary="Roll back a release",
    response_model=ReleaseOut,
    responses=document_problems(ReleaseState, ItemChanged, ItemGone, ApprovalRequired),
)
async def roll_back_release(
    request: Request,
    release: IdPath,
    versions: ExpectedVersions,
    actor: Publisher,
    body: RollBackIn | None = None,
) -> Response:
    """Undo a published release in one transaction: readers get the answers from before, with the same ETags.

    Refused if what readers see of any item was changed since, unless `skip_changed`. Articles that were published for
    the first time become `unpublished`.
    """
    skip = body is not None and body.skip_changed
    return await _write(
        request,
        actor,
        releases.roll_back_release,
        _tools(request),
        release,
        versions,
        skip,
        aside=True,
    )


@router.post(
    "/{release}/previews",
    summary="Create a preview link of a release",
    status_code=201,
    response_model=NewReleasePreviewOut,
)
async def create_release_preview(request: Request, release: IdPath, body: PreviewIn, actor: Writer) -> Response:
    """Create a link by which anyone reads articles, lists and fronts as they will be after the release.

    The token is returned only once. The caller must have `content:write` in all sections concerned.
    """
    return await write(
        request,
        actor,
        previews.create_preview,
        release,
        body.hours,
        render=previews.get_preview,
        model=NewReleasePreviewOut,
        status=201,
        secret=True,
    )


@router.get("/{release}/previews", summary="List the preview links of a release", response_model=ReleasePreviewList)
async def list_release_previews(
    request: Request, release: IdPath, query: PageParameters, actor: DraftReader
) -> Response:
    """List the release's preview links, newest first, without their tokens."""
    page = await database(request).read(previews.list_previews, actor, release, query)
    return reply_private_list(request, ReleasePreviewList, page, query)


@router.delete("/{release}/previews/{preview_id}", summary="Revoke a preview link of a release", status_code=204)
async def revoke_release_preview(request: Request, release: IdPath, preview_id: IdPath, actor: Writer) -> Response:
    """Revoke a preview link at once."""
    return await write(request, actor, previews.revoke_preview, release, preview_id, status=204)
