"""Articles, comments and retractions as entries of a feed, and a feed brought to a size that any reader takes."""

import mimetypes
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from html import escape
from typing import Any, NamedTuple, Protocol

import pydantic_core

from app.core.clock import format_rfc3339
from app.feeds import atom, json_feed, rss
from app.feeds.content import Article, absolute, on_server, recording, rights, summary, whole
from app.feeds.schemas import Deleted, Enclosure, Entry, Feed, Picture, Publication, Replies, uri, urn
from app.text.inputs import make_excerpt


class Format(Protocol):
    """A format of feeds, such as the module `rss`."""

    MEDIA_TYPE: str

    def entry(self, entry: Entry) -> bytes:
        """One entry."""

    def document(self, feed: Feed, entries: Iterable[bytes]) -> bytes:
        """The feed around its entries."""


FORMATS: dict[str, Format] = {"rss": rss, "atom": atom, "json": json_feed}
MOST_BYTES = 1_000_000
COMMENTS = "#comments"  # where an article's page on the site is taken to have its discussion
NOBODY = "Anonymous"  # the author of a comment whose name was erased


def of_article(article: Article, html: str, here: Publication) -> Entry:
    """An article with its text; `article` has the shape of `ArticleOut`."""
    url = uri(article["url"])
    terms = [article["section"], *article["tags"]] if article["section"] else article["tags"]
    found = recording(html, url, here.api)
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
        enclosure=Enclosure(*found) if found else None,
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
    at, parent = format_rfc3339(comment["created_at"]), comment["parent_id"]
    name = comment["author"]["name"] or NOBODY
    return Entry(
        id=urn(comment["id"]),
        url=f"{url}#comment-{comment['id']}",
        title=f"{name} on “{article['title']}”",
        html=absolute(comment["html"], url, here.api),
        summary=make_excerpt(comment["text"]),
        published=at,
        updated=format_rfc3339(comment["edited_at"]) if comment["edited_at"] else at,
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


class Piece(NamedTuple):
    """An entry in the bytes of one format."""

    entry: Entry  # without its text
    body: bytes


def piece(form: str, entry: Entry) -> Piece:
    """An entry written."""
    return Piece(replace(entry, html=""), FORMATS[form].entry(entry))


# What has not changed need not be written again: that is most of a feed, whatever else has happened.
_KEPT: dict[tuple[Any, ...], Piece] = {}
MOST_KEPT = 600
MOST_KEPT_BYTES = 20_000  # of one


def _once(form: str, key: tuple[Any, ...], make: Callable[[], Entry]) -> Piece:
    """The entry that is kept for this key, which tells of all that the entry shows; else a new one."""
    found = _KEPT.get((form, *key))
    if found is None:
        found = piece(form, make())
        if len(_KEPT) >= MOST_KEPT:
            _KEPT.clear()
        if len(found.body) <= MOST_KEPT_BYTES:
            _KEPT[form, *key] = found
    return found


def of_card(form: str, card: bytes, html: str, here: Publication) -> Piece:
    """An article's entry, of its finished JSON and its text: the JSON names the revision, whose text never changes."""
    return _once(form, (card, here), lambda: of_article(pydantic_core.from_json(card), html, here))


def of_said(form: str, comment: Mapping[str, Any], article: Article, here: Publication) -> Piece:
    """A comment's entry."""
    shown = (comment["id"], comment["html"], comment["author"]["name"], comment["edited_at"])
    about = (article["title"], article["url"], article["language"], here)
    return _once(form, (*shown, *about), lambda: of_comment(comment, article, here))


def newest_first(pieces: Iterable[Piece], most: int) -> list[Piece]:
    """So many entries in the order of feeds."""
    return sorted(pieces, key=lambda one: datetime.fromisoformat(one.entry.published), reverse=True)[:most]


def latest(moments: list[str]) -> str:
    """The latest of some times; the beginning of the calendar of computers if there is none."""
    return max(moments, key=datetime.fromisoformat, default="1970-01-01T00:00:00Z")


def written(form: str, feed: Feed, pieces: Sequence[Piece]) -> bytes:
    """The feed in bytes, under a megabyte: full texts give way to summaries, the oldest first, then entries themselves.

    An archive holds what it holds, whatever its size.
    """
    kind, bodies = FORMATS[form], [one.body for one in pieces]
    spoken = {one.entry.language for one in pieces}
    feed = replace(feed, language=spoken.pop() if len(spoken) == 1 else None)
    left = MOST_BYTES - len(kind.document(feed, [])) - len(bodies) - sum(map(len, bodies))
    for at in reversed(range(len(bodies))):
        if left > 0:
            break
        short = kind.entry(_shortened(pieces[at].entry))
        if len(short) < len(bodies[at]):
            left += len(bodies[at]) - len(short)
            bodies[at] = short
    while left <= 0 and bodies and not feed.archive:
        left += len(bodies.pop())
    return kind.document(feed, bodies)


def _shortened(entry: Entry) -> Entry:
    text = f"<p>{escape(entry.summary, quote=False)}</p>"
    more = f'\n<p><a href="{escape(entry.url)}">Read all of it</a></p>' if entry.url else ""
    return replace(entry, html=text + more)
