"""Tags as they come in and go out."""

from pydantic import Field

from app.kit.text import Summary
from app.publication.schemas import TermIn, TermOut, TermPatch


class TagIn(TermIn):
    """A tag to make."""

    description: Summary = Field("", description="Plain text of up to 2,000 characters.")


class TagPatch(TermPatch):
    """Changes to a tag."""

    description: Summary = Field(default_factory=str, description="Plain text of up to 2,000 characters.")


class TagDetailOut(TermOut):
    """A tag with all that is known of it."""

    description: str
