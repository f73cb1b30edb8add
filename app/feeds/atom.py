"""Atom (RFC 4287) with archives (RFC 5005), threads (RFC 4685) and tombstones (RFC 6721)."""

from collections.abc import Iterable

from lxml import etree

from app.feeds.rss import MEDIA, media
from app.feeds.schemas import Entry, Feed, Replies
from app.feeds.xml import add, filled, inside, root

MEDIA_TYPE = "application/atom+xml"
_ATOM = "http://www.w3.org/2005/Atom"
_HISTORY = "http://purl.org/syndication/history/1.0"
_THREAD = "http://purl.org/syndication/thread/1.0"
_TOMBSTONE = "http://purl.org/atompub/tombstones/1.0"
_A = f"{{{_ATOM}}}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


_SPACES: dict[str | None, str] = {None: _ATOM, "media": MEDIA, "thr": _THREAD}


def _spaces(feed: Feed) -> dict[str | None, str]:
    """Only those that the feed uses: a reader that knows none of them has less to wonder about."""
    spaces = dict(_SPACES)
    if feed.deleted:
        spaces["at"] = _TOMBSTONE
    if feed.archive:
        spaces["fh"] = _HISTORY
    return spaces


def document(feed: Feed, entries: Iterable[bytes]) -> bytes:
    """The feed as Atom, of entries that are written already."""
    atom = root(_A + "feed", _spaces(feed))
    if feed.language:
        atom.set(_LANGUAGE, feed.language)
    add(atom, _A + "id", feed.url)
    add(atom, _A + "title", feed.title)
    if feed.description:
        add(atom, _A + "subtitle", feed.description)
    add(atom, _A + "updated", feed.updated)
    if feed.author:
        add(add(atom, _A + "author"), _A + "name", feed.author)
    add(atom, _A + "generator", "Broadsheet")
    add(atom, _A + "link", rel="alternate", href=feed.page, type="text/html")
    add(atom, _A + "link", rel="self", href=feed.url, type=MEDIA_TYPE)
    for hub in feed.hubs:
        add(atom, _A + "link", rel="hub", href=hub)
    for relation, target in feed.links.items():
        add(atom, _A + "link", rel=relation, href=target, type=MEDIA_TYPE)
    if feed.archive:
        add(atom, f"{{{_HISTORY}}}archive")
    for gone in feed.deleted:
        stone = add(atom, f"{{{_TOMBSTONE}}}deleted-entry", ref=gone.id, when=gone.at)
        if gone.reason:
            add(stone, f"{{{_TOMBSTONE}}}comment", gone.reason)
    return filled(atom, b"</feed>", entries)


def entry(entry: Entry) -> bytes:
    """One entry."""
    around = root(_A + "feed", _SPACES)
    element = add(around, _A + "entry")
    if entry.language:
        element.set(_LANGUAGE, entry.language)
    add(element, _A + "id", entry.id)
    add(element, _A + "title", entry.title)
    add(element, _A + "published", entry.published)
    add(element, _A + "updated", entry.updated)
    for author in entry.authors:
        add(add(element, _A + "author"), _A + "name", author)
    if entry.url:
        add(element, _A + "link", rel="alternate", href=entry.url, type="text/html")
    if entry.enclosure:
        add(element, _A + "link", rel="enclosure", href=entry.enclosure.url, type=entry.enclosure.mime)
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
    return inside(around)


def _replies(element: etree._Element, replies: Replies) -> None:
    count = str(replies.count)
    link = add(element, _A + "link", rel="replies", href=f"{replies.feed}.atom", type=MEDIA_TYPE)
    link.set(f"{{{_THREAD}}}count", count)
    add(element, f"{{{_THREAD}}}total", count)
