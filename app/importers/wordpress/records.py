"""Records of a WordPress export."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Site:
    """The exported site; `base_url` is the URL of its front page, `version` that of the format, such as 1.2."""

    title: str
    link: str
    description: str
    language: str
    base_url: str
    version: str


@dataclass(frozen=True, slots=True)
class Author:
    """A user; `Item.creator` refers to the `login`. WXR 1.0 files have no authors."""

    id: int
    login: str
    email: str = field(repr=False)
    display_name: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class Category:
    """A category; `parent` is the slug of its parent, or empty. A parent may come after its children."""

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
    """A term of any taxonomy, such as `nav_menu` or a plugin's; may repeat a category or tag."""

    id: int
    taxonomy: str
    slug: str
    name: str
    parent: str
    description: str


@dataclass(frozen=True, slots=True)
class Label:
    """A term of an item; `domain` is its taxonomy (`category`, `post_tag`, `post_format`, …)."""

    domain: str
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of any type; its text has line breaks for paragraphs.

    `approved` is `1`, `0` (pending), `spam`, `trash` or `post-trashed`; `type` is `comment` or empty for a reader's
    comment, else `pingback`, `trackback` or a plugin's type.
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
        """Whether readers of the old site could see it."""
        return self.approved == "1"


@dataclass(frozen=True, slots=True)
class Item:
    """A post, page, attachment, menu entry or anything else that WordPress stores as a post.

    Missing numbers are 0, missing texts empty. `meta` has all values of a key, in order. `notes` are remarks for the
    report. The password itself is not kept.
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
        """Whether it was public on the old site: published and without a password."""
        return self.status == "publish" and not self.has_password

    @property
    def thumbnail_id(self) -> int:
        """The id of its featured image, or 0."""
        return whole_number(self.first_meta("_thumbnail_id"))

    @property
    def old_slugs(self) -> tuple[str, ...]:
        """Its former slugs, oldest first."""
        return self.meta.get("_wp_old_slug", ())

    @property
    def alt_text(self) -> str:
        """The alternative text of an image attachment."""
        return self.first_meta("_wp_attachment_image_alt")

    def first_meta(self, key: str) -> str:
        """Return the first value of a custom field, or an empty string."""
        return next(iter(self.meta.get(key, ())), "")

    def labels(self, domain: str) -> tuple[Label, ...]:
        """Return its terms of a taxonomy, in the order of the file."""
        return tuple(label for label in self.terms if label.domain == domain)


Record = Site | Author | Category | Tag | Term | Item


@dataclass(frozen=True, slots=True)
class Contents:
    """The numbers of records of a file; `items` counts them by post type."""

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
    """Parse an id or count: 0 if it is empty, negative, not a number, or longer than 18 digits."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
