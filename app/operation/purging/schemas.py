"""What purging needs to be told."""

from pydantic import BaseModel, ConfigDict, Field

from app.kit.text import Prose


class PurgeIn(BaseModel):
    """Why an article is purged."""

    model_config = ConfigDict(extra="forbid")

    reason: Prose = Field(
        description="For the audit log, which administrators alone read; it should not repeat the text."
    )
