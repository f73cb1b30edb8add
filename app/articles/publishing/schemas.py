"""What the verbs of publishing need to be told."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.kit.clock import Moment
from app.kit.text import Prose, Whole

Revision = Annotated[int, Field(strict=True, ge=1, le=999_999_999), Whole]


class PublishIn(BaseModel):
    """What to publish."""

    model_config = ConfigDict(extra="forbid")

    revision: Revision | None = Field(None, description="Number of the revision to show; absent or null: the newest.")


class ScheduleIn(BaseModel):
    """What goes live, and when."""

    model_config = ConfigDict(extra="forbid")

    at: Moment = Field(description="In the future, RFC 3339; live within a second of it.")
    revision: Revision | None = Field(
        None, description="Number of the revision to go live; absent or null: the newest of this moment."
    )


class ScheduleOut(BaseModel):
    """What goes live, and when."""

    at: datetime
    revision: int = Field(description="Number of the revision that goes live.")
    latest_revision: int = Field(description="Number of the newest saved revision, which may be a later one.")


class RetractIn(BaseModel):
    """Why an article is withdrawn for good."""

    model_config = ConfigDict(extra="forbid")

    reason: Prose = Field(description="Public: everyone who asks for the article is told.")
    legal: bool = Field(False, strict=True, description="Withdrawn for legal reasons: 451 instead of 410 (RFC 7725).")


class CorrectionIn(BaseModel):
    """A correction; it stands with the article from now on."""

    model_config = ConfigDict(extra="forbid")

    text: Prose
    kind: Literal["correction", "clarification", "update", "editors_note"] = "correction"
