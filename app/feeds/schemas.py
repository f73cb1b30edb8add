"""The publication as feeds name it, and feeds before they are written in a format."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, NamedTuple
from urllib.parse import quote

from pydantic import AfterValidator, Field

from app.core.clock import month_bounds
from app.core.problems import NotFound
from app.core.settings import Settings
from app.publication.site import Site

HUB_PATH = "/hub"  # of the WebSub hub that every feed names


@dataclass(frozen=True)
class Picture:
    """The picture of an entry."""

    url: str
    mime: str
    width: int | None
    height: int | None
    alt: str
    caption: str
    credit: str


@dataclass(frozen=True)
class Publication:
    """The publication, its site and this API."""

    name: str
    site: Site
    api: str
    principles: str = ""  # URL of the publishing principles
    paywall: str = ""  # CSS selector of the part behind the paywall
    other_hubs: tuple[str, ...] = ()
    logo: tuple[str, int | None, int | None] | None = None  # URL, width and height in pixels
    same_as: tuple[str, ...] = ()  # its accounts on social networks

    @classmethod
    def from_settings(cls, settings: Settings) -> "Publication":
        """Return the publication that the settings describe."""
        principles, paywall = settings.publishing_principles, settings.paywall_selector
        others = tuple(settings.websub_hubs)
        return cls(settings.site_name, Site.from_settings(settings), settings.api, principles, paywall, others)

    @property
    def hubs(self) -> tuple[str, ...]:
        """The WebSub hubs that are notified when a feed changes; this server's own is the first."""
        return self.api + HUB_PATH, *self.other_hubs


def to_uri(url: str) -> str:
    """Percent-encode a URL whose slugs may have letters of any script (RFC 3986)."""
    return url if url.isascii() else quote(url, safe="!#$%&'()*+,/:;=?@[]~")


def to_urn(row_id: str) -> str:
    """Return the URN of an id, which stays the same when slugs or hosts change (RFC 9562 §4)."""
    return f"urn:uuid:{row_id}"


@dataclass(frozen=True)
class Enclosure:
    """The audio or video of an entry, as podcasts have; its length is not known."""

    url: str
    mime: str


@dataclass(frozen=True)
class Replies:
    """The comments on an entry: where they are, and how many."""

    page: str
    feed: str  # URL without the suffix of a format
    count: int


@dataclass(frozen=True)
class Entry:
    """One entry of a feed. Times are RFC 3339 in UTC, URLs are absolute."""

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
    answers: tuple[str, str] | None = None  # id and URL of the entry that it replies to


@dataclass(frozen=True)
class Deleted:
    """An entry that was withdrawn (RFC 6721)."""

    id: str
    at: str
    reason: str = ""  # if it is public


@dataclass(frozen=True)
class Feed:
    """A feed without its entries."""

    title: str
    description: str
    page: str  # URL of the page that it is the feed of
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
    """A file of the sitemap: a month, and its number within the month, from 1."""

    year: int
    month: int
    number: int


def parse_part(text: str) -> Part:
    """Parse `2026-01`, the first file of a month, or `2026-01-2`, its second; 404 for anything else."""
    match = _PART.fullmatch(text)
    if not match or match[1] == "0000" or match[3] == "1":
        raise NotFound
    return Part(int(match[1]), int(match[2]), int(match[3] or 1))


def _check_part(text: str) -> str:
    parse_part(text)
    return text


PartPath = Annotated[str, AfterValidator(_check_part), Field(json_schema_extra={"pattern": _PATTERN})]
"""A file of the sitemap, as its index names it."""


def part_bounds(part: Part | None, zone: str) -> tuple[datetime, datetime]:
    """Return the bounds of a part's month, or of all time without a part."""
    if part is None:
        return datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return month_bounds(part.year, part.month, zone)
