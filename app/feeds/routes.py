"""Feeds, sitemaps and oEmbed over HTTP."""

from functools import partial
from typing import Annotated, cast

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from app.articles.addresses import find_by_former_address
from app.articles.reading import is_visible
from app.articles.rendering import render_articles, retry_on_change
from app.articles.routes import RETRACTED, Retracted, WithheldForLegalReasons, get_visible
from app.articles.services import ArticleServices
from app.core.ids import RefPath
from app.core.problems import NotFound, document_problems
from app.db.rows import JsonObject
from app.events.cache_groups import REDIRECTS_GROUP, SITE_GROUP
from app.feeds import feeds, sitemaps
from app.feeds.article_json import PreviewJson
from app.feeds.entries import load_format, render_feed
from app.feeds.feeds import ArchiveQuery, BuiltFeed, FormatPath, MonthPath, TermKind
from app.feeds.head import name_publication
from app.feeds.oembed import OEmbedOut, OEmbedQuery, embed_article, render_xml, site_path_of
from app.feeds.schemas import MAX_SITEMAP_URLS, PartPath, Publication, parse_part
from app.identity.access import ThirdParty
from app.identity.schemas import ANONYMOUS, Actor
from app.publication.responses import REDIRECT_RESPONSE, redirect_former_slug
from app.site.resolving import NOT_FOUND_DETAIL, resolve_address
from app.web.fields import dump_json
from app.web.keeping import KEPT_UNTIL
from app.web.responses import JSON_TYPE, REDIRECT_CACHE_CONTROL, database, reply, settings
from app.web.routing import ReleaseParameters, Router

feeds_router = Router(prefix="/feeds", tags=["syndication"], default_response_class=Response)
Responses = dict[int | str, JsonObject]
_STRING: JsonObject = {"type": "string"}
_ATOM_CONTENT: JsonObject = {"application/atom+xml": {"schema": _STRING}}
_FEED_CONTENT: JsonObject = {
    "application/rss+xml": {"schema": _STRING},
    **_ATOM_CONTENT,
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
_FEED: JsonObject = {"description": "RSS 2.0, Atom (RFC 4287) or JSON Feed 1.1.", "content": _FEED_CONTENT}
_ARCHIVE: JsonObject = {"description": "An archive document (RFC 5005 §4).", "content": _ATOM_CONTENT}
_FEED_RESPONSES: Responses = {
    200: _FEED,
}
_TERM_RESPONSES: Responses = {**_FEED_RESPONSES, **REDIRECT_RESPONSE}
_ARCHIVE_RESPONSES: Responses = {
    200: _ARCHIVE,
}
_COMMENTS_RESPONSES: Responses = {
    200: _FEED,
    **REDIRECT_RESPONSE,
    **RETRACTED,
}


def _reply_feed(request: Request, built: BuiltFeed, form: str, actor: Actor) -> Response:
    """Respond with a feed; its hub and URL are named in `Link`, too, as WebSub §4 requires."""
    feed = built.feed
    if built.access_records:
        ArticleServices.of(request).access_log.note(str(actor.id), built.access_records)
    return reply(
        request,
        render_feed(form, feed, built.entries),
        groups=built.groups,
        private=not actor.is_anonymous,
        links={"self": feed.url} | dict.fromkeys(["hub"] if feed.hubs else [], "".join(feed.hubs[:1])),
        media_type=f"{load_format(form).MEDIA_TYPE}; charset=utf-8",
    )


async def _send_newest(
    request: Request, form: str, actor: Actor, kind: TermKind | None = None, ref: str = ""
) -> Response:
    publication = Publication.from_settings(settings(request))
    build = partial(feeds.build_newest_feed, publication=publication, form=form, kind=kind, ref=ref, actor=actor)
    try:
        built = await database(request).read(retry_on_change(build))
    except NotFound:
        if kind is None:
            raise
        return await redirect_former_slug(request, kind, ref, f"/feeds/{{plural}}/{{slug}}.{form}")
    return _reply_feed(request, built, form, actor)


@feeds_router.get("/site.{form}", summary="Get the feed of the publication", responses=_FEED_RESPONSES)
async def get_site_feed(request: Request, form: FormatPath, _query: ReleaseParameters, actor: ThirdParty) -> Response:
    """Return the 50 newest articles with their texts, notices and corrections, in less than 1 MB.

    If that is too little room, the oldest texts are replaced by summaries. When an article is retracted, an entry with
    the public reason takes its place, and Atom has a tombstone (RFC 6721).
    """
    return await _send_newest(request, form, actor)


@feeds_router.get("/sections/{section}.{form}", summary="Get the feed of a section", responses=_TERM_RESPONSES)
async def get_section_feed(
    request: Request, section: RefPath, form: FormatPath, _query: ReleaseParameters, actor: ThirdParty
) -> Response:
    """Return the 50 newest articles of a section, by id or slug, and of the sections below it."""
    return await _send_newest(request, form, actor, "section", section)


@feeds_router.get("/tags/{tag}.{form}", summary="Get the feed of a tag", responses=_TERM_RESPONSES)
async def get_tag_feed(
    request: Request, tag: RefPath, form: FormatPath, _query: ReleaseParameters, actor: ThirdParty
) -> Response:
    """Return the 50 newest articles with a tag, by id or slug."""
    return await _send_newest(request, form, actor, "tag", tag)


@feeds_router.get("/authors/{author}.{form}", summary="Get the feed of an author", responses=_TERM_RESPONSES)
async def get_author_feed(
    request: Request, author: RefPath, form: FormatPath, _query: ReleaseParameters, actor: ThirdParty
) -> Response:
    """Return the 50 newest articles of an author, by id or slug."""
    return await _send_newest(request, form, actor, "author", author)


@feeds_router.get(
    "/articles/{article}/comments.{form}",
    summary="Get the feed of an article's comments",
    responses=_COMMENTS_RESPONSES,
)
async def get_comments_feed(
    request: Request, article: RefPath, form: FormatPath, _query: ReleaseParameters, actor: ThirdParty
) -> Response:
    """Return the 50 newest comments on an article, by id or slug.

    Atom says which comment each of them replies to (RFC 4685), and which ones are no longer shown (RFC 6721).
    """
    publication = Publication.from_settings(settings(request))

    def build(connection: sa.Connection) -> BuiltFeed:
        row = get_visible(connection, article, ANONYMOUS, publication.site)
        return feeds.build_comments_feed(connection, publication, row, form)

    try:
        built = await database(request).read(retry_on_change(build))
    except NotFound:
        former = await database(request).read(find_by_former_address, article)
        if former is None or not (is_visible(former, ANONYMOUS) or former["state"] == "retracted"):
            raise
        query = f"?{request.url.query}" if request.url.query else ""
        path = f"/feeds/articles/{former['slug']}/comments.{form}{query}"
        return RedirectResponse(path, 301, {"Cache-Control": REDIRECT_CACHE_CONTROL})
    return _reply_feed(request, built, form, actor)


@feeds_router.get("/archive/{month}.atom", summary="Get a month of the feed archive", responses=_ARCHIVE_RESPONSES)
async def get_feed_archive(
    request: Request, month: MonthPath, query: Annotated[ArchiveQuery, Query()], actor: ThirdParty
) -> Response:
    """Return the articles published in a month of `TIME_ZONE` as an archive (RFC 5005).

    Follow `prev-archive` from `site.atom`. Texts beyond 1 MB are replaced by summaries, as in other feeds, but no entry
    is left out.
    """
    publication = Publication.from_settings(settings(request))
    build = partial(feeds.build_archive, publication=publication, month=month, page=query.page, actor=actor)
    return _reply_feed(request, await database(request).scan(retry_on_change(build)), "atom", actor)


sitemaps_router = Router(tags=["syndication"], default_response_class=Response)
_SITEMAP: JsonObject = {"description": "The sitemap.", "content": {"application/xml": {"schema": _STRING}}}
_SITEMAP_RESPONSES: Responses = {
    200: _SITEMAP,
}
_SITEMAP_PART_RESPONSES: Responses = {
    200: _SITEMAP,
}


def _reply_sitemap(request: Request, body: bytes, actor: Actor) -> Response:
    groups, private = ("articles", "publication", SITE_GROUP), not actor.is_anonymous
    return reply(request, body, groups=groups, private=private, media_type="application/xml")


@sitemaps_router.get("/sitemap.xml", summary="Get the sitemap", responses=_SITEMAP_RESPONSES)
async def get_sitemap(request: Request, _query: ReleaseParameters, actor: ThirdParty) -> Response:
    """List the public articles with the times of their last changes.

    Beyond 50,000 articles, return an index of files by the month of that change, in `TIME_ZONE`. Name the sitemap in
    the `robots.txt` of the publication's site (sitemaps.org), or serve it from there.
    """
    publication = Publication.from_settings(settings(request))

    def render(connection: sa.Connection) -> bytes:
        months = sitemaps.count_by_month(connection, publication.site.zone)
        if months.total > MAX_SITEMAP_URLS:
            return sitemaps.render_index(publication, months)
        return sitemaps.render_urls(connection, publication)

    return _reply_sitemap(request, await database(request).scan(render), actor)


@sitemaps_router.get("/sitemap-news.xml", summary="Get the news sitemap", responses=_SITEMAP_RESPONSES)
async def get_news_sitemap(request: Request, _query: ReleaseParameters, actor: ThirdParty) -> Response:
    """List the articles of the last 48 hours for Google News, at most 1,000, without pages."""
    publication = Publication.from_settings(settings(request))
    body, end = await database(request).scan(sitemaps.render_news, publication)
    if end is not None:
        request.scope["state"][KEPT_UNTIL] = end.timestamp()
    return _reply_sitemap(request, body, actor)


@sitemaps_router.get("/sitemap-{part}.xml", summary="Get a part of the sitemap", responses=_SITEMAP_PART_RESPONSES)
async def get_sitemap_part(request: Request, part: PartPath, _query: ReleaseParameters, actor: ThirdParty) -> Response:
    """List the public articles last changed in a month: `2026-01` has the first 50,000, `2026-01-2` the next."""
    publication = Publication.from_settings(settings(request))
    body = await database(request).scan(sitemaps.render_urls, publication, parse_part(part))
    return _reply_sitemap(request, body, actor)


oembed_router = Router(tags=["syndication"])
_OEMBED_RESPONSES: Responses = {
    200: {"content": {"text/xml": {"schema": _STRING}}},
    **document_problems(NotFound, Retracted, WithheldForLegalReasons),
}


def _embed_article(connection: sa.Connection, path: str, publication: Publication, query: OEmbedQuery) -> JsonObject:
    """Return the oEmbed form of the article at a path of the site, or at the path that it redirects to."""
    resolved = resolve_address(connection, path, publication.site)
    if resolved.location is not None:
        resolved = resolve_address(connection, resolved.location, publication.site)
    if resolved.reason is not None:
        problem = WithheldForLegalReasons if resolved.status == 451 else Retracted
        raise problem("The publication has withdrawn this article.", reason=resolved.reason)
    if resolved.standing is None or resolved.standing.kind != "article":
        raise NotFound(NOT_FOUND_DETAIL)
    (article,) = render_articles(connection, [resolved.standing.row], publication.site)
    return embed_article(cast(PreviewJson, article.parse()), name_publication(connection, publication), query)


@oembed_router.get(
    "/oembed", summary="Get the oEmbed form of an article", response_model=OEmbedOut, responses=_OEMBED_RESPONSES
)
async def get_o_embed(request: Request, query: Annotated[OEmbedQuery, Query()], actor: ThirdParty) -> Response:
    """Return what other sites may show for the URL of an article (oembed.com); former URLs work, too."""
    publication = Publication.from_settings(settings(request))
    path = site_path_of(query.url, publication)
    if path is None:
        raise NotFound(NOT_FOUND_DETAIL)
    embed = retry_on_change(partial(_embed_article, path=path, publication=publication, query=query))
    members = await database(request).read(embed)
    is_xml = query.format == "xml"
    return reply(
        request,
        render_xml(members) if is_xml else dump_json(OEmbedOut, members),
        groups=("articles", "publication", SITE_GROUP, REDIRECTS_GROUP),
        private=not actor.is_anonymous,
        media_type="text/xml" if is_xml else JSON_TYPE,
    )
