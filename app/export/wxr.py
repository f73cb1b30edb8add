"""Everything as WordPress eXtended RSS 1.2, which WordPress, many other systems and our own importer read.

The format has numbers instead of ids. Each kind of thing is numbered from 1 in the order of the file, so that numbers
stay below 2³¹ and exact in JavaScript. Comments are numbered by time, but each after its parent: WordPress inserts them
in the order of their numbers, and needs the parent first. Since numbers differ between exports, items and comments also
carry their ids, see `wordpress_ids`.

Titles, names and deks are HTML in WordPress, so they are escaped once more. Series, notices, corrections, revisions and
anchors are left out, since the format has no place for them. Authors beyond the first are written as the plugin
Co-Authors Plus does.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from email.utils import format_datetime
from html import escape
from itertools import count
from typing import BinaryIO, Final
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import sqlalchemy as sa

from app.articles.schemas import PAGE_TYPE
from app.core.clock import now
from app.export import everything
from app.export.everything import CommentRow, ExportedArticle, MediaJson, SectionJson
from app.export.ndjson import Step
from app.export.wordpress_blocks import to_wordpress
from app.export.wordpress_ids import ID_KEY, IMAGE_KEY, PARENT_KEY
from app.publication.renditions import MEDIA_PATH
from app.publication.site import Site

_NAMESPACES: Final = {
    "xmlns:excerpt": "http://wordpress.org/export/1.2/excerpt/",
    "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    "xmlns:wp": "http://wordpress.org/export/1.2/",
}
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STATES: Final = {"published": "1", "pending": "0", "spam": "spam", "rejected": "trash", "removed": "trash"}
Children = Mapping[str, object]


class _Document:
    """An XML document written element by element; its root declares the namespaces."""

    def __init__(self, target: BinaryIO) -> None:
        self._xml = XMLGenerator(target, "utf-8")
        self._xml.startDocument()

    def open(self, name: str, attributes: Mapping[str, str] | None = None) -> None:
        self._xml.startElement(name, AttributesImpl(attributes or {}))

    def close(self, name: str) -> None:
        self._xml.endElement(name)
        self._xml.characters("\n")

    def add_text(self, name: str, text: object, attributes: Mapping[str, str] | None = None) -> None:
        """Write an element with text, as CDATA where WordPress does, since some readers require it."""
        self.open(name, attributes)
        clean = _ILLEGAL.sub("", str(text))
        if any(character in clean for character in "<>&"):
            self._xml.ignorableWhitespace(f"<![CDATA[{clean.replace(']]>', ']]]]><![CDATA[>')}]]>")
        else:
            self._xml.characters(clean)
        self.close(name)

    def add_all(self, children: Children) -> None:
        for name, text in children.items():
            self.add_text(name, text)

    def add_group(self, name: str, children: Children) -> None:
        self.open(name)
        self.add_all(children)
        self.close(name)

    def add_meta(self, kind: str, key: str, value: object) -> None:
        self.add_group(f"wp:{kind}meta", {"wp:meta_key": key, "wp:meta_value": value})


def _escape_lines(text: str | None) -> str:
    """Return plain text as HTML on one line."""
    return escape(text or "", quote=False).replace("\n", "<br>")


def _dates(name: str, moment: datetime | None, zone: tzinfo) -> dict[str, str]:
    """Return the elements of a time: in the zone of the publication, and in UTC."""
    pattern = "%Y-%m-%d %H:%M:%S"
    absent = "0000-00-00 00:00:00"
    return {
        f"wp:{name}": moment.astimezone(zone).strftime(pattern) if moment else absent,
        f"wp:{name}_gmt": moment.astimezone(UTC).strftime(pattern) if moment else absent,
    }


def _status(article: ExportedArticle, moment: datetime) -> tuple[str, datetime | None]:
    """Return status and date. Only public articles are `publish`; under embargo they are `future` until its end."""
    content = article.content
    at, embargo = content.published_at, content.rights.embargoed_until
    if article.public:
        return "publish", at
    if content.state == "scheduled":
        return "future", content.editing.scheduled_at if content.editing else None
    if content.state == "published" and embargo and embargo > moment:
        return "future", embargo
    return ("draft", None) if content.state == "draft" and at is None else ("private", at)


def order_by_parent(rows: Iterable[CommentRow]) -> Iterator[CommentRow]:
    """Yield comments, which come in the order of time, so that each follows its parent.

    Clocks of phones and of other systems err, so a reply may seem older than its parent.
    """
    given: set[str] = set()
    waiting: dict[str, list[CommentRow]] = defaultdict(list)
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
    for rows_left in waiting.values():  # replies whose parent does not exist
        yield from rows_left


class _Writer:
    """One export: the document, the numbers given so far, and the address of the files of pictures."""

    def __init__(
        self, connection: sa.Connection, site: Site, media: str, zone: tzinfo, target: BinaryIO, step: Step
    ) -> None:
        self.connection, self.site, self.media, self.zone, self.step = connection, site, media, zone, step
        self.document = _Document(target)
        self.items, self.comments = count(1), count(1)
        self.numbers: dict[str, int] = {}  # of authors and pictures, by id
        self.moment = now()

    def write(self, name: str) -> int:
        """Write everything; return the number of articles."""
        document, articles = self.document, 0
        document.open("rss", {"version": "2.0", **_NAMESPACES})
        document.open("channel")
        document.add_all(
            {
                "title": escape(name, quote=False),
                "link": self.site.url,
                "description": "",
                "pubDate": format_datetime(self.moment, usegmt=True),
                "language": everything.find_main_language(self.connection) or "en",
                "wp:wxr_version": "1.2",
                "wp:base_site_url": self.site.url,
                "wp:base_blog_url": self.site.url,
            }
        )
        self._write_terms()
        for picture in everything.read_media(self.connection, self.site):
            self._write_picture(picture)
        for chunk in everything.read_articles(self.connection, self.site):
            articles += len(chunk)
            self._write_articles(chunk)
        document.close("channel")
        document.close("rss")
        return articles

    def _write_terms(self) -> None:
        for number, author in enumerate(everything.read_authors(self.connection, self.site), 1):
            self.numbers[author["id"]] = number
            members = {
                "wp:author_id": number,
                "wp:author_login": author["slug"],
                "wp:author_email": "",
                "wp:author_display_name": escape(author["name"], quote=False),
            }
            self.document.add_group("wp:author", members)
        numbers = count(1)
        for section in _order_from_top(list(everything.read_sections(self.connection, self.site))):
            category = {
                "wp:term_id": next(numbers),
                "wp:category_nicename": section["slug"],
                "wp:category_parent": section["parent"]["slug"] if section["parent"] else "",
                "wp:cat_name": escape(section["name"], quote=False),
                "wp:category_description": _escape_lines(section["description"]),
            }
            self.document.add_group("wp:category", category)
        for tag in everything.read_tags(self.connection, self.site):
            members = {
                "wp:term_id": next(numbers),
                "wp:tag_slug": tag["slug"],
                "wp:tag_name": escape(tag["name"], quote=False),
                "wp:tag_description": _escape_lines(tag["description"]),
            }
            self.document.add_group("wp:tag", members)

    def _make_absolute(self, url: str) -> str:
        return f"{self.media}{url}" if url.startswith(MEDIA_PATH) else url

    def _write_picture(self, row: MediaJson) -> None:
        number = self.numbers[row["id"]] = next(self.items)
        document, url = self.document, self._make_absolute(row["url"])
        document.open("item")
        document.add_all(
            {
                "title": _escape_lines(row["caption"] or row["alt"]),
                "link": url,
                "pubDate": format_datetime(row["created_at"].astimezone(UTC), usegmt=True),
                "dc:creator": "",
            }
        )
        document.add_text("guid", row["id"], {"isPermaLink": "false"})
        document.add_all(
            {
                "description": "",
                "content:encoded": "",
                "excerpt:encoded": _escape_lines(row["caption"]),
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
        document.add_meta("post", "_wp_attachment_image_alt", escape(row["alt"], quote=False))
        document.add_meta("post", ID_KEY, row["id"])
        document.close("item")

    def _write_articles(self, articles: Sequence[ExportedArticle]) -> None:
        ids = [article.content.id for article in articles]
        former_slugs: dict[str, list[str]] = defaultdict(list)
        for row in everything.read_addresses(self.connection, ids):
            if not row["address"].startswith("/"):
                former_slugs[row["article_id"]].append(row["address"])
        discussed = everything.find_discussed(self.connection, ids)
        for article in articles:
            self.step(1)
            self.document.open("item")
            self._write_article(article, former_slugs[article.content.id])
            if article.content.id in discussed:
                self._write_discussion(article.content.id)
            self.document.close("item")

    def _write_article(self, article: ExportedArticle, former_slugs: Sequence[str]) -> None:
        document, content = self.document, article.content
        authors = content.authors
        status, at = _status(article, self.moment)
        document.add_all(
            {
                "title": _escape_lines(content.title),
                "link": content.url,
                "pubDate": format_datetime(at.astimezone(UTC), usegmt=True) if at else "",
                "dc:creator": authors[0].slug if authors else "",
            }
        )
        document.add_text("guid", content.id, {"isPermaLink": "false"})
        is_open = content.discussion.state == "open"
        document.add_all(
            {
                "description": "",
                "content:encoded": to_wordpress(article.blocks, self._make_absolute),
                "excerpt:encoded": _escape_lines(content.dek),
                "wp:post_id": next(self.items),
                **_dates("post_date", at, self.zone),
                **_dates("post_modified", content.updated_at, self.zone),
                "wp:comment_status": "open" if is_open else "closed",
                "wp:ping_status": "closed",
                "wp:post_name": content.slug,
                "wp:status": status,
                "wp:post_parent": 0,
                "wp:menu_order": 0,
                "wp:post_type": "page" if content.type == PAGE_TYPE else "post",
                "wp:post_password": "",
                "wp:is_sticky": int(content.featured),
            }
        )
        labels = [("category", content.section.slug, content.section.name)] if content.section else []
        labels += [("post_tag", tag.slug, tag.name) for tag in content.tags]
        labels += [("author", f"cap-{author.slug}", author.name) for author in authors if len(authors) > 1]
        for domain, nicename, name in labels:
            document.add_text("category", escape(name, quote=False), {"domain": domain, "nicename": nicename})
        for slug in former_slugs:
            document.add_meta("post", "_wp_old_slug", slug)
        if content.image:
            document.add_meta("post", "_thumbnail_id", self.numbers[content.image.id])
            document.add_meta("post", IMAGE_KEY, content.image.id)
        document.add_meta("post", ID_KEY, content.id)

    def _write_discussion(self, article_id: str) -> None:
        numbers: dict[str, int] = {}
        for row in order_by_parent(everything.read_discussion(self.connection, article_id)):
            numbers[row["id"]] = next(self.comments)
            self._write_comment(row, numbers)
            self.step(1)

    def _write_comment(self, row: CommentRow, numbers: Mapping[str, int]) -> None:
        document = self.document
        document.open("wp:comment")
        document.add_all(
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
                "wp:comment_parent": numbers.get(row["parent_id"], 0) if row["parent_id"] else 0,
                "wp:comment_user_id": self.numbers.get(row["profile_id"], 0) if row["profile_id"] else 0,
            }
        )
        if row["upvotes"] or row["downvotes"]:
            votes = f'a:2:{{s:4:"like";i:{row["upvotes"]};s:7:"dislike";i:{row["downvotes"]};}}'
            document.add_meta("comment", "wpdiscuz_votes_seperate", votes)
        document.add_meta("comment", ID_KEY, row["id"])
        if row["parent_id"]:
            document.add_meta("comment", PARENT_KEY, row["parent_id"])
        document.close("wp:comment")


def _order_from_top(sections: Sequence[SectionJson]) -> Iterator[SectionJson]:
    """Yield sections from the top of their tree down: WordPress looks for a parent among those before it."""
    below: dict[str | None, list[SectionJson]] = defaultdict(list)
    for section in sections:
        below[section["parent"]["slug"] if section["parent"] else None].append(section)
    level = below[None]
    while level:
        yield from level
        level = [child for section in level for child in below[section["slug"]]]


def write_wxr(
    connection: sa.Connection, site: Site, name: str, media: str, zone: tzinfo, target: BinaryIO, step: Step
) -> int:
    """Write one document and return the number of articles in it.

    `media` is the address of the server with the files of pictures, `zone` the time zone of the publication; `step` is
    called with the number of articles and comments written since its last call.
    """
    return _Writer(connection, site, media, zone, target, step).write(name)
