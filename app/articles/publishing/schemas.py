"""What the verbs of publishing need to be told."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.kit.clock import Moment
from app.kit.text import Prose


class ScheduleIn(BaseModel):
    """When to go live."""

    model_config = ConfigDict(extra="forbid")

    at: Moment = Field(description="In the future, RFC 3339; live within a second of it.")


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
