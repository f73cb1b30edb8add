"""Tables of anchors and their history."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table


class Anchor(Table, table=True):
    """A passage: the immutable quote, and its place in the public text."""

    __table_args__ = (
        sa.UniqueConstraint("article_id", "quote_revision", "quote_start", "quote_end"),
        sa.Index("ix_anchor_place", "article_id", "start", "id"),
        sa.Index("ix_anchor_made_by", "made_by"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    kind: str = Field(max_length=10)  # passage, prompt
    question: str | None = Field(None, max_length=300)  # of a prompt
    made_by: str | None = Field(None, sa_type=ID)  # participant or key; never public
    created_at: datetime
    version: int = 1  # increases with changes by editors and new revisions; for If-Match
    comments: int = 0  # listed comments

    quote_revision: int
    quote_start: int  # code points
    quote_end: int
    exact: str | None = Field(sa_type=sa.Text)  # null after a redaction
    prefix: str | None = Field(sa_type=sa.Text)
    suffix: str | None = Field(sa_type=sa.Text)

    base_revision: int  # new revisions are compared with this place: the quote, or where an editor has moved it
    base_start: int
    base_end: int

    state: str = Field(max_length=10)  # anchored, moved, changed, orphaned, detached
    revision: int  # the public revision of this place
    block_id: str | None = Field(max_length=40)
    start: int  # in code points; the last place if it is orphaned or detached
    end: int
    redacted: bool = False


class AnchorResolution(Table, table=True):
    """The history of an anchor's places; append-only, without texts."""

    __tablename__ = "anchor_resolution"
    __table_args__ = (sa.Index("ix_anchor_resolution_anchor", "anchor_id", "at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    anchor_id: str = Field(sa_type=ID, foreign_key="anchor.id", ondelete="CASCADE")
    revision: int
    state: str = Field(max_length=10)
    method: str = Field(max_length=10)  # quote, shift, diff, exact, fuzzy, none, block (redacted), editor
    score: float
    block_id: str | None = Field(max_length=40)
    start: int | None
    end: int | None
    by: str | None = Field(None, sa_type=ID)  # the key of an editor; null for relocations
    at: datetime
