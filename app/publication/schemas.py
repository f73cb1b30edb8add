"""What sections, tags, authors and series have in common as they come in and go out."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.schema_rules import Rule, absent, both, exactly_one, given, not_together, where
from app.db.columns import Row
from app.text.inputs import HttpUrl, Identifier, LongText, Name, OneLine, Slug, Summary, Whole
from app.web.paging import PageQuery, Sort

TERM_SORTS = {sort.name: sort for sort in (Sort("name", kind=str), Sort("-articles", descending=True, kind=int))}
Position = Annotated[int, Field(strict=True, ge=0, le=999_999), Whole]
"""A place among others, smallest first."""
Level = Literal["none", "headline", "excerpt", "full"]
"""How much of an article partners may have."""
LEVELS: tuple[str, ...] = get_args(Level)
"""From the least to the most."""
LEVEL_DESCRIPTION = (
    "How much of it partners may have: `full`, `excerpt` (no text), `headline` (neither text nor standfirst) or `none`."
)
NoteHtml = Annotated[LongText, Field(max_length=50_000)]
"""A short piece of HTML, reduced to what running text needs."""
NoteText = Annotated[LongText, Field(max_length=10_000)]
"""Plain text; an empty line parts paragraphs."""


class TermPatch(BaseModel):
    """Changes, as RFC 7396 has them: what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=str, description="For people, 1 to 200 characters.")
    slug: Slug = Field(default_factory=str, description="Last part of its address, unlike any other of its kind.")


class TermIn(BaseModel):
    """Something new that articles can stand under."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="For people, 1 to 200 characters.")
    slug: Slug | None = Field(None, description="Last part of its address; made from the name if absent.")


class TermOut(BaseModel):
    """Something that articles stand under."""

    id: str
    slug: str
    name: str
    articles: int = Field(description="Number of public articles.")
    created_at: datetime
    updated_at: datetime


class TermQuery(PageQuery):
    """Parameters of a list of terms."""

    sort: Literal["name", "-articles"] = Field("name", description="Order; `-articles`: most articles first.")


SYNDICATION_DESCRIPTION = (
    f"Of articles that say nothing else. {LEVEL_DESCRIPTION} "
    "Inside of a section that gives less, it is no more than that."
)
SECTION_SORTS = {**TERM_SORTS, "position": Sort("position", kind=int)}


class SectionIn(TermIn):
    """A section to make."""

    description: Summary = Field("", description="Plain text of up to 2,000 characters.")
    parent: Identifier | None = Field(None, description="Id or slug of the section that it is part of.")
    position: Position = Field(0, description="Its place among sections, smallest first, 0 to 999,999.")
    syndication: Level = Field("full", description=SYNDICATION_DESCRIPTION)


class SectionPatch(TermPatch):
    """Changes to a section."""

    description: Summary = Field(default_factory=str, description="Plain text of up to 2,000 characters.")
    parent: Identifier | None = Field(None, description="Id or slug of the section that it is part of; null: of none.")
    position: Position = Field(default_factory=int, description="Its place among sections, smallest first.")
    syndication: Level = Field("full", description=SYNDICATION_DESCRIPTION)


class ParentSectionOut(BaseModel):
    """The section that another one is part of."""

    id: str
    slug: str
    name: str


class SectionOut(TermOut):
    """A section."""

    description: str
    parent: ParentSectionOut | None
    position: int = Field(description="Its place among sections, smallest first.")
    syndication: Level = Field(description=SYNDICATION_DESCRIPTION)


class SectionQuery(TermQuery):
    """Parameters of the list of sections."""

    sort: Literal["name", "-articles", "position"] = Field(  # type: ignore[assignment]
        "name", description="Order; `-articles`: most articles first; `position`: as the publication has them."
    )


class TagIn(TermIn):
    """A tag to make."""

    description: Summary = Field("", description="Plain text of up to 2,000 characters.")


class TagPatch(TermPatch):
    """Changes to a tag."""

    description: Summary = Field(default_factory=str, description="Plain text of up to 2,000 characters.")


class TagDetailOut(TermOut):
    """A tag with all that is known of it."""

    description: str


class SeriesIn(TermIn):
    """A series to make."""

    description: Summary = Field("", description="Plain text of up to 2,000 characters.")


class SeriesPatch(TermPatch):
    """Changes to a series."""

    description: Summary = Field(default_factory=str, description="Plain text of up to 2,000 characters.")


class SeriesOut(TermOut):
    """A series."""

    description: str


NoticeScope = Literal["site", "section", "series", "author", "article"]
Placement = Literal["before", "after", "both"]
_SCOPES = [scope for scope in get_args(NoticeScope) if scope != "site"]
_NOTICE_RULES = both(
    exactly_one("html", "text"),
    where("scope", ["site"], absent("target_id")),
    where("scope", _SCOPES, given("target_id")),
)
_NOT_EMPTY: Rule = {"minLength": 1}


class NoticeIn(BaseModel):
    """A notice to put up."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_NOTICE_RULES)

    scope: NoticeScope = Field(description="Which articles it stands with: all of them, or those of the target.")
    target_id: Identifier | None = Field(None, description="Id or slug of what `scope` names; none for `site`.")
    placement: Placement = Field(description="Before the text, after it, or on both sides.")
    html: NoteHtml | None = Field(None, description="What it says, as HTML; sanitised.", json_schema_extra=_NOT_EMPTY)
    text: NoteText | None = Field(
        None, description="The same as plain text: send one of the two.", json_schema_extra=_NOT_EMPTY
    )
    position: Position = Field(0, description="Its place among notices of the same scope, smallest first.")


class NoticePatch(BaseModel):
    """Changes to a notice, as RFC 7396 has them; it stays with its scope and target."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=not_together("html", "text"))

    placement: Placement = Field("before", description="Before the text, after it, or on both sides.")
    html: NoteHtml = Field(
        default_factory=str, description="What it says, as HTML; sanitised.", json_schema_extra=_NOT_EMPTY
    )
    text: NoteText = Field(
        default_factory=str, description="The same as plain text: send one of the two.", json_schema_extra=_NOT_EMPTY
    )
    position: Position = Field(default_factory=int, description="Its place among notices of the same scope.")


class NoticeDetailOut(BaseModel):
    """A notice with all that is known of it."""

    id: str
    scope: NoticeScope
    target_id: str | None = Field(description="Id of what `scope` names; null for `site`.")
    placement: Placement
    html: str = Field(description="Sanitised HTML.")
    text: str = Field(description="The same as plain text.")
    position: int = Field(description="Its place among notices of the same scope, smallest first.")
    created_at: datetime
    updated_at: datetime


class NoticeQuery(PageQuery):
    """Filters of the list of notices."""

    scope: NoticeScope | None = Field(None, description="Only those of this scope.")
    target_id: str | None = Field(None, pattern=r"^[0-9a-f-]{36}$", description="Only those with this target, by id.")


MEDIA_PATH = "/media/"  # where stored files are served
Credit = Annotated[str, OneLine, StringConstraints(max_length=300)]
"""A line of up to 300 characters; may be empty."""


class RenditionOut(BaseModel):
    """A smaller copy of a picture."""

    name: str = Field(description="`w` and its width: `w640`.")
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    mime: str
    url: str = Field(description="On this server.")


class ImageOut(BaseModel):
    """A picture as an article or author shows it."""

    id: str
    url: str = Field(description="On this server, or elsewhere.")
    alt: str = Field(description="Says what is to be seen, for those who do not see it.")
    caption: str
    credit: str
    width: int | None = Field(description="Pixels; null for a picture elsewhere.")
    height: int | None = Field(description="Pixels; null for a picture elsewhere.")
    renditions: list[RenditionOut] = Field(description="Smaller copies, narrowest first.")


class MediaOut(ImageOut):
    """A picture with all that is known of it."""

    state: Literal["stored", "reference"] = Field(description="`reference`: the file lies elsewhere.")
    mime: str | None
    bytes: int | None = Field(description="Size of the file.")
    sha256: str | None = Field(description="SHA-256 of the file, hexadecimal.")
    warnings: list[str] = Field(
        description="In the answer of an upload: what of it could not be kept, such as all frames but the first."
    )
    created_at: datetime
    updated_at: datetime


class MediaIn(BaseModel):
    """What is said of a picture."""

    model_config = ConfigDict(extra="forbid")

    alt: Summary = Field("", description="Says what is to be seen, for those who do not see it.")
    caption: Summary = Field("", description="Plain text that stands below it.")
    credit: Credit = Field("", description="Who made it, who owns it.")


class MediaPatch(BaseModel):
    """Changes to what is said of a picture, as RFC 7396 has them."""

    model_config = ConfigDict(extra="forbid")

    alt: Summary = Field(default_factory=str, description="Says what is to be seen, for those who do not see it.")
    caption: Summary = Field(default_factory=str, description="Plain text that stands below it.")
    credit: Credit = Field(default_factory=str, description="Who made it, who owns it.")


class ReferenceIn(MediaIn):
    """A picture that stays where it is."""

    url: HttpUrl


def present_image(row: Row, api: str) -> dict[str, Any]:
    """A row of the table in the shape of `ImageOut`, its files at the address of this API."""
    files = api + MEDIA_PATH
    image = {name: row[name] for name in ("id", "alt", "caption", "credit", "width", "height")}
    image["url"] = files + row["key"] if row["key"] else row["url"]
    image["renditions"] = [{**copy, "url": files + copy["key"]} for copy in row["renditions"]]
    return image


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
