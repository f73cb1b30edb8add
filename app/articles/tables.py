"""Articles as readers see them: the chosen revision laid out in columns that lists and filters can use."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID
from app.text.collation import SORT_KEY

_IS_RETRACTED: dict[str, Any] = {
    "sqlite_where": sa.text("state = 'retracted'"),
    "postgresql_where": sa.text("state = 'retracted'"),
}  # few, and every feed tells of them
_IS_AHEAD: dict[str, Any] = {
    "sqlite_where": sa.text("latest_revision > revision"),
    "postgresql_where": sa.text("latest_revision > revision"),
}  # few: saved, and not published yet
_EPOCH_DEFAULT = {"server_default": sa.text("'1970-01-01 00:00:00'")}


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
    edited_at: datetime = Field(sa_column_kwargs=_EPOCH_DEFAULT)  # when the newest revision was saved
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


WINDOW_DAYS = (1, 7, 30)
ACTIVITY_KINDS = ("comments", "reactions")


class ArticleActivity(SQLModel, table=True):
    """Sums over the last days of an article; without a row, nothing happened."""

    __tablename__ = "article_activity"
    __table_args__ = tuple(
        sa.Index(f"ix_article_activity_{kind}_{days}d", f"{kind}_{days}d", "article_id")
        for kind in ACTIVITY_KINDS
        for days in WINDOW_DAYS
    )

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    comments_1d: int = 0
    comments_7d: int = 0
    comments_30d: int = 0
    reactions_1d: int = 0
    reactions_7d: int = 0
    reactions_30d: int = 0


class ActivityHour(SQLModel, table=True):
    """What was written or chosen in one hour and still stands; gone after the last of the windows."""

    __tablename__ = "activity_hour"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    hour: datetime = Field(primary_key=True)  # its beginning
    comments: int = 0
    reactions: int = 0
    passed: int = 0  # how many of the windows it has left already
    due_at: datetime = Field(index=True)  # when it leaves the next one


class Address(SQLModel, table=True):
    """A former slug, or a path (it begins with `/`) that the article had on this or an earlier site."""

    address: str = Field(primary_key=True, max_length=500)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)

    __table_args__ = (sa.CheckConstraint("length(address) > 0", name="ck_address_not_empty"),)


class CorrectionVersion(SQLModel, table=True):
    """A correction as it stood until it was replaced or withdrawn; the present ones stand with the article."""

    __tablename__ = "correction_version"
    __table_args__ = (sa.Index("ix_correction_version_article", "article_id", "replaced_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    n: int  # its number among the article's corrections; numbers are not given twice
    kind: str = Field(max_length=20)
    text: str
    replaced_at: datetime
    change: str = Field(max_length=10)  # changed, withdrawn
    actor_id: str | None = Field(sa_type=ID)  # who replaced it
    actor_name: str = Field(max_length=200)


SITE_ID = "00000000-0000-0000-0000-000000000000"  # the target of what counts for the whole publication


class Discussion(SQLModel, table=True):
    """What was set for an article, a section or the site; null takes what is set above it."""

    target_id: str = Field(primary_key=True, sa_type=ID)  # of an article or a section, or SITE: hence no key
    state: str | None = Field(None, max_length=10)  # open, closed, hidden
    prompt: str | None = Field(None, max_length=300)  # empty: none
    moderation: str | None = Field(None, max_length=10)  # post, pre
    close_after_days: int | None = None  # after published_at; 0: never
    closes_at: datetime | None = None  # of articles alone; goes before close_after_days
    closed_at: datetime | None = None  # by hand: what was written before it may still be on its way
    version: int = 1


class ArticleTally(SQLModel, table=True):
    """What readers did with an article, counted; without a row, nothing."""

    __tablename__ = "article_tally"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    comments: int = 0  # those that are published
    inline: int = 0  # of these, the ones on passages of the text
    reactions: dict[str, int] = Field(default_factory=dict, sa_type=sa.JSON)


class Preview(SQLModel, table=True):
    """A link that shows one article's newest revision; the token itself is not kept."""

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)
    hash: str = Field(max_length=64, unique=True)
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


META_COLUMNS = ("title", "dek", "type", "language", "section_id", "series_id", "image_id", "authors", "tags")
TEXT_COLUMNS = ("html", "markdown", "text", "blocks", "excerpt", "word_count", "reading_minutes")


class Revision(SQLModel, table=True):
    """Everything that an editor saved at once; rows are added, and only told once when readers first saw them."""

    __table_args__ = (
        sa.Index("ix_revision_actor", "actor_id", "article_id"),
        sa.Index("ix_revision_actor_name", "actor_name", "article_id"),
    )

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    n: int = Field(primary_key=True)
    created_at: datetime
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    restored_from: int | None = None
    published_at: datetime | None = None  # when readers first saw it; null: they never did

    title: str = Field(max_length=300)
    dek: str | None = Field(max_length=2000)
    type: str = Field(max_length=40)
    language: str = Field(max_length=35)
    section_id: str | None = Field(sa_type=ID)
    series_id: str | None = Field(sa_type=ID)
    image_id: str | None = Field(sa_type=ID)
    authors: list[str] = Field(sa_type=sa.JSON)
    tags: list[str] = Field(sa_type=sa.JSON)

    html: str
    markdown: str
    text: str
    blocks: list[dict[str, Any]] = Field(sa_type=sa.JSON)
    excerpt: str = Field(max_length=2000)
    word_count: int
    reading_minutes: int
