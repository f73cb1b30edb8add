"""How large sitemaps may be (sitemaps.org; Google News), and how they are divided."""

import re
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from app.kit.clock import month_bounds
from app.kit.problems import NotFound

MOST = 50_000
MOST_NEWS = 1000
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
