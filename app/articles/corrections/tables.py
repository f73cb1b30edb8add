"""What corrections said before they were changed or withdrawn."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class CorrectionVersion(SQLModel, table=True):
    """A correction as it stood until it was replaced or withdrawn; the present ones stand with the article."""

    __tablename__ = "correction_version"
    __table_args__ = (sa.Index("ix_correction_version_article", "article_id", "replaced_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    n: int  # its number among the article's corrections; numbers are not given twice
    kind: str = Field(max_length=20)
    text: str
    replaced_at: datetime
    change: str = Field(max_length=10)  # changed, withdrawn
    actor_id: str | None = Field(sa_type=ID)  # who replaced it
    actor_name: str = Field(max_length=200)
