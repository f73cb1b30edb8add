"""What was imported, from where, so that importing again changes only what is new."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID


class ImportSource(SQLModel, table=True):
    """Which row here came from which thing elsewhere."""

    __tablename__ = "import_source"
    __table_args__ = (sa.Index("ix_import_source_local", "local_id"),)

    source: str = Field(primary_key=True, max_length=300)  # such as `wordpress:site.example`
    kind: str = Field(primary_key=True, max_length=20)  # author, category, tag, attachment, post, comment, reader
    foreign_id: str = Field(primary_key=True, max_length=300)  # its number or name there, or a hash of that
    local_id: str = Field(sa_type=ID)  # stays when the row is deleted here: what was thrown away does not come back
    fingerprint: str = Field(max_length=64)  # SHA-256 of all that was taken from it


class ImportExtra(SQLModel, table=True):
    """Something of an import that has no place here yet, such as an entry of a menu, as data for what comes later."""

    __tablename__ = "import_extra"

    source: str = Field(primary_key=True, max_length=300)
    kind: str = Field(primary_key=True, max_length=20)
    foreign_id: str = Field(primary_key=True, max_length=300)
    data: dict[str, Any] = Field(sa_type=sa.JSON)
