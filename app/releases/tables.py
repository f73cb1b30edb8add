"""Tables of releases and their items."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table
from app.db.rows import JsonObject


class Release(Table, table=True):
    """A set of changes that are published together."""

    __table_args__ = (
        sa.Index("ix_release_created", "created_at", "id"),
        sa.Index("ix_release_state", "state", "created_at", "id"),
        sa.Index("ix_release_due", "due_at"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    name: str = Field(max_length=200)
    note: str | None = Field(None, max_length=2000)
    state: str = Field("open", max_length=12)  # open, scheduled, published, failed, rolled_back
    version: int = 1
    created_at: datetime
    updated_at: datetime
    actor_id: str | None = Field(sa_type=ID)  # who made it
    actor_name: str = Field(max_length=200)
    scheduled_at: datetime | None = None
    scheduled_by: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # kind, id and name of the caller
    due_at: datetime | None = None  # when the worker publishes it, or tries again
    published_at: datetime | None = None
    rolled_back_at: datetime | None = None
    failure: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # when and why it was not published


class ReleaseItem(Table, table=True):
    """One change of a release, with what stood there before it was published."""

    __tablename__ = "release_item"
    __table_args__ = (
        sa.UniqueConstraint("release_id", "subject"),
        sa.Index("ix_release_item_order", "release_id", "position", "id"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    release_id: str = Field(sa_type=ID, foreign_key="release.id", ondelete="CASCADE")
    position: int
    op: str = Field(max_length=20)
    subject: str = Field(max_length=600)  # what it changes: `article:{id}`, `front:{slug}`; once in a release
    article_id: str | None = Field(None, sa_type=ID, index=True)  # without foreign key: a deleted article fails a check
    revision: int | None = None  # the pinned one
    target: str | None = Field(None, max_length=200)  # id of a notice or redirect, id or slug of a front
    body: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # as it was sent
    before: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # what rolling back restores
    after: JsonObject | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # by which a later change is noticed


class ReleasePreview(Table, table=True):
    """A link that shows what readers would see after a release; only a hash of its token is stored."""

    __tablename__ = "release_preview"

    id: str = Field(primary_key=True, sa_type=ID)
    release_id: str = Field(sa_type=ID, foreign_key="release.id", ondelete="CASCADE", index=True)
    hash: str = Field(max_length=64, unique=True)
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
