"""Articles, comments and retractions as entries of a feed, and a feed brought to a size that any reader takes."""

import mimetypes
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from html import escape
from typing import Any

from app.kit.clock import iso
from app.kit.text import excerpt
from app.syndication.formats.content import Article, absolute, on_server, rights, summary, whole
from app.syndication.schemas import Deleted, Entry, Feed, Picture, Publication, Replies, uri, urn

MOST_BYTES = 1_000_000
COMMENTS = "#comments"  # where an article's page on the site is taken to have its discussion
NOBODY = "Anonymous"  # the author of a comment whose name was erased


def of_article(article: Article, html: str, here: Publication) -> Entry:
    """An article with its text; `article` has the shape of `ArticleOut`."""
    url = uri(article["url"])
    terms = [article["section"], *article["tags"]] if article["section"] else article["tags"]
    return Entry(
        id=urn(article["id"]),
        url=url,
        title=article["title"],
        html=whole(article, html, here.api),
        summary=summary(article),
        published=article["published_at"] or article["updated_at"],
        updated=article["updated_at"],
        authors=tuple(author["name"] for author in article["authors"]),
        terms=tuple({term["slug"]: term["name"] for term in terms}.items()),
        language=article["language"],
        image=_picture(article["image"], here),
        rights=rights(article),
        replies=_replies(article, url, here),
    )


def _picture(image: Mapping[str, Any] | None, here: Publication) -> Picture | None:
    if image is None:
        return None
    url = on_server(image["url"], here.api)
    said = {name: image[name] for name in ("width", "height", "alt", "caption", "credit")}
    return Picture(url=url, mime=mimetypes.guess_type(url.partition("?")[0])[0] or "", **said)


def comments_url(article: Article, here: Publication) -> str:
    """The address of the feeds of an article's comments, without their suffix."""
    return f"{here.api}/feeds/articles/{article['id']}/comments"


def _replies(article: Article, url: str, here: Publication) -> Replies | None:
    discussion = article["discussion"]
    if discussion["state"] == "hidden":
        return None
    return Replies(url + COMMENTS, comments_url(article, here), discussion["comments"])


def of_comment(comment: Mapping[str, Any], article: Article, here: Publication) -> Entry:
    """A published comment; `comment` has the shape of `CommentOut`."""
    url = uri(article["url"])
    at, parent = iso(comment["created_at"]), comment["parent_id"]
    name = comment["author"]["name"] or NOBODY
    return Entry(
        id=urn(comment["id"]),
        url=f"{url}#comment-{comment['id']}",
        title=f"{name} on “{article['title']}”",
        html=absolute(comment["html"], url, here.api),
        summary=excerpt(comment["text"]),
        published=at,
        updated=iso(comment["edited_at"]) if comment["edited_at"] else at,
        authors=(name,),
        language=article["language"],
        answers=(urn(parent), f"{url}#comment-{parent}") if parent else (urn(article["id"]), url),
    )


def of_retraction(article_id: str, url: str, retraction: Mapping[str, Any]) -> tuple[Deleted, Entry]:
    """What is public of a retracted article: that it is gone and why; a court may forbid even its address."""
    at, reason, legal = (retraction[name] for name in ("at", "reason", "legal"))
    own = uuid.uuid5(uuid.UUID(article_id), f"retracted {at}")
    notice = Entry(
        id=urn(str(own)),
        url=None if legal else uri(url),
        title="An article is withheld for legal reasons" if legal else "An article was retracted",
        html=f"<p>{escape(reason, quote=False)}</p>",
        summary=reason,
        published=at,
        updated=at,
    )
    return Deleted(urn(article_id), at, reason), notice


def newest_first(entries: list[Entry], most: int) -> tuple[Entry, ...]:
    """So many entries in the order of feeds."""
    return tuple(sorted(entries, key=lambda entry: datetime.fromisoformat(entry.published), reverse=True)[:most])


def latest(moments: list[str]) -> str:
    """The latest of some times; the beginning of the calendar of computers if there is none."""
    return max(moments, key=datetime.fromisoformat, default="1970-01-01T00:00:00Z")


def fitted(feed: Feed, write: Callable[[Feed], bytes]) -> bytes:
    """The feed in bytes, under a megabyte: full texts give way to summaries, the oldest first, then entries themselves.

    An archive holds what it holds, whatever its size.
    """
    body = write(feed)
    while len(body) >= MOST_BYTES:
        lighter = _lighter(feed, len(body) - MOST_BYTES + 1)
        if lighter is None:
            break
        feed = lighter
        body = write(feed)
    return body


def _lighter(feed: Feed, excess: int) -> Feed | None:
    entries = list(feed.entries)
    for at in reversed(range(len(entries))):
        if excess <= 0:
            break
        if entries[at].whole:
            short = _shortened(entries[at])
            excess -= len(escape(entries[at].html, quote=False).encode()) - len(short.html)
            entries[at] = short
    if any(new is not old for new, old in zip(entries, feed.entries, strict=True)):
        return replace(feed, entries=tuple(entries))
    return None if feed.archive or not entries else replace(feed, entries=tuple(entries[:-1]))


def _shortened(entry: Entry) -> Entry:
    text = f"<p>{escape(entry.summary, quote=False)}</p>"
    more = f'\n<p><a href="{escape(entry.url)}">Read all of it</a></p>' if entry.url else ""
    return replace(entry, html=text + more, whole=False)
