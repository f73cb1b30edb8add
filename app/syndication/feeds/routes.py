"""Feeds over HTTP."""

from functools import partial
from typing import Annotated, Any, cast

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from app.articles.addresses.queries import leads_to
from app.articles.cards.queries import steady
from app.articles.queries import is_visible
from app.articles.routes import Retracted, WithheldForLegalReasons, visible
from app.identity.routes import World
from app.identity.schemas import ANONYMOUS, Actor
from app.kit.http import MOVED, database, reply, settings
from app.kit.ids import RefPath
from app.kit.problems import NotFound, documented
from app.publication.references import Kind
from app.publication.routes import LEADS_ON, lead_on
from app.syndication.feeds import queries
from app.syndication.feeds.queries import Made
from app.syndication.feeds.schemas import ArchiveQuery, FormatPath, MonthPath
from app.syndication.formats.entries import FORMATS, written
from app.syndication.schemas import Publication

router = APIRouter(prefix="/feeds", tags=["syndication"])
_ATOM: Any = {"content": {"application/atom+xml": {"schema": {"type": "string"}}}}
_ANY: Any = {
    "content": {
        "application/rss+xml": {"schema": {"type": "string"}},
        **_ATOM["content"],
        "application/feed+json": {"schema": {"type": "object", "required": ["version", "title", "items"]}},
    }
}
_FEED = {200: {"description": "RSS 2.0, Atom (RFC 4287) or JSON Feed 1.1.", **_ANY}} | documented(NotFound)
_ARCHIVE = {200: {"description": "An archive document (RFC 5005 §4).", **_ATOM}} | documented(NotFound)
_COMMENTS = _FEED | documented(NotFound, Retracted, WithheldForLegalReasons)
_COMMENTS |= LEADS_ON
_OF_TERM = _FEED | LEADS_ON


def _sent(request: Request, made: Made, form: str, actor: Actor) -> Response:
    """A feed in the format that was asked for; with a hub also named in the headers, as WebSub §4 wants it."""
    feed = made.feed
    if made.given:
        request.app.state.ledger.note(str(actor.id), made.given)
    return reply(
        request,
        written(form, feed, made.pieces),
        groups=made.groups,
        private=actor is not ANONYMOUS,
        links={"self": feed.url} | dict.fromkeys(["hub"] if feed.hubs else [], "".join(feed.hubs[:1])),
        media_type=f"{FORMATS[form].MEDIA_TYPE}; charset=utf-8",
    )


async def _newest(request: Request, form: str, actor: Actor, kind: str | None = None, ref: str = "") -> Response:
    find = partial(queries.newest, here=Publication.of(settings(request)), form=form, kind=kind, ref=ref, actor=actor)
    try:
        made = await database(request).read(steady(find))
    except NotFound:
        if kind is None:
            raise
        return await lead_on(request, cast(Kind, kind), ref, f"/feeds/{{plural}}/{{slug}}.{form}")
    return _sent(request, made, form, actor)


@router.get(
    "/site.{form}",
    operation_id="getSiteFeed",
    summary="Get the feed of the publication",
    responses=_FEED,
    response_class=Response,
)
async def site(request: Request, form: FormatPath, actor: World) -> Response:
    """The 50 newest articles with their texts, notices and corrections; under 1 MB: else the oldest are shortened.

    A retracted article leaves the feed: an entry says that it was and why, and Atom has a tombstone (RFC 6721).
    """
    return await _newest(request, form, actor)


@router.get(
    "/sections/{section}.{form}",
    operation_id="getSectionFeed",
    summary="Get the feed of a section",
    responses=_OF_TERM,
    response_class=Response,
)
async def of_section(request: Request, section: RefPath, form: FormatPath, actor: World) -> Response:
    """The same of a section, by id or slug."""
    return await _newest(request, form, actor, "section", section)


@router.get(
    "/tags/{tag}.{form}",
    operation_id="getTagFeed",
    summary="Get the feed of a tag",
    responses=_OF_TERM,
    response_class=Response,
)
async def of_tag(request: Request, tag: RefPath, form: FormatPath, actor: World) -> Response:
    """The same of a tag, by id or slug."""
    return await _newest(request, form, actor, "tag", tag)


@router.get(
    "/authors/{author}.{form}",
    operation_id="getAuthorFeed",
    summary="Get the feed of an author",
    responses=_OF_TERM,
    response_class=Response,
)
async def of_author(request: Request, author: RefPath, form: FormatPath, actor: World) -> Response:
    """The same of an author, by id or slug."""
    return await _newest(request, form, actor, "author", author)


@router.get(
    "/articles/{article}/comments.{form}",
    operation_id="getCommentsFeed",
    summary="Get the feed of an article's comments",
    responses=_COMMENTS,
    response_class=Response,
)
async def of_comments(request: Request, article: RefPath, form: FormatPath, actor: World) -> Response:
    """The 50 newest comments on an article, by id or slug; Atom says which comment each answers (RFC 4685), and which
    readers can no longer see (RFC 6721)."""
    here = Publication.of(settings(request))

    def find(connection: sa.Connection) -> Made:
        return queries.discussed(connection, here, visible(connection, article, ANONYMOUS, here.site), form)

    try:
        made = await database(request).read(steady(find))
    except NotFound:
        former = await database(request).read(leads_to, article)
        if former is None or not (is_visible(former, ANONYMOUS) or former["state"] == "retracted"):
            raise
        return RedirectResponse(f"/feeds/articles/{former['slug']}/comments.{form}", 301, {"Cache-Control": MOVED})
    return _sent(request, made, form, actor)


@router.get(
    "/archive/{month}.atom",
    operation_id="getFeedArchive",
    summary="Get a month of the feed archive",
    responses=_ARCHIVE,
    response_class=Response,
)
async def archive(
    request: Request, month: MonthPath, query: Annotated[ArchiveQuery, Query()], actor: World
) -> Response:
    """All that was published in a month (of `TIME_ZONE`), as RFC 5005 archives: follow `prev-archive` from `site.atom`.

    Texts are shortened beyond 1 MB as in other feeds, but no entry is left out.
    """
    here = Publication.of(settings(request))
    find = partial(queries.archive, here=here, month=month, page=query.page, actor=actor)
    return _sent(request, await database(request).scan(steady(find)), "atom", actor)
