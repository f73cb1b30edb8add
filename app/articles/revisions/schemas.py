"""Revisions as editors read them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.articles.schemas import BodyOut, TermOut


class RevisionTermsOut(BaseModel):
    """What an article stood under: the ids that were saved, with the present slugs and names.

    A merged one is called what it went into; what was deleted is left out.
    """

    section: TermOut | None
    series: TermOut | None
    authors: list[TermOut]
    tags: list[TermOut]


class ChangedTermsOut(BaseModel):
    """One side of what differs in section, series, authors and tags, with present slugs and names."""

    section: TermOut | None
    series: TermOut | None
    authors: list[TermOut] | None = Field(description="Null where both sides have the same.")
    tags: list[TermOut] | None = Field(description="Null where both sides have the same.")


class RevisionOut(BaseModel):
    """One saved text, without its body in lists."""

    n: int = Field(description="1 for the first.")
    created_at: datetime
    actor_id: str | None = Field(description="Id of the key that saved it.")
    actor_name: str
    restored_from: int | None = Field(description="The revision that it brought back.")
    published: bool = Field(description="Whether it is the one published last.")
    title: str
    dek: str | None
    type: str
    language: str
    section_id: str | None
    series_id: str | None
    image_id: str | None
    authors: list[str] = Field(description="Ids.")
    tags: list[str] = Field(description="Ids.")
    terms: RevisionTermsOut = Field(description="The same section, series, authors and tags with their names.")
    word_count: int
    body: BodyOut | None = Field(None, description="In a single revision.")


class FieldChange(BaseModel):
    """A field that differs."""

    field: str
    old: Any
    new: Any


class BlockChange(BaseModel):
    """A block of the text that differs; `equal` ones are left out."""

    op: Literal["insert", "delete", "replace"]
    old_id: str | None
    new_id: str | None
    old: str | None = Field(description="Its plain text before.")
    new: str | None = Field(description="Its plain text after.")


class DiffOut(BaseModel):
    """What changed from one revision to another."""

    old: int = Field(description="Number of the earlier side, `against`.")
    new: int
    fields: list[FieldChange]
    old_terms: ChangedTermsOut = Field(description="What `fields` has of the earlier side as ids, with names.")
    new_terms: ChangedTermsOut
    blocks: list[BlockChange]
