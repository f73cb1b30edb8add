"""Notices at rest."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Notice(SQLModel, table=True):
    """Words that stand with every article of a scope."""

    __table_args__ = (sa.Index("ix_notice_target", "scope", "target_id"), sa.Index("ix_notice_new", "created_at", "id"))

    id: str = Field(primary_key=True, sa_type=ID)
    scope: str = Field(max_length=20)  # site, section, series, author, article
    target_id: str | None = Field(None, sa_type=ID)  # of what the scope says; it may be an article, hence no key
    placement: str = Field(max_length=20)  # before, after, both
    html: str
    text: str
    position: int = 0
    version: int = 1
    created_at: datetime
    updated_at: datetime
