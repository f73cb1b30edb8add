"""The moderation log at rest."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class ModerationLog(SQLModel, table=True):
    """One decision; neither text of comments nor addresses stand here."""

    __tablename__ = "moderation_log"
    __table_args__ = (
        sa.Index("ix_moderation_log_at", "at", "id"),
        sa.Index("ix_moderation_log_comment", "comment_id", "at", "id"),
        sa.Index("ix_moderation_log_article", "article_id", "at", "id"),
        sa.Index("ix_moderation_log_actor", "actor_id", "at", "id"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    at: datetime
    comment_id: str | None = Field(sa_type=ID)  # no key: what was decided is told also of what is gone
    article_id: str | None = Field(sa_type=ID)
    actor_kind: str = Field(max_length=20)  # key, system, guest, reader, anonymous, edit
    actor_id: str | None = Field(sa_type=ID)
    action: str = Field(max_length=40)
    state: str | None = Field(max_length=10)  # the comment's state from then on; null: it did not change
    reasons: list[dict[str, Any]] = Field(default_factory=list, sa_type=sa.JSON)  # [{stage, detail}]
    note: str | None = Field(None, max_length=2000)  # a moderator's words, for the author to read
