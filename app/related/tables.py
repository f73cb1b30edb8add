"""Tables of related articles."""

from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import BIG, ID, Table, partial_index

StoredTerm: TypeAlias = tuple[int, int, str]
"""The id of a term, its weight, and the form in the text; in JSON an array."""


class RelatedTerm(Table, table=True):
    """A stem in a language with its number of articles; the empty stem counts all articles of the language."""

    __tablename__ = "related_term"
    __table_args__ = (sa.UniqueConstraint("language", "stem", name="uq_related_term"),)

    id: int | None = Field(None, primary_key=True, sa_type=BIG)
    language: str = Field(max_length=8)
    stem: str = Field(max_length=40)
    articles: int


class RelatedText(Table, table=True):
    """The terms of a public article; `n` keeps rows of `article_term` small."""

    __tablename__ = "related_text"
    __table_args__ = (
        partial_index("ix_related_text_stale", "n", where="stale"),
        {"sqlite_autoincrement": True},
    )

    n: int | None = Field(None, primary_key=True, sa_type=BIG)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE", unique=True)
    revision: int  # of the title, language and text
    language: str = Field(max_length=8)
    listed_at: datetime
    author_id: str | None = Field(sa_type=ID)  # the first author
    terms: list[StoredTerm] = Field(sa_type=sa.JSON)  # the strongest first
    signature: bytes  # identifies near copies
    stale: bool  # whether the worker has to rebuild its list of links


class ArticleTerm(Table, table=True):
    """A term of a text; the texts of a term are one range of the primary key."""

    __tablename__ = "article_term"
    __table_args__ = ({"sqlite_with_rowid": False},)

    term_id: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})
    n: int = Field(primary_key=True, sa_type=sa.BigInteger)  # of the text; deleted with its row by the code
    weight: int = Field(sa_type=sa.SmallInteger)  # of a vector of length 10,000


class RelatedLink(Table, table=True):
    """A link between similar texts."""

    __tablename__ = "related_link"
    __table_args__ = ({"sqlite_with_rowid": False},)

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    target_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)
    deferred: bool  # listed after the others, as several links before it have the same author
    score: int  # 0 to 10,000
    terms: list[str] = Field(sa_type=sa.JSON)  # shared terms in the forms of the article


class RelatedChoice(Table, table=True):
    """The version of the pinned articles for `If-Match`; without a row it is 0."""

    __tablename__ = "related_choice"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    version: int


class RelatedPin(Table, table=True):
    """An article pinned by editors."""

    __tablename__ = "related_pin"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    target_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)
    position: int


class RelatedRebuild(Table, table=True):
    """The progress of a rebuild; without a row none is running."""

    __tablename__ = "related_rebuild"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    step: str = Field(max_length=10)  # texts, weights
    after: str | None = Field(sa_type=ID)  # the last processed article
