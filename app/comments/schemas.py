"""Comments as everyone reads them, and the scores that they are ordered by."""

from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints
from sqlmodel import Session

from app.anchors.schemas import AnchorIn, AnchorOut
from app.comments.rendering import Body
from app.core.clock import Moment
from app.core.ids import AnyId, NewId
from app.core.problems import Conflict, Forbidden
from app.core.schema_rules import both, not_together
from app.db.columns import Row
from app.identity.schemas import Actor
from app.text.inputs import OneLine, Prose
from app.text.names import PersonName
from app.web.offload import Offload
from app.web.paging import PageOut, PageQuery, Sort
from app.web.responses import ReadQuery

State = Literal["pending", "published", "rejected", "spam", "removed"]
SortName = Literal["newest", "oldest", "best", "controversial"]
SORTS: Final = {
    "newest": Sort("newest", descending=True),
    "oldest": Sort("oldest"),
    "best": Sort("best", descending=True, kind=int),
    "controversial": Sort("controversial", descending=True, kind=int),
}
SORT_COLUMNS: Final = {
    "newest": "created_at",
    "oldest": "created_at",
    "best": "best",
    "controversial": "controversy",
}
_Z: Final = 1.2816  # the 90 % quantile of the normal distribution
_SCALE: Final = 10**9


def wilson_score(up: int, down: int) -> int:
    """Lower bound of the Wilson score interval (Wilson 1927) of the share of up-votes, in billionths."""
    n = up + down
    if n == 0:
        return 0
    share = up / n
    spread = _Z * sqrt((share * (1 - share) + _Z * _Z / (4 * n)) / n)
    return round(_SCALE * max(0.0, (share + _Z * _Z / (2 * n) - spread) / (1 + _Z * _Z / n)))


def controversy_score(up: int, down: int) -> int:
    """Many votes that are evenly split: all votes to the power of the smaller side over the larger, in millionths."""
    if not (up and down):
        return 0
    return round(10**6 * float(min((up + down) ** (min(up, down) / max(up, down)), 10**9)))


class CommentAuthorOut(BaseModel):
    """Who wrote a comment, as far as the public knows."""

    id: str = Field(description="The same for all comments of one author here; says nothing of who they are.")
    name: str
    kind: Literal["guest", "reader", "staff"]
    badges: list[str] = Field(description="`staff`, `author` (of this article).")


class VotesOut(BaseModel):
    """How readers voted."""

    up: int
    down: int


class CommentLinksOut(BaseModel):
    """Where more of it is."""

    self: str
    article: str
    parent: str | None
    replies: str


class CommentOut(BaseModel):
    """A comment. A tombstone has the state `removed` and neither author nor text."""

    id: str
    article_id: str
    parent_id: str | None
    root_id: str = Field(description="The comment at the top of the thread.")
    depth: int = Field(description="0 at the top.")
    state: State
    author: CommentAuthorOut | None
    html: str | None = Field(description='Sanitised: `a` has rel="noopener nofollow ugc".')
    text: str | None
    created_at: datetime = Field(description="When it reached the server, whenever it was written.")
    edited_at: datetime | None
    redacted_at: datetime | None = Field(
        description="When a moderator last took words out of it; `[…]` stands in their place."
    )
    replies: int = Field(description="Direct replies that have a place in the thread.")
    votes: VotesOut
    anchor: AnchorOut | None = Field(description="The passage that it speaks of, where it stands now.")
    featured: bool
    links: CommentLinksOut


class RepliesOut(BaseModel):
    """The first replies to a comment, and where they go on."""

    data: list["ThreadedCommentOut"]
    page: PageOut


class ThreadedCommentOut(CommentOut):
    """A comment with its first replies."""

    first_replies: RepliesOut | None = Field(description="Null where they were not asked for.")


RepliesOut.model_rebuild()  # replies have replies


class SingleCommentOut(CommentOut):
    """One comment."""

    source: str | None = Field(None, description="The Markdown as it was written; for its author alone.")
    ancestors: list[CommentOut] | None = Field(
        None, description="From the top of the thread down; with `include=ancestors`."
    )


class CommentList(BaseModel):
    """A page of comments."""

    data: list[ThreadedCommentOut]
    page: PageOut


class CommentQuery(PageQuery):
    """What to read of an article's discussion."""

    view: Literal["threads", "all", "inline"] = Field(
        "threads", description="`threads`: the top level; `all`: every comment, flat; `inline`: those on passages."
    )
    sort: SortName = Field("newest", description="`best`: Wilson score; `controversial`: many votes, evenly split.")
    replies: int = Field(3, ge=0, le=10, description="With `view=threads`: how many first replies come with each.")
    anchor: str | None = Field(None, max_length=36, description="Only comments on this passage.")


class ReplyQuery(PageQuery):
    """What to read of the replies to a comment."""

    sort: SortName = Field("oldest", description="Replies read best in the order in which they were written.")
    replies: int = Field(0, ge=0, le=10, description="How many first replies come with each.")


class OneCommentQuery(ReadQuery):
    """Parameters of one comment."""

    include: Literal["ancestors"] | None = Field(None, description="`ancestors`: those above it in the thread.")


def links_of(row: Any) -> dict[str, Any]:
    """The `links` of a comment's row."""
    own, parent = f"/v1/comments/{row['id']}", row["parent_id"]
    return {
        "self": own,
        "article": f"/v1/articles/{row['article_id']}",
        "parent": f"/v1/comments/{parent}" if parent else None,
        "replies": f"{own}/replies",
    }


class CommentPatch(BaseModel):
    """Changes to a comment, as RFC 7396 has them."""

    model_config = ConfigDict(extra="forbid")

    text: Prose = Field(None, description="As in a new comment; judged again.")  # type: ignore[assignment]
    notify: Literal["none", "replies", "all"] = Field("none", description="What its author asks to hear of.")


ModeratedState = Literal["published", "pending", "rejected", "spam"]


class CommentAuthorIn(BaseModel):
    """How the author wants to be shown."""

    model_config = ConfigDict(extra="forbid")

    name: PersonName = Field(
        description="Shown with the comment. Names of the publication's staff and of offices, such as Editor, are "
        "reserved; an e-mail address is refused."
    )
    email: Annotated[EmailStr, StringConstraints(max_length=320)] | None = Field(
        None, description="Never shown, and trusted only once confirmed."
    )


_COMMENT = both(  # a passage is named either way, and a reply speaks of what its thread speaks of
    not_together("anchor", "anchor_id"), not_together("parent_id", "anchor"), not_together("parent_id", "anchor_id")
)


class CommentIn(BaseModel):
    """A new comment."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_COMMENT)

    id: NewId | None = Field(
        None,
        description="A UUIDv7 (RFC 9562 §5.7) made by the client: the same comment sent again is not posted again.",
    )
    parent_id: AnyId | None = Field(None, description="The comment that this one answers; null at the top.")
    text: Prose = Field(description="CommonMark without HTML, headings and images; 1 to 10,000 characters.")
    author: CommentAuthorIn | None = Field(
        None,
        description="Needed with a guest's first comment; of no effect where the publication's site names a reader.",
    )
    anchor: AnchorIn | None = Field(None, description="The passage it speaks of, for inline feedback.")
    anchor_id: AnyId | None = Field(None, description="The same by the id of a passage that is already marked.")
    notify: Literal["none", "replies", "all"] = Field("none", description="What its author asks to hear of.")
    created_at: Moment | None = Field(
        None,
        description="When it was written, if the client could not send it at once (RFC 3339, with an offset). One "
        "that was written before the discussion closed is accepted up to 24 hours later. The `created_at` of the "
        "answer is the time of its arrival.",
    )


@dataclass(frozen=True)
class Submission:
    """A comment, or an edit of one, as it stands before the judges: bounded, sanitised, its author known."""

    comment_id: str
    article_id: str
    section_id: str | None
    moderation: str  # post: show at once; pre: hold everything
    participant: Row  # the row of identity's `participant`: kind, name, email, confirmed_at, approved, rejected …
    kind: str  # guest, reader or staff
    name: str
    email: str | None
    source: str
    html: str
    text: str
    links: tuple[str, ...]  # addresses that the text links to
    fingerprint: str
    addresses: tuple[str, ...]  # hashes of the network address, under the present salt and the one before
    is_edit: bool
    must_wait: bool  # written while open, sent after closing; or under one that waits itself
    at: datetime
    under_id: str | None = None  # the comment that it answers; None at the top
    was_public: bool = False  # readers saw it before this edit


class Attempt(NamedTuple):
    """A comment that somebody wants to post, before anything is done with its text."""

    participant: Row | None  # None: a stranger
    addresses: tuple[str, ...]
    email: str | None
    comment_id: str
    article_id: str
    under_id: str  # the comment that it answers, or the article
    at: datetime
    text: str = ""  # known once the text has been read
    fingerprint: str = ""
    is_staff: bool = False
    is_edit: bool = False  # which no flood is counted by


class PreparedText(NamedTuple):
    """A text that has been read, with what was found out about it before the transaction."""

    body: Body
    opinion: Any = None  # of `Screen.ask_checker`
    reading: Any = None  # of `Screen.analyze`


class Reason(NamedTuple):
    """Why a judge decided: its stage, and a detail for moderators."""

    stage: str
    detail: str = ""


class Verdict(NamedTuple):
    """What becomes of a submission."""

    state: ModeratedState
    reasons: tuple[Reason, ...] = ()


class Draft(NamedTuple):
    """What a judge outside of this process may be told before anything is written."""

    article_id: str
    text: str
    html: str
    links: tuple[str, ...]
    name: str | None
    kind: str


class Banned(Forbidden):
    """Moderators have excluded the caller from taking part."""

    code, title = "banned", "You are banned from taking part"


class DuplicateComment(Conflict):
    """The same text stands in the same place already or, if it is longer than a short answer, in several others."""

    code, title = "duplicate_comment", "Duplicate comment"


class CommentModeration(Protocol):
    """What moderators may do to comments, by the rules of the room above."""

    def check_reach(self, connection: sa.Connection, actor: Actor, article_id: str) -> None:
        """Refuse what stands in a section that a moderator's key does not reach (404)."""

    def remove(self, session: Session, actor: Actor, comment_id: str) -> None:
        """Remove a comment for a moderator, who gives no reason."""

    def settle_withdrawn(self, session: Session, comment_ids: list[str]) -> None:
        """Settle what waits about comments that their author took back."""


class ModerationPipeline(Protocol):
    """The judges of what readers write; the room above has them."""

    @property
    def has_checker(self) -> bool:
        """Whether `ask_checker` asks somebody, which takes its time and may cost money."""

    def check_attempt(self, store: sa.Connection | Session, attempt: Attempt, ahead: int = 0) -> None:
        """Refuse what is refused outright, before any work: the banned, floods and, once it is read, repeats.

        `ahead` comments of a batch come before this one.
        """

    def analyze(self, text: str, links: tuple[str, ...]) -> Any:
        """Find in a text what needs no store; for `evaluate`."""

    async def analyze_offloaded(self, offload: Offload, text: str, links: tuple[str, ...]) -> Any:
        """Do as `read` does, away from the event loop."""

    async def ask_checker(self, draft: Draft) -> Any:
        """Ask those who are outside of this process, before any transaction; what they said is for `evaluate`."""

    def evaluate(self, session: Session, submission: Submission, opinion: Any = None, reading: Any = None) -> Verdict:
        """Decide, and write nothing. `Banned`, `DuplicateComment`, `TooManyRequests`: what is refused outright."""

    def log_verdict(self, session: Session, submission: Submission, verdict: Verdict) -> None:
        """Note in the moderation log why a comment that now stands was not simply published."""


class CheckReasonOut(BaseModel):
    """Why a comment would not simply be published."""

    stage: str = Field(description="The rule that decided, such as `links`, `phrases` or `mode`.")


class TrialOut(BaseModel):
    """What would become of a comment, with `dry_run=true`."""

    state: ModeratedState
    reasons: list[CheckReasonOut]


class PostedOut(CommentOut):
    """A comment as its author gets it back, with what they need to come back to it."""

    guest_token: str | None = Field(
        description="With a stranger's first comment: the token to send from now on. Keep it; of a request without an "
        "`Idempotency-Key` of 16 characters or more it is not shown again."
    )
    edit_token: str | None = Field(
        description="Lets its holder edit, delete and appeal for this one comment; null for a stranger who sends a "
        "known id again without their `Idempotency-Key`."
    )


class PostQuery(BaseModel):
    """Parameters of posting."""

    dry_run: bool = Field(False, description="Tell what would happen, and do nothing.")


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
