"""Redactions as they come in, and former texts as moderators read them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.kit.paging import PageQuery
from app.kit.text import ManyLines
from app.moderation.schemas import Words

Passage = Annotated[str, ManyLines, StringConstraints(min_length=1, max_length=2000)]


class RedactIn(BaseModel):
    """What to take out of a comment."""

    model_config = ConfigDict(extra="forbid")

    passages: list[Passage] = Field(
        min_length=1,
        max_length=20,
        description="Stretches of the comment's `source`, letter by letter; each is replaced by `[…]` wherever it "
        "stands.",
    )
    reason: Words | None = Field(None, description="For the log, and for the comment's author to read.")


class CommentRevisionOut(BaseModel):
    """The text of a comment before a change."""

    number: int = Field(description="From 1, the oldest.")
    replaced_at: datetime = Field(description="When the next text took its place.")
    replaced_by: Literal["author", "moderator"] = Field(description="Who changed it then.")
    source: str = Field(description="As written.")
    html: str
    text: str


class CommentRevisionQuery(PageQuery):
    """Parameters of the list of former texts."""
