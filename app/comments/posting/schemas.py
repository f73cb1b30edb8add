"""A comment on its way in: what clients send, what judges of it are told, and what they answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints
from sqlmodel import Session

from app.anchors.schemas import AnchorIn
from app.comments.body import Body
from app.comments.schemas import CommentOut
from app.kit.clock import Moment
from app.kit.ids import AnyId, NewId
from app.kit.names import PersonName
from app.kit.offload import Offload
from app.kit.problems import Conflict, Forbidden
from app.kit.rules import both, not_together
from app.kit.schema import Row
from app.kit.text import Prose

Judged = Literal["published", "pending", "rejected", "spam"]


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
    opinion: Any = None  # of `Screen.consult`
    reading: Any = None  # of `Screen.read`


class Reason(NamedTuple):
    """Why a judge decided: its stage, and a detail for moderators."""

    stage: str
    detail: str = ""


class Verdict(NamedTuple):
    """What becomes of a submission."""

    state: Judged
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

    code, title = "banned", "You may not take part here"


class DuplicateComment(Conflict):
    """The same text stands in the same place already or, if it is longer than a short answer, in several others."""

    code, title = "duplicate_comment", "This has been said already"


class Screen(Protocol):
    """The judges of what readers write; `moderation` above has them, `wiring` brings both together."""

    @property
    def asks_outside(self) -> bool:
        """Whether `consult` asks somebody, which takes its time and may cost money."""

    def check_attempt(self, store: sa.Connection | Session, attempt: Attempt, ahead: int = 0) -> None:
        """Refuse what is refused outright, before any work: the banned, floods and, once it is read, repeats.

        `ahead` comments of a batch come before this one.
        """

    def read(self, text: str, links: tuple[str, ...]) -> Any:
        """Find in a text what needs no store; for `judge`."""

    async def read_aside(self, offload: Offload, text: str, links: tuple[str, ...]) -> Any:
        """Do as `read` does, away from the event loop."""

    async def consult(self, draft: Draft) -> Any:
        """Ask those who are outside of this process, before any transaction; what they said is for `judge`."""

    def judge(self, session: Session, submission: Submission, opinion: Any = None, reading: Any = None) -> Verdict:
        """Decide, and write nothing. `Banned`, `DuplicateComment`, `TooManyRequests`: what is refused outright."""

    def filed(self, session: Session, submission: Submission, verdict: Verdict) -> None:
        """Note in the moderation log why a comment that now stands was not simply published."""


class CheckReasonOut(BaseModel):
    """Why a comment would not simply be published."""

    stage: str = Field(description="The rule that decided, such as `links`, `phrases` or `mode`.")


class TrialOut(BaseModel):
    """What would become of a comment, with `dry_run=true`."""

    state: Judged
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
