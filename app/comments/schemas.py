"""Comments as everyone reads them, and the scores that they are ordered by."""

from datetime import datetime
from math import sqrt
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from app.anchors.schemas import AnchorOut
from app.kit.http import ReadQuery
from app.kit.paging import PageOut, PageQuery, Sort

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


def best(up: int, down: int) -> int:
    """Lower bound of the Wilson score interval (Wilson 1927) of the share of up-votes, in billionths."""
    n = up + down
    if n == 0:
        return 0
    share = up / n
    spread = _Z * sqrt((share * (1 - share) + _Z * _Z / (4 * n)) / n)
    return round(_SCALE * max(0.0, (share + _Z * _Z / (2 * n) - spread) / (1 + _Z * _Z / n)))


def controversy(up: int, down: int) -> int:
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


def links(row: Any) -> dict[str, Any]:
    """The `links` of a comment's row."""
    own, parent = f"/v1/comments/{row['id']}", row["parent_id"]
    return {
        "self": own,
        "article": f"/v1/articles/{row['article_id']}",
        "parent": f"/v1/comments/{parent}" if parent else None,
        "replies": f"{own}/replies",
    }
