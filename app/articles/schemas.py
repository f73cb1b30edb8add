"""Articles as readers get them, and the parameters of reading them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.blocks.schemas import Block
from app.core.clock import Moment
from app.core.models import BaseModel
from app.core.schema_rules import any_of
from app.db.rows import JsonObject
from app.publication.schemas import LEVEL_DESCRIPTION, BreadcrumbOut, ImageOut, Level, PageUrl, SeoOut
from app.web.paging import ListOut, PreviewedQuery, ReadQuery

State = Literal["draft", "scheduled", "published", "unpublished", "retracted"]
ApprovalState = Literal["none", "submitted", "approved", "returned"]
PAGE_TYPE = "page"
"""The `type` of standing pages, such as an imprint, which lists leave out."""
INCLUDES = ("neighbours", "related", "comments", "anchors", "lock", "head", "jsonld")
TEXT_FORMATS = ("html", "text", "markdown", "blocks")


class NamedTermOut(BaseModel):
    """A section, tag, series or author as a revision names it."""

    id: str
    slug: str
    name: str


class TermOut(NamedTermOut):
    """A section, series or author as an article names it."""

    url: PageUrl


class ArticleSectionOut(TermOut):
    """The section of an article."""

    parent: TermOut | None = Field(description="The section above it.")


class TagOut(BaseModel):
    """A tag as an article names it."""

    slug: str
    name: str
    url: PageUrl


class NoticeOut(BaseModel):
    """A notice shown with the article."""

    id: str
    placement: Literal["before", "after", "both"] = Field(description="Before the text, after it, or both.")
    scope: Literal["site", "section", "series", "author", "article"] = Field(description="What it is attached to.")
    html: str
    text: str


class CorrectionOut(BaseModel):
    """A correction of the article."""

    n: int = Field(description="Number within the article; never reused.")
    at: datetime
    kind: Literal["correction", "clarification", "update", "editors_note"]
    text: str
    changed_at: datetime | None = Field(description="When it was last changed; null: never.")


class DiscussionOut(BaseModel):
    """State and counts of the article's discussion."""

    state: Literal["open", "closed", "hidden"]
    prompt: str | None = Field(description="Question to readers, such as “What do you think?”.")
    comments: int
    inline: int = Field(description="Comments on passages of the text.")
    closes_at: datetime | None


class RightsOut(BaseModel):
    """Usage rights, syndication, and when the article may be shown."""

    usage_terms: str | None
    copyright_holder: str | None
    territory: list[str] | None = Field(
        description="ISO 3166-1 alpha-2 codes of the countries where others may use it; null: everywhere."
    )
    syndication: Level = Field(
        description=f"Set for the article, else inherited from its sections. {LEVEL_DESCRIPTION}"
    )
    embargoed_until: datetime | None = Field(description="Not public before this time, even if published.")
    expires_at: datetime | None = Field(description="Not public from this time on.")


class BodyOut(BaseModel):
    """The text, in the formats requested; others are absent."""

    html: str | None = Field(None, description="Sanitised HTML.")
    text: str | None = Field(None, description="Plain text; an empty line separates blocks.")
    markdown: str | None = Field(
        None, description="Markdown that can be sent back; contains HTML where Markdown has no syntax."
    )
    blocks: list[Block] | None = Field(
        None, description="Typed blocks; the ids of unchanged blocks are stable across revisions."
    )


class ArticleSeoOut(SeoOut):
    """What search engines and networks are told of an article."""

    image: ImageOut | None = Field(description="Picture for networks; null: that of the article.")


class SourceOut(BaseModel):
    """Where an article was first published."""

    name: str
    url: str | None


class HeadOut(BaseModel):
    """What goes into the head of an article's page."""

    title: str
    description: str
    canonical_url: str
    robots: str | None = Field(description="Content of the `robots` meta element; null: none.")
    open_graph: dict[str, str | list[str]] = Field(description="Open Graph data by property, such as `og:title`.")
    twitter: dict[str, str] = Field(description="Cards of X by name, such as `twitter:card`.")


class CachedArticleOut(BaseModel):
    """An article without its counts and its text, as its JSON is cached."""

    id: str
    slug: str
    url: PageUrl
    type: str = Field(description="`article`, `opinion`, `page` or any other lower-case word.")
    language: str = Field(description="BCP 47 language tag.")
    state: State
    title: str
    dek: str | None = Field(description="The standfirst.")
    excerpt: str = Field(description="The beginning of the text, at most 280 characters, if there is no dek.")
    section: ArticleSectionOut | None
    breadcrumbs: list[BreadcrumbOut] = Field(description="The sections from the root of the tree to its own.")
    series: TermOut | None
    authors: list[TermOut]
    tags: list[TagOut]
    image: ImageOut | None
    featured: bool
    published_at: datetime | None
    updated_at: datetime
    revision: int = Field(description="Number of the revision shown.")
    word_count: int
    reading_minutes: int = Field(description="At 238 words a minute.")
    notices: list[NoticeOut]
    corrections: list[CorrectionOut]
    rights: RightsOut
    seo: ArticleSeoOut | None = Field(description="What differs for search engines and networks; null: nothing.")
    canonical_url: str | None = Field(description="Address of the original of which it is a copy; null: its own `url`.")
    source: SourceOut | None = Field(description="Where it was first published; null: here.")


class ArticleOut(CachedArticleOut):
    """An article."""

    discussion: DiscussionOut
    reactions: dict[str, int] = Field(description="Number of readers who chose each.")


class ApprovalOut(BaseModel):
    """The last step of an article's approval; all steps are at `GET …/approval`."""

    state: ApprovalState = Field(description="`none` also after an edit of an approved text.")
    revision: int | None = Field(description="Number of the revision that was submitted, approved or returned.")
    at: datetime | None
    by: str | None = Field(description="Name of the person or key.")


class EditorsOut(BaseModel):
    """Fields that only keys with `content:read` or `content:write` get."""

    version: int = Field(description="Counts every change; the ETag carries it.")
    latest_revision: int = Field(description="Number of the newest saved revision.")
    scheduled_at: datetime | None
    scheduled_revision: int | None = Field(
        description="Number of the revision that goes live at `scheduled_at`. To publish a later one, schedule the "
        "article again."
    )
    syndication: Level | None = Field(description="Set for the article itself; null: inherited from its sections.")
    created_at: datetime
    edited_at: datetime = Field(description="When the newest revision was saved.")
    custom: JsonObject | None = Field(description="Custom data of editors and imports; never public.")
    approval: ApprovalOut


class DroppedOut(BaseModel):
    """Content of the body sent that the article does not keep."""

    element: str = Field(description="The HTML element, such as `script`; of a link only the URL is dropped.")
    count: int = Field(description="How many of them.")
    near: str = Field(description="Text just before or after the first one, at most 80 characters.")
    reason: Literal["unsupported", "address", "data_image"] = Field(
        description="`unsupported`: not allowed in bodies; `address`: its URL is not allowed; "
        "`data_image`: embedded as a data: URL."
    )


class ListedArticleOut(ArticleOut):
    """An article in a list, with its text only if `formats` names a format."""

    body: BodyOut | None = None
    editing: EditorsOut | None = None


class NeighboursOut(BaseModel):
    """The articles published just before and just after an article."""

    previous: ListedArticleOut | None
    next: ListedArticleOut | None


class RelatedReasonOut(BaseModel):
    """Why an article is related."""

    terms: list[str] = Field(description="Words that are characteristic of both texts, the strongest first; at most 5.")
    text: str = Field(description="The reason as an English sentence.")


class RelatedOut(BaseModel):
    """A related article."""

    kind: Literal["pinned", "series", "automatic"] = Field(
        description="`pinned`: chosen by editors; `series`: of the same series; `automatic`: similar text."
    )
    score: float | None = Field(description="Similarity of the texts, 0 to 1; null unless `automatic`.")
    reason: RelatedReasonOut
    article: ListedArticleOut


class SingleArticleOut(ArticleOut):
    """An article with its text."""

    body: BodyOut | None = None
    editing: EditorsOut | None = None
    dropped: list[DroppedOut] | None = Field(
        None, description="In responses to a request with a `body`: content that was dropped."
    )
    neighbours: NeighboursOut | None = None
    related: list[RelatedOut] | None = None
    anchors: JsonObject | None = Field(None, description="The first 100 of `GET …/anchors`, in their form.")
    lock: JsonObject | None = Field(None, description="For editors: `GET …/lock`, in its form; null: nobody holds it.")
    head: HeadOut | None = None
    jsonld: list[JsonObject] | None = Field(
        None, description="Structured data with the vocabulary of schema.org: the article, and its breadcrumbs."
    )
    comments: JsonObject | None = Field(
        None, description="The first page of `GET …/comments`, in its form; null where readers see no discussion."
    )


ArticleList = ListOut[ListedArticleOut]


FormatNames = Annotated[str | None, Field(max_length=40, json_schema_extra=any_of(TEXT_FORMATS))]


class FormatQuery(ReadQuery):
    """Parameters of answers with articles."""

    formats: FormatNames = Field(
        None, description="Formats of the text, comma-separated: html, text, markdown, blocks."
    )


AsOf = Annotated[
    Moment | None,
    Field(description="What readers saw at this time in the past; needs `content:read`, and shows its sections."),
]


class ArticleQuery(PreviewedQuery, FormatQuery):
    """Parameters of reading an article."""

    block_ids: bool = Field(
        False, description="Whether elements of `body.html` have the ids of their blocks as `data-block-id`."
    )
    include: str | None = Field(
        None,
        max_length=60,
        description="Parts to add, comma-separated: `neighbours`, `related`, `comments`, `anchors`, `lock`, `head`, "
        "`jsonld`.",
        json_schema_extra=any_of(INCLUDES),
    )
    revision: str | None = Field(
        None,
        pattern=r"^(latest|[1-9]\d{0,8})$",
        description="`latest` or a number; needs `content:read` or `content:write`.",
    )
    preview: str | None = Field(
        None, max_length=200, description="Token of a preview link; returns the newest revision."
    )
    as_of: AsOf = None


class NeighboursQuery(PreviewedQuery, FormatQuery):
    """Parameters of an article's neighbours."""

    within: Literal["site", "section", "series"] = Field("site", description="The articles among which to look.")
