"""What live streams send (WHATWG HTML §9.2), and how they are asked for."""

from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, Field

from app.articles.discussion_schemas import CountOut
from app.comments.schemas import VotesOut
from app.core.problems import Forbidden
from app.core.schema_rules import any_of
from app.events.catalog import MODERATION_TYPES, LoggedEvent
from app.events.schemas import Position
from app.web.responses import POSITION_PATTERN

TYPES = (
    "article.published",
    "article.updated",
    "article.corrected",
    "article.correction_changed",
    "article.correction_withdrawn",
    "article.unpublished",
    "article.retracted",
    "article.purged",
    "article.reacted",
    "article.anchors_resolved",
    "discussion.changed",
    "comment.published",
    "comment.edited",
    "comment.removed",
    "comment.voted",
    *(f"{noun}.{verb}" for noun in ("section", "tag", "author", "series", "notice") for verb in ("changed", "deleted")),
)
"""The facts that integrators may follow: of what is public, or was until then."""
_KINDS = {f"{name.partition('.')[0]}.*" for name in TYPES}


def _known(text: str) -> str:
    if not all(part in TYPES or part in MODERATION_TYPES or part in _KINDS for part in text.split(",")):
        names = ", ".join((*TYPES, *MODERATION_TYPES))
        raise ValueError(f"must name some of {names}; article.* stands for all that begin with article")
    return text


class LiveQuery(BaseModel):
    """Where to go on."""

    last_event_id: str | None = Field(
        None,
        max_length=40,
        pattern=POSITION_PATTERN,
        description="Instead of `Last-Event-ID`, which goes before it. Any `Broadsheet-Position` will do.",
    )


class SiteLiveQuery(LiveQuery):
    """What to follow of the whole publication."""

    types: Annotated[str, AfterValidator(_known)] | None = Field(
        None,
        max_length=1000,
        description="Types of events with commas, `article.*` for all of a kind; all unless said. Those of moderation "
        f"({', '.join(f'`{name}`' for name in MODERATION_TYPES)}) need `comments:moderate`.",
        json_schema_extra=any_of((*TYPES, *MODERATION_TYPES, *sorted(_KINDS)), spaces=False),
    )


def chosen_types(text: str | None, *, moderation: bool) -> frozenset[str]:
    """The types that `types` names, with those of moderation for a key that may see them; 403 for one that may not."""
    names = text.split(",") if text else [*_KINDS]
    if not moderation and not set(MODERATION_TYPES).isdisjoint(names):
        raise Forbidden("Moderation events need a key with the scope comments:moderate.")
    types = (*TYPES, *MODERATION_TYPES) if moderation else TYPES
    return frozenset(name for name in types if name in names or f"{name.partition('.')[0]}.*" in names)


class LiveRemovedOut(BaseModel):
    """Data of `comment.removed`: the comment's text is gone; its place stays while replies stand under it."""

    id: str
    article_id: str
    parent_id: str | None
    root_id: str


class LiveCountsOut(CountOut):
    """Data of `counts`."""

    votes: dict[str, VotesOut] = Field(description="Of the comments voted on since the last `counts`, by id.")


class LiveArticleOut(BaseModel):
    """Data of `article.updated`."""

    id: str
    slug: str
    revision: int
    state: Literal["published", "unpublished", "retracted"]
    fields: list[str] = Field(description="What to read again; `discussion` and `anchors` have addresses of their own.")
    reason: str | None = Field(description="Why it was retracted, in public.")


class Frame(NamedTuple):
    """One event of a stream, ready to send."""

    position: Position | None  # in the log; without one, it tells of the present and may be left out
    text: bytes


def framed(event: str, data: bytes, position: Position | None = None) -> Frame:
    """An event with its JSON, which has no line breaks."""
    identified = f"id: {position}\n" if position else ""
    return Frame(position, f"{identified}event: {event}\ndata: ".encode() + data + b"\n\n")


def marked(position: Position) -> bytes:
    """Tells the client how far it has come; no event, and enough to keep a connection alive."""
    return f": \nid: {position}\n\n".encode()


class Told(NamedTuple):
    """What the streams of one article are sent, and whether it is their end."""

    frames: list[Frame]
    is_over: bool


class Batch(NamedTuple):
    """The next facts, and the articles whose counts are to be told with the comments voted on."""

    entries: list[LoggedEvent]
    due: dict[str, set[str]]
