"""Reports as they come in and go out."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from app.kit.paging import PageQuery
from app.moderation.log.schemas import ID_PATTERN
from app.moderation.schemas import JudgedArticleOut, Words

ReportReason = Literal["spam", "abuse", "illegal", "misinformation", "copyright", "other"]
ReportState = Literal["open", "upheld", "dismissed"]


class ReportIn(BaseModel):
    """What is wrong with a comment or an article."""

    model_config = ConfigDict(extra="forbid")

    reason: ReportReason
    text: Words | None = Field(None, description="In the reporter's words; only moderators read it.")
    email: Annotated[EmailStr, StringConstraints(max_length=320)] | None = Field(
        None, description="For an answer; only moderators see it."
    )


class ReceivedOut(BaseModel):
    """The one answer to every report."""

    received: Literal[True]


class ReporterOut(BaseModel):
    """Who reported, where they are known."""

    id: str = Field(description="Public id, as on their comments.")
    name: str | None
    kind: Literal["guest", "reader", "staff"]


class ReportOut(BaseModel):
    """A report, as moderators see it."""

    id: str
    target: Literal["comment", "article"]
    comment_id: str | None = Field(description="The comment that it is about; null: the article itself.")
    article: JudgedArticleOut
    reason: ReportReason
    text: str | None
    email: str | None
    reporter: ReporterOut | None = Field(description="Null for strangers.")
    weight: float = Field(
        description="A reader counts 1, one with a proven e-mail 2, a stranger 0.5; less after dismissals."
    )
    state: ReportState
    created_at: datetime
    decided_at: datetime | None


class ReportQuery(PageQuery):
    """Filters of the list of reports."""

    target: Literal["comment", "article"] | None = Field(None, description="Only reports on these.")
    state: ReportState | None = Field(None, description="Only those in this state.")
    reason: ReportReason | None = Field(None, description="Only those with this reason.")
    article: str | None = Field(None, pattern=ID_PATTERN, description="Only on this article and its comments, by id.")
    comment: str | None = Field(None, pattern=ID_PATTERN, description="Only on this comment, by id.")
