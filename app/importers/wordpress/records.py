"""What a WordPress export holds, one frozen record per author, category, tag, term and item."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Site:
    """The exported site; `base_url` is the address of its front page and `version` that of the format, such as 1.2."""

    title: str
    link: str
    description: str
    language: str
    base_url: str
    version: str


@dataclass(frozen=True, slots=True)
class Author:
    """A user who wrote something; `login` is what `Item.creator` names. WXR 1.0 files have no authors at all."""

    id: int
    login: str
    email: str = field(repr=False)
    display_name: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class Category:
    """A category; `parent` is the slug of the one above it, or empty. A parent may come after its children."""

    id: int
    slug: str
    name: str
    parent: str
    description: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag (taxonomy `post_tag`)."""

    id: int
    slug: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Term:
    """A term of any taxonomy, such as `nav_menu` or a plugin's own; may repeat what is also a category or a tag."""

    id: int
    taxonomy: str
    slug: str
    name: str
    parent: str
    description: str


@dataclass(frozen=True, slots=True)
class Label:
    """A term as an item carries it: `domain` is its taxonomy (`category`, `post_tag`, `post_format`, …)."""

    domain: str
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of any kind, with its text as WordPress stores it (line breaks still stand for paragraphs).

    `approved` is `1`, `0` (waiting), `spam`, `trash` or `post-trashed`; `type` is `comment` or empty for a reader's
    comment, else `pingback`, `trackback` or a plugin's own.
    """

    id: int
    parent_id: int
    user_id: int
    type: str
    approved: str
    author: str
    email: str = field(repr=False)
    url: str
    ip: str = field(repr=False)
    agent: str = field(repr=False)
    created_at: datetime | None
    content: str
    meta: Mapping[str, tuple[str, ...]] = field(repr=False)

    @property
    def is_public(self) -> bool:
        """Whether readers of the old site saw it."""
        return self.approved == "1"


@dataclass(frozen=True, slots=True)
class Item:
    """A post, page, attachment, menu entry or anything else that WordPress keeps as a post.

    Numbers that are absent are 0, texts empty. `meta` keeps every value of a repeated key, in order. `notes` says, in
    words for the report, what the file left open and how it was read. The password itself is never kept.
    """

    post_id: int
    type: str
    status: str
    title: str
    slug: str
    link: str
    guid: str
    creator: str
    content: str
    excerpt: str
    published_at: datetime | None
    modified_at: datetime | None
    has_password: bool
    sticky: bool
    parent_id: int
    menu_order: int
    comments_open: bool
    attachment_url: str
    terms: tuple[Label, ...]
    meta: Mapping[str, tuple[str, ...]] = field(repr=False)
    comments: tuple[Comment, ...]
    notes: tuple[str, ...]

    @property
    def is_public(self) -> bool:
        """Whether anyone could read it on the old site: published and without a password; nothing else is public."""
        return self.status == "publish" and not self.has_password

    @property
    def thumbnail_id(self) -> int:
        """The `post_id` of the attachment that is its featured image, or 0; it may come later in the file."""
        return whole_number(self.first_meta("_thumbnail_id"))

    @property
    def old_slugs(self) -> tuple[str, ...]:
        """The slugs it had before, oldest first, which WordPress redirects."""
        return self.meta.get("_wp_old_slug", ())

    @property
    def alt_text(self) -> str:
        """The alternative text of an image attachment."""
        return self.first_meta("_wp_attachment_image_alt")

    def first_meta(self, key: str) -> str:
        """The first value of a custom field, or an empty text."""
        return next(iter(self.meta.get(key, ())), "")

    def labels(self, domain: str) -> tuple[Label, ...]:
        """Its terms of one taxonomy, in the order of the file."""
        return tuple(label for label in self.terms if label.domain == domain)


Record = Site | Author | Category | Tag | Term | Item


@dataclass(frozen=True, slots=True)
class Contents:
    """How much a whole file holds; `items` counts them by post type."""

    version: str
    authors: int
    categories: int
    tags: int
    terms: int
    items: Mapping[str, int]
    comments: int

    @property
    def total_items(self) -> int:
        """The number of items of all types."""
        return sum(self.items.values())


def whole_number(text: str) -> int:
    """Read a WordPress id or count: 0 when it is empty, negative, not a number, or beyond 63 bits."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
