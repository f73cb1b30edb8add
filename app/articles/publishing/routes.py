"""The verbs of publishing over HTTP; each answers with the article as it stands then."""

from collections.abc import Callable
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.actions import WrongState
from app.articles.addresses.schemas import Site
from app.articles.publishing import actions, queries
from app.articles.publishing.schemas import CorrectionIn, PublishIn, RetractIn, ScheduleIn, ScheduleOut
from app.articles.queries import by_ref, is_visible, present
from app.articles.revisions.queries import laid_over
from app.articles.schemas import SingleArticleOut
from app.identity.routes import VERSIONED, DraftReader, Versions, requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply, settings
from app.kit.ids import RefPath
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.kit.schema import Row

router = APIRouter(prefix="/v1/articles/{article}", tags=["publishing"])
Publisher = Annotated[Actor, requires("content:publish")]
EDITED = documented(*VERSIONED, WrongState, Invalid)


def show_edited(request: Request) -> Callable[[sa.Connection, str], Row]:
    """How a write answers: the article as its newest revision has it, with HTML and Markdown."""
    site, formats = Site.of(settings(request)), ("html", "markdown")

    def show(connection: sa.Connection, article_id: str) -> Row:
        row: Row | None = by_ref(connection, article_id, formats)
        if row is not None and row["revision"] != row["latest_revision"]:
            row = laid_over(connection, row, row["latest_revision"], formats)
        if row is None:
            raise NotFound
        return present(row, site, formats, editing=True)

    return show


async def _act(request: Request, actor: Actor, action: Callable[..., str], *args: Any) -> Response:
    return await write(request, actor, action, *args, show=show_edited(request), model=SingleArticleOut)


@router.post(
    "/publish",
    operation_id="publishArticle",
    summary="Publish an article",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def publish(
    request: Request, article: RefPath, versions: Versions, actor: Publisher, body: PublishIn | None = None
) -> Response:
    """Show a revision to readers now: the one named, or the newest.

    An article needs no text for it: a headline alone, or with a picture, is one. Under an embargo readers see the
    article when that ends, and `published_at` is that moment unless it was set by hand.
    """
    return await _act(request, actor, actions.publish, article, versions, body.revision if body else None)


@router.post(
    "/unpublish",
    operation_id="unpublishArticle",
    summary="Unpublish an article",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def unpublish(request: Request, article: RefPath, versions: Versions, actor: Publisher) -> Response:
    """Take the article back: readers get 404 from now on."""
    return await _act(request, actor, actions.unpublish, article, versions)


@router.post(
    "/retract",
    operation_id="retractArticle",
    summary="Retract an article",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def retract(
    request: Request, article: RefPath, body: RetractIn, versions: Versions, actor: Publisher
) -> Response:
    """Withdraw the article for good: readers get 410, or 451, with the reason."""
    return await _act(request, actor, actions.retract, article, body, versions)


@router.put(
    "/schedule",
    operation_id="scheduleArticle",
    summary="Schedule an article",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def schedule(
    request: Request, article: RefPath, body: ScheduleIn, versions: Versions, actor: Publisher
) -> Response:
    """Publish at a time to come, within a second of it: the revision named, or the newest one of this moment.

    Later edits do not go live then: `editing.scheduled_revision` stays as it is while `latest_revision` grows. Schedule
    the article again to take the newer one.
    """
    return await _act(request, actor, actions.schedule, article, body.at, versions, body.revision)


@router.get(
    "/schedule",
    operation_id="getSchedule",
    summary="Get the schedule of an article",
    response_model=ScheduleOut,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def show_schedule(
    request: Request, article: RefPath, query: Annotated[ReadQuery, Query()], actor: DraftReader
) -> Response:
    """What goes live, and when; 404 for an article that is not scheduled. The ETag is the article's."""
    row = await database(request).read(queries.schedule_of, article)
    if row is None or not is_visible(row, actor):
        raise NotFound
    body = dump(ScheduleOut, row, chosen(ScheduleOut, query.fields))
    return reply(request, body, groups=(), version=row["version"], private=True)


@router.delete(
    "/schedule",
    operation_id="unscheduleArticle",
    summary="Cancel the schedule of an article",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def unschedule(request: Request, article: RefPath, versions: Versions, actor: Publisher) -> Response:
    """Forget the time that was set."""
    return await _act(request, actor, actions.unschedule, article, versions)


@router.post(
    "/corrections",
    operation_id="addCorrection",
    summary="Add a correction",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def correct(
    request: Request, article: RefPath, body: CorrectionIn, versions: Versions, actor: Publisher
) -> Response:
    """Add a correction; it stands with the article at once."""
    return await _act(request, actor, actions.correct, article, body, versions)
