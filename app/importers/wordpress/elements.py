"""Converting XML elements of a WordPress export to records with normalised names, texts, dates and slugs."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from html import unescape
from typing import Final
from urllib.parse import unquote

from lxml import etree

from app.core.ids import is_id
from app.export.wordpress_ids import ID_KEY, IMAGE_KEY, PARENT_KEY, hash_to_number
from app.importers.wordpress.records import (
    Author,
    Category,
    Comment,
    Item,
    Label,
    Record,
    Site,
    Tag,
    Term,
    whole_number,
)
from app.text.inputs import scrub_text

Fields = dict[str, str]

_WORDPRESS = re.compile(r"https?://wordpress\.org/export/[0-9.]+/(excerpt/)?")
_PREFIXES = {"": "", "http://purl.org/rss/1.0/modules/content/": "content:", "http://purl.org/dc/elements/1.1/": "dc:"}
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})")
# WordPress writes the year -0001 where it has no date.
_RFC_822_DATE = re.compile(r"(?:[A-Za-z]{3}, )?[0-9]{1,2} [A-Za-z]{3} [0-9]{4} .*")
_UNDATED = frozenset({"draft", "pending", "auto-draft"})
_STRUCTURED = frozenset({"category", "wp:postmeta", "wp:comment", "wp:commentmeta"})


@lru_cache(maxsize=1024)
def field_name(tag: str) -> str:
    """Return the name of an element with the usual prefix of its namespace; an unknown one keeps its URL."""
    namespace, _, name = tag.removeprefix("{").rpartition("}")
    if match := _WORDPRESS.fullmatch(namespace):
        return f"excerpt:{name}" if match[1] else f"wp:{name}"
    return f"{_PREFIXES.get(namespace, f'{namespace} ')}{name}"


def _raw(element: etree._Element) -> str:
    return "".join(map(str, element.itertext())) if len(element) else element.text or ""


def text(element: etree._Element) -> str:
    """Return the text of an element in NFC, without forbidden characters, and stripped."""
    return scrub_text(_raw(element)).strip()


def _fields(element: etree._Element) -> Fields:
    """Return the texts of the plain children of an element by name; of several the first counts."""
    fields: Fields = {}
    for child in element:
        key = field_name(child.tag)
        if key not in _STRUCTURED and key not in fields:
            fields[key] = _raw(child) if key == "wp:post_password" else text(child)
    return fields


def _slug(value: str) -> str:
    """Decode a slug that WordPress stores percent-encoded; one that is not UTF-8 stays unchanged."""
    try:
        return scrub_text(unquote(value, errors="strict")).strip()
    except UnicodeDecodeError:
        return value


def _name(value: str) -> str:
    return scrub_text(unescape(value)).strip()


def _login(value: str) -> str:
    return value.strip("<> \t\n")


def build_site(head: Fields) -> Site:
    """Build the site from the elements of the channel before its first record."""
    link = head.get("link", "")
    return Site(
        title=_name(head.get("title", "")),
        link=link,
        description=_name(head.get("description", "")),
        language=head.get("language", ""),
        base_url=head.get("wp:base_blog_url", "") or link,
        version=head.get("wp:wxr_version", ""),
    )


def _author(element: etree._Element) -> Author:
    fields = _fields(element)
    return Author(
        id=whole_number(fields.get("wp:author_id", "")),
        login=_login(fields.get("wp:author_login", "")),
        email=fields.get("wp:author_email", ""),
        display_name=_name(fields.get("wp:author_display_name", "")),
        first_name=_name(fields.get("wp:author_first_name", "")),
        last_name=_name(fields.get("wp:author_last_name", "")),
    )


def _term_values(fields: Fields, slug: str, name: str, description: str) -> tuple[int, str, str, str]:
    """Return the id, slug, name and description of a term from the fields of these names."""
    number = whole_number(fields.get("wp:term_id", ""))
    return number, _slug(fields.get(slug, "")), _name(fields.get(name, "")), fields.get(description, "")


def _category(element: etree._Element) -> Category:
    fields = _fields(element)
    names = "wp:category_nicename", "wp:cat_name", "wp:category_description"
    number, slug, name, description = _term_values(fields, *names)
    return Category(number, slug, name, _slug(fields.get("wp:category_parent", "")), description)


def _tag(element: etree._Element) -> Tag:
    return Tag(*_term_values(_fields(element), "wp:tag_slug", "wp:tag_name", "wp:tag_description"))


def _term(element: etree._Element) -> Term:
    fields = _fields(element)
    number, slug, name, description = _term_values(fields, "wp:term_slug", "wp:term_name", "wp:term_description")
    taxonomy, parent = fields.get("wp:term_taxonomy", ""), _slug(fields.get("wp:term_parent", ""))
    return Term(number, taxonomy, slug, name, parent, description)


def _item(element: etree._Element) -> Item:
    fields = _fields(element)
    notes: list[str] = []
    status, creator = fields.get("wp:status", "").lower(), fields.get("dc:creator", "")
    password = fields.get("wp:post_password", "")
    if creator != _login(creator):
        notes.append("stray < or > removed from the creator's login")
    meta = _meta(element, "wp:postmeta")
    if image_number := _known_number(meta, IMAGE_KEY):
        meta["_thumbnail_id"] = (str(image_number),)
    return Item(
        post_id=_known_number(meta, ID_KEY) or whole_number(fields.get("wp:post_id", "")),
        type=fields.get("wp:post_type", "").lower(),
        status=status,
        title=fields.get("title", ""),
        slug=_slug(fields.get("wp:post_name", "")),
        link=fields.get("link", ""),
        guid=fields.get("guid", ""),
        creator=_login(creator),
        content=fields.get("content:encoded", ""),
        excerpt=fields.get("excerpt:encoded", ""),
        published_at=_published(fields, status, notes),
        modified_at=_utc(fields.get("wp:post_modified_gmt", "")),
        # Spaces are a valid password, unlike the line breaks and indentation of a reformatted file.
        has_password=bool(password.strip()) or bool(password and "\n" not in password),
        sticky=fields.get("wp:is_sticky", "") == "1",
        parent_id=whole_number(fields.get("wp:post_parent", "")),
        menu_order=whole_number(fields.get("wp:menu_order", "")),
        comments_open=fields.get("wp:comment_status", "") != "closed",
        attachment_url=fields.get("wp:attachment_url", ""),
        terms=_labels(element),
        meta=meta,
        comments=tuple(_comment(child, notes) for child in element if field_name(child.tag) == "wp:comment"),
        notes=tuple(notes),
    )


def _labels(element: etree._Element) -> tuple[Label, ...]:
    """Return the terms of an item, each once; WXR 1.0 repeats each without a slug, and names the tags `tag`."""
    labels: dict[tuple[str, str], Label] = {}
    for child in element:
        if child.tag == "category" and (slug := _slug(child.get("nicename") or "")):
            domain = child.get("domain") or "category"
            domain = "post_tag" if domain == "tag" else domain
            labels.setdefault((domain, slug), Label(domain, slug, _name(text(child))))
    return tuple(labels.values())


def _known_number(meta: Mapping[str, tuple[str, ...]], key: str) -> int:
    """Return the number of an id that Broadsheet's own export has put into the metadata, or 0."""
    row_id = next(iter(meta.get(key, ())), "")
    return hash_to_number(row_id) if is_id(row_id) else 0


def _meta(element: etree._Element, kind: str) -> dict[str, tuple[str, ...]]:
    values: dict[str, list[str]] = {}
    for child in element:
        if field_name(child.tag) == kind:
            fields = _fields(child)
            values.setdefault(fields.get("wp:meta_key", ""), []).append(fields.get("wp:meta_value", ""))
    return {key: tuple(listed) for key, listed in values.items()}


def _comment(element: etree._Element, notes: list[str]) -> Comment:
    fields, meta = _fields(element), _meta(element, "wp:commentmeta")
    number = _known_number(meta, ID_KEY) or whole_number(fields.get("wp:comment_id", ""))
    created_at = _utc(fields.get("wp:comment_date_gmt", ""))
    if created_at is None and (created_at := _utc(fields.get("wp:comment_date", ""))):
        notes.append(f"comment {number} has no date in UTC; its local time is used as UTC")
    return Comment(
        id=number,
        parent_id=_known_number(meta, PARENT_KEY) or whole_number(fields.get("wp:comment_parent", "")),
        user_id=whole_number(fields.get("wp:comment_user_id", "")),
        type=fields.get("wp:comment_type", ""),
        approved=fields.get("wp:comment_approved", ""),
        author=_name(fields.get("wp:comment_author", "")),
        email=fields.get("wp:comment_author_email", ""),
        url=fields.get("wp:comment_author_url", ""),
        ip=fields.get("wp:comment_author_IP", ""),
        agent=fields.get("wp:comment_agent", ""),
        created_at=created_at,
        content=fields.get("wp:comment_content", ""),
        meta=meta,
    )


def _published(fields: Fields, status: str, notes: list[str]) -> datetime | None:
    """Return the time of publication: in UTC, else the feed's, else the local one; None for a draft without a date."""
    moment = _utc(fields.get("wp:post_date_gmt", ""))
    if moment is not None or status in _UNDATED:
        return moment
    if moment := _rfc_822(fields.get("pubDate", "")):
        notes.append("no date in UTC; the date of the feed (pubDate) is used")
    elif moment := _utc(fields.get("wp:post_date", "")):
        notes.append("no date in UTC; the local time is used as UTC")
    return moment


def _utc(value: str) -> datetime | None:
    """Parse `YYYY-MM-DD HH:MM:SS` as UTC; None for WordPress's zero date and invalid dates."""
    match = _DATE.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _rfc_822(value: str) -> datetime | None:
    if not _RFC_822_DATE.fullmatch(value):
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


MAKERS: Final[dict[str, Callable[[etree._Element], Record]]] = {
    "wp:author": _author,
    "wp:category": _category,
    "wp:tag": _tag,
    "wp:term": _term,
    "item": _item,
}
"""Functions that convert the elements of a channel to records, by name."""
