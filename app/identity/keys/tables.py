"""API keys at rest."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class ApiKey(SQLModel, table=True):
    """A key: everything but the key itself."""

    __tablename__ = "api_key"

    id: str = Field(primary_key=True, sa_type=ID)
    name: str = Field(max_length=200)
    skeleton: str = Field(max_length=200, index=True, sa_column_kwargs={"server_default": ""})  # of the name
    hint: str = Field(max_length=20)  # its first characters, so that people can tell keys apart
    hash: str = Field(max_length=64, unique=True)  # SHA-256: the key has 256 random bits, a slow hash adds nothing
    scopes: list[str] = Field(sa_type=sa.JSON)
    sections: list[str] | None = Field(sa_type=sa.JSON(none_as_null=True))
    quota_minute: int | None = None  # requests; null: as many as any key
    quota_day: int | None = None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
