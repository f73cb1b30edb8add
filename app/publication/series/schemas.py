"""Series as they come in and go out."""

from pydantic import Field

from app.kit.text import Summary
from app.publication.schemas import TermIn, TermOut, TermPatch


class SeriesIn(TermIn):
    """A series to make."""

    description: Summary = Field("", description="Plain text of up to 2,000 characters.")


class SeriesPatch(TermPatch):
    """Changes to a series."""

    description: Summary = Field(default_factory=str, description="Plain text of up to 2,000 characters.")


class SeriesOut(TermOut):
    """A series."""

    description: str
