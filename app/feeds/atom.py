"""Atom (RFC 4287) with archives (RFC 5005), threads (RFC 4685) and tombstones (RFC 6721)."""

from collections.abc import Iterable

from lxml import etree

from app.feeds.rss import MEDIA_NAMESPACE, add_media
from app.feeds.schemas import Entry, Feed, Replies
from app.feeds.xml import add_child, make_root, serialize_content, serialize_with

MEDIA_TYPE = "application/atom+xml"
_ATOM = "http://www.w3.org/2005/Atom"
_HISTORY = "http://purl.org/syndication/history/1.0"
_THREAD = "http://purl.org/syndication/thread/1.0"
_TOMBSTONE = "http://purl.org/atompub/tombstones/1.0"
_A = f"{{{_ATOM}}}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


_NAMESPACES: dict[str | None, str] = {None: _ATOM, "media": MEDIA_NAMESPACE, "thr": _THREAD}


def _namespaces_of(feed: Feed) -> dict[str | None, str]:
    """Return the namespaces of a feed; those of tombstones and archives only where it uses them."""
    spaces = dict(_NAMESPACES)
    if feed.deleted:
        spaces["at"] = _TOMBSTONE
    if feed.archive:
        spaces["fh"] = _HISTORY
    return spaces


def write_document(feed: Feed, entries: Iterable[bytes]) -> bytes:
    """Write a feed outer its entries, which are written already."""
    atom = make_root(_A + "feed", _namespaces_of(feed))
    if feed.language:
        atom.set(_LANGUAGE, feed.language)
    add_child(atom, _A + "id", feed.url)
    add_child(atom, _A + "title", feed.title)
    if feed.description:
        add_child(atom, _A + "subtitle", feed.description)
    add_child(atom, _A + "updated", feed.updated)
    if feed.author:
        add_child(add_child(atom, _A + "author"), _A + "name", feed.author)
    add_child(atom, _A + "generator", "Broadsheet")
    add_child(atom, _A + "link", rel="alternate", href=feed.page, type="text/html")
    add_child(atom, _A + "link", rel="self", href=feed.url, type=MEDIA_TYPE)
    for hub in feed.hubs:
        add_child(atom, _A + "link", rel="hub", href=hub)
    for relation, target in feed.links.items():
        add_child(atom, _A + "link", rel=relation, href=target, type=MEDIA_TYPE)
    if feed.archive:
        add_child(atom, f"{{{_HISTORY}}}archive")
    for deleted in feed.deleted:
        tombstone = add_child(atom, f"{{{_TOMBSTONE}}}deleted-entry", ref=deleted.id, when=deleted.at)
        if deleted.reason:
            add_child(tombstone, f"{{{_TOMBSTONE}}}comment", deleted.reason)
    return serialize_with(atom, b"</feed>", entries)


def write_entry(entry: Entry) -> bytes:
    """Write one entry."""
    outer = make_root(_A + "feed", _NAMESPACES)
    element = add_child(outer, _A + "entry")
    if entry.language:
        element.set(_LANGUAGE, entry.language)
    add_child(element, _A + "id", entry.id)
    add_child(element, _A + "title", entry.title)
    add_child(element, _A + "published", entry.published)
    add_child(element, _A + "updated", entry.updated)
    for author in entry.authors:
        add_child(add_child(element, _A + "author"), _A + "name", author)
    if entry.url:
        add_child(element, _A + "link", rel="alternate", href=entry.url, type="text/html")
    if entry.enclosure:
        add_child(element, _A + "link", rel="enclosure", href=entry.enclosure.url, type=entry.enclosure.mime)
    for slug, name in entry.terms:
        add_child(element, _A + "category", term=slug, label=name)
    if entry.rights:
        add_child(element, _A + "rights", entry.rights)
    if entry.answers:
        ref, href = entry.answers
        add_child(element, f"{{{_THREAD}}}in-reply-to", ref=ref, href=href, type="text/html")
    if entry.replies:
        _add_replies(element, entry.replies)
    if entry.summary:
        add_child(element, _A + "summary", entry.summary)
    add_child(element, _A + "content", entry.html, type="html")
    add_media(element, entry)
    return serialize_content(outer)


def _add_replies(element: etree._Element, replies: Replies) -> None:
    count = str(replies.count)
    link = add_child(element, _A + "link", rel="replies", href=f"{replies.feed}.atom", type=MEDIA_TYPE)
    link.set(f"{{{_THREAD}}}count", count)
    add_child(element, f"{{{_THREAD}}}total", count)
