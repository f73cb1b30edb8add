"""Schemas of comments, their sort orders, and the scores that they are sorted by."""

from datetime import datetime
from math import sqrt
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, EmailStr, Field
from typing_extensions import TypedDict

from app.anchors.schemas import AnchorIn, AnchorOut
from app.core.clock import Moment
from app.core.ids import AnyId, NewId
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import both, not_together
from app.text.inputs import Length, OneLine, Prose
from app.text.names import PersonName
from app.web.paging import PageOut, PageQuery, PreviewedQuery, PreviewedReadQuery, Sort

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
    """Return the lower bound of the Wilson score interval (Wilson 1927) of the share of upvotes, in billionths."""
    n = up + down
    if n == 0:
        return 0
    share = up / n
    spread = _Z * sqrt((share * (1 - share) + _Z * _Z / (4 * n)) / n)
    return round(_SCALE * max(0.0, (share + _Z * _Z / (2 * n) - spread) / (1 + _Z * _Z / n)))


def controversy_score(up: int, down: int) -> int:
    """Return how controversial a comment is: its votes to the power of the minority per majority, in millionths."""
    if not (up and down):
        return 0
    return round(10**6 * float(min((up + down) ** (min(up, down) / max(up, down)), 10**9)))


class CommentAuthorOut(BaseModel):
    """The author of a comment, as shown in public."""

    id: str = Field(description="Public id, the same on all comments of this author; it does not reveal who they are.")
    name: str
    kind: Literal["guest", "reader", "staff"]
    badges: list[str] = Field(description="`staff` for the publication's staff, `author` for authors of this article.")


class VotesOut(BaseModel):
    """Votes on a comment."""

    up: int
    down: int


class CommentLinksOut(BaseModel):
    """Paths of the comment, its article, its parent and its replies."""

    self: str
    article: str
    parent: str | None
    replies: str


class CommentOut(BaseModel):
    """A comment. A tombstone has the state `removed`, no author and no text."""

    id: str
    article_id: str
    parent_id: str | None
    root_id: str = Field(description="Id of the comment at the top of the thread.")
    depth: int = Field(description="Number of comments above it in the thread; 0 at the top.")
    state: State
    author: CommentAuthorOut | None
    html: str | None = Field(description='Sanitised HTML; links have rel="noopener nofollow ugc".')
    text: str | None = Field(description="Plain text.")
    created_at: datetime = Field(description="When the server received it, which may be later than it was written.")
    edited_at: datetime | None
    redacted_at: datetime | None = Field(
        description="When a moderator last redacted it; redacted passages are replaced by `[…]`."
    )
    replies: int = Field(description="Number of direct replies that the thread shows, including tombstones.")
    votes: VotesOut
    anchor: AnchorOut | None = Field(description="The passage that it refers to, as found in the current text.")
    featured: bool
    links: CommentLinksOut


class RepliesOut(BaseModel):
    """The first replies to a comment, with the cursor of those that follow."""

    data: list["ThreadedCommentOut"]
    page: PageOut


class ThreadedCommentOut(CommentOut):
    """A comment with its first replies."""

    first_replies: RepliesOut | None = Field(description="Null unless the request asked for replies.")


RepliesOut.model_rebuild()  # it refers to ThreadedCommentOut, which refers to it


class SingleCommentOut(CommentOut):
    """A single comment."""

    source: str | None = Field(None, description="The Markdown as written; only its author gets it.")
    ancestors: list[CommentOut] | None = Field(
        None, description="The comments above it, from the top of the thread down; with `include=ancestors`."
    )


class CommentList(BaseModel):
    """A page of comments."""

    data: list[ThreadedCommentOut]
    page: PageOut


class OwnCommentOut(CommentOut):
    """A comment as its author sees it."""

    source: str | None = Field(description="Markdown as written; null once it is removed.")


class OwnRepliesOut(BaseModel):
    """A page of what others replied."""

    data: list[CommentOut]
    page: PageOut
    unread: int = Field(description="Number of all replies since `since`, or of all without it.")


class OwnQuery(PageQuery):
    """Parameters of the list of one's own comments."""


class OwnRepliesQuery(PageQuery):
    """Parameters of the list of replies to one's own comments."""

    since: Moment | None = Field(
        None, description="Only replies that were written after this time, such as the newest that was shown."
    )


class CommentQuery(PreviewedQuery, PageQuery):
    """Parameters of the list of an article's comments."""

    view: Literal["threads", "all", "inline"] = Field(
        "threads",
        description="`threads`: top-level comments; `all`: every comment, flat; `inline`: comments on passages, flat.",
    )
    sort: SortName = Field(
        "newest", description="`best` sorts by Wilson score; `controversial` puts many, evenly split votes first."
    )
    replies: int = Field(3, ge=0, le=10, description="With `view=threads`: maximum number of first replies of each.")
    anchor: str | None = Field(None, max_length=36, description="Only comments on this passage, by its id.")


class ReplyQuery(PreviewedQuery, PageQuery):
    """Parameters of the list of replies to a comment."""

    sort: SortName = Field("oldest", description="As in the list of an article's comments.")
    replies: int = Field(0, ge=0, le=10, description="Maximum number of first replies of each.")


class OneCommentQuery(PreviewedReadQuery):
    """Parameters of one comment."""

    include: Literal["ancestors"] | None = Field(None, description="`ancestors`: the comments above it in the thread.")


_NOTIFY: Final = "What to notify the author of by e-mail: nothing, replies to it, or all comments on the article."


class CommentPatch(InputModel):
    """Changes to a comment (RFC 7396 merge patch)."""

    text: Prose = Field(None, description="As in a new comment; it is moderated again.")  # type: ignore[assignment]
    notify: Literal["none", "replies", "all"] = Field("none", description=_NOTIFY)


class CommentAuthorIn(InputModel):
    """The name and e-mail address of a commenter."""

    name: PersonName = Field(
        description="Shown with the comment. Names of the publication's staff and of roles such as Editor are "
        "reserved, and e-mail addresses are refused."
    )
    email: Annotated[EmailStr, Length(0, 320)] | None = Field(
        None, description="Never shown, and trusted only after it was confirmed."
    )


_COMMENT = both(  # an anchor is named in one way only, and replies have the anchor of their thread
    not_together("anchor", "anchor_id"), not_together("parent_id", "anchor"), not_together("parent_id", "anchor_id")
)


class CommentIn(InputModel):
    """A new comment."""

    model_config = ConfigDict(json_schema_extra=_COMMENT)

    id: NewId | None = Field(
        None,
        description="A UUIDv7 (RFC 9562 §5.7) made by the client. Sending the same comment again does not post it "
        "again.",
    )
    parent_id: AnyId | None = Field(None, description="The comment to reply to; null for a top-level comment.")
    text: Prose = Field(description="CommonMark without HTML, headings and images; 1 to 10,000 characters.")
    author: CommentAuthorIn | None = Field(
        None,
        description="Required with a guest's first comment; ignored for readers whose token names them.",
    )
    anchor: AnchorIn | None = Field(None, description="The passage that the comment refers to, for inline feedback.")
    anchor_id: AnyId | None = Field(None, description="Id of an existing anchor, instead of `anchor`.")
    notify: Literal["none", "replies", "all"] = Field("none", description=_NOTIFY)
    created_at: Moment | None = Field(
        None,
        description="When it was written, if the client could not send it at once (RFC 3339, with an offset). A "
        "comment that was written before the discussion closed is accepted up to 24 hours later. The response's "
        "`created_at` is the time when the server received it.",
    )


class CheckReasonOut(BaseModel):
    """A reason why a comment would not simply be published."""

    stage: str = Field(description="The rule that decided, such as `links`, `phrases` or `mode`.")


class TrialOut(BaseModel):
    """The outcome that a comment would have, in response to `dry_run=true`."""

    state: State = Field(description="The state it would have, or the state it has if it was posted before.")
    reasons: list[CheckReasonOut]


class PostedOut(CommentOut):
    """A comment in the response to its author, with the tokens for later requests."""

    guest_token: str | None = Field(
        description="With a stranger's first comment: the token to send from now on. Store it: without an "
        "`Idempotency-Key` of at least 16 characters it is shown only once."
    )
    edit_token: str | None = Field(
        description="Permits editing, deleting and appealing for this comment; null for a stranger who sends a known "
        "id again without their `Idempotency-Key`."
    )


class PostQuery(BaseModel):
    """Parameters of posting a comment."""

    dry_run: bool = Field(False, description="Return the outcome that the comment would have, without posting it.")


Token = Annotated[str, OneLine, Length(0, 200)]


class PostOp(InputModel):
    """Post a comment. Its `id` is required, so that the list can be sent again."""

    op: Literal["post"]
    article: str = Field(min_length=1, max_length=200, description="Id or slug.")
    id: NewId = Field(description="A UUIDv7 made by the client.")
    comment: CommentIn


class _OwnOp(InputModel):
    id: AnyId = Field(description="Id of the comment.")
    edit_token: Token | None = Field(
        None, description="The comment's edit token; required unless the request's token is that of its author."
    )


class EditOp(_OwnOp):
    """Edit a comment."""

    op: Literal["edit"]
    changes: CommentPatch


class DeleteOp(_OwnOp):
    """Delete a comment."""

    op: Literal["delete"]


Op = Annotated[PostOp | EditOp | DeleteOp, Field(discriminator="op")]


class SyncIn(InputModel):
    """Operations that were made offline, at most 50."""

    operations: list[Op] = Field(min_length=1, max_length=50, description="In the order in which they were made.")


class SyncedOut(BaseModel):
    """The result of one operation."""

    op: Literal["post", "edit", "delete"]
    id: str
    status: int = Field(description="The HTTP status that the operation would have as a request of its own.")
    state: State | None = Field(description="The comment's state; null if the operation failed.")
    code: str | None = Field(description="Problem code; null if the operation succeeded.")
    detail: str | None = Field(description="Detail of the problem; null if the operation succeeded.")
    retry_after: int | None = Field(description="Seconds to wait before sending it again; null unless rate-limited.")
    edit_token: str | None = Field(description="Edit token of a comment that was posted.")


class SyncOut(BaseModel):
    """One result for each operation, in the same order."""

    guest_token: str | None = Field(description="Token of a guest who wrote for the first time, as when posting.")
    data: list[SyncedOut]


class CommentRevisionData(TypedDict):
    """The text of a comment before a change."""

    comment_id: str
    number: int
    replaced_at: datetime
    replaced_by: Annotated[str, Field(description="`author` or `moderator`.")]
    source: str
    text: str
