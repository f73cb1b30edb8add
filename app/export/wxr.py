"""Write the whole publication as WordPress eXtended RSS 1.2, which WordPress, many others and our own importer read.

The numbers that the format wants in place of ids are given in the order of the file, from 1 for each kind of thing, so
that they stay below 2³¹ and readers in JavaScript keep them exact. Comments are numbered by time, each after the one it
answers: WordPress inserts them in the order of their numbers, and a reply needs its parent to be there. As a number
says nothing about another export, each item and comment also carries its id, see `wordpress_ids`.

Titles, names and deks are HTML in WordPress, so they are escaped once more. Series, notices, corrections, revisions and
passages have no place in that format. Authors beyond the first are written as the Co-Authors Plus plugin has them.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from email.utils import format_datetime
from html import escape
from itertools import count
from typing import Any, BinaryIO, Final
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import sqlalchemy as sa

from app.articles.site import Site
from app.core.clock import now
from app.db.columns import Row
from app.export import everything
from app.export.wordpress_blocks import to_wordpress
from app.export.wordpress_ids import ID_KEY, IMAGE_KEY, PARENT_KEY
from app.publication.schemas import MEDIA_PATH

_NAMESPACES: Final = {
    "xmlns:excerpt": "http://wordpress.org/export/1.2/excerpt/",
    "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    "xmlns:wp": "http://wordpress.org/export/1.2/",
}
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STATES: Final = {"published": "1", "pending": "0", "spam": "spam", "rejected": "trash", "removed": "trash"}
Step = Callable[[int], None]
Children = Mapping[str, object]


class _Document:
    """An XML document written piece by piece: namespaces are declared once, at its root."""

    def __init__(self, target: BinaryIO) -> None:
        self._xml = XMLGenerator(target, "utf-8")
        self._xml.startDocument()

    def open(self, name: str, attributes: Mapping[str, str] | None = None) -> None:
        self._xml.startElement(name, AttributesImpl(attributes or {}))

    def close(self, name: str) -> None:
        self._xml.endElement(name)
        self._xml.characters("\n")

    def text(self, name: str, text: object, attributes: Mapping[str, str] | None = None) -> None:
        """Write an element that holds text, as CDATA like WordPress: some readers take nothing else."""
        self.open(name, attributes)
        clean = _ILLEGAL.sub("", str(text))
        if any(character in clean for character in "<>&"):
            self._xml.ignorableWhitespace(f"<![CDATA[{clean.replace(']]>', ']]]]><![CDATA[>')}]]>")
        else:
            self._xml.characters(clean)
        self.close(name)

    def all(self, children: Children) -> None:
        for name, text in children.items():
            self.text(name, text)

    def group(self, name: str, children: Children) -> None:
        self.open(name)
        self.all(children)
        self.close(name)

    def meta(self, kind: str, key: str, value: object) -> None:
        self.group(f"wp:{kind}meta", {"wp:meta_key": key, "wp:meta_value": value})


def _html_line(text: str | None) -> str:
    """Plain text as HTML on one line."""
    return escape(text or "", quote=False).replace("\n", "<br>")


def _dates(name: str, moment: datetime | None, zone: tzinfo) -> dict[str, str]:
    """A time in the zone of the publication and in UTC, as WordPress has both."""
    form = "%Y-%m-%d %H:%M:%S"
    absent = "0000-00-00 00:00:00"
    return {
        f"wp:{name}": moment.astimezone(zone).strftime(form) if moment else absent,
        f"wp:{name}_gmt": moment.astimezone(UTC).strftime(form) if moment else absent,
    }


def _status(article: Mapping[str, Any], moment: datetime) -> tuple[str, datetime | None]:
    """Status and date: what readers cannot see is never `publish`, and what is under embargo comes out at its end."""
    at, embargo = article["published_at"], article["rights"]["embargoed_until"]
    if article["public"]:
        return "publish", at
    if article["state"] == "scheduled":
        return "future", article["editing"]["scheduled_at"]
    if article["state"] == "published" and embargo and embargo > moment:
        return "future", embargo
    return ("draft", None) if article["state"] == "draft" and at is None else ("private", at)


def parents_first(rows: Iterable[Row]) -> Iterator[Row]:
    """Give comments that come in the order of time so that each follows the one it answers.

    Clocks of phones and of other systems err: a reply that claims to be older than its parent waits for it.
    """
    given: set[str] = set()
    waiting: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        parent = row["parent_id"]
        if parent is not None and parent not in given:
            waiting[parent].append(row)
            continue
        ready = [row]
        while ready:
            next_row = ready.pop(0)
            given.add(next_row["id"])
            yield next_row
            ready += waiting.pop(next_row["id"], [])
    for rows_left in waiting.values():  # their parent is not in the store: they are kept all the same
        yield from rows_left


class _Writer:
    """One export: the document, the numbers given so far, and where files of pictures are read from."""

    def __init__(
        self, connection: sa.Connection, site: Site, media: str, zone: tzinfo, target: BinaryIO, step: Step
    ) -> None:
        self.connection, self.site, self.media, self.zone, self.step = connection, site, media, zone, step
        self.document = _Document(target)
        self.items, self.comments = count(1), count(1)
        self.numbers: dict[str, int] = {}  # of authors and pictures, which others refer to
        self.logins: dict[str, str] = {}
        self.moment = now()

    def write(self, name: str) -> int:
        """Write everything; returns how many articles there were."""
        document, articles = self.document, 0
        document.open("rss", {"version": "2.0", **_NAMESPACES})
        document.open("channel")
        document.all(
            {
                "title": escape(name, quote=False),
                "link": self.site.url,
                "description": "",
                "pubDate": format_datetime(self.moment, usegmt=True),
                "language": everything.languages(self.connection) or "en",
                "wp:wxr_version": "1.2",
                "wp:base_site_url": self.site.url,
                "wp:base_blog_url": self.site.url,
            }
        )
        self._terms()
        for row in everything.terms(self.connection, "media"):
            self._picture(row)
        for chunk in everything.articles(self.connection, self.site):
            articles += len(chunk)
            self._articles(chunk)
        document.close("channel")
        document.close("rss")
        return articles

    def _terms(self) -> None:
        for number, row in enumerate(everything.terms(self.connection, "author"), 1):
            self.numbers[row["id"]], self.logins[row["id"]] = number, row["slug"]
            author = {"author_id": number, "author_login": row["slug"], "author_email": ""}
            author["author_display_name"] = escape(row["name"], quote=False)
            self.document.group("wp:author", {f"wp:{name}": text for name, text in author.items()})
        numbers = count(1)
        for row in _parents_before_children(list(everything.terms(self.connection, "section"))):
            category = {
                "wp:term_id": next(numbers),
                "wp:category_nicename": row["slug"],
                "wp:category_parent": row["parent"]["slug"] if row["parent"] else "",
                "wp:cat_name": escape(row["name"], quote=False),
                "wp:category_description": _html_line(row["description"]),
            }
            self.document.group("wp:category", category)
        for row in everything.terms(self.connection, "tag"):
            tag = {"wp:term_id": next(numbers), "wp:tag_slug": row["slug"]}
            tag |= {"wp:tag_name": escape(row["name"], quote=False)}
            self.document.group("wp:tag", {**tag, "wp:tag_description": _html_line(row["description"])})

    def _absolute(self, url: str) -> str:
        return f"{self.media}{url}" if url.startswith(MEDIA_PATH) else url

    def _picture(self, row: Row) -> None:
        number = self.numbers[row["id"]] = next(self.items)
        document, url = self.document, self._absolute(row["url"])
        document.open("item")
        document.all(
            {
                "title": _html_line(row["caption"] or row["alt"]),
                "link": url,
                "pubDate": format_datetime(row["created_at"].astimezone(UTC), usegmt=True),
                "dc:creator": "",
            }
        )
        document.text("guid", row["id"], {"isPermaLink": "false"})
        document.all(
            {
                "description": "",
                "content:encoded": "",
                "excerpt:encoded": _html_line(row["caption"]),
                "wp:post_id": number,
                **_dates("post_date", row["created_at"], self.zone),
                "wp:comment_status": "closed",
                "wp:ping_status": "closed",
                "wp:post_name": row["id"],
                "wp:status": "inherit",
                "wp:post_parent": 0,
                "wp:menu_order": 0,
                "wp:post_type": "attachment",
                "wp:post_password": "",
                "wp:is_sticky": 0,
                "wp:attachment_url": url,
            }
        )
        document.meta("post", "_wp_attachment_image_alt", escape(row["alt"], quote=False))
        document.meta("post", ID_KEY, row["id"])
        document.close("item")

    def _articles(self, articles: Sequence[Mapping[str, Any]]) -> None:
        ids = [article["id"] for article in articles]
        former: dict[str, list[str]] = defaultdict(list)
        for row in everything.addresses(self.connection, ids):
            if not row["address"].startswith("/"):
                former[row["article_id"]].append(row["address"])
        discussed = everything.discussed(self.connection, ids)
        for article in articles:
            self.step(1)
            self.document.open("item")
            self._article(article, former[article["id"]])
            if article["id"] in discussed:
                self._discussion(article["id"])
            self.document.close("item")

    def _article(self, article: Mapping[str, Any], former: Sequence[str]) -> None:
        document, authors = self.document, article["authors"]
        status, at = _status(article, self.moment)
        document.all(
            {
                "title": _html_line(article["title"]),
                "link": article["url"],
                "pubDate": format_datetime(at.astimezone(UTC), usegmt=True) if at else "",
                "dc:creator": authors[0]["slug"] if authors else "",
            }
        )
        document.text("guid", article["id"], {"isPermaLink": "false"})
        is_open = article["discussion"]["state"] == "open"
        document.all(
            {
                "description": "",
                "content:encoded": to_wordpress(article["body"]["blocks"], self._absolute),
                "excerpt:encoded": _html_line(article["dek"]),
                "wp:post_id": next(self.items),
                **_dates("post_date", at, self.zone),
                **_dates("post_modified", article["updated_at"], self.zone),
                "wp:comment_status": "open" if is_open else "closed",
                "wp:ping_status": "closed",
                "wp:post_name": article["slug"],
                "wp:status": status,
                "wp:post_parent": 0,
                "wp:menu_order": 0,
                "wp:post_type": "page" if article["type"] == "page" else "post",
                "wp:post_password": "",
                "wp:is_sticky": int(article["featured"]),
            }
        )
        labels = [("category", article["section"])] if article["section"] else []
        labels += [("post_tag", tag) for tag in article["tags"]]
        for domain, term in labels:
            name = escape(term["name"], quote=False)
            document.text("category", name, {"domain": domain, "nicename": term["slug"]})
        for author in authors if len(authors) > 1 else ():
            name = escape(author["name"], quote=False)
            document.text("category", name, {"domain": "author", "nicename": f"cap-{author['slug']}"})
        for slug in former:
            document.meta("post", "_wp_old_slug", slug)
        if article["image"]:
            document.meta("post", "_thumbnail_id", self.numbers[article["image"]["id"]])
            document.meta("post", IMAGE_KEY, article["image"]["id"])
        document.meta("post", ID_KEY, article["id"])

    def _discussion(self, article_id: str) -> None:
        numbers: dict[str, int] = {}
        for row in parents_first(everything.comments(self.connection, article_id)):
            numbers[row["id"]] = next(self.comments)
            self._comment(row, numbers)
            self.step(1)

    def _comment(self, row: Row, numbers: Mapping[str, int]) -> None:
        document = self.document
        document.open("wp:comment")
        document.all(
            {
                "wp:comment_id": numbers[row["id"]],
                "wp:comment_author": escape(row["author_name"], quote=False),
                "wp:comment_author_email": row["email"] or "",
                "wp:comment_author_url": "",
                "wp:comment_author_IP": "",
                **_dates("comment_date", row["created_at"], self.zone),
                "wp:comment_content": row["html"].replace("<br>\n", "<br>"),
                "wp:comment_approved": _STATES[row["state"]],
                "wp:comment_type": "wpdiscuz_sticky" if row["featured"] else "comment",
                "wp:comment_parent": numbers.get(row["parent_id"], 0),
                "wp:comment_user_id": self.numbers.get(row["profile_id"], 0) if row["profile_id"] else 0,
            }
        )
        if row["upvotes"] or row["downvotes"]:
            votes = f'a:2:{{s:4:"like";i:{row["upvotes"]};s:7:"dislike";i:{row["downvotes"]};}}'
            document.meta("comment", "wpdiscuz_votes_seperate", votes)
        document.meta("comment", ID_KEY, row["id"])
        if row["parent_id"]:
            document.meta("comment", PARENT_KEY, row["parent_id"])
        document.close("wp:comment")


def _parents_before_children(sections: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give sections from the top of their tree down: WordPress looks for a parent among those before it."""
    below: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for section in sections:
        below[section["parent"]["slug"] if section["parent"] else None].append(section)
    level = below[None]
    while level:
        yield from level
        level = [child for section in level for child in below[section["slug"]]]


def write(
    connection: sa.Connection, site: Site, name: str, media: str, zone: tzinfo, target: BinaryIO, step: Step
) -> int:
    """Write one document and return how many articles it holds.

    `media` is the address that files of pictures are read from, `zone` the time zone of the publication; `step` is
    called with the number of articles and comments written since its last call.
    """
    return _Writer(connection, site, media, zone, target, step).write(name)
