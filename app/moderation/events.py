"""Moderation events: for moderators and the systems that work for them, never for the public.

They carry ids and codes, no text. Their consumers are webhooks and `GET /v1/live` of keys with the scope
`comments:moderate`; no public answer depends on them, so that they name no cache groups.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from app.events.schemas import Fact


@dataclass(frozen=True, kw_only=True)
class _ModerationEvent(Fact):
    """`section_id` is that of the article at the time: keys limited to sections hear of their own alone."""

    article_id: str
    section_id: str | None

    def groups(self) -> list[str]:
        """No public answer changes by this event alone."""
        return []


@dataclass(frozen=True, kw_only=True)
class CommentPending(_ModerationEvent):
    """A comment, new or edited before it was public, waits for a moderator; `reasons` are the rules that held it."""

    name: ClassVar[str] = "comment.pending"
    reasons: list[str]


@dataclass(frozen=True, kw_only=True)
class CommentHeld(_ModerationEvent):
    """A comment that was public waits for a moderator: too many reported it, or its author changed it."""

    name: ClassVar[str] = "comment.held"
    reasons: list[str]


@dataclass(frozen=True, kw_only=True)
class CommentReported(_ModerationEvent):
    """Somebody reported a comment."""

    name: ClassVar[str] = "comment.reported"
    reason: str


@dataclass(frozen=True, kw_only=True)
class CommentAppealed(_ModerationEvent):
    """The author of a comment appealed against the decision about it."""

    name: ClassVar[str] = "comment.appealed"


@dataclass(frozen=True, kw_only=True)
class CommentDecided(_ModerationEvent):
    """A moderator decided about a comment, or a rule refused it; `action` as in the moderation log."""

    name: ClassVar[str] = "comment.decided"
    action: str
    state: str
    by: str


@dataclass(frozen=True, kw_only=True)
class ArticleReported(_ModerationEvent):
    """Somebody reported an article."""

    name: ClassVar[str] = "article.reported"
    reason: str


MODERATION_TYPES: Final = (
    CommentPending.name,
    CommentHeld.name,
    CommentReported.name,
    CommentAppealed.name,
    CommentDecided.name,
    ArticleReported.name,
)
"""The events that need `comments:moderate`."""
