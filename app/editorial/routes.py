"""Routes of notes, tasks and locks."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from app.anchors.anchors import QuoteNotFound
from app.articles.includes import ListPosition
from app.articles.projection import WrongState
from app.articles.rendering import ArticleRow, RenderedArticle
from app.articles.routes import RETRACTED, get_visible_to_editor
from app.articles.services import ArticleServices
from app.core.ids import IdPath, RefPath
from app.core.problems import NotFound, document_problems
from app.db.rows import JsonObject
from app.editorial import locks, notes, tasks
from app.editorial.locks import ArticleLocked
from app.editorial.schemas import (
    DraftNoteIn,
    DraftNoteOut,
    DraftNotePatch,
    LockIn,
    LockOut,
    NoteQuery,
    TaskIn,
    TaskOut,
    TaskPatch,
    TaskQuery,
)
from app.identity.access import DraftReader, ExpectedVersions, Writer
from app.identity.schemas import Actor
from app.identity.writes import write
from app.publication.site import Site
from app.web.fields import dump_json
from app.web.paging import ListOut, Page
from app.web.responses import database, reply_private, reply_private_list, settings
from app.web.routing import PageParameters, ReadParameters, Router

router = Router(prefix="/v1", tags=["editorial"])


def _get_article(connection: sa.Connection, ref: str, actor: Actor, site: Site) -> ArticleRow:
    """Return an article whose drafts the caller reads; 404 for others."""
    row = get_visible_to_editor(connection, ref, actor, site)
    if not actor.reads_drafts_in(row["section_id"]):
        raise NotFound
    return row


@router.get(
    "/articles/{article}/notes",
    summary="List the notes of an article",
    response_model=ListOut[DraftNoteOut],
    responses=RETRACTED,
)
async def list_notes(
    request: Request, article: RefPath, query: Annotated[NoteQuery, Query()], actor: DraftReader
) -> Response:
    """List the notes of an article, the oldest first, with the places of their passages in its newest revision."""
    site = ArticleServices.of(request).site

    def find(connection: sa.Connection) -> Page[JsonObject]:
        row = _get_article(connection, article, actor, site)
        return notes.list_notes(connection, actor, row["id"], query)

    page = await database(request).scan(find)
    return reply_private_list(request, ListOut[DraftNoteOut], page, query)


@router.post(
    "/articles/{article}/notes",
    summary="Write a note",
    status_code=201,
    response_model=DraftNoteOut,
    responses=document_problems(QuoteNotFound, WrongState),
)
async def create_note(request: Request, article: RefPath, body: DraftNoteIn, actor: Writer) -> Response:
    """Write a note on an article or on a passage of a revision, or answer one. Readers never see it."""
    return await write(
        request, actor, notes.create_note, article, body, render=notes.read_note, model=DraftNoteOut, status=201
    )


@router.patch("/notes/{note}", summary="Change a note", response_model=DraftNoteOut)
async def update_note(
    request: Request, note: IdPath, body: DraftNotePatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Change a note (RFC 7396): anybody who writes in the section may assign it or mark it as done."""
    return await write(
        request, actor, notes.update_note, note, body, versions, render=notes.read_note, model=DraftNoteOut
    )


@router.delete("/notes/{note}", summary="Delete a note", status_code=204)
async def delete_note(request: Request, note: IdPath, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a note of one's own, with its answers."""
    return await write(request, actor, notes.delete_note, note, versions, status=204)


@router.get("/tasks", summary="List tasks", response_model=ListOut[TaskOut])
async def list_tasks(request: Request, query: Annotated[TaskQuery, Query()], actor: DraftReader) -> Response:
    """List tasks, those that are due first at the top."""
    page = await database(request).read(tasks.list_tasks, actor, query, settings(request).time_zone)
    return reply_private_list(request, ListOut[TaskOut], page, query)


@router.post("/tasks", summary="Create a task", status_code=201, response_model=TaskOut)
async def create_task(request: Request, body: TaskIn, actor: Writer) -> Response:
    """Create a task, for an article or not."""
    return await write(request, actor, tasks.create_task, body, render=tasks.read_task, model=TaskOut, status=201)


@router.patch("/tasks/{task}", summary="Change a task", response_model=TaskOut)
async def update_task(
    request: Request, task: IdPath, body: TaskPatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Change a task (RFC 7396), or mark it as done. Those of no article: for their author and assignee alone.

    Whoever has `content:write` everywhere changes all of them.
    """
    return await write(request, actor, tasks.update_task, task, body, versions, render=tasks.read_task, model=TaskOut)


@router.delete("/tasks/{task}", summary="Delete a task", status_code=204)
async def delete_task(request: Request, task: IdPath, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a task."""
    return await write(request, actor, tasks.delete_task, task, versions, status=204)


@router.get("/locks", summary="List who edits what", response_model=ListOut[LockOut])
async def list_locks(request: Request, query: PageParameters, actor: DraftReader) -> Response:
    """List the locks that have not expired, the newest first."""
    page = await database(request).read(locks.list_locks, actor, query)
    return reply_private_list(request, ListOut[LockOut], page, query)


@router.get("/articles/{article}/lock", summary="Get who edits an article", response_model=LockOut, responses=RETRACTED)
async def get_lock(request: Request, article: RefPath, query: ReadParameters, actor: DraftReader) -> Response:
    """Return the lock of an article; 404 if nobody holds it."""
    site = ArticleServices.of(request).site

    def find(connection: sa.Connection) -> JsonObject:
        return locks.get_lock(connection, _get_article(connection, article, actor, site)["id"])

    return reply_private(request, LockOut, await database(request).read(find), query)


@router.put(
    "/articles/{article}/lock",
    summary="Say that you edit an article",
    response_model=LockOut,
    responses=document_problems(ArticleLocked),
)
async def take_lock(request: Request, article: RefPath, actor: Writer, body: LockIn | None = None) -> Response:
    """Take or renew the lock of an article, so that others see who edits it. It is in the way of no save."""
    data = body or LockIn()
    return await write(request, actor, locks.take_lock, article, data, render=locks.get_lock, model=LockOut)


@router.delete("/articles/{article}/lock", summary="Stop editing an article", status_code=204)
async def release_lock(request: Request, article: RefPath, actor: Writer) -> Response:
    """Give up one's lock of an article. That of somebody else stays."""
    return await write(request, actor, locks.release_lock, article, status=204)


def include_lock(
    connection: sa.Connection, row: ListPosition, _article: RenderedArticle, _site: Site, actor: Actor
) -> RenderedArticle:
    """Return the lock of an article for `include=lock`; null for others than its editors."""
    lock = locks.find_lock(connection, row["id"]) if actor.reads_drafts_in(row["section_id"]) else None
    return RenderedArticle(b"null" if lock is None else dump_json(LockOut, lock))
