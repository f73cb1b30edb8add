"""Merges as they are asked for, and how far they are."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.kit.text import Identifier


class MergeIn(BaseModel):
    """What a term gives way to."""

    model_config = ConfigDict(extra="forbid")

    into: Identifier | None = Field(
        description="Slug or id of the one that takes its place; null: it is taken off its articles and deleted."
    )


class MergedTermOut(BaseModel):
    """The term that gives way."""

    id: str
    slug: str


class MergeOut(BaseModel):
    """A merge, and how far it is."""

    id: str
    kind: Literal["tag", "author", "series"]
    source: MergedTermOut
    into: str | None = Field(description="Id of the one that takes its place.")
    state: Literal["running", "done"]
    total: int = Field(description="Articles, in whatever state, that were under it when the merge began.")
    done: int = Field(description="Articles moved so far.")
    created_at: datetime
    finished_at: datetime | None


def present_merge(row: Any) -> dict[str, Any]:
    """A row in the shape of `MergeOut`."""
    return {**row, "source": {"id": row["source_id"], "slug": row["source_slug"]}, "into": row["target_id"]}
