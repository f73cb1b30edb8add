"""Tables of articles, their revisions, former addresses, discussions, activity and previews."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table, partial_index
from app.db.rows import JsonObject
from app.text.collation import SORT_KEY

_IS_RETRACTED = "state = 'retracted'"  # few, and read by every feed
_HAS_IMAGE = "seo_image_id IS NOT NULL"
_IS_AHEAD = "latest_revision > revision"  # few: saved, but not published
_EPOCH_DEFAULT = {"server_default": sa.text("'1970-01-01 00:00:00'")}


class Article(Table, table=True):
    """An article, with the columns of its published, retracted or scheduled revision, else of its newest."""

    __table_args__ = (
        sa.Index("ix_article_published", "listed", "listed_at", "id"),
        sa.Index("ix_article_updated", "listed", "updated_at", "id"),
        sa.Index("ix_article_changed", "public", "updated_at", "id"),  # for sitemaps, which include pages
        sa.Index("ix_article_title", "listed", "title_key", "id"),
        sa.Index("ix_article_section", "section_id", "listed", "listed_at", "id"),
        sa.Index("ix_article_series", "series_id", "listed", "listed_at", "id"),
        sa.Index("ix_article_type", "type", "public", "listed_at", "id"),
        sa.Index("ix_article_language", "language", "listed", "listed_at", "id"),
        sa.Index("ix_article_featured", "featured", "listed", "listed_at", "id"),
        sa.Index("ix_article_any", "listed_at", "id"),  # from here on for editors, who list every state
        sa.Index("ix_article_created", "created_at", "id"),
        sa.Index("ix_article_edited", "edited_at", "id"),
        sa.Index("ix_article_touched", "updated_at", "id"),
        sa.Index("ix_article_alphabet", "title_key", "id"),
        sa.Index("ix_article_state", "state", "edited_at", "id"),
        partial_index("ix_article_seo_image", "seo_image_id", where=_HAS_IMAGE),
        partial_index("ix_article_ahead", "edited_at", "id", where=_IS_AHEAD),
        sa.Index("ix_article_approval", "approval", "edited_at", "id"),
        sa.Index("ix_article_due", "due_at"),
        sa.Index("ix_article_card", "card_stamp"),
        partial_index("ix_article_retracted", "section_id", where=_IS_RETRACTED),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    slug: str = Field(max_length=200, unique=True)
    state: str = Field(max_length=20)  # draft, scheduled, published, unpublished, retracted
    public: bool = False  # published, not embargoed, not expired
    listed: bool = False  # public and not a page: in lists and feeds by default
    version: int = 1  # raised by every change; If-Match names it
    highest_version: int = Field(0, sa_column_kwargs={"server_default": "0"})  # less than version unless that went back
    revision: int  # the revision whose columns the row has
    latest_revision: int  # the newest one saved
    published_revision: int | None = None  # the one published last; null: none ever was
    scheduled_revision: int | None = None  # the one that goes live at scheduled_at
    created_at: datetime
    published_at: datetime | None = None
    backdated: bool = Field(False, sa_column_kwargs={"server_default": sa.false()})  # published_at was set by hand
    updated_at: datetime  # of the public content; of a draft, of the draft
    listed_at: datetime  # published_at, else created_at; the order of lists
    edited_at: datetime = Field(sa_column_kwargs=_EPOCH_DEFAULT)  # when the newest revision was saved
    scheduled_at: datetime | None = None
    due_at: datetime | None = None  # when time alone next changes the state
    approval: str = Field("none", max_length=10, sa_column_kwargs={"server_default": "none"})  # the last step
    approval_revision: int | None = None  # the revision that this step is about
    approval_at: datetime | None = None
    approval_by: str | None = Field(None, max_length=200)  # the name of who took it

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
    syndication: str | None = Field(
        None, max_length=10
    )  # none, headline, excerpt, full; null: inherited from the section
    embargoed_until: datetime | None = None
    expires_at: datetime | None = None
    corrections: list[JsonObject] = Field(default_factory=list, sa_type=sa.JSON)
    retraction: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))

    seo: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # title, description, robots
    seo_image_id: str | None = Field(None, sa_type=ID)  # counted as shown with the article; hence no foreign key
    canonical_url: str | None = Field(None, max_length=2048)
    source: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # name, url

    custom: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # of editors and imports

    card: bytes | None = None  # cached JSON, fresh while card_stamp is the generation; see cached_json
    card_stamp: int = 0
    card_discussion: str | None = Field(None, sa_type=sa.Text)  # discussion rules, cached like card


class _Link(Table):
    """A term of an article, in its order; repeats the columns by which lists of the term's articles are sorted."""

    position: int
    listed: bool
    listed_at: datetime


class ArticleAuthor(_Link, table=True):
    """An author of an article."""

    __tablename__ = "article_author"
    __table_args__ = (sa.Index("ix_article_author_list", "author_id", "listed", "listed_at", "article_id"),)

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    author_id: str = Field(primary_key=True, sa_type=ID, foreign_key="author.id", ondelete="RESTRICT")


class ArticleTag(_Link, table=True):
    """A tag of an article."""

    __tablename__ = "article_tag"
    __table_args__ = (sa.Index("ix_article_tag_list", "tag_id", "listed", "listed_at", "article_id"),)

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    tag_id: str = Field(primary_key=True, sa_type=ID, foreign_key="tag.id", ondelete="RESTRICT")


class RevisionMedia(Table, table=True):
    """A stored picture in the text of a revision."""

    __tablename__ = "revision_media"
    __table_args__ = (
        sa.ForeignKeyConstraint(["article_id", "n"], ["revision.article_id", "revision.n"], ondelete="CASCADE"),
    )

    article_id: str = Field(primary_key=True, sa_type=ID)
    n: int = Field(primary_key=True)
    media_id: str = Field(primary_key=True, sa_type=ID, foreign_key="media.id", ondelete="CASCADE", index=True)


WINDOW_DAYS = (1, 7, 30)
ACTIVITY_KINDS = ("comments", "reactions")


class ArticleActivity(Table, table=True):
    """Sums of an article's activity in each window; an article without a row had none."""

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


class ActivityHour(Table, table=True):
    """Comments and reactions of one hour that were not taken back; deleted after the last window."""

    __tablename__ = "activity_hour"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    hour: datetime = Field(primary_key=True)  # start of the hour
    comments: int = 0
    reactions: int = 0
    passed: int = 0  # number of windows that it has left
    due_at: datetime = Field(index=True)  # when it leaves the next window


class Address(Table, table=True):
    """A former slug of an article, or a path (beginning with `/`) that it had on this or an earlier site."""

    address: str = Field(primary_key=True, max_length=500)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)

    __table_args__ = (sa.CheckConstraint("length(address) > 0", name="ck_address_not_empty"),)


class CorrectionVersion(Table, table=True):
    """A former version of a correction; current corrections are stored with the article."""

    __tablename__ = "correction_version"
    __table_args__ = (sa.Index("ix_correction_version_article", "article_id", "replaced_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    n: int  # number of the correction; never reused
    kind: str = Field(max_length=20)
    text: str
    replaced_at: datetime
    change: str = Field(max_length=10)  # changed, withdrawn
    actor_id: str | None = Field(sa_type=ID)  # who replaced it
    actor_name: str = Field(max_length=200)
    person_id: str | None = Field(default=None, sa_type=ID)


SITE_ID = "00000000-0000-0000-0000-000000000000"  # target of settings of the whole site


class Discussion(Table, table=True):
    """Discussion settings of an article, a section or the site; null inherits the setting of the level above."""

    target_id: str = Field(primary_key=True, sa_type=ID)  # article, section or SITE_ID: hence no foreign key
    state: str | None = Field(None, max_length=10)  # open, closed, hidden
    prompt: str | None = Field(None, max_length=300)  # empty: none
    moderation: str | None = Field(None, max_length=10)  # post, pre
    close_after_days: int | None = None  # days after published_at; 0: never
    closes_at: datetime | None = None  # articles only; takes precedence over close_after_days
    closed_at: datetime | None = None  # when it was closed by hand; comments written offline before it are taken
    version: int = 1


class ArticleTally(Table, table=True):
    """Counts of an article's comments and reactions; an article without a row has none."""

    __tablename__ = "article_tally"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    comments: int = 0  # published comments
    inline: int = 0  # published comments on passages of the text
    reactions: dict[str, int] = Field(default_factory=dict, sa_type=sa.JSON)


class ArticlePeriod(Table, table=True):
    """What readers saw of an article for some time: a revision of it, at an address, with facts beside the text."""

    __tablename__ = "article_period"
    __table_args__ = (
        sa.Index("ix_article_period_article", "article_id", "from_at"),
        sa.Index("ix_article_period_slug", "slug", "from_at"),
        sa.Index("ix_article_period_listed", "listed_at", "article_id"),
        sa.Index("ix_article_period_updated", "updated_at", "article_id"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    from_at: datetime
    until_at: datetime | None = None  # null: they see it now
    revision: int
    slug: str = Field(max_length=200)
    featured: bool
    published_at: datetime | None
    listed_at: datetime
    updated_at: datetime
    facts: JsonObject = Field(sa_type=sa.JSON)  # the other columns that readers see; times as RFC 3339


class Preview(Table, table=True):
    """A link to an article's newest revision; only a hash of its token is stored."""

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)
    hash: str = Field(max_length=64, unique=True)
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


class ApprovalRule(Table, table=True):
    """Whether a section, or the site, publishes approved texts alone; subsections inherit the nearest rule."""

    __tablename__ = "approval_rule"

    target_id: str = Field(primary_key=True, sa_type=ID)  # section or SITE_ID: hence no foreign key
    required: bool | None = None  # null: inherited, with the other columns
    roles: list[str] | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # of approvers; null: any
    four_eyes: bool = False  # whether approval must be given by somebody who did not write the text
    version: int = 1


class ApprovalStep(Table, table=True):
    """A step of the approval of one revision; never changed, and deleted only with the article."""

    __tablename__ = "approval_step"
    __table_args__ = (sa.Index("ix_approval_step_article", "article_id", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    n: int  # the revision
    action: str = Field(max_length=10)  # submitted, approved, returned
    at: datetime
    note: str | None = None
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    person_id: str | None = Field(None, sa_type=ID)  # who signed in, or to whom the key belongs
    own: bool = False  # approved by somebody who wrote a part of the text
    roles: list[str] = Field(default_factory=list, sa_type=sa.JSON)  # that the approver had in the section


META_COLUMNS = ("title", "dek", "type", "language", "section_id", "series_id", "image_id", "authors", "tags")
TEXT_COLUMNS = ("html", "markdown", "text", "blocks", "excerpt", "word_count", "reading_minutes")


class Revision(Table, table=True):
    """One saved version of an article; never changed but for the time when readers first saw it."""

    __table_args__ = (
        sa.Index("ix_revision_actor", "actor_id", "article_id"),
        sa.Index("ix_revision_actor_name", "actor_name", "article_id"),
        partial_index("ix_revision_person", "person_id", "article_id", where="person_id IS NOT NULL"),
    )

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    n: int = Field(primary_key=True)
    created_at: datetime
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    person_id: str | None = Field(default=None, sa_type=ID)  # who saved it, signed in or by a key of theirs
    restored_from: int | None = None
    published_at: datetime | None = None  # when it first became public; null: never

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
    blocks: list[JsonObject] = Field(sa_type=sa.JSON)
    excerpt: str = Field(max_length=2000)
    word_count: int
    reading_minutes: int
