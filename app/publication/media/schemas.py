"""Media as they come in and go out."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.kit.schema import Row
from app.kit.text import HttpUrl, OneLine, Summary

FILES = "/media/"  # where stored files are served
Credit = Annotated[str, OneLine, StringConstraints(max_length=300)]
"""A line of up to 300 characters; may be empty."""


class RenditionOut(BaseModel):
    """A smaller copy of a picture."""

    name: str = Field(description="`w` and its width: `w640`.")
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    mime: str
    url: str = Field(description="On this server.")


class ImageOut(BaseModel):
    """A picture as an article or author shows it."""

    id: str
    url: str = Field(description="On this server, or elsewhere.")
    alt: str = Field(description="Says what is to be seen, for those who do not see it.")
    caption: str
    credit: str
    width: int | None = Field(description="Pixels; null for a picture elsewhere.")
    height: int | None = Field(description="Pixels; null for a picture elsewhere.")
    renditions: list[RenditionOut] = Field(description="Smaller copies, narrowest first.")


class MediaOut(ImageOut):
    """A picture with all that is known of it."""

    state: Literal["stored", "reference"] = Field(description="`reference`: the file lies elsewhere.")
    mime: str | None
    bytes: int | None = Field(description="Size of the file.")
    sha256: str | None = Field(description="SHA-256 of the file, hexadecimal.")
    warnings: list[str] = Field(
        description="In the answer of an upload: what of it could not be kept, such as all frames but the first."
    )
    created_at: datetime
    updated_at: datetime


class MediaIn(BaseModel):
    """What is said of a picture."""

    model_config = ConfigDict(extra="forbid")

    alt: Summary = Field("", description="Says what is to be seen, for those who do not see it.")
    caption: Summary = Field("", description="Plain text that stands below it.")
    credit: Credit = Field("", description="Who made it, who owns it.")


class MediaPatch(BaseModel):
    """Changes to what is said of a picture, as RFC 7396 has them."""

    model_config = ConfigDict(extra="forbid")

    alt: Summary = Field(default_factory=str, description="Says what is to be seen, for those who do not see it.")
    caption: Summary = Field(default_factory=str, description="Plain text that stands below it.")
    credit: Credit = Field(default_factory=str, description="Who made it, who owns it.")


class ReferenceIn(MediaIn):
    """A picture that stays where it is."""

    url: HttpUrl


def public(row: Row, api: str) -> dict[str, Any]:
    """A row of the table in the shape of `ImageOut`, its files at the address of this API."""
    files = api + FILES
    image = {name: row[name] for name in ("id", "alt", "caption", "credit", "width", "height")}
    image["url"] = files + row["key"] if row["key"] else row["url"]
    image["renditions"] = [{**copy, "url": files + copy["key"]} for copy in row["renditions"]]
    return image
