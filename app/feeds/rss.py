"""RSS 2.0 with the modules that feed readers know: content, dc, slash, wfw, Media RSS and Atom's links."""

from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from html import escape

from lxml import etree

from app.feeds.schemas import Entry, Feed
from app.feeds.xml import add, filled, inside, root

MEDIA_TYPE = "application/rss+xml"
MEDIA = "http://search.yahoo.com/mrss/"
_SPACES: dict[str | None, str] = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": MEDIA,
    "slash": "http://purl.org/rss/1.0/modules/slash/",
    "wfw": "http://wellformedweb.org/CommentAPI/",
}
_NAMES = {
    f"{prefix}:{name}": f"{{{_SPACES[prefix]}}}{name}"
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
def date(moment: str) -> str:
    """A time as RFC 822 has it, with four digits of the year (RSS 2.0, `pubDate`)."""
    return format_datetime(datetime.fromisoformat(moment), usegmt=True)


def document(feed: Feed, entries: Iterable[bytes]) -> bytes:
    """The feed as RSS, of entries that are written already."""
    rss = root("rss", _SPACES, version="2.0")
    channel = add(rss, "channel")
    add(channel, "title", feed.title)
    add(channel, "link", feed.page)
    add(channel, "description", feed.description or feed.title)
    add(channel, _NAMES["atom:link"], rel="self", href=feed.url, type=MEDIA_TYPE)
    for hub in feed.hubs:
        add(channel, _NAMES["atom:link"], rel="hub", href=hub)
    if feed.language:
        add(channel, "language", feed.language)
    add(channel, "lastBuildDate", date(feed.updated))
    add(channel, "generator", "Broadsheet")
    return filled(rss, b"</channel></rss>", entries)


def entry(entry: Entry) -> bytes:
    """One item."""
    channel = root("channel", _SPACES)
    item = add(channel, "item")
    add(item, "title", entry.title)
    if entry.url:
        add(item, "link", entry.url)
    add(item, "guid", entry.id, isPermaLink="false")
    add(item, "pubDate", date(entry.published))
    if entry.updated != entry.published:
        add(item, _NAMES["atom:updated"], entry.updated)
    for author in entry.authors:
        add(item, _NAMES["dc:creator"], author)
    for _, name in entry.terms:
        add(item, "category", name)
    add(item, "description", escape(entry.summary, quote=False))  # readers take it for HTML
    add(item, _NAMES["content:encoded"], entry.html)
    if entry.rights:
        add(item, _NAMES["dc:rights"], entry.rights)
    if entry.enclosure:  # RSS wants a length; 0 says that it is not known
        add(item, "enclosure", url=entry.enclosure.url, length="0", type=entry.enclosure.mime)
    if entry.image:
        media(item, entry)
    if entry.replies:
        add(item, "comments", entry.replies.page)
        add(item, _NAMES["slash:comments"], str(entry.replies.count))
        add(item, _NAMES["wfw:commentRss"], f"{entry.replies.feed}.rss")
    return inside(channel)


def media(parent: etree._Element, entry: Entry) -> None:
    """The picture of an entry, as Media RSS 1.5 has it."""
    picture = entry.image
    if picture is None:
        return
    size = {"width": picture.width, "height": picture.height}
    content = add(
        parent,
        f"{{{MEDIA}}}content",
        url=picture.url,
        medium="image",
        type=picture.mime,
        **{name: str(value) for name, value in size.items() if value},
    )
    for name, text in (("title", picture.alt), ("description", picture.caption), ("credit", picture.credit)):
        if text:
            add(content, f"{{{MEDIA}}}{name}", text)
