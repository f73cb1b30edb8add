"""Helpers that read feeds as feed readers do."""

from typing import Any

import feedparser
from lxml import etree

NAMES = {
    "atom": "http://www.w3.org/2005/Atom",
    "at": "http://purl.org/atompub/tombstones/1.0",
    "fh": "http://purl.org/syndication/history/1.0",
    "thr": "http://purl.org/syndication/thread/1.0",
    "media": "http://search.yahoo.com/mrss/",
    "sm": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
}


def parsed(content: bytes) -> Any:
    """Parse a feed with `feedparser`, without repairing or sanitising it."""
    found = feedparser.parse(content, resolve_relative_uris=False, sanitize_html=False)
    assert not found.bozo, found.bozo_exception
    return found


def found(content: bytes, path: str) -> list[Any]:
    """Return the nodes that an XPath selects in a document."""
    result = etree.fromstring(content).xpath(path, namespaces=NAMES)
    assert isinstance(result, list)
    return result
