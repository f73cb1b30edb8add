"""Articles, comments and retractions as feed entries, and feeds limited to a size that every reader accepts."""

import mimetypes
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from html import escape
from typing import NamedTuple, Protocol, TypedDict

from app.core.clock import format_rfc3339
from app.feeds.article_json import ArticleJson, ImageJson, RetractionJson, parse_article
from app.feeds.content import (
    complete_url,
    find_recording,
    make_absolute,
    render_full_html,
    rights_line,
    summary_of,
)
from app.feeds.schemas import Deleted, Enclosure, Entry, Feed, Picture, Publication, Replies, to_uri, to_urn
from app.text.inputs import make_excerpt


class FeedFormat(Protocol):
    """A feed format, such as the module `rss`."""

    MEDIA_TYPE: str

    def write_entry(self, entry: Entry) -> bytes:
        """Write one entry."""

    def write_document(self, feed: Feed, entries: Iterable[bytes]) -> bytes:
        """Write the feed around its entries."""


FORMATS = ("rss", "atom", "json")
MAX_FEED_BYTES = 1_000_000
COMMENTS_FRAGMENT = "#comments"  # assumed place of the discussion on an article's page
ANONYMOUS_NAME = "Anonymous"  # author of a comment whose name was erased


def load_format(name: str) -> FeedFormat:
    """Import a feed format: lxml, which writes two of them, takes 4 MB, and many sites have no feed."""
    from app.feeds import atom, json_feed, rss

    formats: dict[str, FeedFormat] = {"rss": rss, "atom": atom, "json": json_feed}
    return formats[name]


class CommentAuthor(TypedDict):
    """The author of a comment; the name is null if it was erased."""

    name: str | None


class CommentContent(TypedDict):
    """The members of a published comment that its entry shows."""

    id: str
    parent_id: str | None
    author: CommentAuthor
    html: str
    text: str
    created_at: datetime
    edited_at: datetime | None


def entry_of_article(article: ArticleJson, html: str, publication: Publication) -> Entry:
    """Make the entry of an article with its text."""
    url = to_uri(article["url"])
    section = [article["section"]] if article["section"] else []
    recording = find_recording(html, url, publication.site.media)
    return Entry(
        id=to_urn(article["id"]),
        url=url,
        title=article["title"],
        html=render_full_html(article, html, publication.site.media),
        summary=summary_of(article),
        published=article["published_at"] or article["updated_at"],
        updated=article["updated_at"],
        authors=tuple(author["name"] for author in article["authors"]),
        terms=tuple({term["slug"]: term["name"] for term in (*section, *article["tags"])}.items()),
        language=article["language"],
        image=_picture(article["image"], publication),
        rights=rights_line(article),
        enclosure=Enclosure(*recording) if recording else None,
        replies=_replies(article, url, publication),
    )


def _picture(image: ImageJson | None, publication: Publication) -> Picture | None:
    if image is None:
        return None
    url = complete_url(image["url"], publication.site.media)
    return Picture(
        url=url,
        mime=mimetypes.guess_type(url.partition("?")[0])[0] or "",
        width=image["width"],
        height=image["height"],
        alt=image["alt"],
        caption=image["caption"],
        credit=image["credit"],
    )


def comments_feed_url(article: ArticleJson, publication: Publication) -> str:
    """Return the URL of the feeds of an article's comments, without the suffix of a format."""
    return f"{publication.api}/feeds/articles/{article['id']}/comments"


def _replies(article: ArticleJson, url: str, publication: Publication) -> Replies | None:
    discussion = article["discussion"]
    if discussion["state"] == "hidden":
        return None
    return Replies(url + COMMENTS_FRAGMENT, comments_feed_url(article, publication), discussion["comments"])


def entry_of_comment(comment: CommentContent, article: ArticleJson, publication: Publication) -> Entry:
    """Make the entry of a published comment."""
    url = to_uri(article["url"])
    created_at, parent_id = format_rfc3339(comment["created_at"]), comment["parent_id"]
    name = comment["author"]["name"] or ANONYMOUS_NAME
    return Entry(
        id=to_urn(comment["id"]),
        url=f"{url}#comment-{comment['id']}",
        title=f"{name} on “{article['title']}”",
        html=make_absolute(comment["html"], url, publication.site.media),
        summary=make_excerpt(comment["text"]),
        published=created_at,
        updated=format_rfc3339(comment["edited_at"]) if comment["edited_at"] else created_at,
        authors=(name,),
        language=article["language"],
        answers=(to_urn(parent_id), f"{url}#comment-{parent_id}") if parent_id else (to_urn(article["id"]), url),
    )


def entry_of_retraction(article_id: str, url: str, retraction: RetractionJson) -> tuple[Deleted, Entry]:
    """Make the tombstone of a retracted article, and an entry that gives the public reason.

    After a retraction for legal reasons the entry does not even link to the article.
    """
    at, reason, legal = retraction["at"], retraction["reason"], retraction["legal"]
    notice = Entry(
        id=to_urn(str(uuid.uuid5(uuid.UUID(article_id), f"retracted {at}"))),
        url=None if legal else to_uri(url),
        title="An article is withheld for legal reasons" if legal else "An article was retracted",
        html=f"<p>{escape(reason, quote=False)}</p>",
        summary=reason,
        published=at,
        updated=at,
    )
    return Deleted(to_urn(article_id), at, reason), notice


class WrittenEntry(NamedTuple):
    """An entry as bytes of one format."""

    entry: Entry  # without its text
    body: bytes


def write_entry(form: str, entry: Entry) -> WrittenEntry:
    """Write an entry in a format."""
    return WrittenEntry(replace(entry, html=""), load_format(form).write_entry(entry))


# Most of a feed is unchanged whenever it is read again, so entries are kept by everything that they show.
_ArticleKey = tuple[str, bytes, Publication]
_CommentKey = tuple[str, tuple[str, str, str | None, datetime | None], tuple[str, str, str], Publication]
_CACHE: dict[_ArticleKey | _CommentKey, WrittenEntry] = {}
MAX_CACHED_ENTRIES = 600
MAX_CACHED_BYTES = 20_000  # of one entry


def count_cached_entries() -> int:
    """Return the number of entries of feeds that are cached."""
    return len(_CACHE)


def _write_cached(key: _ArticleKey | _CommentKey, make_entry: Callable[[], Entry]) -> WrittenEntry:
    """Return the cached entry with this key, or write it; the key holds the format and everything that it shows."""
    written = _CACHE.get(key)
    if written is None:
        written = write_entry(key[0], make_entry())
        if len(_CACHE) >= MAX_CACHED_ENTRIES:
            _CACHE.clear()
        if len(written.body) <= MAX_CACHED_BYTES:
            _CACHE[key] = written
    return written


def write_article(form: str, article: bytes, html: str, publication: Publication) -> WrittenEntry:
    """Write an article's entry, given its JSON and its text; the JSON names the revision, whose text never changes."""
    key = (form, article, publication)
    return _write_cached(key, lambda: entry_of_article(parse_article(article), html, publication))


def write_comment(form: str, comment: CommentContent, article: ArticleJson, publication: Publication) -> WrittenEntry:
    """Write a comment's entry."""
    content = (comment["id"], comment["html"], comment["author"]["name"], comment["edited_at"])
    about = (article["title"], article["url"], article["language"])
    key = (form, content, about, publication)
    return _write_cached(key, lambda: entry_of_comment(comment, article, publication))


def newest_first(entries: Iterable[WrittenEntry], limit: int) -> list[WrittenEntry]:
    """Sort entries by their publication, and return the newest ones."""
    return sorted(entries, key=lambda written: datetime.fromisoformat(written.entry.published), reverse=True)[:limit]


def latest_time(times: Iterable[str]) -> str:
    """Return the latest of some times; the Unix epoch if there are none."""
    return max(times, key=datetime.fromisoformat, default="1970-01-01T00:00:00Z")


def render_feed(form: str, feed: Feed, entries: Sequence[WrittenEntry]) -> bytes:
    """Render a feed of less than a megabyte: from the oldest on, texts are replaced by summaries, then entries dropped.

    Archives drop no entries, so they may be larger.
    """
    feed_format, bodies = load_format(form), [written.body for written in entries]
    languages = {written.entry.language for written in entries}
    feed = replace(feed, language=languages.pop() if len(languages) == 1 else None)
    room = MAX_FEED_BYTES - len(feed_format.write_document(feed, [])) - len(bodies) - sum(map(len, bodies))
    for index in reversed(range(len(bodies))):
        if room > 0:
            break
        short = feed_format.write_entry(_shorten(entries[index].entry))
        if len(short) < len(bodies[index]):
            room += len(bodies[index]) - len(short)
            bodies[index] = short
    while room <= 0 and bodies and not feed.archive:
        room += len(bodies.pop())
    return feed_format.write_document(feed, bodies)


def _shorten(entry: Entry) -> Entry:
    text = f"<p>{escape(entry.summary, quote=False)}</p>"
    more = f'\n<p><a href="{escape(entry.url)}">Read all of it</a></p>' if entry.url else ""
    return replace(entry, html=text + more)
