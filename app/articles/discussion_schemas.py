"""How discussions are set, as it comes in and goes out, and the counts of many articles at once."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.clock import Moment
from app.core.schema_rules import references
from app.text.inputs import OneLine, Whole
from app.web.responses import ReadQuery

State = Literal["open", "closed", "hidden"]
Moderation = Literal["post", "pre"]
Prompt = Annotated[str, OneLine, StringConstraints(max_length=300)]
Days = Annotated[int, Field(strict=True, ge=0, le=36_500), Whole]
_STATE = "`closed`: no new comments; `hidden`: none are shown either."
_PROMPT = "The question to readers; empty: none."
_MODERATION = "`post`: comments show at once unless something speaks against it; `pre`: all of them wait."
_DAYS = "Closes so many days after the article is published; 0: never."
_CLOSES = "Closes at this time, whatever the days say."


class DiscussionIn(BaseModel):
    """How discussions are to be set; what is null or absent is taken from above.

    That is the section, then those that it is inside of, the nearest first, then the site, then what is built in.
    """

    model_config = ConfigDict(extra="forbid")

    state: State | None = Field(None, description=_STATE)
    prompt: Prompt | None = Field(None, description=_PROMPT)
    moderation: Moderation | None = Field(None, description=_MODERATION)
    close_after_days: Days | None = Field(None, description=_DAYS)


class ArticleDiscussionIn(DiscussionIn):
    """How the discussion of one article is to be set."""

    closes_at: Moment | None = Field(None, description=_CLOSES)


class OwnDiscussionOut(BaseModel):
    """What is set right here; null: taken from above."""

    state: State | None = Field(description=_STATE)
    prompt: str | None = Field(description=_PROMPT)
    moderation: Moderation | None = Field(description=_MODERATION)
    close_after_days: int | None = Field(description=_DAYS)
    closes_at: datetime | None = Field(description=f"Of an article alone. {_CLOSES}")


class EffectiveDiscussionOut(BaseModel):
    """What comes of it, with all that is above."""

    state: State = Field(description="As it is now: `closed` once its time is over.")
    prompt: str | None
    moderation: Moderation
    close_after_days: int
    closes_at: datetime | None


class DiscussionSettingsOut(BaseModel):
    """How discussions are set."""

    own: OwnDiscussionOut
    effective: EffectiveDiscussionOut


class CountOut(BaseModel):
    """What readers did with an article, counted."""

    comments: int
    inline: int = Field(description="Comments on passages of the text.")
    reactions: dict[str, int] = Field(description="How many readers chose each.")


class CountsOut(BaseModel):
    """Counts of articles, under the names by which they were asked for."""

    data: dict[str, CountOut]
    missing: list[str] = Field(description="What was asked for and is not public, or is not there.")


class CountsQuery(ReadQuery):
    """Which articles to count for; `fields` chooses of each count."""

    articles: str = Field(
        min_length=1,
        max_length=4000,
        description="Ids or slugs with commas, at most 100.",
        json_schema_extra=references(100, 200),
    )
