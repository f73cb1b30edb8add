"""What a feed's address says: which format, and of an archive which month."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from app.kit.problems import NotFound
from app.syndication.formats.entries import FORMATS

PER_ARCHIVE = 250
MOST = 50
_MONTH = re.compile(r"(?!0000)\d{4}-(0[1-9]|1[0-2])", re.ASCII)


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise NotFound
    return name


def _known_month(text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise NotFound
    return text


FormatPath = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra={"enum": list(FORMATS)})]
"""The format of a feed; of any other there is none."""
MonthPath = Annotated[str, AfterValidator(_known_month), Field(json_schema_extra={"pattern": r"^\d{4}-\d{2}$"})]
"""A month, `2026-01`; what is none has no archive."""


class ArchiveQuery(BaseModel):
    """Which part of a month."""

    page: int = Field(1, ge=1, le=100_000, description=f"A page of {PER_ARCHIVE} entries; 1 has the newest.")
