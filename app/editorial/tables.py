"""Tables of notes, tasks and locks."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table, partial_index


class Note(Table, table=True):
    """A note on an article or on a passage of one of its revisions; replies have a parent."""

    __table_args__ = (sa.Index("ix_note_article", "article_id", "created_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    parent_id: str | None = Field(None, sa_type=ID, foreign_key="note.id", ondelete="CASCADE", index=True)
    text: str
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    person_id: str | None = Field(None, sa_type=ID, index=True)
    created_at: datetime
    edited_at: datetime | None = None
    assignee_id: str | None = Field(None, sa_type=ID)  # a person
    done_at: datetime | None = None
    done_by: str | None = Field(default=None, max_length=200)  # the name at that time
    done_by_id: str | None = Field(default=None, sa_type=ID)  # the person, or a key of nobody; null: of former releases
    version: int = 1

    quote_revision: int | None = None  # the revision of the passage; null: about the article as a whole
    quote_start: int | None = None  # code points
    quote_end: int | None = None
    exact: str | None = None
    prefix: str | None = None
    suffix: str | None = None


class Task(Table, table=True):
    """Something to be done, for an article or not."""

    __table_args__ = (
        sa.Index("ix_task_due", "done", "due_order", "id"),
        sa.Index("ix_task_assignee", "assignee_id", "done", "due_order", "id"),
        partial_index("ix_task_remind", "remind_at", where="remind_at IS NOT NULL"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    title: str = Field(max_length=300)
    article_id: str | None = Field(None, sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)
    assignee_id: str | None = Field(None, sa_type=ID)  # a person
    due_at: datetime | None = None
    due_order: datetime  # due_at, or a time after all others
    remind_at: datetime | None = None  # due_at, until it was told that this has come, or the task is done
    done: bool = False
    done_at: datetime | None = None
    done_by: str | None = Field(default=None, max_length=200)  # the name at that time
    done_by_id: str | None = Field(default=None, sa_type=ID)  # the person, or a key of nobody; null: of former releases
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    person_id: str | None = Field(None, sa_type=ID, index=True)
    created_at: datetime
    version: int = 1


class ArticleLock(Table, table=True):
    """Who edits an article now; it prevents nothing."""

    __tablename__ = "article_lock"
    __table_args__ = (sa.Index("ix_article_lock_expires", "expires_at", "article_id"),)

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    person_id: str | None = Field(default=None, sa_type=ID, index=True)
    since: datetime
    expires_at: datetime
