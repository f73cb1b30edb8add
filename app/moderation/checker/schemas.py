"""What is sent to a checker, and what it answers."""

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, Field, StringConstraints

from app.kit.text import OneLine

Said = Literal["publish", "hold", "reject", "spam", "unavailable"]


class Opinion(NamedTuple):
    """What a checker said of a comment, or that it could not be asked."""

    verdict: Said
    reason: str = ""


UNAVAILABLE = Opinion("unavailable")


class OpinionIn(BaseModel):
    """A checker's answer; what else is in it does not matter."""

    verdict: Literal["publish", "hold", "reject", "spam"]
    reason: Annotated[str, OneLine, StringConstraints(max_length=500)] | None = Field(None)
