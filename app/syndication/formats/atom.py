"""Atom (RFC 4287) with archives (RFC 5005), threads (RFC 4685) and tombstones (RFC 6721)."""

from lxml import etree

from app.syndication.formats.rss import MEDIA, media
from app.syndication.formats.xml import add, root, written
from app.syndication.schemas import Entry, Feed, Replies

MEDIA_TYPE = "application/atom+xml"
_ATOM = "http://www.w3.org/2005/Atom"
_HISTORY = "http://purl.org/syndication/history/1.0"
_THREAD = "http://purl.org/syndication/thread/1.0"
_TOMBSTONE = "http://purl.org/atompub/tombstones/1.0"
_A = f"{{{_ATOM}}}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def _spaces(feed: Feed) -> dict[str | None, str]:
    """Only those that the feed uses: a reader that knows none of them has less to wonder about."""
    spaces: dict[str | None, str] = {None: _ATOM, "media": MEDIA, "thr": _THREAD}
    if feed.deleted:
        spaces["at"] = _TOMBSTONE
    if feed.archive:
        spaces["fh"] = _HISTORY
    return spaces


def write(feed: Feed) -> bytes:
    """The feed as Atom."""
    document = root(_A + "feed", _spaces(feed))
    if feed.language:
        document.set(_LANGUAGE, feed.language)
    add(document, _A + "id", feed.url)
    add(document, _A + "title", feed.title)
    if feed.description:
        add(document, _A + "subtitle", feed.description)
    add(document, _A + "updated", feed.updated)
    if feed.author:
        add(add(document, _A + "author"), _A + "name", feed.author)
    add(document, _A + "generator", "Broadsheet")
    add(document, _A + "link", rel="alternate", href=feed.page, type="text/html")
    add(document, _A + "link", rel="self", href=feed.url, type=MEDIA_TYPE)
    for hub in feed.hubs:
        add(document, _A + "link", rel="hub", href=hub)
    for relation, target in feed.links.items():
        add(document, _A + "link", rel=relation, href=target, type=MEDIA_TYPE)
    if feed.archive:
        add(document, f"{{{_HISTORY}}}archive")
    for gone in feed.deleted:
        stone = add(document, f"{{{_TOMBSTONE}}}deleted-entry", ref=gone.id, when=gone.at)
        add(stone, f"{{{_TOMBSTONE}}}comment", gone.reason)
    for entry in feed.entries:
        _entry(document, entry, feed.language)
    return written(document)


def _entry(document: etree._Element, entry: Entry, language: str | None) -> None:
    element = add(document, _A + "entry")
    if entry.language and entry.language != language:
        element.set(_LANGUAGE, entry.language)
    add(element, _A + "id", entry.id)
    add(element, _A + "title", entry.title)
    add(element, _A + "published", entry.published)
    add(element, _A + "updated", entry.updated)
    for author in entry.authors:
        add(add(element, _A + "author"), _A + "name", author)
    if entry.url:
        add(element, _A + "link", rel="alternate", href=entry.url, type="text/html")
    for slug, name in entry.terms:
        add(element, _A + "category", term=slug, label=name)
    if entry.rights:
        add(element, _A + "rights", entry.rights)
    if entry.answers:
        ref, href = entry.answers
        add(element, f"{{{_THREAD}}}in-reply-to", ref=ref, href=href, type="text/html")
    if entry.replies:
        _replies(element, entry.replies)
    if entry.summary:
        add(element, _A + "summary", entry.summary)
    add(element, _A + "content", entry.html, type="html")
    media(element, entry)


def _replies(element: etree._Element, replies: Replies) -> None:
    count = str(replies.count)
    link = add(element, _A + "link", rel="replies", href=f"{replies.feed}.atom", type=MEDIA_TYPE)
    link.set(f"{{{_THREAD}}}count", count)
    add(element, f"{{{_THREAD}}}total", count)
