"""Discussions over HTTP: how they are set for the site, a section or an article, and the counts of many articles."""

from collections.abc import Callable
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles.discussion import actions, queries
from app.articles.discussion.events import SETTINGS, counts_groups, groups_of
from app.articles.discussion.schemas import (
    ArticleDiscussionIn,
    CountOut,
    CountsOut,
    CountsQuery,
    DiscussionIn,
    DiscussionSettingsOut,
)
from app.articles.queries import is_visible
from app.identity.routes import VERSIONED, Public, Versions, requires, write
from app.identity.schemas import ANONYMOUS, Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply, settings
from app.kit.ids import RefPath
from app.kit.problems import (
    Invalid,
    InvalidParameter,
    NotFound,
    documented,
)
from app.kit.schema import Row
from app.publication.routes import LEADS_ON, lead_on

router = APIRouter(prefix="/v1", tags=["discussion"])
Reading = Annotated[ReadQuery, Query()]
Moderator = Annotated[Actor, requires("comments:moderate")]
READS = documented(NotFound)
SETS = documented(*VERSIONED, Invalid)
MOST = 100
NAMED = 20  # headers hold the groups of so many articles


def _reply(request: Request, row: Row, query: ReadQuery, groups: tuple[str, ...], actor: Actor) -> Response:
    found = queries.present(row)
    return reply(
        request,
        dump(DiscussionSettingsOut, found, chosen(DiscussionSettingsOut, query.fields)),
        groups=groups,
        version=found["version"],
        private=actor is not ANONYMOUS,
    )


def _shown(read: Callable[[sa.Connection, str], Row | None]) -> Callable[[sa.Connection, str], Row]:
    """How a write answers: the settings as they are now."""

    def show(connection: sa.Connection, target_id: str) -> Row:
        row = read(connection, target_id)
        if row is None:
            raise NotFound
        return queries.present(row)

    return show


@router.get(
    "/counts",
    operation_id="getCounts",
    summary="Get comment and reaction counts",
    response_model=CountsOut,
    responses=documented(),
)
async def counts(request: Request, query: Annotated[CountsQuery, Query()], actor: Public) -> Response:
    """Comments and reactions of up to 100 articles at once; `missing` names those that are not public or not there."""
    refs = list(dict.fromkeys(part.strip() for part in query.articles.split(",")))
    if not all(refs) or len(refs) > MOST or any(len(ref) > 200 for ref in refs):
        raise InvalidParameter("articles", f"articles: 1 to {MOST} ids or slugs.")
    fields = chosen(CountOut, query.fields)
    ids, found = await database(request).read(queries.counts, refs, settings(request).reactions)
    missing = [ref for ref in refs if ref not in found]
    chosen_fields = {"data": dict.fromkeys(found, fields), "missing": ...} if fields else None
    body = dump(CountsOut, {"data": found, "missing": missing}, chosen_fields)
    groups = [f"comments:{article_id}" for article_id in ids] if len(ids) <= NAMED else counts_groups(ids)
    return reply(request, body, groups=(*groups, "articles"), private=actor is not ANONYMOUS)


@router.get(
    "/discussion",
    operation_id="getSiteDiscussion",
    summary="Get the discussion settings of the site",
    response_model=DiscussionSettingsOut,
    responses=documented(),
)
async def show_site(request: Request, query: Reading, actor: Public) -> Response:
    """How discussions are set for the whole publication; sections and articles may have it otherwise."""
    row = await database(request).read(queries.of_site)
    return _reply(request, row, query, (SETTINGS,), actor)


@router.put(
    "/discussion",
    operation_id="setSiteDiscussion",
    summary="Set the discussion settings of the site",
    response_model=DiscussionSettingsOut,
    responses=SETS,
)
async def set_site(request: Request, body: DiscussionIn, versions: Versions, actor: Moderator) -> Response:
    """Set the discussions of the whole publication, in place of what was set before."""
    return await _write(request, actor, actions.set_site, body, versions, read=queries.of_site)


@router.get(
    "/sections/{section}/discussion",
    operation_id="getSectionDiscussion",
    summary="Get the discussion settings of a section",
    response_model=DiscussionSettingsOut,
    responses=READS | LEADS_ON,
)
async def show_section(request: Request, section: RefPath, query: Reading, actor: Public) -> Response:
    """How discussions are set for a section's articles, and what comes of it."""
    row = await database(request).read(queries.of_section, section)
    if row is None:
        return await lead_on(request, "section", section, "/v1/{plural}/{slug}/discussion")
    return _reply(request, row, query, (SETTINGS, f"section:{row['id']}"), actor)


@router.put(
    "/sections/{section}/discussion",
    operation_id="setSectionDiscussion",
    summary="Set the discussion settings of a section",
    response_model=DiscussionSettingsOut,
    responses=SETS,
)
async def set_section(
    request: Request, section: RefPath, body: DiscussionIn, versions: Versions, actor: Moderator
) -> Response:
    """Set the discussions of a section's articles, in place of what was set before."""
    return await _write(request, actor, actions.set_section, section, body, versions, read=queries.of_section)


@router.get(
    "/articles/{article}/discussion",
    operation_id="getArticleDiscussion",
    summary="Get the discussion settings of an article",
    response_model=DiscussionSettingsOut,
    responses=READS,
)
async def show_article(request: Request, article: RefPath, query: Reading, actor: Public) -> Response:
    """How the discussion of an article is set, and what comes of it."""
    row = await database(request).read(queries.of_article, article)
    if row is None or not is_visible(row, actor):
        raise NotFound
    return _reply(request, row, query, (*groups_of(row["id"]), f"article:{row['id']}"), actor)


@router.put(
    "/articles/{article}/discussion",
    operation_id="setArticleDiscussion",
    summary="Set the discussion settings of an article",
    response_model=DiscussionSettingsOut,
    responses=SETS,
)
async def set_article(
    request: Request, article: RefPath, body: ArticleDiscussionIn, versions: Versions, actor: Moderator
) -> Response:
    """Set the discussion of an article, in place of what was set before; of a draft with `content:read` too.

    Its prompt is a text of the publication: where readers see the article, setting it needs `content:publish`.
    """
    return await _write(request, actor, actions.set_article, article, body, versions, read=queries.of_article)


async def _write(
    request: Request,
    actor: Actor,
    action: Callable[..., str],
    *args: Any,
    read: Callable[[sa.Connection, str], Row | None],
) -> Response:
    return await write(request, actor, action, *args, show=_shown(read), model=DiscussionSettingsOut)
