"""What everything that leaves the house says of the publication, and a feed before it is written in any format."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, NamedTuple
from urllib.parse import quote

from pydantic import AfterValidator, Field

from app.articles.site import Site
from app.core.clock import month_bounds
from app.core.problems import NotFound
from app.core.settings import Settings

HUB = "/hub"  # path of the WebSub hub: every feed names it


@dataclass(frozen=True)
class Publication:
    """Who publishes, and where."""

    name: str
    site: Site
    api: str
    principles: str = ""
    paywall: str = ""
    other_hubs: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Publication":
        """The publication that the settings name."""
        principles, paywall = settings.publishing_principles, settings.paywall_selector
        others = tuple(settings.websub_hubs)
        return cls(settings.site_name, Site.from_settings(settings), settings.api, principles, paywall, others)

    @property
    def hubs(self) -> tuple[str, ...]:
        """The WebSub hubs that tell of changes of our feeds."""
        return self.api + HUB, *self.other_hubs


def uri(url: str) -> str:
    """An address as RFC 3986 has it: letters of other scripts, which our slugs may have, percent-encoded."""
    return url if url.isascii() else quote(url, safe="!#$%&'()*+,/:;=?@[]~")


def urn(row_id: str) -> str:
    """An id that never changes, whatever becomes of slugs and hosts (RFC 9562 §4)."""
    return f"urn:uuid:{row_id}"


@dataclass(frozen=True)
class Picture:
    """What an entry shows."""

    url: str
    mime: str
    width: int | None
    height: int | None
    alt: str
    caption: str
    credit: str


@dataclass(frozen=True)
class Enclosure:
    """A recording that belongs to an entry, as podcasts have one; nothing is known of its length."""

    url: str
    mime: str


@dataclass(frozen=True)
class Replies:
    """Where the comments on an entry are, and how many."""

    page: str
    feed: str  # without its suffix
    count: int


@dataclass(frozen=True)
class Entry:
    """One entry of a feed. Times are RFC 3339 in UTC, addresses absolute URIs."""

    id: str
    url: str | None
    title: str
    html: str
    summary: str
    published: str
    updated: str
    authors: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()  # slug and name
    language: str | None = None
    image: Picture | None = None
    rights: str | None = None
    enclosure: Enclosure | None = None
    replies: Replies | None = None
    answers: tuple[str, str] | None = None  # id and address of what it answers


@dataclass(frozen=True)
class Deleted:
    """An entry that was withdrawn (RFC 6721)."""

    id: str
    at: str
    reason: str = ""  # where that is public


@dataclass(frozen=True)
class Feed:
    """A feed without its entries."""

    title: str
    description: str
    page: str  # what it is the feed of
    url: str
    updated: str
    language: str | None = None
    hubs: tuple[str, ...] = ()
    deleted: tuple[Deleted, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)  # further relations: `prev-archive` (RFC 5005)
    author: str = ""
    archive: bool = False


MAX_SITEMAP_URLS = 50_000
MAX_NEWS_URLS = 1000
_PATTERN = r"^\d{4}-(0[1-9]|1[0-2])(-[1-9]\d{0,3})?$"
_PART = re.compile(r"(\d{4})-(0[1-9]|1[0-2])(?:-([1-9]\d{0,3}))?", re.ASCII)


class Part(NamedTuple):
    """A month, and which of its files."""

    year: int
    month: int
    n: int


def read(text: str) -> Part:
    """`2026-01` or, of a month with more than one file, `2026-01-2`; 404 for anything else."""
    found = _PART.fullmatch(text)
    if not found or found[1] == "0000" or found[3] == "1":
        raise NotFound
    return Part(int(found[1]), int(found[2]), int(found[3] or 1))


def _known(text: str) -> str:
    read(text)
    return text


PartPath = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"pattern": _PATTERN})]
"""A part of the sitemap, as the index names it."""


def bounds(part: Part | None, zone: str) -> tuple[datetime, datetime]:
    """From when to when; all time without a part."""
    if part is None:
        return datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return month_bounds(part.year, part.month, zone)
