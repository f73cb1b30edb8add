"""What a client did while it had no connection, in order, and what became of each."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.comments.editing.schemas import CommentPatch
from app.comments.posting.schemas import CommentIn
from app.comments.schemas import State
from app.kit.ids import AnyId, NewId
from app.kit.text import OneLine

Token = Annotated[str, OneLine, Field(max_length=200)]


class PostOp(BaseModel):
    """Post a comment. Its `id` is needed: with it the comment may be sent again."""

    model_config = ConfigDict(extra="forbid")

    op: Literal["post"]
    article: str = Field(min_length=1, max_length=200, description="Id or slug.")
    id: NewId = Field(description="A UUIDv7 made by the client.")
    comment: CommentIn


class _OwnOp(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: AnyId = Field(description="The comment.")
    edit_token: Token | None = Field(
        None, description="The token for this comment, where the caller's is not its author's."
    )


class EditOp(_OwnOp):
    """Change a comment."""

    op: Literal["edit"]
    changes: CommentPatch


class DeleteOp(_OwnOp):
    """Take a comment back."""

    op: Literal["delete"]


Op = Annotated[PostOp | EditOp | DeleteOp, Field(discriminator="op")]


class SyncIn(BaseModel):
    """Up to 50 operations."""

    model_config = ConfigDict(extra="forbid")

    operations: list[Op] = Field(min_length=1, max_length=50, description="In the order in which they were made.")


class SyncedOut(BaseModel):
    """What became of one operation."""

    op: Literal["post", "edit", "delete"]
    id: str
    status: int = Field(description="The HTTP status that the operation alone would have had.")
    state: State | None = Field(description="Of the comment, where the operation succeeded.")
    code: str | None = Field(description="Of the problem, where it did not.")
    detail: str | None
    retry_after: int | None = Field(description="Seconds after which it may succeed, where it was refused as too many.")
    edit_token: str | None = Field(description="Of a comment that was posted.")


class SyncOut(BaseModel):
    """One result for each operation, in the same order."""

    guest_token: str | None = Field(description="Of a guest who wrote for the first time; as in posting.")
    data: list[SyncedOut]
