"""What is known of the texts of public articles, and the links made from it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import BIG, ID


class RelatedTerm(SQLModel, table=True):
    """A stem in a language, and how many articles have it; the empty one is in all of the language."""

    __tablename__ = "related_term"
    __table_args__ = (sa.UniqueConstraint("language", "stem", name="uq_related_term"),)

    id: int | None = Field(None, primary_key=True, sa_type=BIG)
    language: str = Field(max_length=8)
    stem: str = Field(max_length=40)
    articles: int


class RelatedText(SQLModel, table=True):
    """A public article as others are compared with it; numbered, so that what lists it stays small."""

    __tablename__ = "related_text"
    __table_args__ = (
        sa.Index("ix_related_text_stale", "n", sqlite_where=sa.text("stale"), postgresql_where=sa.text("stale")),
        {"sqlite_autoincrement": True},
    )

    n: int | None = Field(None, primary_key=True, sa_type=BIG)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE", unique=True)
    revision: int  # whose title, language and text these are
    language: str = Field(max_length=8)
    listed_at: datetime
    author_id: str | None = Field(sa_type=ID)  # the first of the byline
    terms: list[list[Any]] = Field(sa_type=sa.JSON)  # [term, weight, as written], the strongest first
    signature: bytes  # tells near copies
    stale: bool  # its list is to be made anew, by the worker


class ArticleTerm(SQLModel, table=True):
    """Which texts have a term among their strongest: one short range of one index for each term."""

    __tablename__ = "article_term"
    __table_args__ = {"sqlite_with_rowid": False}

    term_id: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})
    n: int = Field(primary_key=True, sa_type=sa.BigInteger)  # of the text; removed with its row, by hand
    weight: int = Field(sa_type=sa.SmallInteger)  # of a vector of length 10,000


class RelatedLink(SQLModel, table=True):
    """A link that was found in the texts."""

    __tablename__ = "related_link"
    __table_args__ = {"sqlite_with_rowid": False}

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    target_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)
    deferred: bool  # its author has several before it: it stands behind the others
    score: int  # 0 to 10,000
    terms: list[str] = Field(sa_type=sa.JSON)  # shared, as the article itself writes them


class RelatedChoice(SQLModel, table=True):
    """That editors chose, and how often: what `If-Match` names; without a row, never."""

    __tablename__ = "related_choice"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    version: int


class RelatedPin(SQLModel, table=True):
    """A link that editors chose."""

    __tablename__ = "related_pin"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    target_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)
    position: int


class RelatedRebuild(SQLModel, table=True):
    """How far the rebuilding has come; without a row, there is none."""

    __tablename__ = "related_rebuild"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    step: str = Field(max_length=10)  # texts, weights
    after: str | None = Field(sa_type=ID)  # the article done last
