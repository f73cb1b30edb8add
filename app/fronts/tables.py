"""Fronts as editors have put them together."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID


class Front(SQLModel, table=True):
    """A front: what readers get, and what an editor is still trying; each a title and blocks, or null."""

    id: str = Field(primary_key=True, sa_type=ID)
    slug: str = Field(max_length=200, unique=True)
    published: dict[str, Any] | None = Field(None, sa_type=sa.JSON(none_as_null=True))
    draft: dict[str, Any] | None = Field(None, sa_type=sa.JSON(none_as_null=True))
    version: int = 1
    created_at: datetime
    updated_at: datetime
