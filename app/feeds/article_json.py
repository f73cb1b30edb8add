"""Types of an article's JSON, as `ArticleOut` describes it: feeds and other formats are made from the cached JSON."""

from collections.abc import Sequence
from typing import Final, Literal, NotRequired, TypedDict, cast

import pydantic_core

from app.articles.schemas import State
from app.blocks.schemas import Block
from app.publication.schemas import Level


class TermJson(TypedDict):
    """A section, series or author."""

    id: str
    slug: str
    name: str
    url: str


class AuthorJson(TermJson):
    """An author; `same_as` are their pages and profiles elsewhere, where they were read."""

    same_as: NotRequired[Sequence[str]]


class BreadcrumbJson(TypedDict):
    """A section on the way from the root of the tree."""

    name: str
    url: str


class SourceJson(TypedDict):
    """Where an article was first published."""

    name: str
    url: str | None


class TagJson(TypedDict):
    """A tag."""

    slug: str
    name: str


class FileJson(TypedDict):
    """A file of a picture; the width and height in pixels are null if they are not known."""

    url: str
    width: int | None
    height: int | None


class RenditionJson(FileJson):
    """A smaller copy of a picture."""

    name: str
    mime: str


class ImageJson(FileJson):
    """The article's picture."""

    id: str
    alt: str
    caption: str
    credit: str
    renditions: list[RenditionJson]
    crops: list[RenditionJson]


class NoticeJson(TypedDict):
    """A notice shown with the article."""

    id: str
    placement: Literal["before", "after", "both"]
    html: str
    text: str


class CorrectionJson(TypedDict):
    """A correction of the article; `at` is RFC 3339."""

    at: str
    kind: Literal["correction", "clarification", "update", "editors_note"]
    text: str


class RetractionJson(TypedDict):
    """The public part of a retraction; one for legal reasons hides the article's URL, too."""

    at: str
    reason: str
    legal: bool


class DiscussionJson(TypedDict):
    """State and size of the discussion."""

    state: Literal["open", "closed", "hidden"]
    comments: int


class RightsJson(TypedDict):
    """Usage rights, and when the article may be shown."""

    usage_terms: str | None
    copyright_holder: str | None
    territory: list[str] | None
    syndication: Level
    embargoed_until: str | None
    expires_at: str | None


class BodyJson(TypedDict, total=False):
    """The text, in the formats that were requested."""

    html: str
    text: str
    markdown: str
    blocks: list[Block]


class SeoJson(TypedDict):
    """What differs for search engines and networks."""

    title: str | None
    description: str | None
    robots: str | None
    image: ImageJson | None


class PreviewJson(TypedDict):
    """The members that a link preview shows."""

    url: str
    title: str
    dek: str | None
    excerpt: str
    authors: list[AuthorJson]
    image: ImageJson | None


class ArticleJson(PreviewJson):
    """An article. Times are RFC 3339 in UTC."""

    id: str
    slug: str
    type: str
    language: str
    state: State
    section: TermJson | None
    series: TermJson | None
    tags: list[TagJson]
    published_at: str | None
    updated_at: str
    revision: int
    word_count: int
    reading_minutes: int
    notices: list[NoticeJson]
    corrections: list[CorrectionJson]
    rights: RightsJson
    discussion: DiscussionJson
    breadcrumbs: list[BreadcrumbJson]
    seo: SeoJson | None
    canonical_url: str | None
    source: SourceJson | None
    body: NotRequired[BodyJson]


EMPTY_BODY: Final[BodyJson] = {"html": "", "text": "", "markdown": "", "blocks": []}
"""The text of an article of which a partner may not read the text."""


def parse_article(json: bytes) -> ArticleJson:
    """Parse JSON that this server has made of an article."""
    return cast(ArticleJson, pydantic_core.from_json(json))
