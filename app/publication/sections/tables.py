"""Sections at rest."""

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID
from app.publication.tables import Term, orders


class Section(Term, table=True):
    """A part of the publication."""

    __table_args__ = orders("section")

    description: str = Field("", max_length=2000)
    parent_id: str | None = Field(None, sa_type=ID, foreign_key="section.id", ondelete="RESTRICT", index=True)
    position: int = Field(0, sa_type=sa.BigInteger)  # as wide as the number in a cursor may be
    syndication: str = Field("full", max_length=10, sa_column_kwargs={"server_default": "full"})  # none … full


class SectionClosure(SQLModel, table=True):
    """Every section with each one that it is inside of, however deep, and with itself at depth 0."""

    __tablename__ = "section_closure"
    __table_args__ = (sa.Index("ix_section_closure_descendant", "descendant_id", "depth", "ancestor_id"),)

    ancestor_id: str = Field(primary_key=True, sa_type=ID, foreign_key="section.id", ondelete="CASCADE")
    descendant_id: str = Field(primary_key=True, sa_type=ID, foreign_key="section.id", ondelete="CASCADE")
    depth: int
