"""Revisions over HTTP."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from app.articles.addresses.schemas import Site
from app.articles.publishing.routes import EDITED, show_edited
from app.articles.queries import chosen_formats
from app.articles.revisions import actions, queries
from app.articles.revisions.schemas import DiffOut, RevisionOut
from app.articles.routes import visible_to_editor
from app.articles.schemas import FormatQuery, SingleArticleOut
from app.identity.routes import DraftReader, Versions, requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply, reply_list, settings
from app.kit.ids import RefPath
from app.kit.paging import ListOut, PageQuery
from app.kit.problems import Forbidden, NotFound, Unauthorized, documented

router = APIRouter(prefix="/v1/articles/{article}/revisions", tags=["revisions"])
Reader = DraftReader
Number = Annotated[int, Path(ge=1, le=999_999_999)]
REFUSED = (Unauthorized, Forbidden, NotFound)


class DiffQuery(ReadQuery):
    """Parameters of a diff."""

    against: int | None = Field(None, ge=1, le=999_999_999, description="The earlier side; the one before if absent.")


@router.get(
    "",
    operation_id="listRevisions",
    summary="List the revisions of an article",
    response_model=ListOut[RevisionOut],
    responses=documented(*REFUSED),
)
async def index(request: Request, article: RefPath, query: Annotated[PageQuery, Query()], actor: Reader) -> Response:
    """All that was ever saved, newest first, without the texts."""

    def find(connection: sa.Connection) -> dict[str, Any]:
        row = visible_to_editor(connection, article, actor, Site.of(settings(request)))
        return queries.page(connection, actor, row["id"], row["published_revision"], query)

    page = await database(request).read(find)
    fields = chosen(RevisionOut, query.fields)
    return reply_list(request, ListOut[RevisionOut], page, fields, groups=(), private=True)


@router.get(
    "/{n}",
    operation_id="getRevision",
    summary="Get a revision",
    response_model=RevisionOut,
    responses=documented(*REFUSED),
)
async def show(
    request: Request, article: RefPath, n: Number, query: Annotated[FormatQuery, Query()], actor: Reader
) -> Response:
    """One saved text, as HTML unless `formats` says otherwise."""
    formats = chosen_formats(query.formats, ("html",))

    def find(connection: sa.Connection) -> dict[str, Any]:
        row = visible_to_editor(connection, article, actor, Site.of(settings(request)))
        found = queries.find_named(connection, row["id"], n)
        if found is None or not actor.may_in(found["section_id"]):
            raise NotFound
        body = {name: found[name] for name in formats}
        return {**found, "published": n == row["published_revision"], "body": body}

    out = await database(request).read(find)
    return reply(request, dump(RevisionOut, out, chosen(RevisionOut, query.fields)), groups=(), private=True)


@router.get(
    "/{n}/diff",
    operation_id="compareRevisions",
    summary="Compare two revisions",
    response_model=DiffOut,
    responses=documented(*REFUSED),
)
async def diff(
    request: Request, article: RefPath, n: Number, query: Annotated[DiffQuery, Query()], actor: Reader
) -> Response:
    """What changed up to revision `n`, since the one before or since `against`."""

    def find(connection: sa.Connection) -> dict[str, Any]:
        row = visible_to_editor(connection, article, actor, Site.of(settings(request)))
        found = queries.diff(connection, actor, row["id"], n, query.against or max(1, n - 1))
        if found is None:
            raise NotFound
        return found

    out = await database(request).scan(find)
    return reply(request, dump(DiffOut, out, chosen(DiffOut, query.fields)), groups=(), private=True)


@router.post(
    "/{n}/restore",
    operation_id="restoreRevision",
    summary="Restore a revision",
    response_model=SingleArticleOut,
    responses=EDITED,
)
async def restore(
    request: Request,
    article: RefPath,
    n: Number,
    versions: Versions,
    actor: Annotated[Actor, requires("content:write")],
) -> Response:
    """Make a new revision with the text of an old one; publish it to show it to readers."""
    show = show_edited(request)
    return await write(request, actor, actions.restore, article, n, versions, show=show, model=SingleArticleOut)
