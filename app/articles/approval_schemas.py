"""Approval as editors send and get it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.articles.editorial_schemas import RevisionNumber
from app.core.models import BaseModel, InputModel
from app.text.inputs import Length, ManyLines, Slug, Visible

MAX_NOTE_LENGTH = 4000
MAX_ROLES = 50  # that a rule may name
Note = Annotated[str, ManyLines, Length(1, MAX_NOTE_LENGTH), Visible]
Action = Literal["submitted", "approved", "returned"]
_NOTE = "For colleagues; never public."
_REQUIRED = "Whether a text must be approved before readers see it."
_ROLES = "Slugs of roles, one of which the approver must have in the section; null: whoever has `content:approve`."
_FOUR_EYES = "Whether the approver must not have written any part of the text that nobody else approved."


class SubmitIn(InputModel):
    """The revision to submit for approval."""

    revision: RevisionNumber | None = Field(None, description="Number of the revision; absent or null: the newest.")
    note: Note | None = Field(None, description=_NOTE)


class ApproveIn(InputModel):
    """The revision to approve."""

    revision: RevisionNumber = Field(description="Number of the revision that was read: no other one is approved.")
    note: Note | None = Field(None, description=_NOTE)


class ReturnIn(InputModel):
    """The revision to return to its writers, and why."""

    revision: RevisionNumber | None = Field(None, description="Number of the revision; absent or null: the newest.")
    note: Note = Field(description=_NOTE)


class ApprovalStepOut(BaseModel):
    """A step of the approval of one revision."""

    id: str
    revision: int
    action: Action = Field(
        description="`returned` also where the worker did not publish a text at its time, as it was not approved."
    )
    at: datetime
    by: str = Field(description="Name of the person or key.")
    actor_id: str | None = Field(description="Id of the person or key; null: the worker.")
    own: bool = Field(description="Whether who approved it had written a part of it.")
    roles: list[str] = Field(description="Roles of the approver in the section.")
    note: str | None = Field(description=_NOTE)


class ApprovalRuleIn(InputModel):
    """What a section, or the site, requires before a text becomes public."""

    required: bool | None = Field(
        None, strict=True, description=f"{_REQUIRED} Absent or null: inherited, with the other members."
    )
    roles: Annotated[list[Slug], Field(min_length=1, max_length=MAX_ROLES)] | None = Field(None, description=_ROLES)
    four_eyes: bool = Field(False, strict=True, description=_FOUR_EYES)


class OwnRuleOut(BaseModel):
    """The rule of this level."""

    required: bool | None = Field(description=f"{_REQUIRED} Null: inherited.")
    roles: list[str] | None = Field(description=_ROLES)
    four_eyes: bool = Field(description=_FOUR_EYES)


class EffectiveRuleOut(BaseModel):
    """The rule that applies."""

    required: bool = Field(description=_REQUIRED)
    roles: list[str] | None = Field(description=_ROLES)
    four_eyes: bool = Field(description=_FOUR_EYES)


class ApprovalRuleOut(BaseModel):
    """The rule of a section, or of the site, and the one that applies there."""

    own: OwnRuleOut
    effective: EffectiveRuleOut
