"""Planning the article of a WordPress post or page, without access to the store."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from app.articles.addresses import make_numbered_address
from app.db.rows import JsonObject
from app.export.wordpress_ids import ID_KEY
from app.importers.engine import truncate
from app.importers.ledger import compute_fingerprint
from app.importers.report import Report
from app.importers.wordpress.content import convert_content
from app.importers.wordpress.custom import build_custom
from app.importers.wordpress.records import Category, Item, whole_number
from app.importers.wordpress.survey import ARTICLES, Survey, is_default_category, is_picture, key_of, path_of, unique
from app.text.html import html_to_text
from app.text.inputs import LanguageTag, Slug, make_excerpt

State = Literal["draft", "scheduled", "published"]
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)
_LANGUAGE: TypeAdapter[str] = TypeAdapter(LanguageTag)
_PRIMARY = ("_yoast_wpseo_primary_category", "rank_math_primary_category")
DEFAULT_LANGUAGE = "en"
_MAX_TAGS = 100
_MAX_PATH_LENGTH = 500
_MAX_TITLE_SOURCE = 5000  # characters of a title that are read


@dataclass(frozen=True)
class Plan:
    """An article to create; terms, authors and pictures are referenced by their keys in the file."""

    key: str
    title: str
    slug: str | None  # as in the file, if it is valid
    original_slug: str
    dek: str | None
    type: str
    language: str
    featured: bool
    section: str | None
    authors: tuple[str, ...]
    tags: tuple[str, ...]
    more_tags: tuple[str, ...]  # names of further categories
    image: str | None
    html: str
    state: State
    at: datetime | None  # time of publication, past or future
    modified_at: datetime | None
    addresses: tuple[str, ...]
    is_closed: bool  # whether comments are closed
    custom: JsonObject
    notes: tuple[str, ...] = field(compare=False)

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the imported values."""
        left_out = {"notes", "fingerprint"} if self.is_closed else {"notes", "fingerprint", "is_closed"}
        return compute_fingerprint({name: value for name, value in vars(self).items() if name not in left_out})


def plan_article(item: Item, survey: Survey, report: Report) -> Plan:
    """Plan the article of an item; differences are in its notes, and data that is only kept is counted."""
    notes = list(item.notes)
    content = convert_content(item.content, survey.library(item))
    notes += content.warnings
    title = _title(item, content.html, notes)
    state, at = _state(item, notes)
    slug = parse_slug(item.slug)
    section, others = _sections(item, survey)
    tags, more_tags = _tags(item, others, survey, notes)
    return Plan(
        key=key_of(item),
        title=title,
        slug=slug,
        original_slug=item.slug,
        dek=truncate(extract_text(item.excerpt, notes, "the excerpt"), 2000, "the excerpt", notes) or None,
        type=ARTICLES[item.type],
        language=parse_language(survey.site.language) or DEFAULT_LANGUAGE,
        featured=item.sticky,
        section=section,
        authors=survey.authors_of(item),
        tags=tuple(tags),
        more_tags=tuple(more_tags),
        image=_image(item, survey, notes),
        html=survey.rewrite_urls(content.html),
        state=state,
        at=at,
        modified_at=item.modified_at or item.published_at,
        addresses=tuple(_addresses(item, slug, survey)),
        is_closed=not item.comments_open,
        custom=build_custom(item, notes, report.kept, report.left_out),
        notes=tuple(notes),
    )


def parse_language(tag: str) -> str | None:
    """Parse a language tag (BCP 47) or a locale such as `de_DE`; None if it is neither."""
    try:
        return _LANGUAGE.validate_python(tag.partition(".")[0].partition("@")[0].replace("_", "-"))
    except ValidationError:
        return None


def visible_name(name: str, slug: str) -> str:
    """Return a name on one line, or the slug if it has no visible characters."""
    line = " ".join(name.split())
    return make_excerpt(line if any(char.isprintable() and not char.isspace() for char in line) else slug, 200)


def parse_slug(slug: str) -> str | None:
    """Parse a slug, None if it is invalid."""
    try:
        return _SLUG.validate_python(slug)
    except ValidationError:
        return None


def extract_text(html: str, notes: list[str], label: str) -> str:
    """Extract the plain text of a short piece of HTML; note a failure for the report."""
    try:
        return html_to_text(html, "note")
    except ValueError as error:
        notes.append(f"{label} is left out: {error}")
        return ""


def _title(item: Item, html: str, notes: list[str]) -> str:
    title = " ".join(extract_text(item.title[:_MAX_TITLE_SOURCE], notes, "the title").split())
    if title:
        return truncate(title, 300, "the title", notes)
    try:
        words = make_excerpt(html_to_text(html), 60)
    except ValueError:
        words = ""  # the error is reported when the body is converted
    notes.append("it has no title; its first words are used" if words else "it has no title")
    return words or "Untitled"


def _state(item: Item, notes: list[str]) -> tuple[State, datetime | None]:
    """Return the state and its time. An item that was not public does not become public."""
    at = item.published_at
    if item.is_public:
        if at is None:
            notes.append("it has no date; that of the import is used")
        return "published", at
    if item.has_password:
        notes.append("protected by a password: imported as a draft")
        return "draft", at if item.status == "publish" else None
    if item.status == "future" and at is not None:
        return "scheduled", at
    if item.status not in {"draft", "pending"}:
        notes.append(f"its status is {item.status or 'empty'}: imported as a draft")
    return "draft", at if item.status == "private" else None


def _sections(item: Item, survey: Survey) -> tuple[str | None, dict[str, str]]:
    """Return the category that becomes the section, and the names of the others by slug.

    It is the one that editors marked as primary, else the deepest in the tree, else the first.
    """
    labels = [
        label
        for label in item.labels("category")
        if not is_default_category(Category(0, label.slug, label.name, parent="", description=""))
    ]
    if not labels:
        return None, {}
    slugs = [label.slug for label in labels]
    marked = [survey.category(whole_number(item.first_meta(key))) for key in _PRIMARY]
    chosen = next((slug for slug in marked if slug in slugs), None) or max(slugs, key=survey.depth)
    return chosen, {label.slug: visible_name(label.name, label.slug) for label in labels if label.slug != chosen}


def _tags(item: Item, others: dict[str, str], survey: Survey, notes: list[str]) -> tuple[list[str], list[str]]:
    """Return the slugs of its tags, and the names of further categories that no tag of the file resembles."""
    tags, names = [label.slug for label in item.labels("post_tag")], list[str]()
    for slug, name in others.items():
        if same := survey.tag_like(slug, name):
            tags.append(same)
        else:
            names.append(name)
    tags = unique(tags)
    if others:
        notes.append(f"further categories became tags: {', '.join(others.values())}")
    if len(tags) + len(names) > _MAX_TAGS:
        notes.append(f"only the first {_MAX_TAGS} tags are kept")
    return tags[:_MAX_TAGS], names[: max(0, _MAX_TAGS - len(tags))]


def _image(item: Item, survey: Survey, notes: list[str]) -> str | None:
    """Return the id of the featured image, of this or an earlier import; a later import completes a missing one."""
    number = item.thumbnail_id
    if not number:
        return None
    attachment = survey.attachment(number)
    if attachment is None:
        notes.append(f"its featured image, attachment {number}, is in no file so far")
    elif not is_picture(attachment.url):
        notes.append(f"its featured image, attachment {number}, is not a picture")
    else:
        return str(number)
    return None


def _addresses(item: Item, slug: str | None, survey: Survey) -> Iterator[str]:
    """Yield former slugs that no other item has now, an invalid slug, the path of the old site, and the short link."""
    old = [former for former in item.old_slugs if former and former != slug and survey.slug_owner(former) is None]
    path = path_of(item.link)
    paths = [path, re.sub("/+", "/", path)] if path else []
    if item.post_id and not item.first_meta(ID_KEY):  # ids of Broadsheet's own exports never were addresses
        paths.append(make_numbered_address(path_of(survey.site.base_url), item.post_id))
    for address in unique([*old, *([item.slug] if item.slug and item.slug != slug else []), *paths]):
        if len(address) <= _MAX_PATH_LENGTH and address.isprintable():
            yield address
