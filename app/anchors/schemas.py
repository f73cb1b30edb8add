"""Schemas of anchors and prompts."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from app.core.models import BaseModel, InputModel
from app.core.schema_rules import all_or_none
from app.text.inputs import Length, LongText, OneLine, Visible, Whole
from app.web.paging import PageQuery, PreviewedQuery

AnchorKind = Literal["passage", "prompt"]
AnchorState = Literal["anchored", "moved", "changed", "orphaned", "detached"]
Quote = Annotated[LongText, Length(1, 2000), Visible]
Context = Annotated[LongText, Length(0, 200)]
Offset = Annotated[int, Field(strict=True, ge=0, le=10_000_000), Whole]
Question = Annotated[str, OneLine, Length(1, 300), Visible]


class AnchorIn(InputModel):
    """A passage of the article's plain text (`formats=text`), as a selector of the W3C Web Annotation Data Model."""

    model_config = ConfigDict(json_schema_extra=all_or_none("start", "end"))

    revision: Annotated[int, Field(strict=True, ge=1, le=999_999_999), Whole] | None = Field(
        None, description="Revision of the text; the public one if absent."
    )
    exact: Quote = Field(description="The quoted text, 1 to 2,000 characters.")
    prefix: Context | None = Field(None, description="The text before the quote.")
    suffix: Context | None = Field(None, description="The text after the quote.")
    start: Offset | None = Field(None, description="Start of the quote, in `unit`; requires `end`.")
    end: Offset | None = Field(
        None, description="End of the quote; without `start` and `end` the quote must occur once."
    )
    unit: Literal["codepoint", "utf16"] = Field(
        "codepoint",
        description="Unit of `start` and `end`: Unicode code points, or UTF-16 code units as in JavaScript.",
    )

    @model_validator(mode="after")
    def _both_ends(self) -> "AnchorIn":
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end go together")
        return self


class PromptIn(AnchorIn):
    """A prompt: a passage with a question to readers."""

    question: Question = Field(description="The question to readers, 1 to 300 characters.")


class AnchorPatch(InputModel):
    """Changes of an anchor, as a JSON Merge Patch (RFC 7396)."""

    question: Question | None = Field(
        None, description="The question to readers; null removes it, so that the anchor is a passage."
    )
    place: AnchorIn = Field(  # type: ignore[assignment]
        None, description="Place in the public text, for an anchor that was lost or is at a wrong place."
    )


class AnchorOut(BaseModel):
    """The anchor of a comment."""

    id: str
    kind: AnchorKind = Field(description="`passage`: selected by a reader; `prompt`: with a question by an editor.")
    exact: str | None = Field(description="The quoted text; null after it was redacted.")
    question: str | None = Field(description="The question of a prompt.")
    state: AnchorState = Field(
        description="`anchored`; `moved` to another block; `changed`: the text was edited; `orphaned`: not found in "
        "the current text; `detached` by an editor."
    )
    revision: int = Field(description="Revision of the article to which `start` and `end` refer.")
    block_id: str | None = Field(description="Id of the block in which it starts.")
    start: int | None = Field(description="In Unicode code points of the plain text; null if it has no place.")
    end: int | None


class PassageOut(AnchorOut):
    """An anchor with its context."""

    article_id: str
    prefix: str | None = Field(description="The text before the quote.")
    suffix: str | None = Field(description="The text after the quote.")
    redacted: bool = Field(description="Whether the quoted text was erased.")
    comments: int = Field(description="Number of its comments.")
    created_at: datetime


class AnchorQuery(PreviewedQuery, PageQuery):
    """Parameters of the list of an article's anchors."""

    kind: AnchorKind | None = Field(None, description="Only anchors of this kind.")
