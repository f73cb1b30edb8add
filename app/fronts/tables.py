"""The table of fronts."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table
from app.db.rows import JsonObject


class Front(Table, table=True):
    """A front: its published version and its draft, each a title and blocks, or null."""

    id: str = Field(primary_key=True, sa_type=ID)
    slug: str = Field(max_length=200, unique=True)
    published: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))
    draft: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))
    version: int = 1
    created_at: datetime
    updated_at: datetime


class FrontPeriod(Table, table=True):
    """What readers saw of a front for some time."""

    __tablename__ = "front_period"
    __table_args__ = (
        sa.Index("ix_front_period_front", "front_id", "from_at"),
        sa.Index("ix_front_period_slug", "slug", "from_at"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    front_id: str = Field(sa_type=ID)  # without foreign key: the past of a deleted front stays
    slug: str = Field(max_length=200)
    from_at: datetime
    until_at: datetime | None = None  # null: they see it now
    shown: JsonObject = Field(sa_type=sa.JSON)  # the published version
