"""Tables of terms, notices, pictures and merges."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table
from app.db.rows import JsonObject
from app.text.collation import SORT_KEY, collation_key, fold_name
from app.text.confusables import skeleton


class Term(Table):
    """Columns of all terms that articles are filed under."""

    id: str = Field(primary_key=True, sa_type=ID)
    slug: str = Field(max_length=200, unique=True)
    name: str = Field(max_length=200)
    name_key: str = Field(default="", sa_type=SORT_KEY, sa_column_kwargs={"server_default": ""})  # sort key
    articles: int = Field(default=0, sa_type=sa.BigInteger)  # public ones; changed only by publication.tallies
    shown: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    """Articles that readers see now or at a set time; changed only by publication.tallies."""
    seo: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # title, description, robots
    canonical_url: str | None = Field(None, max_length=2048)
    version: int = 1
    created_at: datetime
    updated_at: datetime


@sa.event.listens_for(Term, "before_insert", propagate=True)
@sa.event.listens_for(Term, "before_update", propagate=True)
def _keep_name_key(_mapper: object, _connection: object, term: Term) -> None:
    """Update the sort key with the name."""
    term.name_key = collation_key(term.name)


class FormerSlug(Table, table=True):
    """A former slug of a term, which redirects to the present one."""

    __tablename__ = "former_slug"

    kind: str = Field(primary_key=True, max_length=10)  # section, tag, author, series
    slug: str = Field(primary_key=True, max_length=200)
    target_id: str = Field(sa_type=ID, index=True)  # of one of four tables: hence no foreign key
    created_at: datetime


def list_indexes(table: str) -> tuple[sa.Index, sa.Index]:
    """Return the indexes for lists of terms: by name, and by number of articles."""
    return sa.Index(f"ix_{table}_name", "name_key", "id"), sa.Index(f"ix_{table}_articles", "articles", "id")


class Section(Term, table=True):
    """A section of the publication; sections form a tree."""

    __table_args__ = list_indexes("section")

    description: str = Field("", max_length=2000)
    parent_id: str | None = Field(None, sa_type=ID, foreign_key="section.id", ondelete="RESTRICT", index=True)
    path: str = Field("", sa_type=sa.Text, sa_column_kwargs={"server_default": ""})
    """Slugs of its ancestors and its own, joined by slashes; changed only by publication.section_tree."""
    position: int = Field(0, sa_type=sa.BigInteger)  # as wide as the number in a cursor may be
    syndication: str = Field("full", max_length=10, sa_column_kwargs={"server_default": "full"})  # none … full


class SectionClosure(Table, table=True):
    """Each section with each of its ancestors, and with itself at depth 0."""

    __tablename__ = "section_closure"
    __table_args__ = (sa.Index("ix_section_closure_descendant", "descendant_id", "depth", "ancestor_id"),)

    ancestor_id: str = Field(primary_key=True, sa_type=ID, foreign_key="section.id", ondelete="CASCADE")
    descendant_id: str = Field(primary_key=True, sa_type=ID, foreign_key="section.id", ondelete="CASCADE")
    depth: int


class Tag(Term, table=True):
    """A subject of articles."""

    __table_args__ = list_indexes("tag")

    description: str = Field("", max_length=2000)


class Author(Term, table=True):
    """An author of articles."""

    __table_args__ = list_indexes("author")

    skeleton: str = Field(default="", max_length=200, index=True, sa_column_kwargs={"server_default": ""})
    """Of the name, to find names that look alike."""
    bio_html: str = ""
    bio_text: str = ""
    url: str | None = Field(None, max_length=2048)
    same_as: list[str] | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # their pages and profiles elsewhere
    image_id: str | None = Field(None, sa_type=ID, foreign_key="media.id", ondelete="RESTRICT", index=True)


@sa.event.listens_for(Author, "before_insert")
@sa.event.listens_for(Author, "before_update")
def _keep_skeleton(_mapper: object, _connection: object, author: Author) -> None:
    """Update the skeleton with the name."""
    author.skeleton = skeleton(author.name)


class Series(Term, table=True):
    """A series of articles."""

    __table_args__ = list_indexes("series")

    description: str = Field("", max_length=2000)


class Notice(Table, table=True):
    """A text shown with all articles of its scope."""

    __table_args__ = (sa.Index("ix_notice_target", "scope", "target_id"), sa.Index("ix_notice_new", "created_at", "id"))

    id: str = Field(primary_key=True, sa_type=ID)
    scope: str = Field(max_length=20)  # site, section, series, author, article
    target_id: str | None = Field(None, sa_type=ID)  # of one of several tables: hence no foreign key
    placement: str = Field(max_length=20)  # before, after, both
    html: str
    text: str
    position: int = 0
    version: int = 1
    created_at: datetime
    updated_at: datetime


class Media(Table, table=True):
    """A picture: its files are stored here, or it refers to a URL elsewhere."""

    __table_args__ = (sa.Index("ix_media_new", "created_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    state: str = Field(max_length=20)  # stored, reference (the file is elsewhere)
    mime: str | None = Field(default=None, max_length=100)
    width: int | None = None  # pixels
    height: int | None = None
    bytes: int | None = Field(default=None, sa_type=sa.BigInteger)
    sha256: str | None = Field(default=None, max_length=64, index=True)  # of the stored file
    key: str | None = Field(default=None, max_length=200, index=True)
    url: str | None = Field(default=None, max_length=2048)  # of a reference
    alt: str = Field(default="", max_length=2000)
    caption: str = Field(default="", max_length=2000)
    credit: str = Field(default="", max_length=300)
    renditions: list[JsonObject] = Field(default_factory=list, sa_type=sa.JSON)  # name, width, height, mime, key
    shown: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    """Articles with it that readers see now or at a set time; changed only by publication.tallies."""
    token: str | None = Field(default=None, max_length=32)  # signs the addresses of its renditions
    animated: bool | None = None  # null: not known, as it was stored by a release that did not look
    focal_x: float | None = None  # what crops keep in view, as a fraction of the width
    focal_y: float | None = None
    original: JsonObject | None = Field(
        default=None, sa_type=sa.JSON(none_as_null=True)
    )  # key, mime, bytes, sha256, location
    provenance: str | None = Field(default=None, max_length=20)  # manifest in the original: c2pa
    words: str = Field(
        default="", sa_type=sa.Text, sa_column_kwargs={"server_default": ""}
    )  # of its description, folded
    version: int = 1
    created_at: datetime
    updated_at: datetime


@sa.event.listens_for(Media, "before_insert")
@sa.event.listens_for(Media, "before_update")
def _keep_words(_mapper: object, _connection: object, media: Media) -> None:
    """Update the words with the description."""
    media.words = fold_name(f"{media.alt} {media.caption} {media.credit}")


class MediaUpload(Table, table=True):
    """An upload that was begun and whose file the client sends to the store itself."""

    __tablename__ = "media_upload"
    __table_args__ = (sa.Index("ix_media_upload_expiry", "expires_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    token: str = Field(max_length=32)  # in the address of the file, where that is on this server
    bytes: int = Field(sa_type=sa.BigInteger)  # announced
    description: JsonObject = Field(sa_type=sa.JSON)  # `MediaIn`
    media_id: str | None = Field(
        default=None, sa_type=ID
    )  # once it is finished; it may be deleted since, hence no foreign key
    created_at: datetime
    expires_at: datetime


class TermMerge(Table, table=True):
    """A merge of one term into another, or its removal; kept so that old revisions find the target."""

    __tablename__ = "term_merge"
    __table_args__ = (
        sa.Index("ix_term_merge_source", "source_id", unique=True),
        sa.Index("ix_term_merge_target", "target_id"),
        sa.Index("ix_term_merge_state", "state", "id"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    kind: str = Field(max_length=10)  # tag, author, series
    source_id: str = Field(sa_type=ID)
    source_slug: str = Field(max_length=200)
    target_id: str | None = Field(sa_type=ID)  # null: removed from its articles
    state: str = Field(max_length=10)  # running, done
    total: int  # articles of the source when it began
    done: int = 0  # articles moved so far
    actor_kind: str = Field(max_length=20)
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    person_id: str | None = Field(default=None, sa_type=ID)
    created_at: datetime
    finished_at: datetime | None = None


class Generation(Table, table=True):
    """The single row with the generation of cached article JSON; JSON of a smaller one is stale."""

    __tablename__ = "publication_stamp"

    id: int = Field(1, primary_key=True)
    n: int
    made_for: str = Field(max_length=64)  # the cache key of article JSON
