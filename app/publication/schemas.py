"""What sections, tags, authors and series have in common as they come in and go out."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.kit.paging import PageQuery, Sort
from app.kit.text import LongText, Name, Slug, Whole

TERM_SORTS = {sort.name: sort for sort in (Sort("name", kind=str), Sort("-articles", descending=True, kind=int))}
Position = Annotated[int, Field(strict=True, ge=0, le=999_999), Whole]
"""A place among others, smallest first."""
Level = Literal["none", "headline", "excerpt", "full"]
"""How much of an article partners may have."""
LEVELS: tuple[str, ...] = get_args(Level)
"""From the least to the most."""
LEVEL = (
    "How much of it partners may have: `full`, `excerpt` (no text), `headline` (neither text nor standfirst) or `none`."
)
NoteHtml = Annotated[LongText, Field(max_length=50_000)]
"""A short piece of HTML, reduced to what running text needs."""
NoteText = Annotated[LongText, Field(max_length=10_000)]
"""Plain text; an empty line parts paragraphs."""


class TermPatch(BaseModel):
    """Changes, as RFC 7396 has them: what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=str, description="For people, 1 to 200 characters.")
    slug: Slug = Field(default_factory=str, description="Last part of its address, unlike any other of its kind.")


class TermIn(BaseModel):
    """Something new that articles can stand under."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="For people, 1 to 200 characters.")
    slug: Slug | None = Field(None, description="Last part of its address; made from the name if absent.")


class TermOut(BaseModel):
    """Something that articles stand under."""

    id: str
    slug: str
    name: str
    articles: int = Field(description="Number of public articles.")
    created_at: datetime
    updated_at: datetime


class TermQuery(PageQuery):
    """Parameters of a list of terms."""

    sort: Literal["name", "-articles"] = Field("name", description="Order; `-articles`: most articles first.")
