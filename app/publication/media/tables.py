"""Media at rest: what is known of each picture; the files lie in the media store."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Media(SQLModel, table=True):
    """A picture: its files are ours, or somebody else's."""

    __table_args__ = (sa.Index("ix_media_new", "created_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    state: str = Field(max_length=20)  # stored; reference: only an address elsewhere is known
    mime: str | None = Field(None, max_length=100)
    width: int | None = None  # pixels
    height: int | None = None
    bytes: int | None = Field(None, sa_type=sa.BigInteger)
    sha256: str | None = Field(None, max_length=64, index=True)  # of the stored file
    key: str | None = Field(None, max_length=200, index=True)
    url: str | None = Field(None, max_length=2048)  # of a reference
    alt: str = Field("", max_length=2000)
    caption: str = Field("", max_length=2000)
    credit: str = Field("", max_length=300)
    renditions: list[dict[str, Any]] = Field(default_factory=list, sa_type=sa.JSON)  # name, width, height, mime, key
    shown: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    """Articles led by it that readers see now or will at a set time; moved by publication.tallies alone."""
    version: int = 1
    created_at: datetime
    updated_at: datetime
