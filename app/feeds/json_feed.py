"""JSON Feed 1.1 (jsonfeed.org)."""

from collections.abc import Iterable
from typing import Any

import pydantic_core

from app.feeds.schemas import Entry, Feed

MEDIA_TYPE = "application/feed+json"


def document(feed: Feed, entries: Iterable[bytes]) -> bytes:
    """The feed as JSON, of entries that are written already; what there is not is absent."""
    members: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.page,
        "feed_url": feed.url,
        "description": feed.description,
        "language": feed.language,
        "authors": [{"name": feed.author}] if feed.author else [],
        "hubs": [{"type": "WebSub", "url": hub} for hub in feed.hubs],
    }
    return pydantic_core.to_json(_present(members))[:-1] + b',"items":[' + b",".join(entries) + b"]}"


def entry(entry: Entry) -> bytes:
    """One item; it has its text also where that is empty, for every item must have one."""
    members = _present(
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


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}
