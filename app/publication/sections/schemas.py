"""Sections as they come in and go out."""

from typing import Literal

from pydantic import BaseModel, Field

from app.kit.paging import Sort
from app.kit.text import Identifier, Summary
from app.publication.schemas import LEVEL, TERM_SORTS, Level, Position, TermIn, TermOut, TermPatch, TermQuery

SYNDICATION = (
    f"Of articles that say nothing else. {LEVEL} Inside of a section that gives less, it is no more than that."
)
SECTION_SORTS = {**TERM_SORTS, "position": Sort("position", kind=int)}


class SectionIn(TermIn):
    """A section to make."""

    description: Summary = Field("", description="Plain text of up to 2,000 characters.")
    parent: Identifier | None = Field(None, description="Id or slug of the section that it is part of.")
    position: Position = Field(0, description="Its place among sections, smallest first, 0 to 999,999.")
    syndication: Level = Field("full", description=SYNDICATION)


class SectionPatch(TermPatch):
    """Changes to a section."""

    description: Summary = Field(default_factory=str, description="Plain text of up to 2,000 characters.")
    parent: Identifier | None = Field(None, description="Id or slug of the section that it is part of; null: of none.")
    position: Position = Field(default_factory=int, description="Its place among sections, smallest first.")
    syndication: Level = Field("full", description=SYNDICATION)


class ParentSectionOut(BaseModel):
    """The section that another one is part of."""

    id: str
    slug: str
    name: str


class SectionOut(TermOut):
    """A section."""

    description: str
    parent: ParentSectionOut | None
    position: int = Field(description="Its place among sections, smallest first.")
    syndication: Level = Field(description=SYNDICATION)


class SectionQuery(TermQuery):
    """Parameters of the list of sections."""

    sort: Literal["name", "-articles", "position"] = Field(  # type: ignore[assignment]
        "name", description="Order; `-articles`: most articles first; `position`: as the publication has them."
    )
