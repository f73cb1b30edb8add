"""The lines of an export."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from app.articles.schemas import TEXT_FORMATS
from app.core.schema_rules import any_of
from app.publication.schemas import ImageOut, NoticeScope, Placement

FORMAT: Final = "broadsheet-export"
MEDIA_TYPE: Final = "application/x-ndjson"


class ManifestOut(BaseModel):
    """The first line's `data`."""

    format: Literal["broadsheet-export"]
    version: Literal[1]
    site_name: str
    site_url: str
    created_at: datetime
    cursor: str = Field(description="Follow `/v1/changes` from here: the log's end before anything was read.")


class TrailerOut(BaseModel):
    """The last line's `data`: an export without it is not whole."""

    count: int = Field(description="Lines between the first and this one.")
    sha256: str = Field(description="SHA-256 of all bytes before this line, hexadecimal.")


class StandingNoticeOut(BaseModel):
    """A notice that readers see with articles."""

    id: str
    scope: NoticeScope
    target_id: str | None = Field(description="Id of what `scope` names; null for `site`.")
    placement: Placement
    html: str
    text: str
    position: int


class PictureOut(ImageOut):
    """A picture that readers see."""


class LineOut(BaseModel):
    """A line of an export."""

    type: Literal["manifest", "section", "tag", "author", "series", "media", "notice", "article", "comment", "trailer"]
    data: dict[str, Any] = Field(description="In the shape that the API gives it elsewhere.")


class ExportQuery(BaseModel):
    """What to export."""

    formats: str | None = Field(
        None,
        max_length=40,
        description="Of articles' texts: any of html, text, markdown, blocks; html if absent.",
        json_schema_extra=any_of(TEXT_FORMATS),
    )
