"""Reports at rest."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Report(SQLModel, table=True):
    """What one reader says of one comment or article; their words and e-mail are private."""

    __table_args__ = (
        sa.UniqueConstraint("target_id", "reporter", name="uq_report_reporter"),
        sa.Index("ix_report_state", "state", "created_at", "id"),
        sa.Index("ix_report_comment", "comment_id", "state"),
        sa.Index("ix_report_article", "article_id", "created_at", "id"),
        sa.Index("ix_report_reporter", "reporter", "state"),
        sa.Index("ix_report_address", "address_hash", "created_at"),
        sa.Index("ix_report_participant", "participant_id"),
        sa.Index("ix_report_email", "email"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    target_id: str = Field(sa_type=ID)  # the comment, or the article
    comment_id: str | None = Field(None, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    reporter: str = Field(max_length=80)  # who counts once: a proven participant, or whoever is behind an address
    participant_id: str | None = Field(None, sa_type=ID, foreign_key="participant.id", ondelete="SET NULL")
    address_hash: str | None = Field(None, max_length=64)
    reason: str = Field(max_length=20)
    text: str | None = Field(None, max_length=2000)
    email: str | None = Field(None, max_length=320)
    weight: int  # in tenths
    state: str = Field(max_length=10)  # open, upheld, dismissed
    created_at: datetime
    decided_at: datetime | None = None
