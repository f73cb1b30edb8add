"""What moderation keeps of a comment, and who works on it."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class ModerationCase(SQLModel, table=True):
    """A comment that was reported, appealed or decided about: what the queue is ordered by stands on the row."""

    __tablename__ = "moderation_case"
    __table_args__ = (
        sa.Index(
            "ix_moderation_case_waits",
            "commented_at",
            "comment_id",
            sqlite_where=sa.text("waits = 1"),
            postgresql_where=sa.text("waits"),
        ),
    )

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    commented_at: datetime  # the comment's created_at
    reports: int = 0  # open ones
    weight: int = 0  # of the open ones, in tenths
    appealed: bool = False
    waits: bool = False  # reported or appealed
    verdict: str | None = Field(None, max_length=10)  # approved or rejected: what its author's trust was moved by


class ModerationLease(SQLModel, table=True):
    """A comment that one moderator works on until a time."""

    __tablename__ = "moderation_lease"

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    key_id: str = Field(sa_type=ID)
    until: datetime
