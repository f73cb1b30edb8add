"""Decisions as they come in and are answered."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.kit.ids import AnyId
from app.moderation.schemas import CommentState, Words

Action = Literal["approve", "reject", "spam", "remove", "restore"]
ACTIONS: tuple[Action, ...] = get_args(Action)

# What each decision makes of a comment, and in which states it may be made. A comment that its author has removed
# stays so; one that has the state already is left as it is.
MACHINE: dict[Action, tuple[CommentState, frozenset[CommentState]]] = {
    "approve": ("published", frozenset({"pending", "rejected", "spam"})),
    "reject": ("rejected", frozenset({"pending", "published", "spam"})),
    "spam": ("spam", frozenset({"pending", "published", "rejected"})),
    "remove": ("removed", frozenset({"pending", "published"})),
    "restore": ("published", frozenset({"removed", "rejected", "spam"})),
}


class DecisionBulkIn(BaseModel):
    """One decision about several comments."""

    model_config = ConfigDict(extra="forbid")

    ids: list[AnyId] = Field(min_length=1, max_length=100, description="Ids of comments, 1 to 100.")
    action: Action
    reason: Words | None = Field(None, description="For the log, and for the comments' authors to read.")
    force: bool = Field(False, description="Decide also about what another moderator is working on.")


class BulkItemOut(BaseModel):
    """What became of one of them."""

    id: str
    done: bool
    state: CommentState | None = Field(description="The comment's state now; null where nothing was done.")
    code: str | None = Field(description="Why nothing was done: `not_found`, `leased`, `wrong_comment_state`, …")


class DecisionBulkOut(BaseModel):
    """One result each, in the order they were sent."""

    data: list[BulkItemOut]


class FeaturedIn(BaseModel):
    """Whether a comment stands out."""

    model_config = ConfigDict(extra="forbid")

    value: bool
