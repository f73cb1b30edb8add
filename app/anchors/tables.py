"""Passages of articles and where they were found."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID


class Anchor(SQLModel, table=True):
    """A passage as it was quoted, which never changes, and where it stands in the public text."""

    __table_args__ = (
        sa.UniqueConstraint("article_id", "quote_revision", "quote_start", "quote_end"),
        sa.Index("ix_anchor_place", "article_id", "start", "id"),
        sa.Index("ix_anchor_made_by", "made_by"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    kind: str = Field(max_length=10)  # passage: a reader marked it; prompt: an editor asks about it
    question: str | None = Field(None, max_length=300)  # of a prompt
    made_by: str | None = Field(None, sa_type=ID)  # participant or key; never public
    created_at: datetime
    version: int = 1  # +1 with all that editors and new texts change: what If-Match names
    comments: int = 0  # listed comments that speak of it

    quote_revision: int
    quote_start: int  # code points
    quote_end: int
    exact: str | None = Field(sa_type=sa.Text)  # null once an editor has blacked it out
    prefix: str | None = Field(sa_type=sa.Text)
    suffix: str | None = Field(sa_type=sa.Text)

    base_revision: int  # what new texts are compared with: the quote, or where an editor has put it since
    base_start: int
    base_end: int

    state: str = Field(max_length=10)  # anchored, moved, changed, orphaned, detached
    revision: int  # the public text that this was found out for
    block_id: str | None = Field(max_length=40)
    start: int  # code points of that text; while it is orphaned or detached, where it stood last
    end: int
    redacted: bool = False


class AnchorResolution(SQLModel, table=True):
    """Where an anchor was found when that changed; rows are added and never changed. Holds no text."""

    __tablename__ = "anchor_resolution"
    __table_args__ = (sa.Index("ix_anchor_resolution_anchor", "anchor_id", "at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    anchor_id: str = Field(sa_type=ID, foreign_key="anchor.id", ondelete="CASCADE")
    revision: int
    state: str = Field(max_length=10)
    method: str = Field(max_length=10)  # quote, shift, diff, exact, fuzzy, none; block of a redacted one; editor
    score: float
    block_id: str | None = Field(max_length=40)
    start: int | None
    end: int | None
    by: str | None = Field(None, sa_type=ID)  # the key of an editor; null: the text itself
    at: datetime
