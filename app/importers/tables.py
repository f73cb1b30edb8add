"""Tables of imports."""

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table
from app.db.rows import JsonObject


class ImportSource(Table, table=True):
    """A row of the ledger: a thing of a source and the row that was imported from it."""

    __tablename__ = "import_source"
    __table_args__ = (sa.Index("ix_import_source_local", "local_id"),)

    source: str = Field(primary_key=True, max_length=300)  # such as `wordpress:site.example`
    kind: str = Field(primary_key=True, max_length=20)  # author, category, tag, attachment, post, comment, reader
    foreign_id: str = Field(primary_key=True, max_length=300)  # its id or name in the source, or a hash of it
    local_id: str = Field(sa_type=ID)  # stays when the row is deleted, so that it is not imported again
    fingerprint: str = Field(max_length=64)  # SHA-256 of the imported values


class ImportExtra(Table, table=True):
    """A part of an export that Broadsheet has no model for, such as a menu entry, kept as JSON."""

    __tablename__ = "import_extra"

    source: str = Field(primary_key=True, max_length=300)
    kind: str = Field(primary_key=True, max_length=20)
    foreign_id: str = Field(primary_key=True, max_length=300)
    data: JsonObject = Field(sa_type=sa.JSON)
