"""Schemas of decisions, the log, the queue, reports, appeals and redactions."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, EmailStr, Field
from typing_extensions import TypedDict

from app.comments.schemas import VotesOut
from app.core.ids import AnyId
from app.core.models import BaseModel, InputModel
from app.text.inputs import Identifier, Length, ManyLines, OneLine, Visible
from app.web.paging import PageQuery, ReadQuery

ModeratorText = Annotated[str, ManyLines, Length(1, 2000), Visible]
"""Text of a moderator or reader, 1 to 2,000 characters."""
CommentState = Literal["pending", "published", "rejected", "spam", "removed"]


Ground = Literal["law", "terms"]
GROUND: Final = "`law` for illegal content, `terms` for what the rules of the publication forbid."


class ReasonIn(InputModel):
    """The reason for a decision."""

    reason: ModeratorText | None = Field(None, description="Shown in the log and to the comment's author.")
    ground: Ground | None = Field(None, description=GROUND)
    canned: AnyId | None = Field(None, description="A canned reason, for what is not given here.")


class JudgedAuthorOut(BaseModel):
    """The author of a comment, as moderators see them."""

    id: str = Field(description="Public id, the same on all comments of this author; empty after erasure.")
    name: str
    kind: Literal["guest", "reader", "staff"]
    badges: list[str]
    email: str | None = Field(description="The e-mail address given with the comment; private.")
    confirmed: bool = Field(description="Whether the author's e-mail address is confirmed.")
    approved: int = Field(description="Comments of this author that moderators approved.")
    rejected: int = Field(description="Comments of this author that moderators rejected.")


class JudgedArticleOut(BaseModel):
    """The article of a comment."""

    id: str
    slug: str
    title: str


class JudgedCommentOut(BaseModel):
    """A comment as moderators see it, with its text in every state."""

    id: str
    article: JudgedArticleOut
    parent_id: str | None
    root_id: str
    depth: int
    anchor_id: str | None = Field(description="The passage of the article that the comment refers to.")
    state: CommentState
    removed_by: Literal["author", "moderator"] | None = Field(
        description="Who removed the comment; null unless it is removed."
    )
    author: JudgedAuthorOut
    source: str = Field(description="As written.")
    html: str
    text: str
    approved_text: bool = Field(
        description="Whether a moderator approved the current text, so that reports no longer hide it."
    )
    featured: bool
    replies: int
    votes: VotesOut
    version: int
    created_at: datetime
    edited_at: datetime | None
    redacted_at: datetime | None = Field(description="When a moderator last redacted it.")
    shadow: bool = Field(description="Whether a shadow ban hides it: its author sees it as published.")


Action = Literal["approve", "reject", "spam", "remove", "restore"]


class DecisionBulkIn(InputModel):
    """One action on several comments."""

    ids: list[AnyId] = Field(min_length=1, max_length=100, description="Ids of comments, 1 to 100.")
    action: Action
    reason: ModeratorText | None = Field(None, description="Shown in the log and to the comments' authors.")
    ground: Ground | None = Field(None, description=GROUND)
    canned: AnyId | None = Field(None, description="A canned reason, for what is not given here.")
    force: bool = Field(False, description="Decide even if another moderator has claimed the comment.")


class BulkItemOut(BaseModel):
    """The result for one comment."""

    id: str
    done: bool
    state: CommentState | None = Field(description="The comment's new state; null if nothing was done.")
    code: str | None = Field(
        description="Why nothing was done, a problem code: `not_found`, `leased`, `wrong_comment_state`, …"
    )


class DecisionBulkOut(BaseModel):
    """One result per comment, in the order in which they were sent."""

    data: list[BulkItemOut]


class FeaturedIn(InputModel):
    """Whether a comment is featured."""

    value: bool


ID_PATTERN = r"^[0-9a-f-]{36}$"


class DecisionReasonOut(BaseModel):
    """A reason for a decision."""

    stage: str = Field(description="The rule: `links`, `phrases`, `flood`, `reports`, …")
    detail: str = Field(description="What the rule found; never text of the comment.")


class LogOut(BaseModel):
    """An entry of the moderation log."""

    id: str
    at: datetime
    comment_id: str | None
    article_id: str | None
    actor_kind: str = Field(
        description="`key` or `person` for a moderator, `system` for a rule, otherwise the kind of reader."
    )
    actor_id: str | None = Field(description="Id of the key or person; null for rules and readers.")
    person_id: str | None = Field(description="Id of the moderator, also where a key of theirs decided.")
    action: str = Field(description="`approve`, `reject`, `spam`, `remove`, `restore`, `feature`, `hide`, `decline`, …")
    state: str | None = Field(description="The comment's state from then on; null if it did not change.")
    reasons: list[DecisionReasonOut]
    note: str | None = Field(description="The moderator's reason, which the author can read.")
    ground: Ground | None = Field(description=GROUND)
    canned_id: str | None = Field(description="The canned reason that was used.")


class LogQuery(PageQuery):
    """Filters of the moderation log."""

    comment: str | None = Field(None, pattern=ID_PATTERN, description="Only entries about this comment.")
    article: str | None = Field(
        None, pattern=ID_PATTERN, description="Only entries about this article and its comments, by id."
    )
    actor: str | None = Field(None, pattern=ID_PATTERN, description="Only decisions by this API key or person.")
    person: str | None = Field(
        None, pattern=ID_PATTERN, description="Only decisions by this person, also by keys of theirs."
    )
    action: str | None = Field(None, max_length=40, description="Only entries with this action.")


QueueState = Literal["pending", "spam", "rejected", "removed", "published", "reported", "appealed", "any"]
QueueSort = Literal["oldest", "newest", "most_reported", "riskiest"]


class QueuedReportOut(BaseModel):
    """One open report of the comment."""

    id: str
    reason: str
    text: str | None
    email: str | None = Field(description="The reporter's address for an answer; private.")
    created_at: datetime


class QueuedReportsOut(BaseModel):
    """Open reports on the comment."""

    count: int = Field(description="Open reports.")
    weight: float = Field(
        description="Total weight: a reader counts 1, one with a confirmed e-mail address 2, an anonymous one 0.5."
    )
    by_reason: dict[str, int]
    latest: list[QueuedReportOut] = Field(description="The newest 20 reports.")


class QueuedAppealOut(BaseModel):
    """The author's open appeal."""

    text: str
    created_at: datetime


class LeaseOut(BaseModel):
    """Who has claimed a comment."""

    by: str = Field(description="Id of the moderator's API key.")
    until: datetime


class QueueItemOut(BaseModel):
    """A waiting comment with everything needed to decide."""

    id: str = Field(description="Id of the comment.")
    comment: JudgedCommentOut
    reasons: list[DecisionReasonOut] = Field(description="The reasons for its state, from the newest entry of the log.")
    reports: QueuedReportsOut
    appeal: QueuedAppealOut | None
    lease: LeaseOut | None
    risk: int = Field(description="From 0: the pipeline's doubts, up to 1,000, and the weight of open reports.")


class QueueFilters(BaseModel):
    """Filters of the queue."""

    state: QueueState | None = Field(
        None,
        description="Only comments in this state; `any` for every comment. Without it, all that wait: pending, "
        "reported and appealed ones.",
    )
    article: Identifier | None = Field(None, description="Only comments on this article, by id or slug.")
    author: str | None = Field(
        None, pattern=r"^[0-9a-f]{32}$", description="Only comments by this author, by public id."
    )
    reason: str | None = Field(
        None,
        pattern=r"^[a-z_]{1,40}$",
        description="Only comments held or reported for this reason: a pipeline stage or the reason of a report.",
    )
    section: Identifier | None = Field(
        None, description="Only comments on articles of this section and those inside of it, by id or slug."
    )
    q: Annotated[str, OneLine, Length(0, 200)] | None = Field(
        None,
        description="Only comments with all of these words in their text or their author's name; `*` after the last "
        "word finds its beginnings. Of very frequent words, the 10,000 newest comments are found.",
    )
    sort: QueueSort = Field(
        "oldest",
        description="By the time of the comment, or, of comments that wait, `most_reported` (those with open reports) "
        "or `riskiest` first.",
    )


class QueueQuery(QueueFilters, PageQuery):
    """Parameters of the queue."""


class QueueCountsQuery(ReadQuery):
    """Parameters of the counts of the queue."""

    section: Identifier | None = Field(
        None, description="Count only what is about articles of this section and those inside of it, by id or slug."
    )


class QueueCountsOut(BaseModel):
    """How many comments wait, and why. A number that reached `limit` may be larger."""

    states: dict[str, int] = Field(description="Comments in each state, as `state` selects them.")
    reasons: dict[str, int] = Field(description="Pipeline stages that held the pending comments; of the oldest 1,000.")
    reports: dict[str, int] = Field(description="Open reports by their reason.")
    claimed: int = Field(description="Comments that moderators have claimed.")
    oldest: datetime | None = Field(description="Time of the oldest pending comment.")
    limit: int = Field(description="Nothing is counted beyond this number.")


class ClaimIn(QueueFilters):
    """How many comments to claim, and which."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(10, ge=1, le=20, description="Maximum number of comments, 1 to 20.")
    minutes: int = Field(10, ge=1, le=15, description="Length of the claim in minutes, 1 to 15.")


class ClaimedOut(BaseModel):
    """The claimed comments; no other moderator can claim them before `until`."""

    data: list[QueueItemOut]
    until: datetime


ReportReason = Literal["spam", "abuse", "illegal", "misinformation", "copyright", "other"]
ReportState = Literal["open", "upheld", "dismissed"]


class ReportIn(InputModel):
    """A report on a comment or an article."""

    reason: ReportReason
    text: ModeratorText | None = Field(None, description="The reporter's explanation; visible to moderators only.")
    email: Annotated[EmailStr, Length(0, 320)] | None = Field(
        None, description="Address for an answer; visible to moderators only."
    )


class ReceivedOut(BaseModel):
    """The answer to every report."""

    received: Literal[True]


class ParticipantOut(BaseModel):
    """A participant, as moderators see them."""

    id: str = Field(description="Public id, as in `author.id` of comments.")
    name: str | None
    kind: Literal["guest", "reader", "staff"]


class ReporterOut(ParticipantOut):
    """The reporter, if known."""


class ReportOut(BaseModel):
    """A report, as moderators see it."""

    id: str
    target: Literal["comment", "article"]
    comment_id: str | None = Field(description="The reported comment; null if the article itself was reported.")
    article: JudgedArticleOut
    reason: ReportReason
    text: str | None
    email: str | None
    reporter: ReporterOut | None = Field(description="Null for anonymous reporters.")
    weight: float = Field(
        description="A reader counts 1, one with a confirmed e-mail address 2, an anonymous one 0.5; less after"
        " dismissed reports."
    )
    state: ReportState
    created_at: datetime
    decided_at: datetime | None


class ReportQuery(PageQuery):
    """Filters of the list of reports."""

    target: Literal["comment", "article"] | None = Field(None, description="Only reports on this kind of target.")
    state: ReportState | None = Field(None, description="Only reports in this state.")
    reason: ReportReason | None = Field(None, description="Only reports with this reason.")
    article: str | None = Field(
        None, pattern=ID_PATTERN, description="Only reports on this article and its comments, by id."
    )
    comment: str | None = Field(None, pattern=ID_PATTERN, description="Only reports on this comment, by id.")


AppealState = Literal["open", "granted", "declined"]


class AppealIn(InputModel):
    """An appeal against the decision on a comment."""

    text: ModeratorText = Field(description="Why the decision should be reviewed; read by moderators.")


class AppealOut(BaseModel):
    """An appeal, as its author sees it."""

    state: AppealState
    created_at: datetime
    answer: str | None = Field(description="The moderators' answer.")
    answered_at: datetime | None


class RedactionOut(BaseModel):
    """The last redaction of a comment, as its author sees it."""

    at: datetime
    reason: str | None = Field(description="The moderator's reason, if one was given.")


class StatementOut(BaseModel):
    """Why a comment was restricted (Regulation (EU) 2022/2065, Art. 17)."""

    restriction: Literal["hidden", "removed", "redacted"] = Field(description="What became of the comment.")
    automated: bool = Field(description="Whether a rule decided, without a person.")
    rules: list[str] = Field(description="The rules that decided: `links`, `phrases`, `reports`, …")
    reported: bool = Field(description="Whether readers had reported it.")
    ground: Ground | None = Field(description=GROUND)
    basis: str | None = Field(description="The law, or the rule of the publication.")
    texts: dict[str, str] = Field(description="The canned reason by language; empty without one.")
    redress: list[Literal["appeal", "court"]] = Field(description="How the decision can be challenged.")


class DecisionOut(BaseModel):
    """The decision on a comment, as its author sees it."""

    state: CommentState
    action: str | None = Field(description="The action: `reject`, `hide`, …; null without a decision.")
    by: Literal["moderator", "system", "author"] | None = Field(description="Who decided.")
    at: datetime | None
    reason: str | None = Field(description="The moderator's reason, if one was given.")
    may_appeal: bool
    appeal: AppealOut | None = Field(description="The appeal against this decision.")
    redaction: RedactionOut | None = Field(description="The last redaction; null if the text is not redacted.")
    statement: StatementOut | None = Field(description="Statement of reasons; null unless a decision restricts it.")


Passage = Annotated[str, ManyLines, Length(1, 2000)]


class RedactIn(InputModel):
    """Passages to redact in a comment."""

    passages: list[Passage] = Field(
        min_length=1,
        max_length=20,
        description="Exact substrings of the comment's `source`; every occurrence is replaced by `[…]`.",
    )
    reason: ModeratorText | None = Field(None, description="Shown in the log and to the comment's author.")


class CommentRevisionOut(BaseModel):
    """A former text of a comment."""

    number: int = Field(description="Number of the revision; 1 is the oldest.")
    replaced_at: datetime = Field(description="When the next text replaced it.")
    replaced_by: Literal["author", "moderator"] = Field(description="Who made that change.")
    source: str = Field(description="As written.")
    html: str
    text: str


class CommentRevisionQuery(PageQuery):
    """Parameters of the list of former texts."""


class ReportData(TypedDict):
    """A report that the person sent."""

    id: str
    comment_id: str | None
    article_id: str
    reason: str
    text: str | None
    email: str | None
    state: str
    created_at: datetime


class AppealData(TypedDict):
    """An appeal with its answer."""

    comment_id: str
    text: str
    state: str
    answer: str | None
    created_at: datetime
    answered_at: datetime | None
