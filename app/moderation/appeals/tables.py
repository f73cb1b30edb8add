"""Appeals at rest."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Appeal(SQLModel, table=True):
    """An author's one appeal against one decision."""

    __table_args__ = (sa.UniqueConstraint("comment_id", "decision_id", name="uq_appeal_decision"),)

    id: str = Field(primary_key=True, sa_type=ID)
    comment_id: str = Field(sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    decision_id: str = Field(sa_type=ID)  # entry of the moderation log; the comment's id where there is none
    text: str = Field(max_length=2000)
    state: str = Field(max_length=10)  # open, granted, declined
    answer: str | None = Field(None, max_length=2000)
    created_at: datetime
    answered_at: datetime | None = None
