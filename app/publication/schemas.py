"""Terms, notices and pictures as they are sent and returned."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, cast, get_args

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from app.core.models import BaseModel, InputModel
from app.core.schema_rules import Rule, absent, both, exactly_one, given, not_together, where
from app.db.rows import JsonObject
from app.publication import renditions
from app.publication.renditions import MAX_RENDITION_SIDE, MEDIA_PATH, Form
from app.text.inputs import HttpUrl, Identifier, Length, LongText, Name, OneLine, Slug, Summary, Title, Whole
from app.web.paging import PageQuery, PreviewedQuery, ReadQuery, Sort

TERM_SORTS = {sort.name: sort for sort in (Sort("name", kind=str), Sort("-articles", descending=True, kind=int))}
Position = Annotated[int, Field(strict=True, ge=0, le=999_999), Whole]
"""Sort position, smallest first."""
Level = Literal["none", "headline", "excerpt", "full"]
"""How much of an article partners may read."""
LEVELS: tuple[str, ...] = get_args(Level)
"""Ordered from least to most."""
LEVEL_DESCRIPTION = (
    "How much partners may read: `full`, `excerpt` (no text), `headline` (neither text nor standfirst) or `none`."
)
NoteHtml = Annotated[LongText, Length(0, 50_000)]
"""Short HTML, sanitised to inline markup and paragraphs."""
NoteText = Annotated[LongText, Length(0, 10_000)]
"""Plain text; an empty line separates paragraphs."""
PageUrl = Annotated[str, Field(description="Its address on the publication's site.")]


_DIRECTIVE = r"[a-z]+(-[a-z]+)*(:[a-z0-9-]+)?"
Robots = Annotated[str, StringConstraints(max_length=200, pattern=rf"^{_DIRECTIVE}(, ?{_DIRECTIVE})*$")]
_ROBOTS = "Content of the `robots` meta element, such as `noindex, nofollow`; null: none."
_SEO_TITLE = "Title for search engines and networks; null: its own title or name."
_SEO_DESCRIPTION = "Description for search engines and networks; null: its own."
_CANONICAL = "Address of the original of which it is a copy; null: its own `url`."


class SeoIn(InputModel):
    """What search engines and networks are told of a page."""

    title: Title | None = Field(None, description=_SEO_TITLE)
    description: Summary | None = Field(None, description=_SEO_DESCRIPTION)
    robots: Robots | None = Field(None, description=_ROBOTS)


class SeoOut(BaseModel):
    """What search engines and networks are told of a page."""

    title: str | None = Field(description=_SEO_TITLE)
    description: str | None = Field(description=_SEO_DESCRIPTION)
    robots: str | None = Field(description=_ROBOTS)


SEO_NAMES = tuple(SeoIn.model_fields)


def merge_seo(stored: object, sent: JsonObject | None) -> JsonObject | None:
    """Return what is stored with the members that were sent, without those that are null; None clears all."""
    merged = {**cast("JsonObject", stored or {}), **sent} if sent is not None else {}
    return {name: value for name, value in merged.items() if value is not None} or None


def present_seo(stored: object) -> JsonObject | None:
    """Shape what is stored as `SeoOut`."""
    return {name: cast(JsonObject, stored).get(name) for name in SEO_NAMES} if stored else None


class TermPatch(InputModel):
    """Changes to a term (RFC 7396): absent members stay."""

    seo: SeoIn | None = Field(None, description="What differs for search engines and networks.")
    canonical_url: HttpUrl | None = Field(None, description=_CANONICAL)
    name: Name = Field(default_factory=str, description="Display name, 1 to 200 characters.")
    slug: Slug = Field(default_factory=str, description="Last part of its URL, unique within its kind.")


class TermIn(InputModel):
    """A new term."""

    name: Name = Field(description="Display name, 1 to 200 characters.")
    slug: Slug | None = Field(None, description="Last part of its URL; generated from the name if absent.")
    seo: SeoIn | None = Field(None, description="What differs for search engines.")
    canonical_url: HttpUrl | None = Field(None, description=_CANONICAL)


class BreadcrumbOut(BaseModel):
    """A step of the way from the root of the section tree."""

    name: str
    url: str


class TermOut(BaseModel):
    """A term that articles are filed under."""

    id: str
    slug: str
    name: str
    url: PageUrl
    articles: int = Field(description="Number of public articles.")
    seo: SeoOut | None = Field(description="What differs for search engines and networks; null: nothing.")
    canonical_url: str | None = Field(description=_CANONICAL)
    created_at: datetime
    updated_at: datetime


class TermQuery(PreviewedQuery, PageQuery):
    """Parameters of a list of terms."""

    sort: Literal["name", "-articles"] = Field("name", description="Order; `-articles`: most articles first.")


SYNDICATION_DESCRIPTION = (
    f"Syndication of articles that have no level of their own. {LEVEL_DESCRIPTION} "
    "A parent section with a lower level limits it."
)
SECTION_SORTS = {**TERM_SORTS, "position": Sort("position", kind=int)}


class _DescribedTermIn(TermIn):
    """A new term with a description."""

    description: Summary = Field("", description="Plain text of up to 2,000 characters.")


class SectionIn(_DescribedTermIn):
    """A new section."""

    parent: Identifier | None = Field(None, description="Id or slug of the parent section.")
    position: Position = Field(0, description="Position among sections, smallest first, 0 to 999,999.")
    syndication: Level = Field("full", description=SYNDICATION_DESCRIPTION)


class _DescribedTermPatch(TermPatch):
    """Changes to a term with a description."""

    description: Summary = Field(default_factory=str, description="Plain text of up to 2,000 characters.")


class SectionPatch(_DescribedTermPatch):
    """Changes to a section."""

    parent: Identifier | None = Field(None, description="Id or slug of the parent section; null: none.")
    position: Position = Field(default_factory=int, description="Position among sections, smallest first.")
    syndication: Level = Field("full", description=SYNDICATION_DESCRIPTION)


class ParentSectionOut(BaseModel):
    """The parent of a section."""

    id: str
    slug: str
    name: str
    url: PageUrl


class SectionOut(TermOut):
    """A section."""

    description: str
    parent: ParentSectionOut | None
    breadcrumbs: list[BreadcrumbOut] = Field(description="From the root of the tree to the section itself.")
    position: int = Field(description="Position among sections, smallest first.")
    syndication: Level = Field(description=SYNDICATION_DESCRIPTION)


class SectionQuery(TermQuery):
    """Parameters of the list of sections."""

    sort: Literal["name", "-articles", "position"] = Field(  # type: ignore[assignment]
        "name", description="Order; `-articles`: most articles first; `position`: as the publication sorts them."
    )


class TagIn(_DescribedTermIn):
    """A new tag."""


class TagPatch(_DescribedTermPatch):
    """Changes to a tag."""


class TagDetailOut(TermOut):
    """A tag with all its members."""

    description: str


class SeriesIn(_DescribedTermIn):
    """A new series."""


class SeriesPatch(_DescribedTermPatch):
    """Changes to a series."""


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


class NoticeIn(InputModel):
    """A new notice."""

    model_config = ConfigDict(json_schema_extra=_NOTICE_RULES)

    scope: NoticeScope = Field(description="Articles that show it: all, or those of the target.")
    target_id: Identifier | None = Field(None, description="Id or slug of the target; absent for `site`.")
    placement: Placement = Field(description="Before the text, after it, or both.")
    html: NoteHtml | None = Field(None, description="The text as HTML; sanitised.", json_schema_extra=_NOT_EMPTY)
    text: NoteText | None = Field(
        None, description="The text as plain text; send either this or HTML.", json_schema_extra=_NOT_EMPTY
    )
    position: Position = Field(0, description="Position among notices of the same scope, smallest first.")


class NoticePatch(InputModel):
    """Changes to a notice (RFC 7396); scope and target cannot be changed."""

    model_config = ConfigDict(json_schema_extra=not_together("html", "text"))

    placement: Placement = Field("before", description="Before the text, after it, or both.")
    html: NoteHtml = Field(
        default_factory=str, description="The text as HTML; sanitised.", json_schema_extra=_NOT_EMPTY
    )
    text: NoteText = Field(
        default_factory=str,
        description="The text as plain text; send either this or HTML.",
        json_schema_extra=_NOT_EMPTY,
    )
    position: Position = Field(default_factory=int, description="Position among notices of the same scope.")


class StandingNoticeOut(BaseModel):
    """A notice that is shown with public articles."""

    id: str
    scope: NoticeScope
    target_id: str | None = Field(description="Id of the target; null for `site`.")
    placement: Placement
    html: str = Field(description="Sanitised HTML.")
    text: str = Field(description="Plain text.")
    position: int = Field(description="Position among notices of the same scope, smallest first.")


class NoticeDetailOut(StandingNoticeOut):
    """A notice with all its members."""

    created_at: datetime
    updated_at: datetime


class NoticeQuery(PreviewedQuery, PageQuery):
    """Filters of the list of notices."""

    scope: NoticeScope | None = Field(None, description="Only notices of this scope.")
    target_id: str | None = Field(
        None, pattern=r"^[0-9a-f-]{36}$", description="Only notices of the target with this id."
    )


Credit = Annotated[str, OneLine, Length(0, 300)]
"""A line of up to 300 characters; may be empty."""


class RenditionOut(BaseModel):
    """A smaller or cut copy of a picture, which is made when it is first requested."""

    name: str = Field(description="`w` and its width (`w640`), or the name of a crop.")
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    mime: str
    url: str = Field(description="Signed URL, whose ending may be replaced by `.webp`, `.avif` or `.jpg`.")


class FocalPoint(InputModel):
    """The point of a picture that crops keep in view."""

    x: float = Field(ge=0, le=1, description="From the left, as a fraction of the width.")
    y: float = Field(ge=0, le=1, description="From the top, as a fraction of the height.")


def _read_point(value: object) -> object:
    """Read a focal point from the field of a form: `0.5,0.3`."""
    if not isinstance(value, str):
        return value
    x, _, y = value.partition(",")
    return {"x": x.strip(), "y": y.strip()} if value else None


PROVENANCE_DESCRIPTION = "`c2pa`: the original, which is kept, has Content Credentials; what is served has no metadata."


class ImageOut(BaseModel):
    """A picture as articles and authors show it."""

    id: str
    url: str = Field(description="URL of the file, on this server or elsewhere.")
    alt: str = Field(description="Text alternative.")
    caption: str
    credit: str
    width: int | None = Field(description="Pixels; null for a reference.")
    height: int | None = Field(description="Pixels; null for a reference.")
    animated: bool = Field(description="Whether it moves; renditions show its first frame.")
    focal_point: FocalPoint | None = Field(description="What crops keep in view; null: the middle.")
    provenance: Literal["c2pa"] | None = Field(description=PROVENANCE_DESCRIPTION)
    renditions: list[RenditionOut] = Field(description="Smaller copies of the whole picture, narrowest first.")
    crops: list[RenditionOut] = Field(
        description="Cut around the focal point: `square` (1:1), `wide` (16:9), `social` (1200 × 630, JPEG)."
    )


class OriginalOut(BaseModel):
    """The file of a picture as it was sent, which editors can download and nobody else is served."""

    mime: str
    bytes: int
    sha256: str = Field(description="Hexadecimal.")
    location: bool = Field(description="Whether its metadata says where it was taken.")


class MediaOut(ImageOut):
    """A picture with all its members."""

    state: Literal["stored", "reference"] = Field(description="`stored`, or `reference`: the file is elsewhere.")
    mime: str | None
    bytes: int | None = Field(description="Size of the file.")
    sha256: str | None = Field(description="SHA-256 of the file, hexadecimal.")
    original: OriginalOut | None = Field(description="The file as it was sent; null: not kept, or elsewhere.")
    uses: int = Field(description="Number of places where it is used.")
    warnings: list[str] = Field(
        description="In the response to an upload: what was not kept, such as all frames but the first."
    )
    created_at: datetime
    updated_at: datetime


class MediaQuery(PageQuery):
    """Filters of the list of pictures."""

    q: str | None = Field(None, max_length=200, description="Words in the text alternative, caption or credit.")
    kind: Literal["jpeg", "png", "gif", "webp", "avif", "reference"] | None = Field(
        None, description="Only files of this kind; `reference`: files elsewhere."
    )
    used: bool | None = Field(None, description="Only pictures that are used (`true`), or that are not (`false`).")


class MediaUseOut(BaseModel):
    """A place where a picture is used."""

    kind: Literal["article", "author", "site"]
    role: Literal["image", "text", "seo", "logo", "icon"] = Field(
        description="`text`: in the text of an article, as it is shown, scheduled or saved last."
    )
    id: str
    title: str


class MediaUsesOut(BaseModel):
    """Where a picture is used, at most 100 places of each kind and role."""

    data: list[MediaUseOut]


class MediaIn(InputModel):
    """The description of a picture."""

    alt: Summary = Field("", description="Text alternative.")
    caption: Summary = Field("", description="Caption, plain text.")
    credit: Credit = Field("", description="Photographer, agency or owner.")
    focal_point: Annotated[FocalPoint | None, BeforeValidator(_read_point)] = Field(
        None, description="What crops keep in view; null: the middle."
    )

    def columns(self) -> JsonObject:
        """Return the columns of the row."""
        return columns_of(self.model_dump())


class UploadIn(MediaIn):
    """An upload to begin, with the description of the picture."""

    bytes: int = Field(ge=1, description="Size of the file, which must be the one that is sent.")


class UploadOut(BaseModel):
    """Where to send the file of an upload."""

    id: str
    method: Literal["PUT"]
    url: str = Field(description="Address, of the media store or of this server, that takes the file without a key.")
    headers: dict[str, str] = Field(description="Headers to send with it.")
    expires_at: datetime = Field(description="Until when the file must have been sent and the upload finished.")


class RenditionQuery(ReadQuery):
    """A rendition to sign an address for."""

    width: int | None = Field(None, ge=1, le=MAX_RENDITION_SIDE, description="Pixels; absent: by the height.")
    height: int | None = Field(None, ge=1, le=MAX_RENDITION_SIDE, description="Pixels; absent: by the width.")
    format: Form = Field("webp", description="Format.")


class MediaPatch(InputModel):
    """Changes to the description of a picture (RFC 7396)."""

    alt: Summary = Field(default_factory=str, description="Text alternative.")
    caption: Summary = Field(default_factory=str, description="Caption, plain text.")
    credit: Credit = Field(default_factory=str, description="Photographer, agency or owner.")
    focal_point: FocalPoint | None = Field(None, description="What crops keep in view; null: the middle.")


class ReferenceIn(MediaIn):
    """A picture whose file is elsewhere."""

    url: HttpUrl


def columns_of(description: JsonObject) -> JsonObject:
    """Return the columns for the sent members of the description of a picture."""
    if "focal_point" not in description:
        return description
    point = cast("Mapping[str, float] | None", description["focal_point"])
    others = {name: value for name, value in description.items() if name != "focal_point"}
    return {**others, "focal_x": point and point["x"], "focal_y": point and point["y"]}


def is_animated(row: Mapping[str, object]) -> bool:
    """Whether a picture is an animation, or may be one, where that was not looked at."""
    return bool(row["mime"] == "image/gif" if row["animated"] is None else row["animated"])


def present_image(row: Mapping[str, object], base: str) -> JsonObject:
    """Shape a row as `ImageOut`, with files below the base address; without one, only the files that exist."""
    files = base + MEDIA_PATH
    names = ("id", "alt", "caption", "credit", "width", "height", "provenance")
    image: JsonObject = {name: row[name] for name in names}
    image["url"] = f"{files}{row['key']}" if row["key"] else row["url"]
    image["animated"] = is_animated(row)
    image["focal_point"] = None if row["focal_x"] is None else {"x": row["focal_x"], "y": row["focal_y"]}
    picture = cast(renditions.PictureRow, row)
    if base and renditions.has_renditions(picture):
        image["renditions"] = renditions.list_renditions(picture, base)
        image["crops"] = renditions.list_crops(picture, base)
    else:
        stored = cast("list[JsonObject]", row["renditions"])
        image["renditions"], image["crops"] = [{**copy, "url": f"{files}{copy['key']}"} for copy in stored], []
    return image


_SAME_AS = "Profiles of the author elsewhere, for structured data."


class AuthorIn(TermIn):
    """A new author."""

    model_config = ConfigDict(json_schema_extra=not_together("bio_html", "bio_text"))

    bio_html: NoteHtml | None = Field(None, description="Biography as HTML; sanitised.")
    bio_text: NoteText | None = Field(None, description="The text as plain text; send either this or HTML.")
    website: HttpUrl | None = Field(None, description="URL of their own page elsewhere.")
    same_as: list[HttpUrl] | None = Field(None, max_length=20, description=_SAME_AS)
    image: str | None = Field(None, max_length=36, description="Id of a picture.")


class AuthorPatch(TermPatch):
    """Changes to an author."""

    model_config = ConfigDict(json_schema_extra=not_together("bio_html", "bio_text"))

    bio_html: NoteHtml = Field(default_factory=str, description="Biography as HTML; sanitised.")
    bio_text: NoteText = Field(default_factory=str, description="The text as plain text; send either this or HTML.")
    website: HttpUrl | None = Field(None, description="URL of their own page elsewhere.")
    same_as: list[HttpUrl] | None = Field(None, max_length=20, description=_SAME_AS)
    image: str | None = Field(None, max_length=36, description="Id of a picture.")


class AuthorOut(TermOut):
    """An author."""

    bio_html: str = Field(description="Sanitised HTML; may be empty.")
    bio_text: str = Field(description="Plain text.")
    website: str | None = Field(description="URL of their own page elsewhere.")
    same_as: list[str] | None = Field(description=_SAME_AS)
    image: ImageOut | None
