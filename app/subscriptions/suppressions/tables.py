"""Suppressions at rest."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Suppression(SQLModel, table=True):
    """An address that gets no mail. Only its hash is kept: it outlives everything else that was known of it."""

    __table_args__ = (sa.Index("ix_suppression_new", "created_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    address: str = Field(max_length=64, unique=True)  # SHA-256
    reason: str = Field(max_length=12)  # unsubscribe, bounce, complaint
    created_at: datetime
    created_by: str | None = Field(None, sa_type=ID)  # the key of staff
