"""Articles as editors send them."""

import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from app.articles.schemas import BodyOut, TermOut
from app.core.clock import Moment
from app.core.problems import ErrorDetail
from app.core.schema_rules import exactly_one
from app.publication.schemas import LEVEL_DESCRIPTION, Level
from app.text.inputs import Identifier, LanguageTag, LongText, Name, Prose, Slug, Summary, Title, Whole, clean

MAX_CUSTOM_BYTES: Final = 32_000  # of the JSON of an article's custom data
MAX_CUSTOM_DEPTH: Final = 20


def _check_custom(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Refuse custom data that is too large or too deep, or that no database can hold."""
    if value is None:
        return None
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_CUSTOM_DEPTH:
            raise ValueError(f"must not be nested deeper than {MAX_CUSTOM_DEPTH} levels")
        inside = [*part, *part.values()] if isinstance(part, dict) else part if isinstance(part, list) else []
        waiting += [(entry, depth + 1) for entry in inside]
        if isinstance(part, str):
            clean(part)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(text.encode()) > MAX_CUSTOM_BYTES:
        raise ValueError(f"must be at most {MAX_CUSTOM_BYTES:,} bytes of JSON")
    return value


def _sort_unique(codes: list[str]) -> list[str]:
    """Each once, in the order of the alphabet."""
    return sorted(set(codes))


def _check_author_ref(value: object, check: ValidatorFunctionWrapHandler) -> Any:
    """Say for a name what authors are known by: tags, in the next field, do take names."""
    try:
        return check(value)
    except ValidationError as error:
        if not isinstance(value, str):
            raise
        raise ValueError("must be the id or slug of an author who exists; only tags may be new names") from error


ArticleType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
AuthorRefs = Annotated[list[Annotated[Identifier, WrapValidator(_check_author_ref)]], Field(max_length=50)]
Territory = Annotated[list[Annotated[str, Field(pattern=r"^[A-Z]{2}$")]], AfterValidator(_sort_unique)]
TagRefs = Annotated[list[Name], Field(max_length=100)]


class BodyIn(BaseModel):
    """The text, in one of two formats."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=exactly_one("html", "markdown"))

    html: LongText | None = Field(None, description="HTML; sanitised, at most 1,000,000 characters.")
    markdown: LongText | None = Field(
        None,
        description="CommonMark with tables, strikethrough, footnotes, task and definition lists, and HTML; at most "
        "1,000,000 characters.",
    )

    @model_validator(mode="after")
    def _one_of(self) -> "BodyIn":
        if (self.html is None) == (self.markdown is None):
            raise ValueError("send html or markdown")
        return self


class RightsIn(BaseModel):
    """What others may do with it, and when it may be seen."""

    model_config = ConfigDict(extra="forbid")

    usage_terms: Summary | None = None
    copyright_holder: Title | None = None
    territory: Territory | None = Field(
        None,
        min_length=1,
        max_length=250,
        description="ISO 3166-1 alpha-2 codes of the countries where others may use it; null: everywhere.",
    )
    syndication: Level | None = Field(None, description=f"{LEVEL_DESCRIPTION} Null: as its section has it.")
    embargoed_until: Moment | None = Field(None, description="Not public before this time.")
    expires_at: Moment | None = Field(None, description="Not public from this time on.")


Custom = Annotated[dict[str, Any] | None, AfterValidator(_check_custom)]


class ArticlePatch(BaseModel):
    """Changes to an article (RFC 7396): what is absent stays, null empties.

    `slug`, `featured`, `rights`, `published_at` and `custom` are facts of the article and hold at once: what of them
    readers see, now or at a set time, needs `content:publish`. Everything else is text and goes into a new revision,
    which readers see when it is published. A scheduled article goes live in the revision that was scheduled.
    """

    model_config = ConfigDict(extra="forbid")

    title: Title = ""
    slug: Slug | None = Field(
        None, description="Unique; made from the title if null or, in a new article, absent. Old ones answer 301."
    )
    dek: Summary | None = Field(None, description="The standfirst.")
    type: ArticleType = Field("article", description="`article`, `opinion`, `page` or any other lower-case word.")
    language: LanguageTag = Field("en", description="BCP 47 language tag.")
    section: Identifier | None = Field(None, description="Slug or id.")
    series: Identifier | None = Field(None, description="Slug or id.")
    authors: AuthorRefs = Field([], description="Slugs or ids of authors who exist, in the order of the byline.")
    tags: TagRefs = Field([], description="Slugs, ids or names; new ones are made.")
    image: Identifier | None = Field(None, description="Id of a medium.")
    featured: bool = Field(False, strict=True)
    rights: RightsIn = Field(default_factory=RightsIn)
    published_at: Moment | None = Field(None, description="Back-dating; not in the future.")
    body: BodyIn = Field(default_factory=lambda: BodyIn(html=""))
    custom: Custom = Field(
        None,
        description="Data of your own, an object of at most 32,000 bytes that readers never see. Each of its keys is "
        "replaced as a whole; null removes a key, or all of it.",
    )


class ArticleIn(ArticlePatch):
    """A new article; it begins as a draft."""

    title: Title


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


class MergeIn(BaseModel):
    """What a term gives way to."""

    model_config = ConfigDict(extra="forbid")

    into: Identifier | None = Field(
        description="Slug or id of the one that takes its place; null: it is taken off its articles and deleted."
    )


class MergedTermOut(BaseModel):
    """The term that gives way."""

    id: str
    slug: str


class MergeOut(BaseModel):
    """A merge, and how far it is."""

    id: str
    kind: Literal["tag", "author", "series"]
    source: MergedTermOut
    into: str | None = Field(description="Id of the one that takes its place.")
    state: Literal["running", "done"]
    total: int = Field(description="Articles, in whatever state, that were under it when the merge began.")
    done: int = Field(description="Articles moved so far.")
    created_at: datetime
    finished_at: datetime | None


def present_merge(row: Any) -> dict[str, Any]:
    """A row in the shape of `MergeOut`."""
    return {**row, "source": {"id": row["source_id"], "slug": row["source_slug"]}, "into": row["target_id"]}


class PreviewIn(BaseModel):
    """A preview link to make."""

    model_config = ConfigDict(extra="forbid")

    hours: Annotated[int, Field(strict=True, ge=1, le=24 * 90), Whole] = Field(
        72, description="For how many hours it is good."
    )


class PreviewOut(BaseModel):
    """A preview link, without its token."""

    id: str
    article_id: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class NewPreviewOut(PreviewOut):
    """A preview link just made: the only answer that holds its token."""

    token: str = Field(description="Read the article with `?preview=TOKEN`: it shows the newest revision.")


RevisionNumber = Annotated[int, Field(strict=True, ge=1, le=999_999_999), Whole]


class PublishIn(BaseModel):
    """What to publish."""

    model_config = ConfigDict(extra="forbid")

    revision: RevisionNumber | None = Field(
        None, description="Number of the revision to show; absent or null: the newest."
    )


class ScheduleIn(BaseModel):
    """What goes live, and when."""

    model_config = ConfigDict(extra="forbid")

    at: Moment = Field(description="In the future, RFC 3339; live within a second of it.")
    revision: RevisionNumber | None = Field(
        None, description="Number of the revision to go live; absent or null: the newest of this moment."
    )


class ScheduleOut(BaseModel):
    """What goes live, and when."""

    at: datetime
    revision: int = Field(description="Number of the revision that goes live.")
    latest_revision: int = Field(description="Number of the newest saved revision, which may be a later one.")


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


MAX_OPERATIONS = 100


class BulkOp(BaseModel):
    """What all operations name."""

    model_config = ConfigDict(extra="forbid")

    article: Identifier = Field(description="Slug or id.")
    if_match: str | None = Field(
        None, max_length=2000, description="As the header `If-Match` of the single route: an ETag, or `*`."
    )


class BulkPublish(BulkOp):
    """As `POST …/publish`."""

    op: Literal["publish"]
    body: PublishIn | None = None


class BulkVerb(BulkOp):
    """As the single route of this name; it takes no body."""

    op: Literal["unpublish", "unschedule", "delete"]


class BulkRetract(BulkOp):
    """As `POST …/retract`."""

    op: Literal["retract"]
    body: RetractIn


class BulkSchedule(BulkOp):
    """As `PUT …/schedule`."""

    op: Literal["schedule"]
    body: ScheduleIn


class BulkPatch(BulkOp):
    """As `PATCH /v1/articles/{article}`."""

    op: Literal["patch"]
    body: ArticlePatch


AnyBulkOp = Annotated[
    BulkPublish | BulkVerb | BulkRetract | BulkSchedule | BulkPatch,
    Field(discriminator="op"),
]


class ArticleBulkIn(BaseModel):
    """Operations to carry out in their order."""

    model_config = ConfigDict(extra="forbid")

    operations: list[AnyBulkOp] = Field(min_length=1, max_length=MAX_OPERATIONS)


class BulkResultOut(BaseModel):
    """What became of one operation."""

    op: str
    id: str | None = Field(description="Id of the article; null where the operation was refused.")
    status: int = Field(description="As the single route would have answered.")
    version: int | None
    etag: str | None = Field(description="For the next `if_match`; after 412 that of the version which stands.")
    code: str | None = Field(description="Code of the problem, or null.")
    detail: str | None
    errors: list[ErrorDetail] | None
    retry_after: int | None = Field(description="Seconds to wait after 429 and 503.")


class ArticleBulkOut(BaseModel):
    """A result for each operation, in their order."""

    data: list[BulkResultOut]


class RevisionTermsOut(BaseModel):
    """What an article stood under: the ids that were saved, with the present slugs and names.

    A merged one is called what it went into; what was deleted is left out.
    """

    section: TermOut | None
    series: TermOut | None
    authors: list[TermOut]
    tags: list[TermOut]


class ChangedTermsOut(BaseModel):
    """One side of what differs in section, series, authors and tags, with present slugs and names."""

    section: TermOut | None
    series: TermOut | None
    authors: list[TermOut] | None = Field(description="Null where both sides have the same.")
    tags: list[TermOut] | None = Field(description="Null where both sides have the same.")


class RevisionOut(BaseModel):
    """One saved text, without its body in lists."""

    n: int = Field(description="1 for the first.")
    created_at: datetime
    actor_id: str | None = Field(description="Id of the key that saved it.")
    actor_name: str
    restored_from: int | None = Field(description="The revision that it brought back.")
    published: bool = Field(description="Whether it is the one published last.")
    title: str
    dek: str | None
    type: str
    language: str
    section_id: str | None
    series_id: str | None
    image_id: str | None
    authors: list[str] = Field(description="Ids.")
    tags: list[str] = Field(description="Ids.")
    terms: RevisionTermsOut = Field(description="The same section, series, authors and tags with their names.")
    word_count: int
    body: BodyOut | None = Field(None, description="In a single revision.")


class FieldChange(BaseModel):
    """A field that differs."""

    field: str
    old: Any
    new: Any


class BlockChange(BaseModel):
    """A block of the text that differs; `equal` ones are left out."""

    op: Literal["insert", "delete", "replace"]
    old_id: str | None
    new_id: str | None
    old: str | None = Field(description="Its plain text before.")
    new: str | None = Field(description="Its plain text after.")


class DiffOut(BaseModel):
    """What changed from one revision to another."""

    old: int = Field(description="Number of the earlier side, `against`.")
    new: int
    fields: list[FieldChange]
    old_terms: ChangedTermsOut = Field(description="What `fields` has of the earlier side as ids, with names.")
    new_terms: ChangedTermsOut
    blocks: list[BlockChange]
