"""Changes as followers read them, and the cursors that they keep."""

from datetime import datetime
from typing import Final, Literal, NamedTuple, get_args

from pydantic import BaseModel, Field

from app.core.problems import Gone, InvalidParameter
from app.core.schema_rules import FIELD_NAMES, any_of
from app.events.schemas import Position
from app.web.responses import ReadQuery

Type = Literal[
    "article",
    "comment",
    "section",
    "tag",
    "author",
    "series",
    "media",
    "notice",
    "discussion",
    "votes",
    "reactions",
]
Op = Literal["upsert", "delete", "withdraw"]
TYPES: Final = frozenset(get_args(Type))
COUNTS: Final = frozenset({"votes", "reactions"})  # they come often, and few follow them
EXPORT: Final = "/v1/export.ndjson"


class Meaning(NamedTuple):
    """What a fact in the log means to those who follow the public content."""

    type: Type
    op: Op


MEANINGS: Final[dict[str, Meaning]] = {
    "article.published": Meaning("article", "upsert"),
    "article.updated": Meaning("article", "upsert"),
    "article.corrected": Meaning("article", "upsert"),
    "article.correction_changed": Meaning("article", "upsert"),
    "article.correction_withdrawn": Meaning("article", "upsert"),
    "article.unpublished": Meaning("article", "withdraw"),
    "article.retracted": Meaning("article", "withdraw"),
    "article.purged": Meaning("article", "delete"),
    "discussion.changed": Meaning("discussion", "upsert"),
    "article.anchors_resolved": Meaning("discussion", "upsert"),
    "anchor.changed": Meaning("discussion", "upsert"),
    "comment.published": Meaning("comment", "upsert"),
    "comment.edited": Meaning("comment", "upsert"),
    "comment.removed": Meaning("comment", "delete"),
    "comment.voted": Meaning("votes", "upsert"),
    "article.reacted": Meaning("reactions", "upsert"),
    "section.changed": Meaning("section", "upsert"),
    "section.deleted": Meaning("section", "delete"),
    "tag.changed": Meaning("tag", "upsert"),
    "tag.deleted": Meaning("tag", "delete"),
    "author.changed": Meaning("author", "upsert"),
    "author.deleted": Meaning("author", "delete"),
    "series.changed": Meaning("series", "upsert"),
    "series.deleted": Meaning("series", "delete"),
    "notice.changed": Meaning("notice", "upsert"),
    "notice.deleted": Meaning("notice", "delete"),
    "media.changed": Meaning("media", "upsert"),
    "media.deleted": Meaning("media", "delete"),
}
"""Facts that are not named here stay in the house."""


class CursorExpired(Gone):
    """What follows this cursor has been pruned from the log: read the export and go on from the cursor in it."""

    code, title = "cursor_expired", "The cursor is too old"


def encode(log: str, position: Position) -> str:
    """A place in this log as followers keep it."""
    return f"{log}.{position}"


def decode(log: str, cursor: str) -> Position:
    """The place inside a cursor of this log; anything else is a 400."""
    name, _, text = cursor.partition(".")
    try:
        found = Position.parse(text)
    except ValueError:
        raise InvalidParameter("cursor", "The cursor is not one that this server gave.") from None
    if name != log:
        raise InvalidParameter("cursor", f"The cursor belongs to another log; begin with {EXPORT}.")
    return found


class ChangeParentOut(BaseModel):
    """What something belongs to."""

    type: Literal["site", "section", "series", "author", "article"]
    id: str | None = Field(description="Null for the site.")


class ChangeOut(BaseModel):
    """Something that a follower has to read again, or to let go."""

    position: str = Field(description="Where it stands in the log: `Broadsheet-Position` of the write that caused it.")
    type: Type = Field(
        description="What changed. `discussion`: how that of an article, section or the site is set, or where "
        "the passages of an article stand. `votes` on a comment and `reactions` to an article come only if "
        "asked for."
    )
    op: Op = Field(
        description="`upsert`: it is there, as it may have been before: read it. `delete`: it is gone; an article: "
        "for good, and nothing of it may be kept. `withdraw`: an "
        "article that was public no longer is, and its discussion goes with it."
    )
    id: str | None = Field(description="Id of the thing; null for the discussion of the site.")
    of: ChangeParentOut | None = Field(
        description="A comment's article; what a notice stands with; whose discussion it is."
    )
    revision: int | None = Field(description="Of an article: the revision that was shown at that time.")
    at: datetime
    reason: str | None = Field(
        description="Of a withdrawal: the public reason of a retraction, else `unpublished`, `embargoed` or `expired`."
    )
    status: Literal[404, 410, 451] | None = Field(
        description="Of a withdrawal: what its address answered from then on; 410 for a retraction, 451 for one for "
        "legal reasons (RFC 7725)."
    )


class ChangePageOut(BaseModel):
    """Where the feed goes on."""

    next: str = Field(description="Cursor to come back with; never null, for something will change.")
    limit: int = Field(description="The most that a page holds.")
    total: int | None = Field(description="Always null: the feed has no end.")
    more: bool = Field(description="Whether to come back at once. A page may be short, or empty, and have more behind.")


class ChangesOut(BaseModel):
    """A page of the change feed."""

    data: list[ChangeOut]
    page: ChangePageOut


class ChangesQuery(ReadQuery):
    """What to read of the change feed."""

    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=60,
        description=f"`page.next` of the page before, or the `cursor` of an export ({EXPORT}); without it, from the "
        "oldest change that is kept.",
        json_schema_extra={"pattern": r"^[\w-]+\.[0-9]{1,19}\.[0-9]{1,19}$"},
    )
    types: str | None = Field(
        None,
        max_length=200,
        description="Only these, with commas; all but `votes` and `reactions` if absent.",
        json_schema_extra=any_of(get_args(Type)),
    )
    limit: int = Field(20, ge=1, le=100, description="The most that a page holds, 1 to 100; 256 KiB if that is less.")
    fields: str | None = Field(
        None,
        max_length=2000,
        description="Exactly these fields of each change, with commas: `type,op,id`.",
        json_schema_extra=FIELD_NAMES,
    )

    def chosen_types(self) -> frozenset[str]:
        """The types asked for; 400 for an unknown one."""
        if self.types is None:
            return TYPES - COUNTS
        asked = frozenset(name.strip() for name in self.types.split(","))
        if not asked <= TYPES:
            raise InvalidParameter("types", f"types: any of {', '.join(get_args(Type))}.")
        return asked
