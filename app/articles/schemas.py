"""The article as everyone reads it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.blocks.schemas import Block
from app.core.schema_rules import any_of
from app.publication.schemas import LEVEL_DESCRIPTION, ImageOut, Level
from app.web.paging import ListOut
from app.web.responses import ReadQuery

State = Literal["draft", "scheduled", "published", "unpublished", "retracted"]
PAGE_TYPE = "page"
"""The `type` of what stands outside of what is news: about, imprint."""
TEXT_FORMATS = ("html", "text", "markdown", "blocks")


class TermOut(BaseModel):
    """A section, series or author as an article names it."""

    id: str
    slug: str
    name: str


class TagOut(BaseModel):
    """A tag as an article names it."""

    slug: str
    name: str


class NoticeOut(BaseModel):
    """A notice that stands with the article."""

    id: str
    placement: Literal["before", "after", "both"] = Field(description="Before or after the text, or on both sides.")
    scope: Literal["site", "section", "series", "author", "article"] = Field(description="What it was attached to.")
    html: str
    text: str


class CorrectionOut(BaseModel):
    """A correction, as data."""

    n: int = Field(description="Its number among those of the article, which no other one ever has.")
    at: datetime
    kind: Literal["correction", "clarification", "update", "editors_note"]
    text: str
    changed_at: datetime | None = Field(description="When its words were last changed.")


class DiscussionOut(BaseModel):
    """Whether and how readers may answer."""

    state: Literal["open", "closed", "hidden"]
    prompt: str | None = Field(description="The question to readers, such as “What do you think?”.")
    comments: int
    inline: int = Field(description="Comments on passages of the text.")
    closes_at: datetime | None


class RightsOut(BaseModel):
    """What others may do with it, and when it may be seen."""

    usage_terms: str | None
    copyright_holder: str | None
    territory: list[str] | None = Field(
        description="ISO 3166-1 alpha-2 codes of the countries where others may use it; null: everywhere."
    )
    syndication: Level = Field(
        description=f"Set for it, else for its section and all that this is inside of. {LEVEL_DESCRIPTION}"
    )
    embargoed_until: datetime | None = Field(description="Not public before this time, even if published.")
    expires_at: datetime | None = Field(description="Not public from this time on.")


class BodyOut(BaseModel):
    """The text, in the formats that were asked for; the others are absent."""

    html: str | None = Field(None, description="Sanitised HTML.")
    text: str | None = Field(None, description="Plain text, blocks apart by an empty line.")
    markdown: str | None = Field(None, description="Markdown as it may be sent; HTML only where that has no form.")
    blocks: list[Block] | None = Field(None, description="Typed blocks; ids stay while neighbours change.")


class CachedArticleOut(BaseModel):
    """An article without its counts and its text: what is kept ready beside its row."""

    id: str
    slug: str
    url: str = Field(description="Its address on the publication's site.")
    type: str = Field(description="`article`, `opinion`, `page` or any other lower-case word.")
    language: str = Field(description="BCP 47 language tag.")
    state: State
    title: str
    dek: str | None = Field(description="The standfirst.")
    excerpt: str = Field(description="The beginning of the text, at most 280 characters, if there is no dek.")
    section: TermOut | None
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


class ArticleOut(CachedArticleOut):
    """An article."""

    discussion: DiscussionOut
    reactions: dict[str, int] = Field(description="How many readers chose each.")


class EditorsOut(BaseModel):
    """What only keys with `content:read` or `content:write` see of an article."""

    version: int = Field(description="Counts every change; the ETag carries it.")
    latest_revision: int = Field(description="Number of the newest saved revision.")
    scheduled_at: datetime | None
    scheduled_revision: int | None = Field(
        description="Number of the revision that goes live at `scheduled_at`; a later one does not, unless the article "
        "is scheduled again."
    )
    syndication: Level | None = Field(description="What is set for the article itself; null: as its section has it.")
    created_at: datetime
    edited_at: datetime = Field(description="When the newest revision was saved.")
    custom: dict[str, Any] | None = Field(description="Data of editors and imports; readers never see it.")


class DroppedOut(BaseModel):
    """Something of a text that was sent and that the article does not have."""

    element: str = Field(description="The HTML element, such as `script`; of a link only the address is dropped.")
    count: int = Field(description="How many of them.")
    near: str = Field(description="Words before the first one, or after it; at most 80 characters.")
    reason: Literal["unsupported", "address", "data_image"] = Field(
        description="`unsupported`: bodies have no form for it; `address`: it leads to no address that they may have."
    )


class SingleArticleOut(ArticleOut):
    """An article with its text."""

    body: BodyOut | None = None
    editing: EditorsOut | None = None
    dropped: list[DroppedOut] | None = Field(
        None, description="In the answer to a request with a `body`: what of it the article does not have."
    )
    neighbours: "NeighboursOut | None" = None
    related: "list[RelatedOut] | None" = None
    comments: dict[str, Any] | None = Field(
        None, description="The first page of `GET …/comments`, in its form; null where readers see no discussion."
    )


class ListedArticleOut(ArticleOut):
    """An article in a list; with its text only if `formats` asks."""

    body: BodyOut | None = None
    editing: EditorsOut | None = None


class NeighboursOut(BaseModel):
    """The articles published just before and just after."""

    previous: ListedArticleOut | None
    next: ListedArticleOut | None


class RelatedReasonOut(BaseModel):
    """Why an article is related."""

    terms: list[str] = Field(description="Words that both texts are about, the most telling first; at most 5.")
    text: str = Field(description="The same as an English sentence.")


class RelatedOut(BaseModel):
    """An article to go on with."""

    kind: Literal["pinned", "series", "automatic"] = Field(
        description="`pinned`: chosen by editors; `series`: of the same series; `automatic`: found in the texts."
    )
    score: float | None = Field(description="How near the texts are, 0 to 1; only of `automatic`.")
    reason: RelatedReasonOut
    article: ListedArticleOut


ArticleList = ListOut[ListedArticleOut]


class FormatQuery(ReadQuery):
    """Parameters of everything that holds articles."""

    formats: str | None = Field(
        None,
        max_length=40,
        description="Of the text: any of html, text, markdown, blocks.",
        json_schema_extra=any_of(TEXT_FORMATS),
    )


class ArticleQuery(FormatQuery):
    """Parameters of one article."""

    include: str | None = Field(
        None,
        max_length=60,
        description="Also in the answer, with commas: `neighbours`, `related`, `comments`.",
        json_schema_extra=any_of(("neighbours", "related", "comments")),
    )
    revision: str | None = Field(
        None,
        pattern=r"^(latest|[1-9]\d{0,8})$",
        description="`latest` or a number; needs `content:read` or `content:write`.",
    )
    preview: str | None = Field(None, max_length=200, description="Token of a preview link: shows the newest revision.")


class NeighboursQuery(FormatQuery):
    """Parameters of an article's neighbours."""

    within: Literal["site", "section", "series"] = Field("site", description="Among which articles.")
