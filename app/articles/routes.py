"""One article over HTTP: itself, its neighbours, and what stands at a path of the site."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from app.articles import queries
from app.articles.addresses.queries import leads_to, resolve
from app.articles.addresses.schemas import ResolvedOut, ResolveQuery, Site
from app.articles.previews.queries import is_valid
from app.articles.revisions.queries import laid_over
from app.articles.schemas import ArticleQuery, NeighboursOut, NeighboursQuery, SingleArticleOut
from app.identity.routes import Public
from app.identity.schemas import ANONYMOUS, Actor
from app.kit.fields import chosen
from app.kit.http import database, dump, reply, settings
from app.kit.ids import RefPath
from app.kit.problems import Forbidden, Gone, InvalidParameter, NotFound, Problem, Unauthorized, documented
from app.kit.schema import Row

MOVED = "public, max-age=300"
router = APIRouter(prefix="/v1", tags=["articles"])


class Retracted(Gone):
    """The article was retracted; `reason` says why in public."""

    code, title = "article_retracted", "The article was retracted"


class WithheldForLegalReasons(Problem):
    """The article was withdrawn for legal reasons (RFC 7725); `reason` says so in public."""

    status, code, title = 451, "article_withheld", "The article is withheld for legal reasons"


def gone(row: Row) -> Problem:
    """The answer for a retracted article."""
    kind = WithheldForLegalReasons if row["retraction"]["legal"] else Retracted
    return kind("The publication has withdrawn this article.", reason=row["retraction"]["reason"])


def visible(connection: sa.Connection, ref: str, actor: Actor, formats: tuple[str, ...] = ()) -> sa.RowMapping:
    """The row of an article that the caller may see; 410 for a retracted one, 404 for all others."""
    row = queries.by_ref(connection, ref, formats)
    if row is not None and queries.is_visible(row, actor):
        return row
    if row is not None and row["state"] == "retracted":
        raise gone(row)
    raise NotFound


def _revision(connection: sa.Connection, ref: str, actor: Actor, query: ArticleQuery, formats: tuple[str, ...]) -> Row:
    """The article as one of its revisions has it, for editors and for holders of a preview link."""
    if query.preview is not None:
        row = queries.by_ref(connection, ref, formats)
        if row is None or not is_valid(connection, row["id"], query.preview):
            raise NotFound
        wanted = "latest"
    else:
        if not queries.sees_drafts(actor):
            raise (Unauthorized if actor is ANONYMOUS else Forbidden)("revision needs the scope content:read.")
        row, wanted = visible(connection, ref, actor, formats), query.revision or "latest"
    found = laid_over(connection, row, row["latest_revision"] if wanted == "latest" else int(wanted), formats)
    if found is None or not (query.preview is not None or actor.may_in(found["section_id"])):
        raise NotFound
    return found


def _formats(asked: str | None, fields: dict[str, Any] | None) -> tuple[str, ...]:
    default = ("html",) if fields is None or "body" in fields else ()
    try:
        return queries.chosen_formats(asked, default)
    except ValueError as error:
        raise InvalidParameter("formats", str(error)) from None


async def _moved(request: Request, ref: str, actor: Actor, tail: str = "") -> Response:
    """301 from a slug that the article had, or 404."""
    former = await database(request).read(leads_to, ref)
    if former is None or not (queries.is_visible(former, actor) or former["state"] == "retracted"):
        raise NotFound
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/v1/articles/{former['slug']}{tail}{query}", 301, {"Cache-Control": MOVED})


@router.get(
    "/articles/{article}",
    response_model=SingleArticleOut,
    responses={
        **documented(Unauthorized, Forbidden, NotFound, Retracted, WithheldForLegalReasons),
        301: {"description": "An old slug; `Location` has the new address."},
    },
)
async def show(request: Request, article: RefPath, query: Annotated[ArticleQuery, Query()], actor: Public) -> Response:
    """One article by id or slug, with its text as HTML unless `formats` says otherwise."""
    fields = chosen(SingleArticleOut, query.fields)
    formats = _formats(query.formats, fields)
    if query.include not in (None, "neighbours"):
        raise InvalidParameter("include", "include: neighbours.")
    site = Site.of(settings(request))
    special = query.preview is not None or query.revision is not None

    def find(connection: sa.Connection) -> dict[str, Any]:
        if special:
            row = _revision(connection, article, actor, query, formats)
        else:
            row = visible(connection, article, actor, formats)
        editing = queries.sees_drafts(actor) and actor.may_in(row["section_id"])
        out = queries.present(row, site, formats, editing=editing)
        if query.include:
            out["neighbours"] = queries.neighbours(connection, row, site)
        return out

    try:
        out = await database(request).read(find)
    except NotFound:
        return await _moved(request, article, actor)
    if fields is not None:
        extra = {"body": bool(query.formats), "neighbours": bool(query.include)}
        fields = {**fields, **{name: True for name, asked in extra.items() if asked}}
    body = dump(SingleArticleOut, out, fields)
    private = special or actor is not ANONYMOUS
    groups = (f"article:{out['id']}", "publication", *(("articles",) if query.include else ()))
    return reply(request, body, groups=groups, version=out["version"], modified=out["updated_at"], private=private)


@router.get(
    "/articles/{article}/neighbours",
    response_model=NeighboursOut,
    responses=documented(NotFound, Retracted, WithheldForLegalReasons),
)
async def neighbours(
    request: Request, article: RefPath, query: Annotated[NeighboursQuery, Query()], actor: Public
) -> Response:
    """The articles published just before and just after this one, within the site, its section or its series."""
    site, fields = Site.of(settings(request)), chosen(NeighboursOut, query.fields)
    formats = _formats(query.formats, {}) if query.formats else ()

    def find(connection: sa.Connection) -> dict[str, Any]:
        return queries.neighbours(connection, visible(connection, article, actor), site, query.within, formats)

    try:
        out = await database(request).read(find)
    except NotFound:
        return await _moved(request, article, actor, "/neighbours")
    body = dump(NeighboursOut, out, fields)
    return reply(request, body, groups=("articles", "publication"), private=actor is not ANONYMOUS)


@router.get("/resolve", response_model=ResolvedOut, responses=documented(NotFound))
async def at_path(request: Request, query: Annotated[ResolveQuery, Query()], actor: Public) -> Response:
    """What the publication's site should answer at one of its paths: the article, where it moved, or why it is gone."""
    found = await database(request).read(resolve, query.path, Site.of(settings(request)))
    body = dump(ResolvedOut, found, chosen(ResolvedOut, query.fields))
    return reply(request, body, groups=("articles", "publication"), private=actor is not ANONYMOUS)
