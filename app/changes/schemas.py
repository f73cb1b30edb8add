"""Changes as followers read them, and their cursors."""

from datetime import datetime
from typing import Final, Literal, NamedTuple, get_args

from pydantic import Field

from app.core.models import BaseModel
from app.core.problems import Gone, InvalidParameter
from app.core.schema_rules import FIELD_NAMES, any_of
from app.events.schemas import Position
from app.web.paging import ReadQuery

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
    "site",
    "redirects",
    "votes",
    "reactions",
]
Op = Literal["upsert", "delete", "withdraw"]
TYPES: Final = frozenset(get_args(Type))
COUNTS: Final = frozenset({"votes", "reactions"})  # frequent, so only on request
EXPORT_PATH: Final = "/v1/export.ndjson"
NOW: Final = "now"  # a cursor: the end of the log


class Meaning(NamedTuple):
    """The change that an event is for followers."""

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
    "site.changed": Meaning("site", "upsert"),
    "redirects.changed": Meaning("redirects", "upsert"),
}
"""The events that followers are told of, by type; all others stay private."""


class CursorExpired(Gone, code="cursor_expired", title="The cursor is too old"):
    """The changes after this cursor are no longer kept: read the export, and continue from its cursor."""


def encode_cursor(log: str, position: Position) -> str:
    """Return the cursor of a position in this log."""
    return f"{log}.{position}"


def decode_cursor(log: str, cursor: str) -> Position:
    """Return the position in a cursor of this log; 400 for anything else."""
    name, _, text = cursor.partition(".")
    try:
        position = Position.parse(text)
    except ValueError:
        raise InvalidParameter("cursor", "The cursor is invalid. Send one that this server returned.") from None
    if name != log:
        raise InvalidParameter("cursor", f"The cursor belongs to another server's log. Start with {EXPORT_PATH}.")
    return position


class ChangeParentOut(BaseModel):
    """The object that the subject of a change belongs to."""

    type: Literal["site", "section", "series", "author", "article"]
    id: str | None = Field(description="Null for the site.")


class ChangeOut(BaseModel):
    """An object that a follower has to read again or to delete."""

    position: str = Field(description="Position in the log: `Broadsheet-Position` of the write that caused it.")
    type: Type = Field(
        description="What changed. `discussion`: the discussion settings of an article, section or the site, or the "
        "anchors of an article. `site`: what `GET /v1/site` answers. `votes` on a comment and `reactions` to an "
        "article are listed only on request."
    )
    op: Op = Field(
        description="`upsert`: it is new or has changed: read it. `delete`: it is gone; delete all of an article. "
        "`withdraw`: an article is no longer public, nor is its discussion."
    )
    id: str | None = Field(description="Id of the object; null for the site, its discussion and redirects.")
    of: ChangeParentOut | None = Field(
        description="The article of a comment, or the target of a notice or of discussion settings."
    )
    revision: int | None = Field(description="Of an article: the number of the revision shown at that time.")
    at: datetime
    reason: str | None = Field(
        description="Of a withdrawal: the public reason of a retraction, or `unpublished`, `embargoed` or `expired`."
    )
    status: Literal[404, 410, 451] | None = Field(
        description="Of a withdrawal: the status of the article's URL since then; 410 or, for legal reasons, 451 after "
        "a retraction."
    )


class ChangePageOut(BaseModel):
    """The continuation of the feed."""

    next: str = Field(description="Cursor for the next request; never null, since there will be more changes.")
    limit: int = Field(description="Maximum number of changes.")
    total: int | None = Field(description="Always null.")
    more: bool = Field(description="Whether there are more changes already. A page may have few or none even then.")


class ChangesOut(BaseModel):
    """A page of the change feed."""

    data: list[ChangeOut]
    page: ChangePageOut


class ChangesQuery(ReadQuery):
    """Parameters of the change feed."""

    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=60,
        description=f"`page.next` of the previous page, or the `cursor` of an export ({EXPORT_PATH}); the oldest "
        "change that is kept if absent; `now` for what comes from here on.",
        json_schema_extra={"pattern": r"^(now|[\w-]+\.[0-9]{1,19}\.[0-9]{1,19})$"},
    )
    types: str | None = Field(
        None,
        max_length=200,
        description="Only these types, comma-separated; all but `votes` and `reactions` if absent.",
        json_schema_extra=any_of(get_args(Type)),
    )
    limit: int = Field(
        20, ge=1, le=100, description="Maximum number of changes, 1 to 100; fewer if a page would exceed 256 KiB."
    )
    fields: str | None = Field(
        None,
        max_length=2000,
        description="Fields of each change, comma-separated: `type,op,id`.",
        json_schema_extra=FIELD_NAMES,
    )

    def chosen_types(self) -> frozenset[str]:
        """Return the requested types; 400 for an unknown one."""
        if self.types is None:
            return TYPES - COUNTS
        types = frozenset(name.strip() for name in self.types.split(","))
        if not types <= TYPES:
            raise InvalidParameter("types", f"types: send any of {', '.join(get_args(Type))}.")
        return types
