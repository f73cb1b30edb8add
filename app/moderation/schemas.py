"""What several parts of moderation take in and give out."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from app.core.ids import AnyId
from app.text.inputs import Identifier, ManyLines, Visible
from app.web.paging import PageQuery

ModeratorText = Annotated[str, ManyLines, StringConstraints(min_length=1, max_length=2000), Visible]
"""A few sentences, 1 to 2,000 characters."""
CommentState = Literal["pending", "published", "rejected", "spam", "removed"]


class ReasonIn(BaseModel):
    """Why a moderator decides."""

    model_config = ConfigDict(extra="forbid")

    reason: ModeratorText | None = Field(None, description="For the log, and for the comment's author to read.")


class JudgedAuthorOut(BaseModel):
    """The author of a comment, as moderators see one."""

    id: str = Field(description="Public id, the same on all comments of this author; empty once erased.")
    name: str
    kind: Literal["guest", "reader", "staff"]
    badges: list[str]
    email: str | None = Field(description="As typed with the comment; private.")
    confirmed: bool = Field(description="Whether the author's e-mail is proven.")
    approved: int = Field(description="Comments of this author that moderators approved.")
    rejected: int = Field(description="Comments of this author that moderators rejected.")


class JudgedVotesOut(BaseModel):
    """Votes on a comment."""

    up: int
    down: int


class JudgedArticleOut(BaseModel):
    """The article that a comment stands under."""

    id: str
    slug: str
    title: str


class JudgedCommentOut(BaseModel):
    """A comment with all that moderators see of it, its text included in every state."""

    id: str
    article: JudgedArticleOut
    parent_id: str | None
    root_id: str
    depth: int
    anchor_id: str | None = Field(description="The passage of the article that it speaks of.")
    state: CommentState
    removed_by: Literal["author", "moderator"] | None = Field(description="Who removed it, once it is removed.")
    author: JudgedAuthorOut
    source: str = Field(description="As written.")
    html: str
    text: str
    approved_text: bool = Field(description="A moderator approved this very text: reports no longer hide it.")
    featured: bool
    replies: int
    votes: JudgedVotesOut
    version: int
    created_at: datetime
    edited_at: datetime | None
    redacted_at: datetime | None = Field(description="When a moderator last took words out of it.")


Action = Literal["approve", "reject", "spam", "remove", "restore"]
ACTIONS: tuple[Action, ...] = get_args(Action)

# What each decision makes of a comment, and in which states it may be made. A comment that its author has removed
# stays so; one that has the state already is left as it is.
TRANSITIONS: dict[Action, tuple[CommentState, frozenset[CommentState]]] = {
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
    reason: ModeratorText | None = Field(None, description="For the log, and for the comments' authors to read.")
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


ID_PATTERN = r"^[0-9a-f-]{36}$"


class DecisionReasonOut(BaseModel):
    """Why something was decided."""

    stage: str = Field(description="The rule that spoke: `links`, `phrases`, `flood`, `reports`, …")
    detail: str = Field(description="What it found; never text of the comment.")


class LogOut(BaseModel):
    """One decision."""

    id: str
    at: datetime
    comment_id: str | None
    article_id: str | None
    actor_kind: str = Field(description="`key` for a moderator, `system` for a rule, else the kind of reader.")
    actor_id: str | None = Field(description="Id of the key; null for rules and readers.")
    action: str = Field(description="`approve`, `reject`, `spam`, `remove`, `restore`, `feature`, `hide`, `decline`, …")
    state: str | None = Field(description="The comment's state from then on; null: it did not change.")
    reasons: list[DecisionReasonOut]
    note: str | None = Field(description="The moderator's reason, which the author may read.")


class LogQuery(PageQuery):
    """Filters of the moderation log."""

    comment: str | None = Field(None, pattern=ID_PATTERN, description="Only what was decided about this comment.")
    article: str | None = Field(None, pattern=ID_PATTERN, description="Only comments of this article, by id.")
    actor: str | None = Field(None, pattern=ID_PATTERN, description="Only what this key decided.")
    action: str | None = Field(None, max_length=40, description="Exactly this action.")


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


ReportReason = Literal["spam", "abuse", "illegal", "misinformation", "copyright", "other"]
ReportState = Literal["open", "upheld", "dismissed"]


class ReportIn(BaseModel):
    """What is wrong with a comment or an article."""

    model_config = ConfigDict(extra="forbid")

    reason: ReportReason
    text: ModeratorText | None = Field(None, description="In the reporter's words; only moderators read it.")
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


AppealState = Literal["open", "granted", "declined"]


class AppealIn(BaseModel):
    """Why the decision should be looked at again."""

    model_config = ConfigDict(extra="forbid")

    text: ModeratorText = Field(description="For moderators to read.")


class AppealOut(BaseModel):
    """An appeal, as its author sees it."""

    state: AppealState
    created_at: datetime
    answer: str | None = Field(description="What the moderators answered.")
    answered_at: datetime | None


class RedactionOut(BaseModel):
    """What a moderator took out of a comment, as its author is told."""

    at: datetime
    reason: str | None = Field(description="The moderator's reason, if one was given.")


class DecisionOut(BaseModel):
    """What was decided about a comment, as its author sees it."""

    state: CommentState
    action: str | None = Field(description="What was done: `reject`, `hide`, …; null while nothing was decided.")
    by: Literal["moderator", "system", "author"] | None = Field(description="Who decided.")
    at: datetime | None
    reason: str | None = Field(description="The moderator's reason, if one was given.")
    may_appeal: bool
    appeal: AppealOut | None = Field(description="The appeal against this very decision.")
    redaction: RedactionOut | None = Field(description="Words were taken out of the comment; null: none were.")


Passage = Annotated[str, ManyLines, StringConstraints(min_length=1, max_length=2000)]


class RedactIn(BaseModel):
    """What to take out of a comment."""

    model_config = ConfigDict(extra="forbid")

    passages: list[Passage] = Field(
        min_length=1,
        max_length=20,
        description="Stretches of the comment's `source`, letter by letter; each is replaced by `[…]` wherever it "
        "stands.",
    )
    reason: ModeratorText | None = Field(None, description="For the log, and for the comment's author to read.")


class CommentRevisionOut(BaseModel):
    """The text of a comment before a change."""

    number: int = Field(description="From 1, the oldest.")
    replaced_at: datetime = Field(description="When the next text took its place.")
    replaced_by: Literal["author", "moderator"] = Field(description="Who changed it then.")
    source: str = Field(description="As written.")
    html: str
    text: str


class CommentRevisionQuery(PageQuery):
    """Parameters of the list of former texts."""
