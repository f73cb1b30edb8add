"""Articles as editors send them."""

import json
from typing import Annotated, Any, Final

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

from app.kit.clock import Moment
from app.kit.rules import exactly_one
from app.kit.text import Identifier, LanguageTag, LongText, Name, Slug, Summary, Title, clean
from app.publication.schemas import LEVEL, Level

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


def _different(codes: list[str]) -> list[str]:
    """Each once, in the order of the alphabet."""
    return sorted(set(codes))


def _author_ref(value: object, check: ValidatorFunctionWrapHandler) -> Any:
    """Say for a name what authors are known by: tags, in the next field, do take names."""
    try:
        return check(value)
    except ValidationError as error:
        if not isinstance(value, str):
            raise
        raise ValueError("must be the id or slug of an author who exists; only tags may be new names") from error


Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
AuthorRefs = Annotated[list[Annotated[Identifier, WrapValidator(_author_ref)]], Field(max_length=50)]
Territory = Annotated[list[Annotated[str, Field(pattern=r"^[A-Z]{2}$")]], AfterValidator(_different)]
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
    syndication: Level | None = Field(None, description=f"{LEVEL} Null: as its section has it.")
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
    type: Kind = Field("article", description="`article`, `opinion`, `page` or any other lower-case word.")
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
