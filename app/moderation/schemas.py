"""What several parts of moderation take in and give out."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.kit.text import ManyLines, Visible

Words = Annotated[str, ManyLines, StringConstraints(min_length=1, max_length=2000), Visible]
"""A few sentences, 1 to 2,000 characters."""
CommentState = Literal["pending", "published", "rejected", "spam", "removed"]


class ReasonIn(BaseModel):
    """Why a moderator decides."""

    model_config = ConfigDict(extra="forbid")

    reason: Words | None = Field(None, description="For the log, and for the comment's author to read.")


class JudgedAuthorOut(BaseModel):
    """The author of a comment, as moderators see one."""

    id: str = Field(description="Public id, the same on all comments of this author; empty once erased.")
    name: str
    kind: Literal["guest", "reader", "staff"]
    badges: list[str]
    email: str | None = Field(description="As typed with the comment; private.")
    confirmed: bool = Field(description="Whether the author's e-mail is proven.")
    approved: int = Field(description="Comments of this author that moderators approved.")
    rejected: int = Field(description="Comments of this author that moderators rejected.")


class JudgedVotesOut(BaseModel):
    """Votes on a comment."""

    up: int
    down: int


class JudgedArticleOut(BaseModel):
    """The article that a comment stands under."""

    id: str
    slug: str
    title: str


class JudgedCommentOut(BaseModel):
    """A comment with all that moderators see of it, its text included in every state."""

    id: str
    article: JudgedArticleOut
    parent_id: str | None
    root_id: str
    depth: int
    anchor_id: str | None = Field(description="The passage of the article that it speaks of.")
    state: CommentState
    removed_by: Literal["author", "moderator"] | None = Field(description="Who removed it, once it is removed.")
    author: JudgedAuthorOut
    source: str = Field(description="As written.")
    html: str
    text: str
    approved_text: bool = Field(description="A moderator approved this very text: reports no longer hide it.")
    featured: bool
    replies: int
    votes: JudgedVotesOut
    version: int
    created_at: datetime
    edited_at: datetime | None
    redacted_at: datetime | None = Field(description="When a moderator last took words out of it.")
