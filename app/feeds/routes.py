"""Feeds over HTTP."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, cast

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from app.articles.addresses import NOT_FOUND_DETAIL, find_by_former_address, resolve_address
from app.articles.cached_json import retry_on_change
from app.articles.reading import is_visible
from app.articles.routes import Retracted, WithheldForLegalReasons, get_visible
from app.articles.services import ArticleServices
from app.core.ids import RefPath
from app.core.problems import NotFound, document_problems
from app.feeds import feeds, sitemaps
from app.feeds.entries import FORMATS, written
from app.feeds.feeds import ArchiveQuery, FormatPath, Made, MonthPath
from app.feeds.oembed import OEmbedOut, OEmbedQuery, answer, as_xml, path_of
from app.feeds.schemas import MAX_SITEMAP_URLS, PartPath, Publication, read
from app.identity.access import ThirdParty
from app.identity.schemas import ANONYMOUS, Actor
from app.publication.references import Kind
from app.publication.responses import REDIRECT_RESPONSE, redirect_former_slug
from app.web.responses import JSON_TYPE, REDIRECT_CACHE_CONTROL, database, dump_json, reply, settings

feeds_router = APIRouter(prefix="/feeds", tags=["syndication"])
_STRING = {"type": "string"}
_ATOM: Any = {"content": {"application/atom+xml": {"schema": {"type": "string"}}}}
_ANY: Any = {
    "content": {
        "application/rss+xml": {"schema": {"type": "string"}},
        **_ATOM["content"],
        "application/feed+json": {
            "schema": {
                "type": "object",
                "properties": {
                    "version": _STRING,
                    "title": _STRING,
                    "items": {"type": "array", "items": {"type": "object", "properties": {"id": _STRING}}},
                },
                "required": ["version", "title", "items"],
            }
        },
    }
}
_FEED = {200: {"description": "RSS 2.0, Atom (RFC 4287) or JSON Feed 1.1.", **_ANY}} | document_problems(NotFound)
_ARCHIVE = {200: {"description": "An archive document (RFC 5005 §4).", **_ATOM}} | document_problems(NotFound)
_COMMENTS = _FEED | document_problems(NotFound, Retracted, WithheldForLegalReasons)
_COMMENTS |= REDIRECT_RESPONSE
_OF_TERM = _FEED | REDIRECT_RESPONSE


def _reply_feed(request: Request, made: Made, form: str, actor: Actor) -> Response:
    """A feed in the format that was asked for; with a hub also named in the headers, as WebSub §4 wants it."""
    feed = made.feed
    if made.given:
        ArticleServices.of(request).access_log.note(str(actor.id), made.given)
    return reply(
        request,
        written(form, feed, made.pieces),
        groups=made.groups,
        private=actor is not ANONYMOUS,
        links={"self": feed.url} | dict.fromkeys(["hub"] if feed.hubs else [], "".join(feed.hubs[:1])),
        media_type=f"{FORMATS[form].MEDIA_TYPE}; charset=utf-8",
    )


async def _newest(request: Request, form: str, actor: Actor, kind: str | None = None, ref: str = "") -> Response:
    find = partial(feeds.newest, here=Publication.of(settings(request)), form=form, kind=kind, ref=ref, actor=actor)
    try:
        made = await database(request).read(retry_on_change(find))
    except NotFound:
        if kind is None:
            raise
        return await redirect_former_slug(request, cast(Kind, kind), ref, f"/feeds/{{plural}}/{{slug}}.{form}")
    return _reply_feed(request, made, form, actor)


@feeds_router.get(
    "/site.{form}",
    operation_id="getSiteFeed",
    summary="Get the feed of the publication",
    responses=_FEED,
    response_class=Response,
)
async def get_site_feed(request: Request, form: FormatPath, actor: ThirdParty) -> Response:
    """The 50 newest articles with their texts, notices and corrections; under 1 MB: else the oldest are shortened.

    A retracted article leaves the feed: an entry says that it was and why, and Atom has a tombstone (RFC 6721).
    """
    return await _newest(request, form, actor)


@feeds_router.get(
    "/sections/{section}.{form}",
    operation_id="getSectionFeed",
    summary="Get the feed of a section",
    responses=_OF_TERM,
    response_class=Response,
)
async def get_section_feed(request: Request, section: RefPath, form: FormatPath, actor: ThirdParty) -> Response:
    """The same of a section, by id or slug."""
    return await _newest(request, form, actor, "section", section)


@feeds_router.get(
    "/tags/{tag}.{form}",
    operation_id="getTagFeed",
    summary="Get the feed of a tag",
    responses=_OF_TERM,
    response_class=Response,
)
async def get_tag_feed(request: Request, tag: RefPath, form: FormatPath, actor: ThirdParty) -> Response:
    """The same of a tag, by id or slug."""
    return await _newest(request, form, actor, "tag", tag)


@feeds_router.get(
    "/authors/{author}.{form}",
    operation_id="getAuthorFeed",
    summary="Get the feed of an author",
    responses=_OF_TERM,
    response_class=Response,
)
async def get_author_feed(request: Request, author: RefPath, form: FormatPath, actor: ThirdParty) -> Response:
    """The same of an author, by id or slug."""
    return await _newest(request, form, actor, "author", author)


@feeds_router.get(
    "/articles/{article}/comments.{form}",
    operation_id="getCommentsFeed",
    summary="Get the feed of an article's comments",
    responses=_COMMENTS,
    response_class=Response,
)
async def get_comments_feed(request: Request, article: RefPath, form: FormatPath, actor: ThirdParty) -> Response:
    """The 50 newest comments on an article, by id or slug; Atom says which comment each answers (RFC 4685), and which
    readers can no longer see (RFC 6721)."""
    here = Publication.of(settings(request))

    def find(connection: sa.Connection) -> Made:
        return feeds.discussed(connection, here, get_visible(connection, article, ANONYMOUS, here.site), form)

    try:
        made = await database(request).read(retry_on_change(find))
    except NotFound:
        former = await database(request).read(find_by_former_address, article)
        if former is None or not (is_visible(former, ANONYMOUS) or former["state"] == "retracted"):
            raise
        return RedirectResponse(
            f"/feeds/articles/{former['slug']}/comments.{form}", 301, {"Cache-Control": REDIRECT_CACHE_CONTROL}
        )
    return _reply_feed(request, made, form, actor)


@feeds_router.get(
    "/archive/{month}.atom",
    operation_id="getFeedArchive",
    summary="Get a month of the feed archive",
    responses=_ARCHIVE,
    response_class=Response,
)
async def get_feed_archive(
    request: Request, month: MonthPath, query: Annotated[ArchiveQuery, Query()], actor: ThirdParty
) -> Response:
    """All that was published in a month (of `TIME_ZONE`), as RFC 5005 archives: follow `prev-archive` from `site.atom`.

    Texts are shortened beyond 1 MB as in other feeds, but no entry is left out.
    """
    here = Publication.of(settings(request))
    find = partial(feeds.archive, here=here, month=month, page=query.page, actor=actor)
    return _reply_feed(request, await database(request).scan(retry_on_change(find)), "atom", actor)


sitemaps_router = APIRouter(tags=["syndication"])
_SITEMAP_RESPONSES: Any = {
    200: {"description": "The sitemap.", "content": {"application/xml": {"schema": {"type": "string"}}}}
}


def _reply_sitemap(request: Request, found: tuple[bytes, datetime | None], actor: Actor) -> Response:
    body, _ = found
    groups, private = ("articles", "publication"), actor is not ANONYMOUS
    return reply(request, body, groups=groups, private=private, media_type="application/xml")


@sitemaps_router.get(
    "/sitemap.xml",
    operation_id="getSitemap",
    summary="Get the sitemap",
    responses=_SITEMAP_RESPONSES | document_problems(),
    response_class=Response,
)
async def get_sitemap(request: Request, actor: ThirdParty) -> Response:
    """Every public article with the time of its last change; beyond 50,000 an index of files by month of that change.

    Months are those of `TIME_ZONE`.
    Name it in the `robots.txt` of the publication's site (sitemaps.org), or serve it from there.
    """
    here = Publication.of(settings(request))

    def find(connection: sa.Connection) -> tuple[bytes, datetime]:
        found = sitemaps.months(connection, here.site.zone)
        return sitemaps.index(here, found) if found.total > MAX_SITEMAP_URLS else sitemaps.urls(connection, here)

    return _reply_sitemap(request, await database(request).scan(find), actor)


@sitemaps_router.get(
    "/sitemap-news.xml",
    operation_id="getNewsSitemap",
    summary="Get the news sitemap",
    responses=_SITEMAP_RESPONSES | document_problems(),
    response_class=Response,
)
async def get_news_sitemap(request: Request, actor: ThirdParty) -> Response:
    """The articles of the last 48 hours, 1,000 at most, as Google News reads them; pages are left out."""
    here = Publication.of(settings(request))
    return _reply_sitemap(request, await database(request).scan(sitemaps.news, here), actor)


@sitemaps_router.get(
    "/sitemap-{part}.xml",
    operation_id="getSitemapPart",
    summary="Get a part of the sitemap",
    responses=_SITEMAP_RESPONSES | document_problems(NotFound),
    response_class=Response,
)
async def get_sitemap_part(request: Request, part: PartPath, actor: ThirdParty) -> Response:
    """A part of the sitemap: what changed last in a month, `2026-01`, up to 50,000; `2026-01-2` goes on."""
    here = Publication.of(settings(request))
    return _reply_sitemap(request, await database(request).scan(sitemaps.urls, here, read(part)), actor)


oembed_router = APIRouter(tags=["syndication"])
_OEMBED_RESPONSES: Any = {200: {"content": {"text/xml": {"schema": {"type": "string"}}}}}


def _article(connection: sa.Connection, path: str, here: Publication) -> dict[str, Any]:
    """What stands at a path of the site, or where it leads."""
    found = resolve_address(connection, path, here.site)
    if found["status"] == 301:
        found = resolve_address(connection, found["location"][len(here.site.url) :], here.site)
    if "reason" in found:
        kind = WithheldForLegalReasons if found["status"] == 451 else Retracted
        raise kind("The publication has withdrawn this article.", reason=found["reason"])
    article: dict[str, Any] = found["article"]
    return article


@oembed_router.get(
    "/oembed",
    operation_id="getOEmbed",
    summary="Get the oEmbed form of an article",
    response_model=OEmbedOut,
    responses=_OEMBED_RESPONSES | document_problems(NotFound, Retracted, WithheldForLegalReasons),
)
async def get_o_embed(request: Request, query: Annotated[OEmbedQuery, Query()], actor: ThirdParty) -> Response:
    """What another site may show for the address of an article on ours (oembed.com), former addresses included."""
    here = Publication.of(settings(request))
    path = path_of(query.url, here)
    if path is None:
        raise NotFound(NOT_FOUND_DETAIL)
    article = await database(request).read(_article, path, here)
    members = answer(article, here, query)
    is_xml = query.format == "xml"
    return reply(
        request,
        as_xml(members) if is_xml else dump_json(OEmbedOut, members),
        groups=("articles", "publication"),
        private=actor is not ANONYMOUS,
        media_type="text/xml" if is_xml else JSON_TYPE,
    )
