"""JSON Feed 1.1 (jsonfeed.org)."""

from collections.abc import Iterable

import pydantic_core

from app.articles.rendering import splice_array, splice_object
from app.db.rows import JsonObject
from app.feeds.content import drop_empty
from app.feeds.schemas import Entry, Feed

MEDIA_TYPE = "application/feed+json"


def write_document(feed: Feed, entries: Iterable[bytes]) -> bytes:
    """Write a feed around its entries, which are written already; empty members are left out."""
    members: JsonObject = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.page,
        "feed_url": feed.url,
        "description": feed.description,
        "language": feed.language,
        "authors": [{"name": feed.author}] if feed.author else [],
        "hubs": [{"type": "WebSub", "url": hub} for hub in feed.hubs],
    }
    return splice_object(drop_empty(members), {"items": splice_array(entries)})


def write_entry(entry: Entry) -> bytes:
    """Write one item. `content_html` is there even if it is empty, since an item must have a text."""
    members = drop_empty(
        {
            "id": entry.id,
            "url": entry.url,
            "title": entry.title,
            "summary": entry.summary,
            "image": entry.image and entry.image.url,
            "date_published": entry.published,
            "date_modified": entry.updated,
            "authors": [{"name": author} for author in entry.authors],
            "tags": [name for _, name in entry.terms],
            "language": entry.language,
            "attachments": entry.enclosure and [{"url": entry.enclosure.url, "mime_type": entry.enclosure.mime}],
        }
    )
    return pydantic_core.to_json(members | {"content_html": entry.html})
