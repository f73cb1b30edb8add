"""The queue as it is asked for and as it goes out."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.kit.paging import PageQuery
from app.kit.text import Identifier
from app.moderation.log.schemas import DecisionReasonOut
from app.moderation.schemas import JudgedCommentOut

QueueState = Literal["pending", "spam", "rejected", "removed", "published", "reported", "appealed", "any"]
QueueSort = Literal["oldest", "newest"]


class QueuedReportOut(BaseModel):
    """One open report of the comment."""

    id: str
    reason: str
    text: str | None
    email: str | None = Field(description="Of the reporter, for an answer; private.")
    created_at: datetime


class QueuedReportsOut(BaseModel):
    """What readers say of the comment."""

    count: int = Field(description="Open reports.")
    weight: float = Field(description="Their weight: a reader counts 1, one with a proven e-mail 2, a stranger 0.5.")
    by_reason: dict[str, int]
    latest: list[QueuedReportOut] = Field(description="The newest 20 of them.")


class QueuedAppealOut(BaseModel):
    """What the author says against the decision."""

    text: str
    created_at: datetime


class LeaseOut(BaseModel):
    """Who works on a comment."""

    by: str = Field(description="Id of the key.")
    until: datetime


class QueueItemOut(BaseModel):
    """A comment that waits, with all that is needed to decide."""

    id: str = Field(description="Id of the comment.")
    comment: JudgedCommentOut
    reasons: list[DecisionReasonOut] = Field(description="Why it has its state, from the newest entry of the log.")
    reports: QueuedReportsOut
    appeal: QueuedAppealOut | None
    lease: LeaseOut | None


class QueueFilters(BaseModel):
    """Which comments of the queue."""

    state: QueueState | None = Field(
        None,
        description="Only these; `any`: every comment in whatever state; without it all that wait: pending, reported "
        "and appealed ones.",
    )
    article: Identifier | None = Field(None, description="Only under this article, by id or slug.")
    author: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="Only by this author, by public id.")
    reason: str | None = Field(
        None,
        pattern=r"^[a-z_]{1,40}$",
        description="Only those held or reported for this: a stage or a report's reason.",
    )
    sort: QueueSort = Field("oldest", description="By when the comment was written.")


class QueueQuery(QueueFilters, PageQuery):
    """Parameters of the queue."""


class ClaimIn(QueueFilters):
    """How many to take, and of which."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(10, ge=1, le=20, description="The most to take, 1 to 20.")
    minutes: int = Field(10, ge=1, le=15, description="How long they are the caller's, 1 to 15.")


class ClaimedOut(BaseModel):
    """What was taken: nobody else is given it until then."""

    data: list[QueueItemOut]
    until: datetime
