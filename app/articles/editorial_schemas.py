"""Articles, revisions, merges and bulk operations as editors send and get them."""

import json
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from app.articles.schemas import BodyOut, NamedTermOut
from app.core.clock import Moment
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import exactly_one
from app.db.rows import JsonObject
from app.publication.schemas import LEVEL_DESCRIPTION, Level, SeoIn
from app.text.inputs import (
    HttpUrl,
    Identifier,
    LanguageTag,
    LongText,
    Name,
    Prose,
    Slug,
    Summary,
    Title,
    Whole,
    clean_text,
)

MAX_CUSTOM_BYTES: Final = 32_000  # of the JSON of an article's custom data
MAX_CUSTOM_DEPTH: Final = 20


def _check_custom(value: JsonObject | None) -> JsonObject | None:
    """Refuse custom data that is too large, too deep, or contains characters that cannot be stored."""
    if value is None:
        return None
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_CUSTOM_DEPTH:
            raise ValueError(f"must not be nested deeper than {MAX_CUSTOM_DEPTH} levels")
        inside = [*part, *part.values()] if isinstance(part, dict) else part if isinstance(part, list) else []
        waiting += [(entry, depth + 1) for entry in inside]
        if isinstance(part, str):
            clean_text(part)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(text.encode()) > MAX_CUSTOM_BYTES:
        raise ValueError(f"must be at most {MAX_CUSTOM_BYTES:,} bytes of JSON")
    return value


def _sort_unique(codes: list[str]) -> list[str]:
    """Return each code once, in alphabetical order."""
    return sorted(set(codes))


def _check_author_ref(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """Explain that authors, unlike tags in the next field, are not created by naming them."""
    try:
        return check(value)
    except ValidationError as error:
        if not isinstance(value, str):
            raise
        raise ValueError("must be the id or slug of an existing author; create the author first") from error


ArticleType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
AuthorRefs = Annotated[list[Annotated[Identifier, WrapValidator(_check_author_ref)]], Field(max_length=50)]
Territory = Annotated[list[Annotated[str, Field(pattern=r"^[A-Z]{2}$")]], AfterValidator(_sort_unique)]
TagRefs = Annotated[list[Name], Field(max_length=100)]


class BodyIn(InputModel):
    """The text, as HTML or Markdown."""

    model_config = ConfigDict(json_schema_extra=exactly_one("html", "markdown"))

    html: LongText | None = Field(None, description="HTML, sanitised; at most 1,000,000 characters.")
    markdown: LongText | None = Field(
        None,
        description="CommonMark with tables, strikethrough, footnotes, task and definition lists, and HTML; at most "
        "1,000,000 characters.",
    )

    @model_validator(mode="after")
    def _one_of(self) -> "BodyIn":
        if (self.html is None) == (self.markdown is None):
            raise ValueError("must have either html or markdown")
        return self


class RightsIn(InputModel):
    """Usage rights, syndication, and when the article may be shown."""

    usage_terms: Summary | None = None
    copyright_holder: Title | None = None
    territory: Territory | None = Field(
        None,
        min_length=1,
        max_length=250,
        description="ISO 3166-1 alpha-2 codes of the countries where others may use it; null: everywhere.",
    )
    syndication: Level | None = Field(None, description=f"{LEVEL_DESCRIPTION} Null: inherited from its sections.")
    embargoed_until: Moment | None = Field(None, description="Not public before this time.")
    expires_at: Moment | None = Field(None, description="Not public from this time on.")


class ArticleSeoIn(SeoIn):
    """What search engines and networks are told of an article."""

    image: Identifier | None = Field(None, description="Id of a picture for networks; null: that of the article.")


class SourceIn(InputModel):
    """Where an article was first published."""

    name: Name
    url: HttpUrl | None = None


Custom = Annotated[JsonObject | None, AfterValidator(_check_custom)]


class ArticlePatch(InputModel):
    """Changes to an article (RFC 7396): absent members stay, null clears.

    `slug`, `featured`, `rights`, `seo`, `canonical_url`, `source`, `published_at` and `custom` take effect at once;
    changes that readers see, now or at a set time, require `content:publish`. All other members are text: they make a
    new revision, which readers see when it is published. A scheduled article is published in the revision that was
    scheduled.
    """

    title: Title = ""
    slug: Slug | None = Field(
        None,
        description="Unique. Generated from the title if null or, in a new article, absent. Former slugs redirect.",
    )
    dek: Summary | None = Field(None, description="The standfirst.")
    type: ArticleType = Field("article", description="`article`, `opinion`, `page` or any other lower-case word.")
    language: LanguageTag = Field("en", description="BCP 47 language tag.")
    section: Identifier | None = Field(None, description="Slug or id.")
    series: Identifier | None = Field(None, description="Slug or id.")
    authors: AuthorRefs = Field([], description="Slugs or ids of existing authors, in the order of the byline.")
    tags: TagRefs = Field([], description="Slugs, ids or names; unknown names create tags.")
    image: Identifier | None = Field(None, description="Id of a picture.")
    featured: bool = Field(False, strict=True)
    rights: RightsIn = Field(default_factory=RightsIn)
    seo: ArticleSeoIn | None = Field(None, description="What differs for search engines; members that are absent stay.")
    canonical_url: HttpUrl | None = Field(None, description="Address of the original of which it is a copy.")
    source: SourceIn | None = Field(None, description="Where it was first published; replaced as a whole.")
    published_at: Moment | None = Field(None, description="Backdates the article; must not be in the future.")
    body: BodyIn = Field(default_factory=lambda: BodyIn(html=""))
    custom: Custom = Field(
        None,
        description="Custom data, never public: an object of at most 32,000 bytes. Each key sent is replaced as a "
        "whole; null removes a key, or the whole object.",
    )


class ArticleIn(ArticlePatch):
    """A new article, created as a draft."""

    title: Title


CorrectionKind = Literal["correction", "clarification", "update", "editors_note"]


class CorrectionPatch(InputModel):
    """Changes to a correction (RFC 7396): absent members stay."""

    text: Prose = Field(default_factory=str)
    kind: CorrectionKind = "correction"


class CorrectionVersionOut(BaseModel):
    """A former version of a correction."""

    id: str
    n: int = Field(description="Number of the correction.")
    kind: CorrectionKind
    text: str
    change: Literal["changed", "withdrawn"] = Field(description="Whether this version was changed or withdrawn.")
    replaced_at: datetime
    actor_id: str | None = Field(description="Id of the key or person that changed or withdrew it.")
    actor_name: str
    person_id: str | None = Field(description="Id of the person, also where a key of theirs did it.")


class MergeIn(InputModel):
    """The target of a merge."""

    into: Identifier | None = Field(
        description="Slug or id of the target; null: remove the term from its articles and delete it."
    )


class MergedTermOut(BaseModel):
    """The term that is merged."""

    id: str
    slug: str


class MergeOut(BaseModel):
    """A merge and its progress."""

    id: str
    kind: Literal["tag", "author", "series"]
    source: MergedTermOut
    into: str | None = Field(description="Id of the target; null: the term is removed.")
    state: Literal["running", "done"]
    total: int = Field(description="Articles in any state that had the term when the merge began.")
    done: int = Field(description="Articles moved so far.")
    created_at: datetime
    finished_at: datetime | None


class PreviewIn(InputModel):
    """A new preview link."""

    hours: Annotated[int, Field(strict=True, ge=1, le=24 * 90), Whole] = Field(
        72, description="Hours until the link expires."
    )


class PreviewOut(BaseModel):
    """A preview link, without its token."""

    id: str
    article_id: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class NewPreviewOut(PreviewOut):
    """A new preview link, with its token, which no later response contains."""

    token: str = Field(description="Read the article with `?preview=TOKEN` to get its newest revision.")


RevisionNumber = Annotated[int, Field(strict=True, ge=1, le=999_999_999), Whole]


class PublishIn(InputModel):
    """The revision to publish."""

    revision: RevisionNumber | None = Field(
        None, description="Number of the revision to publish; absent or null: the newest."
    )


class ScheduleIn(InputModel):
    """The revision to publish, and when."""

    at: Moment = Field(description="When to publish, RFC 3339; must be in the future.")
    revision: RevisionNumber | None = Field(
        None, description="Number of the revision to publish; absent or null: the newest at this moment."
    )


class ScheduleOut(BaseModel):
    """The revision that is published, and when."""

    at: datetime
    revision: int = Field(description="Number of the revision that will be published.")
    latest_revision: int = Field(description="Number of the newest revision, which may be later.")


class RetractIn(InputModel):
    """The reason for a retraction."""

    reason: Prose = Field(description="Public reason, returned to everyone who requests the article.")
    legal: bool = Field(False, strict=True, description="Withdrawn for legal reasons: 451 instead of 410 (RFC 7725).")


class CorrectionIn(InputModel):
    """A new correction."""

    text: Prose
    kind: Literal["correction", "clarification", "update", "editors_note"] = "correction"


class RevisionTermsOut(BaseModel):
    """The terms of a revision, with their present slugs and names.

    Ids are as saved. A merged term has the name of its target; deleted terms are left out.
    """

    section: NamedTermOut | None
    series: NamedTermOut | None
    authors: list[NamedTermOut]
    tags: list[NamedTermOut]


class ChangedTermsOut(BaseModel):
    """One side of changed section, series, authors and tags, with present slugs and names."""

    section: NamedTermOut | None
    series: NamedTermOut | None
    authors: list[NamedTermOut] | None = Field(description="Null if both sides are equal.")
    tags: list[NamedTermOut] | None = Field(description="Null if both sides are equal.")


class RevisionOut(BaseModel):
    """A revision, with its text unless in a list."""

    n: int = Field(description="Number, from 1.")
    created_at: datetime
    actor_id: str | None = Field(description="Id of the key or person that saved it.")
    actor_name: str
    person_id: str | None = Field(description="Id of the person who saved it, also by a key of theirs.")
    restored_from: int | None = Field(description="Number of the revision that was restored.")
    published: bool = Field(description="Whether it is the revision published last.")
    title: str
    dek: str | None
    type: str
    language: str
    section_id: str | None
    series_id: str | None
    image_id: str | None
    authors: list[str] = Field(description="Ids.")
    tags: list[str] = Field(description="Ids.")
    terms: RevisionTermsOut = Field(description="Section, series, authors and tags with their names.")
    word_count: int
    body: BodyOut | None = Field(None, description="Absent in lists.")


class FieldChange(BaseModel):
    """A changed field."""

    field: str
    old: object
    new: object


class BlockChange(BaseModel):
    """A changed block of the text; equal ones are left out."""

    op: Literal["insert", "delete", "replace"]
    old_id: str | None
    new_id: str | None
    old: str | None = Field(description="Its plain text before.")
    new: str | None = Field(description="Its plain text after.")


class DiffOut(BaseModel):
    """The changes between two revisions."""

    old: int = Field(description="Number of the earlier revision, `against`.")
    new: int
    fields: list[FieldChange]
    old_terms: ChangedTermsOut = Field(description="Terms that `fields` has as ids, with names: the earlier side.")
    new_terms: ChangedTermsOut
    blocks: list[BlockChange]
