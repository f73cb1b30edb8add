"""What readers did, by the hour, and its sums over the last days: what lists of the most discussed are ordered by."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID

DAYS = (1, 7, 30)
KINDS = ("comments", "reactions")


class ArticleActivity(SQLModel, table=True):
    """Sums over the last days of an article; without a row, nothing happened."""

    __tablename__ = "article_activity"
    __table_args__ = tuple(
        sa.Index(f"ix_article_activity_{kind}_{days}d", f"{kind}_{days}d", "article_id")
        for kind in KINDS
        for days in DAYS
    )

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    comments_1d: int = 0
    comments_7d: int = 0
    comments_30d: int = 0
    reactions_1d: int = 0
    reactions_7d: int = 0
    reactions_30d: int = 0


class ActivityHour(SQLModel, table=True):
    """What was written or chosen in one hour and still stands; gone after the last of the windows."""

    __tablename__ = "activity_hour"

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    hour: datetime = Field(primary_key=True)  # its beginning
    comments: int = 0
    reactions: int = 0
    passed: int = 0  # how many of the windows it has left already
    due_at: datetime = Field(index=True)  # when it leaves the next one
