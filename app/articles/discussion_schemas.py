"""Discussion settings as they are sent and returned, and counts of articles."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.core.clock import Moment
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import references
from app.text.inputs import Length, OneLine, Whole
from app.web.paging import PreviewedReadQuery

State = Literal["open", "closed", "hidden"]
Moderation = Literal["post", "pre"]
Prompt = Annotated[str, OneLine, Length(0, 300)]
Days = Annotated[int, Field(strict=True, ge=0, le=36_500), Whole]
_STATE = "`closed`: no new comments; `hidden`: comments are not shown either."
_PROMPT = "Question to readers; empty: none."
_MODERATION = "`post`: comments are published at once unless a check holds them; `pre`: all are held for moderation."
_DAYS = "Days after publication until the discussion closes; 0: never."
_CLOSES = "When the discussion closes; takes precedence over `close_after_days`."


class DiscussionIn(InputModel):
    """Discussion settings; null or absent values are inherited.

    Articles inherit from their section, sections from their parents, these from the site, the site from the defaults.
    """

    state: State | None = Field(None, description=_STATE)
    prompt: Prompt | None = Field(None, description=_PROMPT)
    moderation: Moderation | None = Field(None, description=_MODERATION)
    close_after_days: Days | None = Field(None, description=_DAYS)


class ArticleDiscussionIn(DiscussionIn):
    """Discussion settings of one article."""

    closes_at: Moment | None = Field(None, description=_CLOSES)


class OwnDiscussionOut(BaseModel):
    """The settings of this level; null: inherited."""

    state: State | None = Field(description=_STATE)
    prompt: str | None = Field(description=_PROMPT)
    moderation: Moderation | None = Field(description=_MODERATION)
    close_after_days: int | None = Field(description=_DAYS)
    closes_at: datetime | None = Field(description=f"Articles only. {_CLOSES}")


class EffectiveDiscussionOut(BaseModel):
    """The settings that apply, including inherited ones."""

    state: State = Field(description="The present state: `closed` after the closing time.")
    prompt: str | None
    moderation: Moderation
    close_after_days: int
    closes_at: datetime | None


class DiscussionSettingsOut(BaseModel):
    """Own and effective discussion settings."""

    own: OwnDiscussionOut
    effective: EffectiveDiscussionOut


class CountOut(BaseModel):
    """Comments and reactions of an article."""

    comments: int
    inline: int = Field(description="Comments on passages of the text.")
    reactions: dict[str, int] = Field(description="Number of readers who chose each.")


class CountsOut(BaseModel):
    """Counts by the ids or slugs that were requested."""

    data: dict[str, CountOut]
    missing: list[str] = Field(description="Requested articles that do not exist or are not public.")


class CountsQuery(PreviewedReadQuery):
    """Parameters of counts; `fields` selects members of each count."""

    articles: str = Field(
        min_length=1,
        max_length=4000,
        description="At most 100 ids or slugs, comma-separated.",
        json_schema_extra=references(100, 200),
    )
