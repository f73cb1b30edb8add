"""Schemas of people who comment, as moderators see them: notes, actions and canned reasons."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from app.core.clock import Moment
from app.core.ids import AnyId
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import Rule
from app.moderation.rule_schemas import BanOut
from app.moderation.schemas import GROUND, CommentState, Ground, ModeratorText, ParticipantOut
from app.text.inputs import Length, OneLine, Visible
from app.web.paging import PageQuery


class CommenterOut(ParticipantOut):
    """Somebody who comments."""

    confirmed: bool = Field(description="Whether the e-mail address is confirmed.")
    erased: bool
    first_seen: datetime
    last_seen: datetime | None = Field(description="Time of the newest comment.")
    comments: dict[str, int] = Field(description="Comments by state, in the caller's sections.")
    shadowed: int = Field(description="Comments that a shadow ban hides.")
    approved: int = Field(description="Comments that moderators approved.")
    rejected: int = Field(description="Comments that moderators rejected.")
    reports_of: int = Field(description="Reports on comments of this person.")
    reports_by: int = Field(description="Reports by this person.")
    bans: list[BanOut] = Field(description="Present bans and those that have ended, the newest 20.")
    notes: int = Field(description="Notes that the caller may read.")


class PersonCommentQuery(PageQuery):
    """Parameters of the comments of a person."""

    state: CommentState | None = Field(None, description="Only comments in this state of a person.")


class PersonReportQuery(PageQuery):
    """Parameters of the reports of a person."""

    direction: Literal["of", "by"] = Field("of", description="Reports on the person's comments, or by the person.")


class NoteIn(InputModel):
    """A note on a person."""

    text: ModeratorText = Field(description="For moderators; erased together with the person.")


class NoteOut(BaseModel):
    """A note on a person."""

    id: str
    text: str
    created_by: str = Field(description="Id of the moderator's key, or of the moderator.")
    person_id: str | None = Field(description="Id of the moderator, if known.")
    created_at: datetime


_NO_BAN: Final[Rule] = {"properties": {"ban": {"type": "null"}}}
_NOTHING: Final[Rule] = {"properties": {"ban": {"type": "null"}, "remove_all": {"const": False}}}
_ENDS: Final[Rule] = {"required": ["until"], "properties": {"until": {"not": {"type": "null"}}}}
_ACTION: Final[Rule] = {"if": {"anyOf": [_NOTHING, {"allOf": [_NO_BAN, _ENDS]}]}, "then": {"not": {}}}


class ActionIn(InputModel):
    """What to do about a person."""

    model_config = ConfigDict(json_schema_extra=_ACTION)

    ban: Literal["full", "shadow"] | None = Field(
        None,
        description="`full` refuses what the person sends; `shadow` shows new comments to the person alone.",
    )
    until: Moment | None = Field(None, description="When the ban ends (RFC 3339); null means never.")
    remove_all: bool = Field(False, description="Remove all comments of the person, in the caller's sections.")
    reason: ModeratorText | None = Field(None, description="Shown in the log and to the author of the comments.")
    ground: Ground | None = Field(None, description=GROUND)
    canned: AnyId | None = Field(None, description="A canned reason, which also gives the ground.")


class PersonActionOut(BaseModel):
    """An action on a person, and how far it has come."""

    id: str
    state: Literal["done", "removing", "restoring", "undone"]
    ban: Literal["full", "shadow"] | None
    ban_id: str | None
    until: datetime | None
    remove_all: bool
    sections: list[str] | None = Field(description="Sections in which it removes comments; null: everywhere.")
    removed: int = Field(description="Comments that it has removed.")
    restored: int = Field(description="Comments that were restored.")
    reason: str | None
    ground: Ground | None
    created_by: str | None = Field(description="Id of the moderator's key, or of the moderator.")
    created_at: datetime
    finished_at: datetime | None


LanguageTag = Annotated[str, OneLine, Length(2, 35)]


class CannedIn(InputModel):
    """A reason for many decisions."""

    title: Annotated[str, OneLine, Length(1, 100), Visible] = Field(description="How moderators call it.")
    ground: Ground | None = Field(None, description=GROUND)
    basis: Annotated[str, OneLine, Length(1, 500)] | None = Field(None, description="The law or rule that was broken.")
    texts: dict[LanguageTag, ModeratorText] = Field(
        min_length=1, max_length=30, description="What authors are told, by language; the first one is the default."
    )


class CannedOut(BaseModel):
    """A canned reason."""

    id: str
    title: str
    ground: Ground | None
    basis: str | None
    texts: dict[str, str]
    version: int
    created_at: datetime
    updated_at: datetime


class NoticesOut(BaseModel):
    """Notices of one ground."""

    reason: str
    target: Literal["comment", "article"]
    received: int
    open: int
    upheld: int
    dismissed: int


class ActionsOut(BaseModel):
    """Decisions of one kind."""

    action: str = Field(description="As in the moderation log.")
    ground: Ground | None = Field(description=GROUND)
    automated: bool = Field(description="Whether rules decided, without a person.")
    number: int


class BansOut(BaseModel):
    """Bans of the period."""

    created: int
    lifted: int
    in_force: int = Field(description="Bans that hold now.")


class TransparencyOut(BaseModel):
    """What was reported, decided and appealed in a period."""

    since: datetime
    until: datetime
    notices: list[NoticesOut] = Field(description="Reports that were received, by their reason.")
    notice_seconds: float | None = Field(description="Median time to a decision about a report.")
    actions: list[ActionsOut]
    automated_share: float | None = Field(description="Share of the actions that rules decided, 0 to 1.")
    reasons: dict[str, int] = Field(description="Decisions with each canned reason, by its title.")
    appeals: dict[str, int] = Field(description="Appeals by state: `open`, `granted`, `declined`.")
    appeal_seconds: float | None = Field(description="Median time to the outcome of an appeal.")
    bans: BansOut
