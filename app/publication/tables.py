"""What sections, tags, authors and series have in common at rest."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID
from app.text.collation import SORT_KEY, collation_key


class Term(SQLModel):
    """The columns of everything that articles are sorted under."""

    id: str = Field(primary_key=True, sa_type=ID)
    slug: str = Field(max_length=200, unique=True)
    name: str = Field(max_length=200)
    name_key: str = Field(default="", sa_type=SORT_KEY, sa_column_kwargs={"server_default": ""})  # alphabetical order
    articles: int = Field(default=0, sa_type=sa.BigInteger)  # public ones; moved by publication.tallies alone
    shown: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    """Articles that readers see now or will at a set time; moved by publication.tallies alone."""
    version: int = 1
    created_at: datetime
    updated_at: datetime


@sa.event.listens_for(Term, "before_insert", propagate=True)
@sa.event.listens_for(Term, "before_update", propagate=True)
def _keep_name_key(_mapper: object, _connection: object, term: Term) -> None:
    """Whoever names a term, its place in the alphabet goes along."""
    term.name_key = collation_key(term.name)


class FormerSlug(SQLModel, table=True):
    """A slug that a section, tag, author or series had before: it leads on to the one it has now."""

    __tablename__ = "former_slug"

    kind: str = Field(primary_key=True, max_length=10)  # section, tag, author, series
    slug: str = Field(primary_key=True, max_length=200)
    target_id: str = Field(sa_type=ID, index=True)  # of one of four tables: hence no key
    created_at: datetime


def list_indexes(table: str) -> tuple[sa.Index, sa.Index]:
    """Indexes for the lists of a table of terms: by name, and by number of articles."""
    return sa.Index(f"ix_{table}_name", "name_key", "id"), sa.Index(f"ix_{table}_articles", "articles", "id")


class Section(Term, table=True):
    """A part of the publication."""

    __table_args__ = list_indexes("section")

    description: str = Field("", max_length=2000)
    parent_id: str | None = Field(None, sa_type=ID, foreign_key="section.id", ondelete="RESTRICT", index=True)
    position: int = Field(0, sa_type=sa.BigInteger)  # as wide as the number in a cursor may be
    syndication: str = Field("full", max_length=10, sa_column_kwargs={"server_default": "full"})  # none … full


class SectionClosure(SQLModel, table=True):
    """Every section with each one that it is inside of, however deep, and with itself at depth 0."""

    __tablename__ = "section_closure"
    __table_args__ = (sa.Index("ix_section_closure_descendant", "descendant_id", "depth", "ancestor_id"),)

    ancestor_id: str = Field(primary_key=True, sa_type=ID, foreign_key="section.id", ondelete="CASCADE")
    descendant_id: str = Field(primary_key=True, sa_type=ID, foreign_key="section.id", ondelete="CASCADE")
    depth: int


class Tag(Term, table=True):
    """A subject."""

    __table_args__ = list_indexes("tag")

    description: str = Field("", max_length=2000)


class Author(Term, table=True):
    """Somebody who writes."""

    __table_args__ = list_indexes("author")

    skeleton: str = Field(max_length=200, index=True, sa_column_kwargs={"server_default": ""})  # of the name
    bio_html: str = ""
    bio_text: str = ""
    url: str | None = Field(None, max_length=2048)
    image_id: str | None = Field(None, sa_type=ID, foreign_key="media.id", ondelete="RESTRICT", index=True)


class Series(Term, table=True):
    """Articles that belong together."""

    __table_args__ = list_indexes("series")

    description: str = Field("", max_length=2000)


class Notice(SQLModel, table=True):
    """Words that stand with every article of a scope."""

    __table_args__ = (sa.Index("ix_notice_target", "scope", "target_id"), sa.Index("ix_notice_new", "created_at", "id"))

    id: str = Field(primary_key=True, sa_type=ID)
    scope: str = Field(max_length=20)  # site, section, series, author, article
    target_id: str | None = Field(None, sa_type=ID)  # of what the scope says; it may be an article, hence no key
    placement: str = Field(max_length=20)  # before, after, both
    html: str
    text: str
    position: int = 0
    version: int = 1
    created_at: datetime
    updated_at: datetime


class Media(SQLModel, table=True):
    """A picture: its files are ours, or somebody else's."""

    __table_args__ = (sa.Index("ix_media_new", "created_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    state: str = Field(max_length=20)  # stored; reference: only an address elsewhere is known
    mime: str | None = Field(None, max_length=100)
    width: int | None = None  # pixels
    height: int | None = None
    bytes: int | None = Field(None, sa_type=sa.BigInteger)
    sha256: str | None = Field(None, max_length=64, index=True)  # of the stored file
    key: str | None = Field(None, max_length=200, index=True)
    url: str | None = Field(None, max_length=2048)  # of a reference
    alt: str = Field("", max_length=2000)
    caption: str = Field("", max_length=2000)
    credit: str = Field("", max_length=300)
    renditions: list[dict[str, Any]] = Field(default_factory=list, sa_type=sa.JSON)  # name, width, height, mime, key
    shown: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    """Articles led by it that readers see now or will at a set time; moved by publication.tallies alone."""
    version: int = 1
    created_at: datetime
    updated_at: datetime


class TermMerge(SQLModel, table=True):
    """One term that gives way to another, or to none; kept for good, so that old revisions find the other one."""

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
    target_id: str | None = Field(sa_type=ID)  # null: taken off its articles
    state: str = Field(max_length=10)  # running, done
    total: int  # articles that were under the source when it began
    done: int = 0  # articles changed so far
    actor_kind: str = Field(max_length=20)
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    created_at: datetime
    finished_at: datetime | None = None


class Generation(SQLModel, table=True):
    """The only row; a card made under a smaller number may be out of date."""

    __tablename__ = "publication_stamp"

    id: int = Field(1, primary_key=True)
    n: int
    made_for: str = Field(max_length=64)  # what else cards depend on: the site's addresses, the form of a card
