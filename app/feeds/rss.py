"""RSS 2.0 with the modules that feed readers support: content, dc, slash, wfw, Media RSS and links of Atom."""

from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from html import escape

from lxml import etree

from app.feeds.schemas import Entry, Feed
from app.feeds.xml import add_child, make_root, serialize_content, serialize_with

MEDIA_TYPE = "application/rss+xml"
MEDIA_NAMESPACE = "http://search.yahoo.com/mrss/"
_NAMESPACES: dict[str | None, str] = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": MEDIA_NAMESPACE,
    "slash": "http://purl.org/rss/1.0/modules/slash/",
    "wfw": "http://wellformedweb.org/CommentAPI/",
}
_TAGS = {
    f"{prefix}:{name}": f"{{{_NAMESPACES[prefix]}}}{name}"
    for prefix, name in (
        ("atom", "link"),
        ("atom", "updated"),
        ("content", "encoded"),
        ("dc", "creator"),
        ("dc", "rights"),
        ("slash", "comments"),
        ("wfw", "commentRss"),
    )
}


@lru_cache(4096)
def format_rfc822(moment: str) -> str:
    """Format a time as RFC 822 does, with a year of four digits (RSS 2.0, `pubDate`)."""
    return format_datetime(datetime.fromisoformat(moment), usegmt=True)


def write_document(feed: Feed, entries: Iterable[bytes]) -> bytes:
    """Write a feed around its entries, which are written already."""
    rss = make_root("rss", _NAMESPACES, version="2.0")
    channel = add_child(rss, "channel")
    add_child(channel, "title", feed.title)
    add_child(channel, "link", feed.page)
    add_child(channel, "description", feed.description or feed.title)
    add_child(channel, _TAGS["atom:link"], rel="self", href=feed.url, type=MEDIA_TYPE)
    for hub in feed.hubs:
        add_child(channel, _TAGS["atom:link"], rel="hub", href=hub)
    if feed.language:
        add_child(channel, "language", feed.language)
    add_child(channel, "lastBuildDate", format_rfc822(feed.updated))
    add_child(channel, "generator", "Broadsheet")
    return serialize_with(rss, b"</channel></rss>", entries)


def write_entry(entry: Entry) -> bytes:
    """Write one item."""
    channel = make_root("channel", _NAMESPACES)
    item = add_child(channel, "item")
    add_child(item, "title", entry.title)
    if entry.url:
        add_child(item, "link", entry.url)
    add_child(item, "guid", entry.id, isPermaLink="false")
    add_child(item, "pubDate", format_rfc822(entry.published))
    if entry.updated != entry.published:
        add_child(item, _TAGS["atom:updated"], entry.updated)
    for author in entry.authors:
        add_child(item, _TAGS["dc:creator"], author)
    for _, name in entry.terms:
        add_child(item, "category", name)
    add_child(item, "description", escape(entry.summary, quote=False))  # readers interpret it as HTML
    add_child(item, _TAGS["content:encoded"], entry.html)
    if entry.rights:
        add_child(item, _TAGS["dc:rights"], entry.rights)
    if entry.enclosure:  # the length is required; 0: not known
        add_child(item, "enclosure", url=entry.enclosure.url, length="0", type=entry.enclosure.mime)
    if entry.image:
        add_media(item, entry)
    if entry.replies:
        add_child(item, "comments", entry.replies.page)
        add_child(item, _TAGS["slash:comments"], str(entry.replies.count))
        add_child(item, _TAGS["wfw:commentRss"], f"{entry.replies.feed}.rss")
    return serialize_content(channel)


def add_media(parent: etree._Element, entry: Entry) -> None:
    """Add the picture of an entry, if it has one (Media RSS 1.5)."""
    picture = entry.image
    if picture is None:
        return
    size = {"width": picture.width, "height": picture.height}
    content = add_child(
        parent,
        f"{{{MEDIA_NAMESPACE}}}content",
        url=picture.url,
        medium="image",
        type=picture.mime,
        **{name: str(value) for name, value in size.items() if value},
    )
    for name, text in (("title", picture.alt), ("description", picture.caption), ("credit", picture.credit)):
        if text:
            add_child(content, f"{{{MEDIA_NAMESPACE}}}{name}", text)
