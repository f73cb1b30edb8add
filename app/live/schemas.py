"""Events of live streams (WHATWG HTML §9.2), and their parameters."""

from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from app.articles.discussion_schemas import CountOut
from app.comments.schemas import VotesOut
from app.core.models import BaseModel
from app.core.problems import Forbidden
from app.core.schema_rules import any_of
from app.events.catalog import LoggedEvent
from app.events.schemas import Position
from app.events.staff_events import MODERATION_TYPES
from app.web.paging import POSITION_PATTERN

_ARTICLE_VERBS = (
    *("published", "updated", "corrected", "correction_changed", "correction_withdrawn"),
    *("unpublished", "retracted", "purged", "reacted", "anchors_resolved"),
)
TYPES = (
    *(f"article.{verb}" for verb in _ARTICLE_VERBS),
    "discussion.changed",
    *(f"comment.{verb}" for verb in ("published", "edited", "removed", "voted")),
    *(f"{noun}.{verb}" for noun in ("section", "tag", "author", "series", "notice") for verb in ("changed", "deleted")),
)
"""The types of events about public content, which the stream of the publication sends."""
_WILDCARDS = {f"{name.partition('.')[0]}.*" for name in TYPES}


def _check_types(text: str) -> str:
    if not all(part in TYPES or part in MODERATION_TYPES or part in _WILDCARDS for part in text.split(",")):
        names = ", ".join((*TYPES, *MODERATION_TYPES))
        raise ValueError(f"must name some of {names}; article.* stands for all that begin with article")
    return text


class LiveQuery(BaseModel):
    """Parameters of a live stream."""

    last_event_id: str | None = Field(
        None,
        max_length=40,
        pattern=POSITION_PATTERN,
        description="Like `Last-Event-ID`, which takes precedence; any `Broadsheet-Position`.",
    )


class SiteLiveQuery(LiveQuery):
    """Parameters of the stream of the publication."""

    types: Annotated[str, AfterValidator(_check_types)] | None = Field(
        None,
        max_length=1000,
        description="Types of events, comma-separated, `article.*` for all of a kind; all if absent. "
        f"{', '.join(f'`{name}`' for name in MODERATION_TYPES)} need `comments:moderate`.",
        json_schema_extra=any_of((*TYPES, *MODERATION_TYPES, *sorted(_WILDCARDS)), spaces=False),
    )


def parse_types(text: str | None, *, moderation: bool) -> frozenset[str]:
    """Return the types that `types` names; 403 for moderation events if the key may not read them."""
    names = text.split(",") if text else [*_WILDCARDS]
    if not moderation and not set(MODERATION_TYPES).isdisjoint(names):
        raise Forbidden("Moderation events need the scope comments:moderate.")
    types = (*TYPES, *MODERATION_TYPES) if moderation else TYPES
    return frozenset(name for name in types if name in names or f"{name.partition('.')[0]}.*" in names)


class LiveRemovedOut(BaseModel):
    """Data of `comment.removed`; a comment with replies becomes a tombstone."""

    id: str
    article_id: str
    parent_id: str | None
    root_id: str


class LiveCountsOut(CountOut):
    """Data of `counts`."""

    votes: dict[str, VotesOut] = Field(
        description="Votes of the comments that were voted on since the last `counts`, by id."
    )


class LiveArticleOut(BaseModel):
    """Data of `article.updated`."""

    id: str
    slug: str
    revision: int
    state: Literal["published", "unpublished", "retracted"]
    fields: list[str] = Field(description="What to read again; `discussion` and `anchors` have endpoints of their own.")
    reason: str | None = Field(description="Public reason of a retraction.")


class Frame(NamedTuple):
    """One event of a stream, ready to send."""

    position: Position | None  # in the log; None: the frame has present counts, which are sent whatever the client has
    text: bytes


def make_frame(event: str, data: bytes, position: Position | None = None) -> Frame:
    """Make the frame of an event with its JSON, which has no line breaks."""
    identified = f"id: {position}\n" if position else ""
    return Frame(position, f"{identified}event: {event}\ndata: ".encode() + data + b"\n\n")


def make_mark(position: Position) -> bytes:
    """Make a comment line that sets the client's last event id, and keeps the connection alive."""
    return f": \nid: {position}\n\n".encode()


class ArticleFrames(NamedTuple):
    """The events for the streams of one article, and whether these end after them."""

    frames: list[Frame]
    is_over: bool


class Batch(NamedTuple):
    """The next events, and the articles whose counts are due, with the comments that were voted on."""

    entries: list[LoggedEvent]
    due: dict[str, set[str]]
