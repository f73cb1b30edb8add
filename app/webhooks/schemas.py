"""Webhooks and deliveries as they are sent and returned, and the members of messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, get_args

from pydantic import Field

from app.core.clock import TimeOrDay
from app.core.models import BaseModel, InputModel
from app.db.rows import JsonObject
from app.deliveries.schemas import State
from app.events.staff_events import EDITORIAL_TYPES, MODERATION_TYPES
from app.text.inputs import HttpUrl, Summary
from app.web.paging import PageQuery

EventType = Literal[
    "article.published",
    "article.updated",
    "article.corrected",
    "article.correction_changed",
    "article.correction_withdrawn",
    "article.unpublished",
    "article.retracted",
    "article.purged",
    "article.reacted",
    "comment.published",
    "comment.edited",
    "comment.removed",
    "comment.voted",
    "comment.pending",
    "comment.held",
    "comment.reported",
    "comment.appealed",
    "comment.claimed",
    "comment.decided",
    "article.reported",
    "discussion.changed",
    "section.changed",
    "section.deleted",
    "tag.changed",
    "tag.deleted",
    "author.changed",
    "author.deleted",
    "series.changed",
    "series.deleted",
    "notice.changed",
    "notice.deleted",
    "media.changed",
    "media.deleted",
    "site.changed",
    "redirects.changed",
    "release.published",
    "release.rolled_back",
    "article.submitted",
    "article.approved",
    "article.returned",
    "article.held",
    "note.created",
    "note.changed",
    "note.deleted",
    "task.created",
    "task.changed",
    "task.due",
    "task.deleted",
    "lock.taken",
    "lock.released",
    "release.failed",
]
Wildcard = Literal[
    "*",
    "article.*",
    "comment.*",
    "discussion.*",
    "section.*",
    "tag.*",
    "author.*",
    "series.*",
    "notice.*",
    "media.*",
    "site.*",
    "redirects.*",
    "release.*",
    "note.*",
    "task.*",
    "lock.*",
]
Events = list[Literal[EventType, Wildcard]]
EVENT_TYPES: Final = frozenset(get_args(EventType))
TEST_EVENT: Final = "webhook.test"
_EVENTS: Final = (
    "Types of events, such as `article.published`; `comment.*` for all of a kind, `*` for all. "
    f"{', '.join(f'`{name}`' for name in MODERATION_TYPES)} need a caller with `comments:moderate`, "
    f"{', '.join(f'`{name}`' for name in EDITORIAL_TYPES)} one who reads drafts; wildcards include them if such a "
    "caller sets them."
)
_URL: Final = "An https or http URL, not in a private network (see `OUTGOING_ALLOW`)."

# The members of an event's payload that its messages contain, besides those that every message has.
_TERM: Final = ("slug", "created", "into")
_ARTICLE: Final = ("slug", "revision")
_IN_SECTION: Final = ("article_id", "section_id")
PAYLOAD_MEMBERS: Final[dict[str, Sequence[str]]] = {
    "article.updated": (*_ARTICLE, "fields"),
    "article.corrected": (*_ARTICLE, "n", "kind", "text"),
    "article.correction_changed": (*_ARTICLE, "n", "kind", "text"),
    "article.correction_withdrawn": (*_ARTICLE, "n"),
    "article.unpublished": (*_ARTICLE, "reason"),
    "article.retracted": (*_ARTICLE, "reason", "legal"),
    "article.purged": (),
    "article.reacted": (),
    "article": _ARTICLE,
    "article.reported": ("section_id", "reason"),
    "comment": ("article_id", "parent_id", "root_id"),
    "comment.pending": (*_IN_SECTION, "reasons"),
    "comment.held": (*_IN_SECTION, "reasons"),
    "comment.reported": (*_IN_SECTION, "reason"),
    "comment.appealed": _IN_SECTION,
    "comment.claimed": (*_IN_SECTION, "by", "until"),
    "comment.decided": (*_IN_SECTION, "action", "state", "by"),
    "article.submitted": ("section_id", "revision"),
    "article.approved": ("section_id", "revision"),
    "article.returned": ("section_id", "revision"),
    "article.held": ("section_id", "revision", "at", "code", "detail"),
    "note.created": (*_IN_SECTION, "parent_id", "assignee"),
    "note.changed": (*_IN_SECTION, "fields", "assignee", "done"),
    "note": _IN_SECTION,
    "task.created": (*_IN_SECTION, "assignee", "due_at"),
    "task.changed": (*_IN_SECTION, "fields", "assignee", "due_at", "done"),
    "task.due": (*_IN_SECTION, "assignee", "due_at"),
    "task": _IN_SECTION,
    "lock.taken": ("section_id", "by", "until"),
    "lock": ("section_id", "by"),
    "discussion": ("scope",),
    "section": _TERM,
    "tag": _TERM,
    "author": _TERM,
    "series": _TERM,
    "notice": (),
    "media": (),
    "site": (),
    "redirects": ("redirects",),
    "release.failed": ("section_ids", "by", "at", "item", "code", "detail"),
    "release": ("items",),
}


def includes_type(patterns: Sequence[str], event_type: str) -> bool:
    """Return whether types and wildcards include this type."""
    return event_type in patterns or "*" in patterns or f"{event_type.partition('.')[0]}.*" in patterns


class WebhookIn(InputModel):
    """A new webhook."""

    url: HttpUrl = Field(description=_URL)
    events: Events = Field(min_length=1, max_length=80, description=_EVENTS)
    description: Summary = Field("", description="A note for people.")


class WebhookPatch(InputModel):
    """Changes to a webhook (RFC 7396)."""

    url: HttpUrl = Field(default_factory=str, description=_URL)
    events: Events = Field(default_factory=Events, min_length=1, max_length=80, description=_EVENTS)
    description: Summary = Field("", description="A note for people.")
    enabled: bool = Field(
        True, description="`false`: nothing is sent. `true` also enables a webhook that the server has disabled."
    )


class RotateIn(InputModel):
    """Parameters of rotating the secret."""

    overlap_hours: int = Field(
        24, ge=0, le=168, description="Hours in which messages are signed with both secrets, the new one first."
    )


class ReplayIn(InputModel):
    """The events to replay: from `since` on, before `until`."""

    since: TimeOrDay = Field(description="RFC 3339, or a day in `TIME_ZONE`. Events are kept for 100 days.")
    until: TimeOrDay = Field(description="RFC 3339, or a day in `TIME_ZONE`, which is excluded; later than `since`.")


class ReplayOut(BaseModel):
    """A replay; its deliveries follow."""

    id: str
    since: datetime
    until: datetime
    created_at: datetime


class WebhookOut(BaseModel):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[str]
    description: str
    moderation: bool = Field(
        description="Whether it receives the moderation events among `events`: as long as the key or person that "
        "set them is valid and has `comments:moderate` everywhere. Another such caller takes over by setting `events`."
    )
    editorial: bool = Field(
        description="Whether it receives the editorial events among `events`: of the sections whose drafts the key or "
        "person that set them may read, as long as they may."
    )
    enabled: bool
    disabled_at: datetime | None = Field(description="When the server disabled it because of failures; null: never.")
    disabled_reason: str | None = Field(description="Why: it answered 410, or all deliveries failed for days.")
    old_secret_until: datetime | None = Field(description="Until when messages are also signed with the former secret.")
    failures: int = Field(
        description="Failed attempts in a row; from five on, one delivery at a time is tried, with pauses."
    )
    failing_since: datetime | None
    succeeded_at: datetime | None = Field(description="When a delivery last succeeded.")
    failed_at: datetime | None = Field(description="When a delivery last failed.")
    version: int
    created_at: datetime
    updated_at: datetime


class NewWebhookOut(WebhookOut):
    """A webhook with its secret, which is shown only once."""

    secret: str = Field(description="Verifies messages: `whsec_` and 32 bytes in base64. Store it now.")


class DeliveryOut(BaseModel):
    """A message to a webhook, and its state."""

    id: str
    event: str = Field(description="`webhook-id` of the message, the same at every attempt and for every webhook.")
    type: str
    state: State = Field(
        description="`waiting` (to be sent or retried), `running`, `delivered`, `dead` (given up; can be "
        "redelivered) or `cancelled`."
    )
    attempts: int
    status: int | None = Field(description="HTTP status of the last answer; null: none.")
    error: str = Field(description="Error of the last attempt; empty: none.")
    answer: str = Field(description="The first 1,024 characters of the last answer.")
    payload: JsonObject = Field(description="The message.")
    created_at: datetime
    attempted_at: datetime | None = Field(description="Last attempt.")
    next_attempt_at: datetime | None = Field(
        description="Next attempt; null: it is finished, or waits for an earlier message about the same article."
    )
    finished_at: datetime | None


class DeliveryQuery(PageQuery):
    """Filters of the list of deliveries."""

    state: State | None = Field(None, description="Only deliveries in this state.")
