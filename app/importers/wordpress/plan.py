"""What a post or page of WordPress becomes here: a pure reading of the item and of what it refers to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from app.articles.site import make_numbered_address
from app.export.wordpress_ids import ID_KEY
from app.importers.engine import clipped
from app.importers.ledger import fingerprint
from app.importers.report import Report
from app.importers.wordpress.content import to_html
from app.importers.wordpress.custom import custom_of
from app.importers.wordpress.records import Category, Item, whole_number
from app.importers.wordpress.survey import ARTICLES, Survey, distinct, is_default, is_picture, key_of, path_of
from app.text.html import html_to_text
from app.text.inputs import LanguageTag, Slug, make_excerpt

State = Literal["draft", "scheduled", "published"]
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)
_LANGUAGE: TypeAdapter[str] = TypeAdapter(LanguageTag)
_PRIMARY = ("_yoast_wpseo_primary_category", "rank_math_primary_category")
DEFAULT_LANGUAGE = "en"
_MOST_TAGS = 100
_LONGEST_PATH = 500
_SOURCE_TITLE = 5000  # characters of a title that are looked at


@dataclass(frozen=True)
class Plan:
    """An article to be; terms, authors and pictures are named by their keys in the file."""

    key: str
    title: str
    slug: str | None  # as in the file, if it can be one here
    slug_there: str
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
    at: datetime | None  # of publication, past or to come
    modified_at: datetime | None
    addresses: tuple[str, ...]
    is_closed: bool  # takes no comments
    custom: dict[str, Any]
    notes: tuple[str, ...] = field(compare=False)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with whatever is imported."""
        left_out = {"notes", "fingerprint"} if self.is_closed else {"notes", "fingerprint", "is_closed"}
        return fingerprint({name: value for name, value in vars(self).items() if name not in left_out})


def plan(item: Item, survey: Survey, report: Report) -> Plan:
    """Read an item. What does not come as it was is in the notes, and what is only kept as data is counted."""
    notes = list(item.notes)
    content = to_html(item.content, survey.library(item))
    notes += content.warnings
    title = _title(item, content.html, notes)
    state, at = _state(item, notes)
    slug = slug_of(item.slug)
    section, others = _sections(item, survey)
    tags, more_tags = _tags(item, others, survey, notes)
    return Plan(
        key=key_of(item),
        title=title,
        slug=slug,
        slug_there=item.slug,
        dek=clipped(text_of(item.excerpt, notes, "the excerpt"), 2000, "the excerpt", notes) or None,
        type=ARTICLES[item.type],
        language=language(survey.site.language) or DEFAULT_LANGUAGE,
        featured=item.sticky,
        section=section,
        authors=survey.authors_of(item),
        tags=tuple(tags),
        more_tags=tuple(more_tags),
        image=_image(item, survey, notes),
        html=survey.show(content.html),
        state=state,
        at=at,
        modified_at=item.modified_at or item.published_at,
        addresses=tuple(_addresses(item, slug, survey)),
        is_closed=not item.comments_open,
        custom=custom_of(item, notes, report.kept, report.left_out),
        notes=tuple(notes),
    )


def language(tag: str) -> str | None:
    """Read the language of a site, in the form of BCP 47 or of a locale such as de_DE; None if it is neither."""
    try:
        return _LANGUAGE.validate_python(tag.partition(".")[0].partition("@")[0].replace("_", "-"))
    except ValidationError:
        return None


def name_of(name: str, slug: str) -> str:
    """A name on one line that shows something, made from the slug if there is none."""
    line = " ".join(name.split())
    return make_excerpt(line if any(char.isprintable() and not char.isspace() for char in line) else slug, 200)


def slug_of(slug: str) -> str | None:
    """A slug as it would be here, or None if it cannot be one."""
    try:
        return _SLUG.validate_python(slug)
    except ValidationError:
        return None


def text_of(html: str, notes: list[str], what: str) -> str:
    """The plain text of a short piece of HTML."""
    try:
        return html_to_text(html, "note")
    except ValueError as error:
        notes.append(f"{what} is left out: {error}")
        return ""


def _title(item: Item, html: str, notes: list[str]) -> str:
    title = " ".join(text_of(item.title[:_SOURCE_TITLE], notes, "the title").split())
    if title:
        return clipped(title, 300, "the title", notes)
    try:
        words = make_excerpt(html_to_text(html), 60)
    except ValueError:
        words = ""  # the same error is met, and told, when the body itself is read
    notes.append("it has no title; one is made of its first words" if words else "it has no title")
    return words or "Untitled"


def _state(item: Item, notes: list[str]) -> tuple[State, datetime | None]:
    """The state here, and the time that belongs to it. What was not public there is never public here."""
    at = item.published_at
    if item.is_public:
        if at is None:
            notes.append("it has no date; that of the import is taken")
        return "published", at
    if item.has_password:
        notes.append("protected by a password there: a draft here")
        return "draft", at if item.status == "publish" else None
    if item.status == "future" and at is not None:
        return "scheduled", at
    if item.status not in {"draft", "pending"}:
        notes.append(f"{item.status or 'without a status'} there: a draft here")
    return "draft", at if item.status == "private" else None


def _sections(item: Item, survey: Survey) -> tuple[str | None, dict[str, str]]:
    """The category that becomes the section, and the names of the others by slug.

    It is the one that the editors marked as primary, else the one with most categories above it, else the first.
    """
    labels = [
        label
        for label in item.labels("category")
        if not is_default(Category(0, label.slug, label.name, parent="", description=""))
    ]
    if not labels:
        return None, {}
    slugs = [label.slug for label in labels]
    marked = [survey.category(whole_number(item.first_meta(key))) for key in _PRIMARY]
    chosen = next((slug for slug in marked if slug in slugs), None) or max(slugs, key=survey.depth)
    return chosen, {label.slug: name_of(label.name, label.slug) for label in labels if label.slug != chosen}


def _tags(item: Item, others: dict[str, str], survey: Survey, notes: list[str]) -> tuple[list[str], list[str]]:
    """The slugs of its tags, and the names of further categories that no tag of the file says."""
    tags, names = [label.slug for label in item.labels("post_tag")], list[str]()
    for slug, name in others.items():
        if same := survey.tag_like(slug, name):
            tags.append(same)
        else:
            names.append(name)
    tags = distinct(tags)
    if others:
        notes.append(f"further categories became tags: {', '.join(others.values())}")
    if len(tags) + len(names) > _MOST_TAGS:
        notes.append(f"only the first {_MOST_TAGS} tags are kept")
    return tags[:_MOST_TAGS], names[: max(0, _MOST_TAGS - len(tags))]


def _image(item: Item, survey: Survey, notes: list[str]) -> str | None:
    """The number of the featured image, which may have come earlier; a later import finds what is missing now."""
    number = item.thumbnail_id
    if not number:
        return None
    found = survey.attachment(number)
    if found is None:
        notes.append(f"its featured image, attachment {number}, is in no file so far")
    elif not is_picture(found.url):
        notes.append(f"its featured image, attachment {number}, is no picture")
    else:
        return str(number)
    return None


def _addresses(item: Item, slug: str | None, survey: Survey) -> Iterator[str]:
    """Former slugs that no other item has now, a slug that cannot be kept, the path of the old site, the short link."""
    old = [former for former in item.old_slugs if former and former != slug and survey.owner(former) is None]
    path = path_of(item.link)
    paths = [path, re.sub("/+", "/", path)] if path else []
    if item.post_id and not item.first_meta(ID_KEY):  # a number of ours never was an address
        paths.append(make_numbered_address(path_of(survey.site.base_url), item.post_id))
    for address in distinct([*old, *([item.slug] if item.slug and item.slug != slug else []), *paths]):
        if len(address) <= _LONGEST_PATH and address.isprintable():
            yield address
