"""Preview links at rest."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Preview(SQLModel, table=True):
    """A link that shows one article's newest revision; the token itself is not kept."""

    id: str = Field(primary_key=True, sa_type=ID)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)
    hash: str = Field(max_length=64, unique=True)
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
