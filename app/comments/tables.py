"""Tables of comments and their word index. A comment's row holds all that its level, views and sort orders need."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import BIG, ID, TSVECTOR, Table, gin_index, partial_index, table_of

_IS_INLINE = "anchor_id IS NOT NULL"


class Comment(Table, table=True):
    """A comment in an adjacency list. Content that may no longer be shown is deleted, not only hidden."""

    __table_args__ = (
        # One set of indexes serves every level: `under_id` is the parent, or the article at the top.
        sa.Index("ix_comment_under", "under_id", "listed", "created_at", "id"),
        sa.Index("ix_comment_under_best", "under_id", "listed", "best", "id"),
        sa.Index("ix_comment_under_controversy", "under_id", "listed", "controversy", "id"),
        sa.Index("ix_comment_all", "article_id", "state", "created_at", "id"),
        sa.Index("ix_comment_all_best", "article_id", "state", "best", "id"),
        sa.Index("ix_comment_all_controversy", "article_id", "state", "controversy", "id"),
        partial_index("ix_comment_inline", "article_id", "state", "created_at", "id", where=_IS_INLINE),
        partial_index("ix_comment_inline_best", "article_id", "state", "best", "id", where=_IS_INLINE),
        partial_index("ix_comment_inline_controversy", "article_id", "state", "controversy", "id", where=_IS_INLINE),
        partial_index("ix_comment_anchor", "anchor_id", "state", "created_at", "id", where=_IS_INLINE),
        sa.Index("ix_comment_participant", "participant_id", "created_at"),
        partial_index("ix_comment_email", "email", where="email IS NOT NULL"),
        sa.Index("ix_comment_address", "address_hash", "created_at"),
        sa.Index("ix_comment_fingerprint", "fingerprint", "created_at"),
        sa.Index("ix_comment_state", "state", "created_at", "id"),
        partial_index("ix_comment_risk", "state", "risk", "id", where="state = 'pending'"),
        partial_index("ix_comment_removed_in", "removed_in", "created_at", "id", where="removed_in IS NOT NULL"),
        partial_index("ix_comment_withdrawn", "article_id", "withdrawn_at", "id", where="withdrawn_at IS NOT NULL"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    parent_id: str | None = Field(None, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE", index=True)
    root_id: str = Field(sa_type=ID)  # the comment at the top of the thread, which may be this one
    under_id: str = Field(sa_type=ID)  # parent_id, or article_id at the top
    depth: int = 0
    anchor_id: str | None = Field(None, sa_type=ID)  # the passage it refers to, a row of `anchor`
    state: str = Field(max_length=10)  # pending, published, rejected, spam, removed
    listed: bool  # shown in its thread: published, or a tombstone with listed replies
    replies: int = 0  # listed direct replies
    featured: bool = False
    upvotes: int = 0
    downvotes: int = 0
    best: int = Field(0, sa_type=BIG)  # score for `sort=best`: comments.schemas.wilson_score
    controversy: int = Field(0, sa_type=BIG)

    participant_id: str | None = Field(sa_type=ID, foreign_key="participant.id", ondelete="SET NULL")
    author_id: str = Field(max_length=32)  # Participant.public_id; empty after erasure
    author_name: str = Field(max_length=200)
    author_kind: str = Field(max_length=10)  # guest, reader, staff
    badges: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    email: str | None = Field(None, max_length=320)  # as sent with this comment; never public
    notify: str = Field("none", max_length=10)
    address_hash: str | None = Field(None, max_length=64)
    # hashes of the address's network ranges, only where the author wants mail
    address_ranges: str | None = Field(None, max_length=130)

    source: str = Field(sa_type=sa.Text)  # Markdown as written, which its author edits
    html: str = Field(sa_type=sa.Text)
    text: str = Field(sa_type=sa.Text)
    fingerprint: str = Field(max_length=32)  # hash of the words alone, to recognise repeated texts
    request: str | None = Field(None, max_length=64)  # hash of the request with a client's id, to recognise retries
    approved_text: bool = False  # a moderator has approved the current text
    risk: int = Field(0, sa_column_kwargs={"server_default": "0"})  # 0 to 1,000, as the moderation pipeline judged it
    # posted by somebody under a shadow ban: its author sees it as published
    shadow: bool = Field(False, sa_column_kwargs={"server_default": sa.false()})
    removed_in: str | None = Field(None, sa_type=ID)  # the action on its author that removed it
    version: int = 1
    created_at: datetime
    edited_at: datetime | None = None
    removed_by: str | None = Field(None, max_length=10)  # author or moderator; null unless it is removed
    withdrawn_at: datetime | None = None  # when it stopped being public; null if it is public or never was
    redacted_at: datetime | None = None  # when a moderator last redacted it


class CommentRevision(Table, table=True):
    """A former text of a comment, for moderators. It is erased together with the comment's text."""

    __tablename__ = "comment_revision"
    __table_args__ = (sa.UniqueConstraint("comment_id", "number"),)

    id: str = Field(primary_key=True, sa_type=ID)
    comment_id: str = Field(sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    number: int = Field(sa_type=BIG)  # 1 is the oldest
    replaced_at: datetime
    replaced_by: str = Field(max_length=10)  # author or moderator
    source: str = Field(sa_type=sa.Text)
    html: str = Field(sa_type=sa.Text)
    text: str = Field(sa_type=sa.Text)


class CommentEntry(Table, table=True):
    """The entry of a comment in the word index, for moderators. It is deleted together with the comment's text."""

    __tablename__ = "comment_entry"
    __table_args__ = (
        gin_index("ix_comment_entry_vector", "vector").ddl_if("postgresql"),  # SQLite has the full-text table below
        {"sqlite_autoincrement": True},
    )

    key: int | None = Field(None, primary_key=True, sa_type=BIG)  # in the order of indexing
    comment_id: str = Field(sa_type=ID, foreign_key="comment.id", ondelete="CASCADE", unique=True)
    vector: str = Field(sa_type=sa.Text().with_variant(TSVECTOR, "postgresql"))  # the words


# SQLite's full-text table follows the entries by triggers, also where the database deletes them with an article. It
# overwrites deleted words (`secure-delete`), and its tokenizer `ascii` keeps the prepared words as they are.
CREATE_WORDS = (
    "CREATE VIRTUAL TABLE comment_words USING fts5"
    "(vector, content='comment_entry', content_rowid='key', detail=none, tokenize='ascii')",
    "INSERT INTO comment_words (comment_words, rank) VALUES ('secure-delete', 1)",
    "CREATE TRIGGER comment_entry_inserted AFTER INSERT ON comment_entry "
    "BEGIN INSERT INTO comment_words (rowid, vector) VALUES (new.key, new.vector); END",
    "CREATE TRIGGER comment_entry_deleted AFTER DELETE ON comment_entry "
    "BEGIN INSERT INTO comment_words (comment_words, rowid, vector) VALUES ('delete', old.key, old.vector); END",
)
ENTRY = table_of(CommentEntry)


def _create_words(_table: sa.Table, connection: sa.Connection, **_options: object) -> None:
    for statement in CREATE_WORDS if connection.dialect.name == "sqlite" else ():
        connection.exec_driver_sql(statement)


sa.event.listen(ENTRY, "after_create", _create_words)
WORDS = sa.table("comment_words", *(sa.column(name) for name in ("rowid", "comment_words")))
