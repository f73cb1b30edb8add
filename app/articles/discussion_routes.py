"""Routes of discussion settings and counts."""

from collections.abc import Callable
from typing import Annotated, TypeVarTuple

import sqlalchemy as sa
from fastapi import Query, Request
from sqlmodel import Session
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
from app.articles.discussion_settings import SettingsRow, SettingsView
from app.articles.reading import is_visible
from app.core.ids import RefPath
from app.core.problems import InvalidParameter, NotFound
from app.events.cache_groups import ARTICLES_GROUP, SETTINGS_GROUP, counts_groups_of, discussion_cache_groups
from app.identity.access import ExpectedVersions, Moderator, Public
from app.identity.schemas import Actor
from app.identity.writes import write
from app.publication.responses import REDIRECT_RESPONSE, redirect_former_slug
from app.web.fields import FieldTree, dump_json, parse_fields
from app.web.paging import ReadQuery
from app.web.responses import database, reply, settings
from app.web.routing import PreviewedParameters, ReadParameters, RouteOptions, Router

router = Router(prefix="/v1", tags=["discussion"])
SETTINGS: RouteOptions = {"response_model": DiscussionSettingsOut}
Ts = TypeVarTuple("Ts")
MAX_COUNTED_ARTICLES = 100


def _reply_settings(
    request: Request, row: SettingsRow, query: ReadQuery, groups: tuple[str, ...], actor: Actor
) -> Response:
    out = discussion_settings.present_settings(row)
    return reply(
        request,
        dump_json(DiscussionSettingsOut, out, parse_fields(DiscussionSettingsOut, query.fields)),
        groups=groups,
        version=out["version"],
        private=not actor.is_anonymous,
    )


def _show_settings(
    read: Callable[[sa.Connection, str], SettingsRow | None],
) -> Callable[[sa.Connection, str], SettingsView]:
    """Return how a write answers: with the settings as they are afterwards."""

    def show(connection: sa.Connection, target_id: str) -> SettingsView:
        row = read(connection, target_id)
        if row is None:
            raise NotFound
        return discussion_settings.present_settings(row)

    return show


@router.get("/counts", summary="Get comment and reaction counts", response_model=CountsOut)
async def get_counts(request: Request, query: Annotated[CountsQuery, Query()], actor: Public) -> Response:
    """Return comment and reaction counts of up to 100 articles; `missing` names those that are not public."""
    refs = list(dict.fromkeys(part.strip() for part in query.articles.split(",")))
    if not all(refs) or len(refs) > MAX_COUNTED_ARTICLES or any(len(ref) > 200 for ref in refs):
        raise InvalidParameter("articles", f"articles: 1 to {MAX_COUNTED_ARTICLES} ids or slugs.")
    fields = parse_fields(CountOut, query.fields)
    ids, counts = await database(request).read(discussion_settings.list_counts, refs, settings(request).reactions)
    missing = [ref for ref in refs if ref not in counts]
    chosen_fields: FieldTree | None = {"data": dict.fromkeys(counts, fields), "missing": True} if fields else None
    body = dump_json(CountsOut, {"data": counts, "missing": missing}, chosen_fields)
    return reply(request, body, groups=(*counts_groups_of(ids), ARTICLES_GROUP), private=not actor.is_anonymous)


@router.get("/discussion", summary="Get the discussion settings of the site", **SETTINGS)
async def get_site_discussion(request: Request, query: ReadParameters, actor: Public) -> Response:
    """Return the discussion settings of the site; sections and articles may override them."""
    row = await database(request).read(discussion_settings.get_site_settings)
    return _reply_settings(request, row, query, (SETTINGS_GROUP,), actor)


@router.put("/discussion", summary="Set the discussion settings of the site", **SETTINGS)
async def set_site_discussion(
    request: Request, body: DiscussionIn, versions: ExpectedVersions, actor: Moderator
) -> Response:
    """Replace the discussion settings of the site."""
    return await _write_settings(
        request, actor, discussions.set_site_discussion, body, versions, read=discussion_settings.get_site_settings
    )


@router.get(
    "/sections/{section}/discussion",
    summary="Get the discussion settings of a section",
    response_model=DiscussionSettingsOut,
    responses=REDIRECT_RESPONSE,
)
async def get_section_discussion(request: Request, section: RefPath, query: ReadParameters, actor: Public) -> Response:
    """Return the discussion settings of a section, own and effective."""
    row = await database(request).read(discussion_settings.find_section_settings, section)
    if row is None:
        return await redirect_former_slug(request, "section", section, "/v1/{plural}/{slug}/discussion")
    return _reply_settings(request, row, query, (SETTINGS_GROUP, f"section:{row['id']}"), actor)


@router.put("/sections/{section}/discussion", summary="Set the discussion settings of a section", **SETTINGS)
async def set_section_discussion(
    request: Request, section: RefPath, body: DiscussionIn, versions: ExpectedVersions, actor: Moderator
) -> Response:
    """Replace the discussion settings of a section."""
    read = discussion_settings.find_section_settings
    return await _write_settings(request, actor, discussions.set_section_discussion, section, body, versions, read=read)


@router.get("/articles/{article}/discussion", summary="Get the discussion settings of an article", **SETTINGS)
async def get_article_discussion(
    request: Request, article: RefPath, query: PreviewedParameters, actor: Public
) -> Response:
    """Return the discussion settings of an article, own and effective."""
    row = await database(request).read(discussion_settings.find_article_settings, article)
    if row is None or not is_visible(row, actor):
        raise NotFound
    return _reply_settings(request, row, query, (*discussion_cache_groups(row["id"]), f"article:{row['id']}"), actor)


@router.put("/articles/{article}/discussion", summary="Set the discussion settings of an article", **SETTINGS)
async def set_article_discussion(
    request: Request, article: RefPath, body: ArticleDiscussionIn, versions: ExpectedVersions, actor: Moderator
) -> Response:
    """Replace the discussion settings of an article; drafts also require `content:read`.

    The prompt is part of the publication's content: changing it on a public article requires `content:publish`.
    """
    read = discussion_settings.find_article_settings
    return await _write_settings(request, actor, discussions.set_article_discussion, article, body, versions, read=read)


async def _write_settings(
    request: Request,
    actor: Actor,
    action: Callable[[Session, Actor, *Ts], str],
    *args: *Ts,
    read: Callable[[sa.Connection, str], SettingsRow | None],
) -> Response:
    return await write(request, actor, action, *args, render=_show_settings(read), model=DiscussionSettingsOut)
