"""Saved texts."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID

META = ("title", "dek", "type", "language", "section_id", "series_id", "image_id", "authors", "tags")
TEXT = ("html", "markdown", "text", "blocks", "excerpt", "word_count", "reading_minutes")


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
