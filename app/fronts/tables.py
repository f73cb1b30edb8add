"""The table of fronts."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID
from app.db.rows import JsonObject


class Front(SQLModel, table=True):
    """A front: its published version and its draft, each a title and blocks, or null."""

    id: str = Field(primary_key=True, sa_type=ID)
    slug: str = Field(max_length=200, unique=True)
    published: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))
    draft: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))
    version: int = 1
    created_at: datetime
    updated_at: datetime
