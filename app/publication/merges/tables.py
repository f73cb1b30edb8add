"""Merges of terms at rest."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


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
