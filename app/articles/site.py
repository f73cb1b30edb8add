"""Addresses by which other sites knew articles, and what the publication's site should answer at a path."""

from typing import Final, Literal
from urllib.parse import parse_qs

from pydantic import Field

from app.articles.schemas import ListedArticleOut
from app.core.models import BaseModel
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
