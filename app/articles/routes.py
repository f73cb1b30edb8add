"""One article over HTTP: itself, its neighbours, and what stands at a path of the site."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, get_args

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from app.articles import cached_json as cards
from app.articles import listing, reading
from app.articles.activity import column_of
from app.articles.addresses import NOTHING, leads_to, resolve
from app.articles.cache_groups import ARTICLES, groups_of_list, membership, shows_counts
from app.articles.cached_json import steady
from app.articles.events import RANKING, discussion_cache_groups
from app.articles.list_parameters import ListQuery, cache_groups_of_filter
from app.articles.partners import hand_over, hand_over_one, sees_early
from app.articles.previews import is_valid
from app.articles.reading import sees_drafts
from app.articles.revisions import laid_over
from app.articles.schemas import (
    ArticleList,
    ArticleQuery,
    ListedArticleOut,
    NeighboursOut,
    NeighboursQuery,
    SingleArticleOut,
    State,
)
from app.articles.selection import add_formats, branch_of, check_editing, refuse_fields
from app.articles.site import ResolvedOut, ResolveQuery, Site
from app.core.ids import RefPath
from app.core.problems import Forbidden, Gone, InvalidParameter, NotFound, Problem, Unauthorized, documented
from app.db.columns import Row
from app.identity.access import Public
from app.identity.schemas import ANONYMOUS, Actor
from app.publication.events import EVERYTHING
from app.web.fields import chosen
from app.web.responses import JSON, MOVED, aside, database, dump, limit_json, preferred, reply, reply_page, settings

# How else one article is written, by media type; wiring.py gives what the room above has for these.
ACCEPTED: dict[str, Callable[[Request, str, Actor], Awaitable[Response]]] = {}
articles_router = APIRouter(prefix="/v1", tags=["articles"])


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


def visible(
    connection: sa.Connection, ref: str, actor: Actor, site: Site, formats: tuple[str, ...] = (), *, early: bool = False
) -> Row:
    """The lean row of an article that the caller may see; 410 for a retracted one, 404 for all others.

    `early`: also what is not public yet and the caller, a partner, is named for.
    """
    row = cards.by_ref(connection, ref, site, formats, editing=reading.sees_drafts(actor))
    if row is not None and (reading.is_visible(row, actor) or (early and sees_early(connection, row, actor))):
        return row
    if row is not None and row["state"] == "retracted":
        raise gone(row)
    raise NotFound


def visible_to_editor(connection: sa.Connection, ref: str, actor: Actor, site: Site) -> Row:
    """Find an article for what only editors read of it; a former slug is followed, as writes follow it."""
    try:
        return visible(connection, ref, actor, site)
    except NotFound:
        former = leads_to(connection, ref)
        if former is None:
            raise
        return visible(connection, former["slug"], actor, site)


def _revision(
    connection: sa.Connection, ref: str, actor: Actor, site: Site, query: ArticleQuery, formats: tuple[str, ...]
) -> tuple[Row, bytes]:
    """The article as one of its revisions has it, for editors and for holders of a preview link."""
    row = reading.by_ref(connection, ref, formats)
    held = row is not None and query.preview is not None and is_valid(connection, row["id"], query.preview)
    if row is None or not (held or (query.preview is None and reading.is_visible(row, actor))):
        raise NotFound
    wanted = query.revision or "latest"
    found = laid_over(connection, row, row["latest_revision"] if held or wanted == "latest" else int(wanted), formats)
    if found is None or not (held or actor.may_in(found["section_id"])):
        raise NotFound
    editing = reading.sees_drafts(actor) and actor.may_in(row["section_id"])
    return found, dump(SingleArticleOut, reading.present(found, site, formats, editing=editing))


def _included(asked: str | None) -> list[str]:
    """What is to stand beside the article, by name; 400 for what is not known."""
    names = dict.fromkeys(part.strip() for part in asked.split(",")) if asked is not None else {}
    if not names.keys() <= cards.BESIDE.keys():
        raise InvalidParameter("include", f"include: any of {', '.join(cards.BESIDE)}.")
    return list(names)


async def moved(request: Request, ref: str, actor: Actor, tail: str = "") -> Response:
    """301 from a slug that the article had, with what else its address ends in; or 404."""
    former = await database(request).read(leads_to, ref)
    if former is None or not (reading.is_visible(former, actor) or former["state"] == "retracted"):
        raise NotFound
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/v1/articles/{former['slug']}{tail}{query}", 301, {"Cache-Control": MOVED})


def _asked_for(request: Request, query: ArticleQuery) -> str:
    """The media type to answer with; 400 for parameters that only JSON has."""
    accept = request.headers.get("accept")
    kind = preferred(accept, (JSON, *ACCEPTED)) if accept else JSON
    if kind != JSON and (asked := sorted(query.model_fields_set - {"min_position"})):
        raise InvalidParameter(asked[0], f"{asked[0]}: only with JSON.")
    return kind


@articles_router.get(
    "/articles/{article}",
    operation_id="getArticle",
    summary="Get an article",
    response_model=SingleArticleOut,
    responses={
        **documented(Unauthorized, Forbidden, NotFound, Retracted, WithheldForLegalReasons),
        301: {"description": "An old slug; `Location` has the new address."},
    },
)
async def get_article(
    request: Request, article: RefPath, query: Annotated[ArticleQuery, Query()], actor: Public
) -> Response:
    """One article by id or slug, with its text as HTML unless `formats` says otherwise.

    `Accept` chooses another format (RFC 9110 §12.5.1), each of which also has an address with a suffix. It takes no
    further parameters. JSON comes first.
    """
    if (kind := _asked_for(request, query)) != JSON:
        return await ACCEPTED[kind](request, article, actor)
    fields = chosen(SingleArticleOut, query.fields, tuple((name, part.model) for name, part in cards.BESIDE.items()))
    check_editing(fields, actor)
    formats = add_formats(query.formats, fields, default=("html",) if fields is None else ())
    beside = list(
        dict.fromkeys([*_included(query.include), *(name for name in cards.BESIDE if name in (fields or {}))])
    )
    for name in beside:
        refuse_fields(branch_of(fields, name), "body", "editing")
    special = query.preview is not None or query.revision is not None
    if query.preview is None and special and not reading.sees_drafts(actor):
        missing = "revision needs the scope content:read or content:write."
        raise (Unauthorized if actor is ANONYMOUS else Forbidden)(missing)
    site, drafts = Site.of(settings(request)), reading.sees_drafts(actor)

    def find(connection: sa.Connection) -> tuple[Row, bytes, list[str]]:
        if special:
            row, out = _revision(connection, article, actor, site, query, formats)
        else:
            row = visible(connection, article, actor, site, formats, early=True)
            edits = drafts and actor.may_in(row["section_id"])
            (out,) = cards.finished(connection, [row], site, formats, lambda _: edits)
        found = {name: cards.BESIDE[name].read(connection, row, site, actor) for name in beside}
        parts = (b'{"%b":%b}' % (name.encode(), part.json) for name, part in found.items())
        return row, cards.joined([out, *parts]), [group for part in found.values() for group in part.groups]

    try:
        row, body, groups = await database(request).read(cards.steady(find))
    except NotFound:
        return await moved(request, article, actor)
    body = hand_over_one(request.app.state.ledger, actor, body)
    if fields is not None:
        body = limit_json(body, {**dict.fromkeys([*beside, *(["body"] if query.formats else [])], True), **fields})
    return reply(
        request,
        body,
        groups=dict.fromkeys(
            [
                f"article:{row['id']}",
                "publication",
                *(discussion_cache_groups(row["id"]) if shows_counts(fields) or "comments" in beside else ()),
                *groups,
            ]
        ),
        version=row["version"],
        private=special or actor is not ANONYMOUS,
    )


@articles_router.get(
    "/articles/{article}/neighbours",
    operation_id="getNeighbours",
    summary="Get the previous and next article",
    response_model=NeighboursOut,
    responses=documented(NotFound, Retracted, WithheldForLegalReasons),
)
async def get_neighbours(
    request: Request, article: RefPath, query: Annotated[NeighboursQuery, Query()], actor: Public
) -> Response:
    """The articles published just before and just after this one, within the site, its section or its series."""
    site, fields = Site.of(settings(request)), chosen(NeighboursOut, query.fields)
    formats = add_formats(query.formats, branch_of(fields, "previous"), branch_of(fields, "next"))
    refuse_fields(fields, "editing")

    def find(connection: sa.Connection) -> tuple[bytes, list[str]]:
        row = visible(connection, article, actor, site, early=True)
        return cards.neighbours(connection, row, site, query.within, formats)

    try:
        body, ids = await database(request).read(cards.steady(find))
    except NotFound:
        return await moved(request, article, actor, "/neighbours")
    body = hand_over_one(request.app.state.ledger, actor, body)
    groups = groups_of_list([ARTICLES], ids, counts=shows_counts(fields, "previous") or shows_counts(fields, "next"))
    private = actor is not ANONYMOUS
    return reply(request, limit_json(body, fields), groups=groups, private=private)


@articles_router.get(
    "/resolve",
    operation_id="resolvePath",
    summary="Resolve a path of the site",
    response_model=ResolvedOut,
    responses=documented(NotFound),
)
async def resolve_path(request: Request, query: Annotated[ResolveQuery, Query()], actor: Public) -> Response:
    """What the publication's site should answer at one of its paths: the article, where it moved, or why it is gone."""
    found = await database(request).read(resolve, query.path, Site.of(settings(request)))
    body = hand_over_one(request.app.state.ledger, actor, dump(ResolvedOut, found), NOTHING)
    fields = chosen(ResolvedOut, query.fields)
    refuse_fields(fields, "body", "editing")
    body = limit_json(body, fields)
    counts = (
        discussion_cache_groups(found["article"]["id"])
        if "article" in found and shows_counts(fields, "article")
        else ()
    )
    return reply(request, body, groups=(ARTICLES, EVERYTHING, *counts), private=actor is not ANONYMOUS)


listing_router = APIRouter(prefix="/v1/articles", tags=["articles"])


@listing_router.get(
    "",
    operation_id="listArticles",
    summary="List articles",
    response_model=ArticleList,
    responses=documented(Unauthorized, Forbidden),
)
async def list_articles(request: Request, query: Annotated[ListQuery, Query()], actor: Public) -> Response:
    """Published articles, newest first unless `sort` says otherwise; with `state` and a key also the others."""
    fields = chosen(ListedArticleOut, query.fields)
    busy = column_of(query.sort) is not None
    if busy and (query.q is not None or query.states is not None):
        raise InvalidParameter("sort", "sort: this order is not for q or state.")
    if query.states is not None:
        if not sees_drafts(actor):
            asked = next(name for name in ("state", "changed", "editor", "sort") if name in query.model_fields_set)
            raise (Unauthorized if actor is ANONYMOUS else Forbidden)(
                f"{asked} needs a key with the scope content:read or content:write."
            )
        if not set(query.states) <= set(get_args(State)):
            raise InvalidParameter("state", f"state: `any`, or any of {', '.join(get_args(State))}.")
    check_editing(fields, actor)
    formats = add_formats(query.formats, fields)
    if fields and query.formats:
        fields = {**fields, "body": True}
    if (named := ",".join(formats) or None) != query.formats:
        query = query.model_copy(update={"formats": named})
    groups = cache_groups_of_filter(query)
    if query.q is not None:
        run = aside(request).scan
    else:
        run = database(request).read if listing.is_quick(query, groups) else database(request).scan
    find = partial(listing.page, query=query, groups=groups, actor=actor, site=Site.of(settings(request)))
    page = await run(steady(find))
    members = membership(groups, page["resolved"])
    return reply_page(
        request,
        hand_over(request.app.state.ledger, actor, page["data"]),
        page["page"],
        fields,
        groups=(*groups_of_list(members, page["ids"], counts=shows_counts(fields)), *((RANKING,) if busy else ())),
        private=actor is not ANONYMOUS,
    )
