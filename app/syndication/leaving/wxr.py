"""Everything as WordPress eXtended RSS 1.2, which WordPress, many others, and our own importer read.

Titles, names and deks are HTML there, so they are escaped once more. Series, notices, corrections, revisions, passages
and all authors but the first have no place in that format.
"""

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import Any, BinaryIO, Final

import sqlalchemy as sa
from lxml import etree

from app.articles.addresses.schemas import Site
from app.kit.clock import now
from app.kit.schema import Row
from app.publication.media.schemas import FILES
from app.syndication.leaving import queries

_WP: Final = "http://wordpress.org/export/1.2/"
_NAMESPACES: Final = {
    "excerpt": "http://wordpress.org/export/1.2/excerpt/",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "wp": _WP,
}
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STATES: Final = {"published": "1", "pending": "0", "spam": "spam", "rejected": "trash", "removed": "trash"}
_LONE: Final = re.compile(r"(<(?:p|li|td|th|figcaption|blockquote)[^<>]*>\s*https?):", re.IGNORECASE)
Step = Callable[[int], None]


def number(row_id: str) -> str:
    """An id as a number, which is all that the format takes: 59 bits of a hash, so that none has to be remembered."""
    digest = hashlib.blake2b(row_id.encode(), digest_size=8).digest()
    return str((int.from_bytes(digest) >> 5) + 1)


def _named(name: str) -> str:
    prefix, _, local = name.rpartition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}" if prefix else local


def _element(name: str, text: object = "", **attributes: str) -> Any:
    element = etree.Element(_named(name), attributes, nsmap=None)
    element.text = _ILLEGAL.sub("", str(text))
    return element


def _filled(name: str, children: Mapping[str, object]) -> Any:
    element = etree.Element(_named(name))
    element.extend([_element(child, text) for child, text in children.items()])
    return element


def _words(text: str | None) -> str:
    """Plain text as HTML on one line."""
    return escape(text or "", quote=False).replace("\n", "<br>")


def body(html: str, media: str) -> str:
    """A text that WordPress neither breaks into paragraphs, nor reads short codes or addresses of players in."""
    html = html.replace("[", "&#91;").replace(f'"{FILES}', f'"{media}{FILES}')
    html = _LONE.sub(r"\1&#58;", html)
    return f"<!-- wp:html -->\n{html}\n<!-- /wp:html -->" if html else ""


def _date(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if moment else "0000-00-00 00:00:00"


def _meta(name: str, key: str, value: object) -> Any:
    return _filled(f"wp:{name}meta", {"wp:meta_key": key, "wp:meta_value": value})


def _state(article: Mapping[str, Any], moment: datetime) -> tuple[str, datetime | None]:
    """Status and date: what readers cannot see is never `publish`, and what is under embargo comes out at its end."""
    at, embargo = article["published_at"], article["rights"]["embargoed_until"]
    if article["public"]:
        return "publish", at
    if article["state"] == "scheduled":
        return "future", article["editing"]["scheduled_at"]
    if article["state"] == "published" and embargo and embargo > moment:
        return "future", embargo
    return ("draft", None) if article["state"] == "draft" and at is None else ("private", at)


def _terms(connection: sa.Connection) -> Iterator[Any]:
    for row in queries.terms(connection, "author"):
        yield _filled(
            "wp:author",
            {
                "wp:author_id": number(row["id"]),
                "wp:author_login": row["slug"],
                "wp:author_display_name": escape(row["name"], quote=False),
            },
        )
    for row in queries.terms(connection, "section"):
        yield _filled(
            "wp:category",
            {
                "wp:term_id": number(row["id"]),
                "wp:category_nicename": row["slug"],
                "wp:category_parent": row["parent"]["slug"] if row["parent"] else "",
                "wp:cat_name": escape(row["name"], quote=False),
                "wp:category_description": _words(row["description"]),
            },
        )
    for row in queries.terms(connection, "tag"):
        yield _filled(
            "wp:tag",
            {
                "wp:term_id": number(row["id"]),
                "wp:tag_slug": row["slug"],
                "wp:tag_name": escape(row["name"], quote=False),
                "wp:tag_description": _words(row["description"]),
            },
        )


def _picture(row: Row, media: str) -> Any:
    url = row["url"] if not row["url"].startswith("/") else f"{media}{row['url']}"
    item = _filled(
        "item",
        {
            "title": _words(row["caption"] or row["alt"]),
            "guid": row["id"],
            "excerpt:encoded": _words(row["caption"]),
            "wp:post_id": number(row["id"]),
            "wp:post_date_gmt": _date(row["created_at"]),
            "wp:status": "inherit",
            "wp:post_type": "attachment",
            "wp:attachment_url": url,
        },
    )
    item.append(_meta("post", "_wp_attachment_image_alt", escape(row["alt"], quote=False)))
    return item


def _comment(row: Row, slugs: Mapping[str, str]) -> Any:
    profile = row["profile_id"] if row["profile_id"] in slugs else None
    element = _filled(
        "wp:comment",
        {
            "wp:comment_id": number(row["id"]),
            "wp:comment_author": escape(row["author_name"], quote=False),
            "wp:comment_author_email": row["email"] or "",
            "wp:comment_date_gmt": _date(row["created_at"]),
            "wp:comment_content": row["html"].replace("<br>\n", "<br>"),
            "wp:comment_approved": _STATES[row["state"]],
            "wp:comment_type": "wpdiscuz_sticky" if row["featured"] else "comment",
            "wp:comment_parent": number(row["parent_id"]) if row["parent_id"] else 0,
            "wp:comment_user_id": number(profile) if profile else 0,
        },
    )
    if row["upvotes"] or row["downvotes"]:
        votes = f'a:2:{{s:4:"like";i:{row["upvotes"]};s:7:"dislike";i:{row["downvotes"]};}}'
        element.append(_meta("comment", "wpdiscuz_votes_seperate", votes))
    return element


def _item(article: Mapping[str, Any], former: Sequence[str], media: str, moment: datetime) -> Any:
    status, at = _state(article, moment)
    item = _filled(
        "item",
        {
            "title": _words(article["title"]),
            "link": article["url"],
            "dc:creator": article["authors"][0]["slug"] if article["authors"] else "",
            "guid": article["id"],
            "content:encoded": body(article["body"]["html"], media),
            "excerpt:encoded": _words(article["dek"]),
            "wp:post_id": number(article["id"]),
            "wp:post_date_gmt": _date(at),
            "wp:post_modified_gmt": _date(article["updated_at"]),
            "wp:comment_status": "open" if article["discussion"]["state"] == "open" else "closed",
            "wp:post_name": article["slug"],
            "wp:status": status,
            "wp:post_type": "page" if article["type"] == "page" else "post",
            "wp:is_sticky": int(article["featured"]),
        },
    )
    labels = [("category", article["section"])] if article["section"] else []
    for domain, term in [*labels, *(("post_tag", tag) for tag in article["tags"])]:
        name = escape(term["name"], quote=False)
        item.append(_element("category", name, domain=domain, nicename=term["slug"]))
    item.extend([_meta("post", "_wp_old_slug", slug) for slug in former])
    if article["image"]:
        item.append(_meta("post", "_thumbnail_id", number(article["image"]["id"])))
    return item


def _items(connection: sa.Connection, site: Site, media: str, step: Step) -> Iterator[Iterator[Any]]:
    """The elements of each item; a discussion may be longer than fits into memory."""
    moment, slugs = now(), queries.author_slugs(connection)
    for articles in queries.articles(connection, site):
        ids = [article["id"] for article in articles]
        former: dict[str, list[str]] = {}
        for row in queries.addresses(connection, ids):
            if not row["address"].startswith("/"):
                former.setdefault(row["article_id"], []).append(row["address"])
        discussed = queries.discussed(connection, ids)
        for article in articles:
            step(1)
            item = _item(article, former.get(article["id"], []), media, moment)
            rows = queries.comments(connection, article["id"]) if article["id"] in discussed else iter(())
            yield itertools.chain(item, _stepping(rows, slugs, step))


def _stepping(rows: Iterator[sa.RowMapping], slugs: Mapping[str, str], step: Step) -> Iterator[Any]:
    for row in rows:
        yield _comment(row, slugs)
        step(1)


def write(connection: sa.Connection, site: Site, name: str, media: str, target: BinaryIO, step: Step) -> int:
    """Write one document; `media` is the address that files of pictures are read from. Returns how many articles."""
    head = {
        "title": escape(name, quote=False),
        "link": site.url,
        "pubDate": format_datetime(now(), usegmt=True),
        "language": queries.languages(connection) or "en",
        "wp:wxr_version": "1.2",
        "wp:base_site_url": site.url,
        "wp:base_blog_url": site.url,
    }
    count = 0
    with etree.xmlfile(target, encoding="utf-8") as file:
        file.write_declaration()
        with file.element("rss", version="2.0", nsmap=_NAMESPACES), file.element("channel"):
            for element in (_element(key, text) for key, text in head.items()):
                file.write(element)
            for element in _terms(connection):
                file.write(element)
            for row in queries.terms(connection, "media"):
                file.write(_picture(row, media))
            for item in _items(connection, site, media, step):
                with file.element("item"):
                    for element in item:
                        file.write(element)
                count += 1
    return count
