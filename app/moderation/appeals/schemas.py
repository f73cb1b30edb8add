"""Appeals as they come in and go out."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.moderation.schemas import CommentState, Words

AppealState = Literal["open", "granted", "declined"]


class AppealIn(BaseModel):
    """Why the decision should be looked at again."""

    model_config = ConfigDict(extra="forbid")

    text: Words = Field(description="For moderators to read.")


class AppealOut(BaseModel):
    """An appeal, as its author sees it."""

    state: AppealState
    created_at: datetime
    answer: str | None = Field(description="What the moderators answered.")
    answered_at: datetime | None


class RedactionOut(BaseModel):
    """What a moderator took out of a comment, as its author is told."""

    at: datetime
    reason: str | None = Field(description="The moderator's reason, if one was given.")


class DecisionOut(BaseModel):
    """What was decided about a comment, as its author sees it."""

    state: CommentState
    action: str | None = Field(description="What was done: `reject`, `hide`, …; null while nothing was decided.")
    by: Literal["moderator", "system", "author"] | None = Field(description="Who decided.")
    at: datetime | None
    reason: str | None = Field(description="The moderator's reason, if one was given.")
    may_appeal: bool
    appeal: AppealOut | None = Field(description="The appeal against this very decision.")
    redaction: RedactionOut | None = Field(description="Words were taken out of the comment; null: none were.")
