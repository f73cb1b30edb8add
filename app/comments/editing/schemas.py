"""Changes to a comment, as its author sends them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.kit.text import Prose


class CommentPatch(BaseModel):
    """Changes to a comment, as RFC 7396 has them."""

    model_config = ConfigDict(extra="forbid")

    text: Prose = Field(None, description="As in a new comment; judged again.")  # type: ignore[assignment]
    notify: Literal["none", "replies", "all"] = Field("none", description="What its author asks to hear of.")
