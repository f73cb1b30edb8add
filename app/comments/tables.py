"""Comments as one adjacency list: what every level, view and order needs stands on the row."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import BIG, ID

_IS_INLINE: dict[str, Any] = {
    "sqlite_where": sa.text("anchor_id IS NOT NULL"),
    "postgresql_where": sa.text("anchor_id IS NOT NULL"),
}
_HAS_EMAIL: dict[str, Any] = {
    "sqlite_where": sa.text("email IS NOT NULL"),
    "postgresql_where": sa.text("email IS NOT NULL"),
}


_IS_WITHDRAWN: dict[str, Any] = {
    "sqlite_where": sa.text("withdrawn_at IS NOT NULL"),
    "postgresql_where": sa.text("withdrawn_at IS NOT NULL"),
}


class Comment(SQLModel, table=True):
    """One comment. What it no longer may show is cleared, not only hidden."""

    __table_args__ = (
        # One set of indexes serves every level: `under_id` is the parent, or the article at the top.
        sa.Index("ix_comment_under", "under_id", "listed", "created_at", "id"),
        sa.Index("ix_comment_under_best", "under_id", "listed", "best", "id"),
        sa.Index("ix_comment_under_controversy", "under_id", "listed", "controversy", "id"),
        sa.Index("ix_comment_all", "article_id", "state", "created_at", "id"),
        sa.Index("ix_comment_all_best", "article_id", "state", "best", "id"),
        sa.Index("ix_comment_all_controversy", "article_id", "state", "controversy", "id"),
        sa.Index("ix_comment_inline", "article_id", "state", "created_at", "id", **_IS_INLINE),
        sa.Index("ix_comment_inline_best", "article_id", "state", "best", "id", **_IS_INLINE),
        sa.Index("ix_comment_inline_controversy", "article_id", "state", "controversy", "id", **_IS_INLINE),
        sa.Index("ix_comment_anchor", "anchor_id", "state", "created_at", "id", **_IS_INLINE),
        sa.Index("ix_comment_participant", "participant_id", "created_at"),
        sa.Index("ix_comment_email", "email", **_HAS_EMAIL),
        sa.Index("ix_comment_address", "address_hash", "created_at"),
        sa.Index("ix_comment_fingerprint", "fingerprint", "created_at"),
        sa.Index("ix_comment_state", "state", "created_at", "id"),
        sa.Index("ix_comment_withdrawn", "article_id", "withdrawn_at", "id", **_IS_WITHDRAWN),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    parent_id: str | None = Field(None, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE", index=True)
    root_id: str = Field(sa_type=ID)  # of a comment at the top, its own id
    under_id: str = Field(sa_type=ID)  # parent_id, or article_id at the top
    depth: int = 0
    anchor_id: str | None = Field(None, sa_type=ID)  # the passage it speaks of; rows of `anchors`
    state: str = Field(max_length=10)  # pending, published, rejected, spam, removed
    listed: bool  # has a place in its thread: published, or a tombstone that holds listed replies
    replies: int = 0  # listed direct replies
    featured: bool = False
    upvotes: int = 0
    downvotes: int = 0
    best: int = Field(0, sa_type=BIG)  # the score of `sort=best`, see comments.schemas
    controversy: int = Field(0, sa_type=BIG)

    participant_id: str | None = Field(sa_type=ID, foreign_key="participant.id", ondelete="SET NULL")
    author_id: str = Field(max_length=32)  # public: Participant.public_id; empty once erased
    author_name: str = Field(max_length=200)
    author_kind: str = Field(max_length=10)  # guest, reader, staff
    badges: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    email: str | None = Field(None, max_length=320)  # as typed with this comment; never public
    notify: str = Field("none", max_length=10)
    address_hash: str | None = Field(None, max_length=64)
    address_ranges: str | None = Field(None, max_length=130)  # hashes of the ranges it is in, where mail is asked for

    source: str = Field(sa_type=sa.Text)  # as written: what its author edits
    html: str = Field(sa_type=sa.Text)
    text: str = Field(sa_type=sa.Text)
    fingerprint: str = Field(max_length=32)  # of the words alone: what the same text posted again is known by
    request: str | None = Field(None, max_length=64)  # hash of what was posted under a client's id, for retries
    approved_text: bool = False  # a moderator has approved this very text
    version: int = 1
    created_at: datetime
    edited_at: datetime | None = None
    removed_by: str | None = Field(None, max_length=10)  # author or moderator, once it is removed
    withdrawn_at: datetime | None = None  # when readers last saw it, if they do no longer
    redacted_at: datetime | None = None  # when a moderator last took words out of it


class CommentRevision(SQLModel, table=True):
    """The text of a comment before a change: for moderators, and erased with the comment's text."""

    __tablename__ = "comment_revision"
    __table_args__ = (sa.UniqueConstraint("comment_id", "number"),)

    id: str = Field(primary_key=True, sa_type=ID)
    comment_id: str = Field(sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    number: int = Field(sa_type=BIG)  # from 1, the oldest
    replaced_at: datetime
    replaced_by: str = Field(max_length=10)  # author or moderator
    source: str = Field(sa_type=sa.Text)
    html: str = Field(sa_type=sa.Text)
    text: str = Field(sa_type=sa.Text)
