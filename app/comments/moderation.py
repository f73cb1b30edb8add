"""The moderation that comments depend on: the pipeline, its inputs and verdicts, and rules for removing comments.

The moderation room is on the floor above and implements both protocols.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.rendering import Body
from app.core.problems import Conflict, Forbidden
from app.db.rows import Store
from app.identity.participants import ParticipantRow
from app.identity.schemas import Actor
from app.web.offload import Offload

ModeratedState = Literal["published", "pending", "rejected", "spam"]
SHADOW_STAGE = "shadow_ban"
"""The stage of the pipeline that hides the comments of somebody under a shadow ban."""


class Banned(Forbidden, code="banned", title="You are banned from taking part"):
    """Moderators have banned the caller from commenting, voting and reporting."""


class DuplicateComment(Conflict, code="duplicate_comment", title="Duplicate comment"):
    """The same text was posted in the same place before or, unless it is short, in several other places."""


@dataclass(frozen=True)
class Submission:
    """A comment, or an edit of one, as the pipeline evaluates it."""

    comment_id: str
    article_id: str
    section_id: str | None
    moderation: str  # post: publish at once; pre: hold everything
    participant: ParticipantRow
    kind: str  # guest, reader or staff
    name: str
    email: str | None
    body: Body
    addresses: tuple[str, ...]  # hashes of the network address, under the current and the previous salt
    is_edit: bool
    must_wait: bool  # written before the discussion closed and sent afterwards, or a reply to a pending comment
    at: datetime
    under_id: str | None = None  # the parent comment; None at the top
    was_public: bool = False  # whether readers saw it before this edit


class Attempt(NamedTuple):
    """A comment that somebody wants to post or edit, before its text is rendered."""

    participant: ParticipantRow | None  # None for a stranger
    addresses: tuple[str, ...]
    email: str | None
    comment_id: str
    article_id: str
    under_id: str  # the parent comment, or the article
    at: datetime
    text: str = ""  # empty before the text is rendered
    fingerprint: str = ""
    is_staff: bool = False
    is_edit: bool = False  # edits do not count as floods


class Draft(NamedTuple):
    """A comment as the external checker receives it."""

    article_id: str
    text: str
    html: str
    links: tuple[str, ...]
    name: str | None
    kind: str


class CheckerVerdict(NamedTuple):
    """The external checker's verdict on a draft, or that it was unavailable."""

    verdict: Literal["publish", "hold", "reject", "spam", "unavailable"]
    reason: str = ""


class CompiledPhrase(NamedTuple):
    """A watched phrase compiled for matching."""

    id: str
    needle: str
    action: Literal["hold", "reject", "spam"]


class TextAnalysis(NamedTuple):
    """Expensive analysis of a text that needs no database, done before the transaction that evaluates it."""

    generation: str | None  # of the phrases that were matched
    phrases: tuple[CompiledPhrase, ...]
    tokens: list[int] | None  # None if the classifier was not trained at the time


class PreparedText(NamedTuple):
    """A rendered text, with what was found out about it before the transaction."""

    body: Body
    checker_verdict: CheckerVerdict | None = None
    analysis: TextAnalysis | None = None


class Reason(NamedTuple):
    """A reason of a verdict: the stage that gave it, and a detail for moderators."""

    stage: str
    detail: str = ""


class Verdict(NamedTuple):
    """The verdict on a submission: the state it gets, and why."""

    state: ModeratedState
    reasons: tuple[Reason, ...] = ()


class CommentModeration(Protocol):
    """The rules of moderation that hold when comments are changed or removed."""

    def check_reach(self, connection: sa.Connection, actor: Actor, article_id: str) -> None:
        """Raise 404 for an article in a section that the caller may not moderate."""

    def may_moderate(self, connection: sa.Connection, actor: Actor, article_id: str) -> bool:
        """Whether the caller may moderate the comments of an article."""

    def remove(self, session: Session, actor: Actor, comment_id: str) -> None:
        """Remove a comment as a moderator, without a reason."""

    def settle_withdrawn(self, session: Session, comment_ids: list[str]) -> None:
        """Close the reports and appeals of comments that their author removed."""


class ModerationPipeline(Protocol):
    """The stages that a comment passes before it is published."""

    @property
    def has_checker(self) -> bool:
        """Whether `ask_checker` calls an external service, which takes time and may cost money."""

    def check_attempt(self, store: Store, attempt: Attempt, ahead: int = 0) -> None:
        """Refuse bans, floods and, if the text is known, repetitions before any expensive work.

        `ahead` is the number of comments of the same batch that come before this one.
        """

    def analyze(self, text: str, links: tuple[str, ...]) -> TextAnalysis:
        """Do the analysis of a text that needs no database."""

    async def analyze_offloaded(self, offload: Offload, text: str, links: tuple[str, ...]) -> TextAnalysis:
        """Run `analyze` outside the event loop."""

    async def ask_checker(self, draft: Draft) -> CheckerVerdict | None:
        """Return the external checker's verdict, or None without one. Call it outside of transactions."""

    def evaluate(
        self,
        session: Session,
        submission: Submission,
        checker_verdict: CheckerVerdict | None = None,
        analysis: TextAnalysis | None = None,
    ) -> Verdict:
        """Return the verdict and write nothing. Raise `Banned`, `DuplicateComment` or `TooManyRequests`."""

    def assess_risk(self, verdict: Verdict) -> int:
        """Return how doubtful a comment is by its verdict, 0 to 1,000."""

    def log_verdict(self, session: Session, submission: Submission, verdict: Verdict) -> None:
        """Write to the moderation log why a comment that was stored was not simply published."""
