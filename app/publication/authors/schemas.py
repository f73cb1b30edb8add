"""Authors as they come in and go out."""

from pydantic import ConfigDict, Field

from app.kit.rules import not_together
from app.kit.text import HttpUrl
from app.publication.media.schemas import ImageOut
from app.publication.schemas import NoteHtml, NoteText, TermIn, TermOut, TermPatch


class AuthorIn(TermIn):
    """An author to make."""

    model_config = ConfigDict(json_schema_extra=not_together("bio_html", "bio_text"))

    bio_html: NoteHtml | None = Field(None, description="Who they are, as HTML; sanitised.")
    bio_text: NoteText | None = Field(None, description="The same as plain text: send one of the two.")
    url: HttpUrl | None = Field(None, description="Their own page.")
    image: str | None = Field(None, max_length=36, description="Id of their picture.")


class AuthorPatch(TermPatch):
    """Changes to an author."""

    model_config = ConfigDict(json_schema_extra=not_together("bio_html", "bio_text"))

    bio_html: NoteHtml = Field(default_factory=str, description="Who they are, as HTML; sanitised.")
    bio_text: NoteText = Field(default_factory=str, description="The same as plain text: send one of the two.")
    url: HttpUrl | None = Field(None, description="Their own page.")
    image: str | None = Field(None, max_length=36, description="Id of their picture.")


class AuthorOut(TermOut):
    """An author."""

    bio_html: str = Field(description="Sanitised HTML; may be empty.")
    bio_text: str = Field(description="The same as plain text.")
    url: str | None
    image: ImageOut | None
