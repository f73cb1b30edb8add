"""How discussions are set, and their counters: what lists of articles show without looking at a comment."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID

SITE = "00000000-0000-0000-0000-000000000000"  # the target of what counts for the whole publication


class Discussion(SQLModel, table=True):
    """What was set for an article, a section or the site; null takes what is set above it."""

    target_id: str = Field(primary_key=True, sa_type=ID)  # of an article or a section, or SITE: hence no key
    state: str | None = Field(None, max_length=10)  # open, closed, hidden
    prompt: str | None = Field(None, max_length=300)  # empty: none
    moderation: str | None = Field(None, max_length=10)  # post, pre
    close_after_days: int | None = None  # after published_at; 0: never
    closes_at: datetime | None = None  # of articles alone; goes before close_after_days
    closed_at: datetime | None = None  # by hand: what was written before it may still be on its way
    version: int = 1


class ArticleTally(SQLModel, table=True):
    """What readers did with an article, counted; without a row, nothing."""

    __tablename__ = "article_tally"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    comments: int = 0  # those that are published
    inline: int = 0  # of these, the ones on passages of the text
    reactions: dict[str, int] = Field(default_factory=dict, sa_type=sa.JSON)
