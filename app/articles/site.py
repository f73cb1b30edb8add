"""Addresses of articles on the publication's own site."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import parse_qs

from pydantic import Field

from app.articles.schemas import ListedArticleOut
from app.core.clock import local_time
from app.core.models import BaseModel
from app.core.settings import Settings
from app.web.paging import ReadQuery

_NUMBER_PARAMETERS: Final = ("p", "page_id", "attachment_id")  # WordPress counts all of them together


def parse_article_number(query: str) -> int | None:
    """Return the number by which WordPress knows an article from a URL's query, or None."""
    values = parse_qs(query, max_num_fields=100) if query.count("&") < 100 else {}
    for name in _NUMBER_PARAMETERS:
        digits = values.get(name, [""])[0]
        if digits.isascii() and digits.isdigit() and len(digits) <= 18:
            return int(digits)
    return None


def make_numbered_address(place: str, number: int) -> str:
    """Return the form in which an address with a number is stored; `place` is the path before the query."""
    folder = place.removesuffix("/index.php").rstrip("/")
    return f"{folder}/?p={number}"


@dataclass(frozen=True)
class Site:
    """The publication's site: what its addresses are made of, and the reactions that it offers."""

    url: str
    path: str
    reactions: tuple[str, ...] = ("agree", "disagree", "insightful")
    api: str = ""  # base URL of this API and of stored files
    zone: str = "UTC"

    @classmethod
    def from_settings(cls, settings: Settings) -> "Site":
        """Return the site that the settings describe."""
        return cls(settings.site_url, settings.article_path, settings.reactions, settings.api, settings.time_zone)

    def path_of(self, section: str | None, slug: str, published_at: datetime | None) -> str:
        """Return the path of an article, dated in the publication's time zone; articles without a section omit it."""
        path = self.path if section else self.path.replace("/{section}", "")
        values = {"section": section, "slug": slug}
        if published_at:
            published_at = local_time(published_at, self.zone)
            values |= {
                "year": f"{published_at.year:04}",
                "month": f"{published_at.month:02}",
                "day": f"{published_at.day:02}",
            }
        else:
            values |= {"year": "0000", "month": "00", "day": "00"}
        return path.format_map(values)


_PATH = r"^(/|[Hh][Tt][Tt][Pp][Ss]?://)[^\x00-\x1f]*$"


class ResolveQuery(ReadQuery):
    """Parameters of resolving a path."""

    path: str = Field(min_length=1, max_length=500, pattern=_PATH, description="A path, or a full URL of the site.")


class ResolvedOut(BaseModel):
    """What the site should answer at a path."""

    status: Literal[200, 301, 410, 451] = Field(description="What the site should answer (RFC 9110; 451: RFC 7725).")
    article: ListedArticleOut | None = Field(None, description="With 200.")
    location: str | None = Field(None, description="With 301: the article's present URL.")
    reason: str | None = Field(None, description="With 410 and 451: the public reason.")
