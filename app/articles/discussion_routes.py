"""Discussions over HTTP: how they are set for the site, a section or an article, and the counts of many articles."""

from collections.abc import Callable
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.articles import discussion_settings, discussions
from app.articles.discussion_schemas import (
    ArticleDiscussionIn,
    CountOut,
    CountsOut,
    CountsQuery,
    DiscussionIn,
    DiscussionSettingsOut,
)
from app.articles.events import SETTINGS, counts_groups, discussion_cache_groups
from app.articles.reading import is_visible
from app.core.ids import RefPath
from app.core.problems import Invalid, InvalidParameter, NotFound, documented
from app.db.columns import Row
from app.identity.access import VERSIONED, Public, Versions, requires
from app.identity.schemas import ANONYMOUS, Actor
from app.identity.writes import write
from app.publication.responses import LEADS_ON, lead_on
from app.web.fields import chosen
from app.web.responses import ReadQuery, database, dump, reply, settings

router = APIRouter(prefix="/v1", tags=["discussion"])
Reading = Annotated[ReadQuery, Query()]
Moderator = Annotated[Actor, requires("comments:moderate")]
READS = documented(NotFound)
SETS = documented(*VERSIONED, Invalid)
MOST = 100
NAMED = 20  # headers hold the groups of so many articles


def _reply(request: Request, row: Row, query: ReadQuery, groups: tuple[str, ...], actor: Actor) -> Response:
    found = discussion_settings.present(row)
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
        return discussion_settings.present(row)

    return show


@router.get(
    "/counts",
    operation_id="getCounts",
    summary="Get comment and reaction counts",
    response_model=CountsOut,
    responses=documented(),
)
async def get_counts(request: Request, query: Annotated[CountsQuery, Query()], actor: Public) -> Response:
    """Comments and reactions of up to 100 articles at once; `missing` names those that are not public or not there."""
    refs = list(dict.fromkeys(part.strip() for part in query.articles.split(",")))
    if not all(refs) or len(refs) > MOST or any(len(ref) > 200 for ref in refs):
        raise InvalidParameter("articles", f"articles: 1 to {MOST} ids or slugs.")
    fields = chosen(CountOut, query.fields)
    ids, found = await database(request).read(discussion_settings.counts, refs, settings(request).reactions)
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
async def get_site_discussion(request: Request, query: Reading, actor: Public) -> Response:
    """How discussions are set for the whole publication; sections and articles may have it otherwise."""
    row = await database(request).read(discussion_settings.of_site)
    return _reply(request, row, query, (SETTINGS,), actor)


@router.put(
    "/discussion",
    operation_id="setSiteDiscussion",
    summary="Set the discussion settings of the site",
    response_model=DiscussionSettingsOut,
    responses=SETS,
)
async def set_site_discussion(request: Request, body: DiscussionIn, versions: Versions, actor: Moderator) -> Response:
    """Set the discussions of the whole publication, in place of what was set before."""
    return await _write(request, actor, discussions.set_site, body, versions, read=discussion_settings.of_site)


@router.get(
    "/sections/{section}/discussion",
    operation_id="getSectionDiscussion",
    summary="Get the discussion settings of a section",
    response_model=DiscussionSettingsOut,
    responses=READS | LEADS_ON,
)
async def get_section_discussion(request: Request, section: RefPath, query: Reading, actor: Public) -> Response:
    """How discussions are set for a section's articles, and what comes of it."""
    row = await database(request).read(discussion_settings.of_section, section)
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
async def set_section_discussion(
    request: Request, section: RefPath, body: DiscussionIn, versions: Versions, actor: Moderator
) -> Response:
    """Set the discussions of a section's articles, in place of what was set before."""
    return await _write(
        request, actor, discussions.set_section, section, body, versions, read=discussion_settings.of_section
    )


@router.get(
    "/articles/{article}/discussion",
    operation_id="getArticleDiscussion",
    summary="Get the discussion settings of an article",
    response_model=DiscussionSettingsOut,
    responses=READS,
)
async def get_article_discussion(request: Request, article: RefPath, query: Reading, actor: Public) -> Response:
    """How the discussion of an article is set, and what comes of it."""
    row = await database(request).read(discussion_settings.of_article, article)
    if row is None or not is_visible(row, actor):
        raise NotFound
    return _reply(request, row, query, (*discussion_cache_groups(row["id"]), f"article:{row['id']}"), actor)


@router.put(
    "/articles/{article}/discussion",
    operation_id="setArticleDiscussion",
    summary="Set the discussion settings of an article",
    response_model=DiscussionSettingsOut,
    responses=SETS,
)
async def set_article_discussion(
    request: Request, article: RefPath, body: ArticleDiscussionIn, versions: Versions, actor: Moderator
) -> Response:
    """Set the discussion of an article, in place of what was set before; of a draft with `content:read` too.

    Its prompt is a text of the publication: where readers see the article, setting it needs `content:publish`.
    """
    return await _write(
        request, actor, discussions.set_article, article, body, versions, read=discussion_settings.of_article
    )


async def _write(
    request: Request,
    actor: Actor,
    action: Callable[..., str],
    *args: Any,
    read: Callable[[sa.Connection, str], Row | None],
) -> Response:
    return await write(request, actor, action, *args, show=_shown(read), model=DiscussionSettingsOut)
