"""Articles as readers see them: the chosen revision laid out in columns that lists and filters can use."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.collation import SORT_KEY
from app.kit.schema import ID

_IS_RETRACTED: dict[str, Any] = {
    "sqlite_where": sa.text("state = 'retracted'"),
    "postgresql_where": sa.text("state = 'retracted'"),
}  # few, and every feed tells of them
_IS_AHEAD: dict[str, Any] = {
    "sqlite_where": sa.text("latest_revision > revision"),
    "postgresql_where": sa.text("latest_revision > revision"),
}  # few: saved, and not published yet
_LONG_AGO = {"server_default": sa.text("'1970-01-01 00:00:00'")}


class Article(SQLModel, table=True):
    """One article, with the columns of the revision that is published, retracted or scheduled, else of its newest."""

    __table_args__ = (
        sa.Index("ix_article_published", "listed", "listed_at", "id"),
        sa.Index("ix_article_updated", "listed", "updated_at", "id"),
        sa.Index("ix_article_changed", "public", "updated_at", "id"),  # for sitemaps, which name pages too
        sa.Index("ix_article_title", "listed", "title_key", "id"),
        sa.Index("ix_article_section", "section_id", "listed", "listed_at", "id"),
        sa.Index("ix_article_series", "series_id", "listed", "listed_at", "id"),
        sa.Index("ix_article_type", "type", "public", "listed_at", "id"),
        sa.Index("ix_article_language", "language", "listed", "listed_at", "id"),
        sa.Index("ix_article_featured", "featured", "listed", "listed_at", "id"),
        sa.Index("ix_article_any", "listed_at", "id"),  # this and the next ones for editors, who see every state
        sa.Index("ix_article_created", "created_at", "id"),
        sa.Index("ix_article_edited", "edited_at", "id"),
        sa.Index("ix_article_touched", "updated_at", "id"),
        sa.Index("ix_article_alphabet", "title_key", "id"),
        sa.Index("ix_article_state", "state", "edited_at", "id"),
        sa.Index("ix_article_ahead", "edited_at", "id", **_IS_AHEAD),
        sa.Index("ix_article_due", "due_at"),
        sa.Index("ix_article_card", "card_stamp"),
        sa.Index("ix_article_retracted", "section_id", **_IS_RETRACTED),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    slug: str = Field(max_length=200, unique=True)
    state: str = Field(max_length=20)  # draft, scheduled, published, unpublished, retracted
    public: bool = False  # published, not embargoed, not expired: what visible_to asks
    listed: bool = False  # public and no page: what lists and feeds hold unless pages are asked for
    version: int = 1  # +1 with every change of any kind: what If-Match names
    revision: int  # the revision laid out here
    latest_revision: int  # the newest one saved
    published_revision: int | None = None  # the one published last; null: readers never saw any
    scheduled_revision: int | None = None  # the one that goes live at scheduled_at
    created_at: datetime
    published_at: datetime | None = None
    backdated: bool = Field(False, sa_column_kwargs={"server_default": sa.false()})  # published_at was set by hand
    updated_at: datetime  # of what readers see; of a draft, of the draft
    listed_at: datetime  # published_at, or created_at as long as there is none: lists are ordered by it
    edited_at: datetime = Field(sa_column_kwargs=_LONG_AGO)  # when the newest revision was saved
    scheduled_at: datetime | None = None
    due_at: datetime | None = None  # when the clock changes something next

    type: str = Field(max_length=40)
    language: str = Field(max_length=35)
    title: str = Field(max_length=300)
    title_key: str = Field(default="", sa_type=SORT_KEY, sa_column_kwargs={"server_default": ""})  # alphabetical order
    dek: str | None = Field(max_length=2000)
    excerpt: str = Field(max_length=2000)
    section_id: str | None = Field(sa_type=ID, foreign_key="section.id", ondelete="RESTRICT")
    series_id: str | None = Field(sa_type=ID, foreign_key="series.id", ondelete="RESTRICT")
    image_id: str | None = Field(sa_type=ID, foreign_key="media.id", ondelete="RESTRICT", index=True)
    word_count: int
    reading_minutes: int

    featured: bool = False
    usage_terms: str | None = Field(None, max_length=2000)
    copyright_holder: str | None = Field(None, max_length=300)
    territory: list[str] | None = Field(None, sa_type=sa.JSON(none_as_null=True))
    syndication: str | None = Field(None, max_length=10)  # none, headline, excerpt, full; null: as its section has it
    embargoed_until: datetime | None = None
    expires_at: datetime | None = None
    corrections: list[dict[str, Any]] = Field(default_factory=list, sa_type=sa.JSON)
    retraction: dict[str, Any] | None = Field(None, sa_type=sa.JSON(none_as_null=True))

    custom: dict[str, Any] | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # of editors and imports

    card: bytes | None = None  # finished JSON, good while card_stamp is the publication's; see articles.cards
    card_stamp: int = 0
    card_discussion: str | None = Field(None, sa_type=sa.Text)  # what was set for it, as the card has the rest


class ArticleAuthor(SQLModel, table=True):
    """Who wrote an article; repeats what lists of an author's articles are filtered and ordered by."""

    __tablename__ = "article_author"
    __table_args__ = (sa.Index("ix_article_author_list", "author_id", "listed", "listed_at", "article_id"),)

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    author_id: str = Field(primary_key=True, sa_type=ID, foreign_key="author.id", ondelete="RESTRICT")
    position: int
    listed: bool
    listed_at: datetime


class ArticleTag(SQLModel, table=True):
    """What an article is tagged with; repeats what lists of a tag's articles are filtered and ordered by."""

    __tablename__ = "article_tag"
    __table_args__ = (sa.Index("ix_article_tag_list", "tag_id", "listed", "listed_at", "article_id"),)

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    tag_id: str = Field(primary_key=True, sa_type=ID, foreign_key="tag.id", ondelete="RESTRICT")
    position: int
    listed: bool
    listed_at: datetime
