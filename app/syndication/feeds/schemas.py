"""What a feed's address says: which format, and of an archive which month."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from app.kit.problems import NotFound
from app.syndication.formats.entries import FORMATS

PER_ARCHIVE = 250
MOST = 50


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise NotFound
    return name


def _known_month(text: str) -> str:
    try:
        begin = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise NotFound from None
    if name_of(begin) != text:
        raise NotFound
    return text


FormatPath = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra={"enum": list(FORMATS)})]
"""The format of a feed; of any other there is none."""
MonthPath = Annotated[str, AfterValidator(_known_month), Field(json_schema_extra={"pattern": r"^\d{4}-\d{2}$"})]
"""A month, `2026-01`; what is none has no archive."""


class ArchiveQuery(BaseModel):
    """Which part of a month."""

    page: int = Field(1, ge=1, le=100_000, description=f"A page of {PER_ARCHIVE} entries; 1 has the newest.")


def name_of(moment: datetime) -> str:
    """The month of a time, in UTC."""
    return f"{moment.year:04}-{moment.month:02}"


def bounds(month: str) -> tuple[datetime, datetime]:
    """When a month begins, and the next one; the last month of the calendar ends with it."""
    begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    if (begin.year, begin.month) == (9999, 12):
        return begin, datetime.max.replace(tzinfo=UTC)
    return begin, begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
