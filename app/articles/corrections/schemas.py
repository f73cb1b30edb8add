"""Changes to corrections as editors send them, and the history of corrections as they read it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.kit.text import Prose

CorrectionKind = Literal["correction", "clarification", "update", "editors_note"]


class CorrectionPatch(BaseModel):
    """Changes to a correction, as RFC 7396 has them: what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    text: Prose = Field(default_factory=str)
    kind: CorrectionKind = "correction"


class CorrectionVersionOut(BaseModel):
    """What a correction said until it was changed or withdrawn."""

    id: str
    n: int = Field(description="Number of the correction.")
    kind: CorrectionKind
    text: str
    change: Literal["changed", "withdrawn"] = Field(description="What became of it then.")
    replaced_at: datetime
    actor_id: str | None = Field(description="Id of the key that changed or withdrew it.")
    actor_name: str
