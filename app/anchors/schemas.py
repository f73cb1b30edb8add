"""Passages as readers and editors name them and as everyone reads them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.core.schema_rules import all_or_none
from app.text.inputs import LongText, OneLine, Visible, Whole
from app.web.paging import PageQuery

AnchorKind = Literal["passage", "prompt"]
AnchorState = Literal["anchored", "moved", "changed", "orphaned", "detached"]
Quote = Annotated[LongText, StringConstraints(min_length=1, max_length=2000), Visible]
Context = Annotated[LongText, StringConstraints(max_length=200)]
Offset = Annotated[int, Field(strict=True, ge=0, le=10_000_000), Whole]
Question = Annotated[str, OneLine, StringConstraints(min_length=1, max_length=300), Visible]


class AnchorIn(BaseModel):
    """A passage of the article's plain text (`formats=text`), named as in the W3C Web Annotation Data Model."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=all_or_none("start", "end"))

    revision: Annotated[int, Field(strict=True, ge=1, le=999_999_999), Whole] | None = Field(
        None, description="Whose text it is; the public one if absent."
    )
    exact: Quote = Field(description="The very words, 1 to 2,000 characters.")
    prefix: Context | None = Field(None, description="What stands just before them.")
    suffix: Context | None = Field(None, description="What stands just after them.")
    start: Offset | None = Field(None, description="Where they begin, counted in `unit`; goes with `end`.")
    end: Offset | None = Field(None, description="Where they end; without both the words must stand there only once.")
    unit: Literal["codepoint", "utf16"] = Field(
        "codepoint",
        description="What `start` and `end` count: Unicode code points, or UTF-16 units as JavaScript does.",
    )

    @model_validator(mode="after")
    def _both_ends(self) -> "AnchorIn":
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end go together")
        return self


class PromptIn(AnchorIn):
    """A passage that an editor asks about."""

    question: Question = Field(description="What readers are asked, 1 to 300 characters.")


class AnchorPatch(BaseModel):
    """Changes to an anchor, as RFC 7396 has them."""

    model_config = ConfigDict(extra="forbid")

    question: Question | None = Field(None, description="What readers are asked; null makes it a mere passage.")
    place: AnchorIn = Field(  # type: ignore[assignment]
        None, description="Where it stands in the public text, for one that was lost or is in the wrong place."
    )


class AnchorOut(BaseModel):
    """A passage as comments on it show it."""

    id: str
    kind: AnchorKind = Field(description="`passage`: a reader marked it; `prompt`: an editor asks about it.")
    exact: str | None = Field(description="The words as they were quoted; null when the publication has removed them.")
    question: str | None = Field(description="What is asked, of a prompt.")
    state: AnchorState = Field(
        description="`anchored`; `moved` to another block; `changed`: other words stand there now; `orphaned`: not "
        "found in the present text; `detached` by an editor."
    )
    revision: int = Field(description="The article's revision that `start` and `end` are of.")
    block_id: str | None = Field(description="The block where it begins.")
    start: int | None = Field(description="In Unicode code points of the plain text; null while it has no place.")
    end: int | None


class PassageOut(AnchorOut):
    """A passage with all that is known of it."""

    article_id: str
    prefix: str | None = Field(description="What stood before it.")
    suffix: str | None = Field(description="What stood after it.")
    redacted: bool = Field(description="Whether the publication has removed the quoted words.")
    comments: int = Field(description="Number of comments on it.")
    created_at: datetime


class AnchorQuery(PageQuery):
    """Filters of an article's anchors."""

    kind: AnchorKind | None = Field(None, description="Only these.")
