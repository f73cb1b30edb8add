"""Tables of early access of partners, and of what they read."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table


class EarlyReader(Table, table=True):
    """A key that may read an article before it is public."""

    __tablename__ = "early_reader"
    __table_args__ = (sa.Index("ix_early_reader_key", "key_id", "named_at", "article_id"),)

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    key_id: str = Field(primary_key=True, sa_type=ID, foreign_key="api_key.id", ondelete="CASCADE")
    named_at: datetime


class Fetch(Table, table=True):
    """A revision of an article that a partner's key read; kept when the article is deleted."""

    __tablename__ = "partner_fetch"
    __table_args__ = (
        sa.UniqueConstraint("article_id", "key_id", "revision", name="uq_partner_fetch"),
        sa.Index("ix_partner_fetch_article", "article_id", "last_at", "id"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID)
    key_id: str = Field(sa_type=ID)
    revision: int
    level: str = Field(max_length=10)  # headline, excerpt or full, the last time
    first_at: datetime
    last_at: datetime
    times: int
