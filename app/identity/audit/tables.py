"""The audit log."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Audit(SQLModel, table=True):
    """One action; rows are added and never changed."""

    __table_args__ = (
        sa.Index("ix_audit_at", "at", "id"),
        sa.Index("ix_audit_subject", "subject_id", "at", "id"),
        sa.Index("ix_audit_kind", "subject_kind", "at", "id"),
        sa.Index("ix_audit_actor", "actor_id", "at", "id"),
        sa.Index("ix_audit_action", "action", "at", "id"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    at: datetime
    actor_kind: str = Field(max_length=20)
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    action: str = Field(max_length=60)
    subject_kind: str = Field(max_length=40)
    subject_id: str | None = Field(sa_type=ID)
    detail: dict[str, Any] = Field(sa_type=sa.JSON)
