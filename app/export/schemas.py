"""The lines of an export."""

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from app.articles.schemas import FormatNames
from app.core.models import BaseModel
from app.db.rows import JsonObject
from app.publication.schemas import ImageOut

FORMAT: Final = "broadsheet-export"
MEDIA_TYPE: Final = "application/x-ndjson"


class ManifestOut(BaseModel):
    """`data` of the first line."""

    format: Literal["broadsheet-export"]
    version: Literal[1]
    site_name: str
    site_url: str
    created_at: datetime
    cursor: str = Field(description="Position of the log before the export began: follow `/v1/changes` from here.")


class TrailerOut(BaseModel):
    """`data` of the last line; an export without it is incomplete."""

    count: int = Field(description="Number of lines between the first and the last.")
    sha256: str = Field(description="SHA-256 of all bytes before this line, hexadecimal.")


class PictureOut(ImageOut):
    """A picture that is shown publicly."""


class LineOut(BaseModel):
    """A line of an export."""

    type: Literal["manifest", "section", "tag", "author", "series", "media", "notice", "article", "comment", "trailer"]
    data: JsonObject = Field(description="The object, as other endpoints return it.")


class ExportQuery(BaseModel):
    """Parameters of the export."""

    formats: FormatNames = Field(
        None,
        description="Formats of the articles' texts, comma-separated: html, text, markdown, blocks; html if absent.",
    )
