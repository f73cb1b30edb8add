"""Webhooks as they come in and go out, and what they are told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.core.clock import TimeOrDay
from app.deliveries.schemas import State
from app.events.catalog import MODERATION_TYPES
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
]
Wildcard = Literal[
    "*", "article.*", "comment.*", "discussion.*", "section.*", "tag.*", "author.*", "series.*", "notice.*", "media.*"
]
Events = list[Literal[EventType, Wildcard]]
EVENT_TYPES: Final = frozenset(get_args(EventType))
TEST_EVENT: Final = "webhook.test"
_EVENTS: Final = (
    "Types of events, such as `article.published`; `comment.*` stands for all of a kind, `*` for all. Those of "
    f"moderation ({', '.join(f'`{name}`' for name in MODERATION_TYPES)}) need a key with `comments:moderate`; the "
    "wildcards include them if such a key sets them."
)
_URL: Final = "Where to send: https, or http; not an address inside of a private network (see `OUTGOING_ALLOW`)."

# The members of a fact's payload that are told; the subject's id always is, and nothing else ever.
_TERM: Final = ("slug", "created", "into")
_ARTICLE: Final = ("slug", "revision")
_MODERATED: Final = ("article_id", "section_id")
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
    "comment.pending": (*_MODERATED, "reasons"),
    "comment.held": (*_MODERATED, "reasons"),
    "comment.reported": (*_MODERATED, "reason"),
    "comment.appealed": _MODERATED,
    "comment.decided": (*_MODERATED, "action", "state", "by"),
    "discussion": ("scope",),
    "section": _TERM,
    "tag": _TERM,
    "author": _TERM,
    "series": _TERM,
    "notice": (),
    "media": (),
}


def is_wanted(patterns: Sequence[str], event_type: str, *, moderation: bool) -> bool:
    """Whether a list of types and wildcards names this type; `moderation` admits the events of moderation."""
    if event_type in MODERATION_TYPES and not moderation:
        return False
    return event_type in patterns or "*" in patterns or f"{event_type.partition('.')[0]}.*" in patterns


class WebhookIn(BaseModel):
    """A webhook to set up."""

    model_config = ConfigDict(extra="forbid")

    url: HttpUrl = Field(description=_URL)
    events: Events = Field(min_length=1, max_length=40, description=_EVENTS)
    description: Summary = Field("", description="What it is for, for people.")


class WebhookPatch(BaseModel):
    """Changes to a webhook, as RFC 7396 has them."""

    model_config = ConfigDict(extra="forbid")

    url: HttpUrl = Field(default_factory=str, description=_URL)
    events: Events = Field(default_factory=Events, min_length=1, max_length=40, description=_EVENTS)
    description: Summary = Field("", description="What it is for, for people.")
    enabled: bool = Field(
        True, description="`false`: it is told nothing; `true` also brings back one that was given up."
    )


class RotateIn(BaseModel):
    """How to change a secret."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(
        24, ge=0, le=168, description="Hours in which messages are signed with both secrets, the new one first."
    )


class ReplayIn(BaseModel):
    """What to tell again: all that happened from `since` on and before `until`."""

    model_config = ConfigDict(extra="forbid")

    since: TimeOrDay = Field(description="RFC 3339, or a day of `TIME_ZONE`. The log goes back 100 days.")
    until: TimeOrDay = Field(description="RFC 3339, or a day of `TIME_ZONE` (itself excluded); later than `since`.")


class ReplayOut(BaseModel):
    """A replay that was accepted; its deliveries follow."""

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
        description="Whether it receives moderation events, where `events` name them: as long as the key that set them "
        "holds, has `comments:moderate` and is for all sections. Another such key sends `events` to take it over."
    )
    enabled: bool
    disabled_at: datetime | None = Field(description="When this server gave it up; null: it did not.")
    disabled_reason: str | None = Field(
        description="Why it did: it answered 410, or nothing could be delivered for days."
    )
    old_secret_until: datetime | None = Field(description="Until when messages are signed with the former secret, too.")
    failures: int = Field(description="Failed attempts in a row; from five on it is tried rarely, one at a time.")
    failing_since: datetime | None
    succeeded_at: datetime | None = Field(description="The last delivery.")
    failed_at: datetime | None = Field(description="The last failure.")
    version: int
    created_at: datetime
    updated_at: datetime


class NewWebhookOut(WebhookOut):
    """A webhook with its secret, shown this once."""

    secret: str = Field(description="`whsec_` and the base64 of 32 bytes, with which to verify messages. Keep it now.")


class DeliveryOut(BaseModel):
    """One message to a webhook, and what became of it."""

    id: str
    event: str = Field(description="The `webhook-id` of the message: the same at every attempt and at every webhook.")
    type: str
    state: State = Field(
        description="`waiting` (to be sent or tried again), `running`, `delivered`, `dead` (given up; can be sent "
        "again) or `cancelled`."
    )
    attempts: int
    status: int | None = Field(description="HTTP status of the last answer; null: there was none.")
    error: str = Field(description="What went wrong the last time; empty: nothing did.")
    answer: str = Field(description="The first 1,024 characters of the last answer.")
    payload: dict[str, Any] = Field(description="The message.")
    created_at: datetime
    attempted_at: datetime | None = Field(description="The last attempt.")
    next_attempt_at: datetime | None = Field(
        description="When it is tried next; null: it is finished, or an earlier one of the same article comes first."
    )
    finished_at: datetime | None


class DeliveryQuery(PageQuery):
    """Filters of the list of deliveries."""

    state: State | None = Field(None, description="Only those in this state.")
