"""Schemas of personal data, as the persons get them, and of purging."""

from datetime import datetime
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from app.comments.schemas import CommentRevisionData
from app.core.ids import AnyId
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import exactly_one
from app.moderation.rule_schemas import BanData
from app.moderation.schemas import AppealData, ReportData
from app.people.schemas import PersonGrantOut
from app.subscriptions.schemas import SubscriptionOut
from app.text.emails import Email
from app.text.inputs import Prose


class ParticipantData(BaseModel):
    """A participant: an identity under which the person wrote, voted or reported."""

    id: str = Field(description="The public id, as in `author.id`.")
    kind: str
    name: str | None
    email: str | None
    confirmed_at: datetime | None = Field(description="When the address was confirmed; null: it was only entered.")
    subject: str | None = Field(description="The reader's id at the publication's site.")
    approved: int
    rejected: int
    created_at: datetime


class CommentData(BaseModel):
    """A comment with everything that is stored of it."""

    id: str
    article_id: str
    parent_id: str | None
    state: str
    author_name: str
    email: str | None
    source: str = Field(description="The source text.")
    html: str
    text: str
    notify: str
    address_hash: str | None = Field(description="A hash of the network address, which cannot be reversed.")
    created_at: datetime
    edited_at: datetime | None


class VoteData(BaseModel):
    """A vote."""

    comment_id: str
    value: int
    at: datetime
    address_hash: str | None = Field(description="A hash of a guest's network address, which cannot be reversed.")
    counted: bool


class ReactionData(BaseModel):
    """A reaction."""

    article_id: str
    value: str
    at: datetime
    address_hash: str | None = Field(description="As in votes.")
    counted: bool


class PassageData(BaseModel):
    """A passage that the person marked in an article."""

    id: str
    article_id: str
    exact: str | None
    created_at: datetime


class MailData(BaseModel):
    """A mail that was sent, or was to be sent."""

    what: str
    state: str
    created_at: datetime
    finished_at: datetime | None


class SuppressionData(BaseModel):
    """The suppression of an address, which gets no mail."""

    reason: str
    created_at: datetime


class PersonIn(InputModel):
    """A person: by e-mail address, or by the id of somebody of the staff, who may have been deleted."""

    model_config = ConfigDict(json_schema_extra=exactly_one("email", "person_id"))

    email: Email | None = Field(None, description="The address. Make sure that it belongs to the person who asked.")
    person_id: AnyId | None = Field(None, description="Id of a person of the staff.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.email is None) == (self.person_id is None):
            raise ValueError("Send either email or person_id.")
        return self


class StaffSessionData(BaseModel):
    """A session of a person of the staff."""

    id: str
    method: str
    client: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime


class StaffPasskeyData(BaseModel):
    """A passkey, without its keys."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


class StaffAccountData(BaseModel):
    """An account with a sign-in provider."""

    issuer: str
    subject: str
    created_at: datetime
    last_used_at: datetime | None


class StaffInvitationData(BaseModel):
    """An invitation."""

    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class StaffKeyData(BaseModel):
    """An API key of the person."""

    id: str
    name: str
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class StaffActionData(BaseModel):
    """An entry of the audit log."""

    at: datetime
    action: str
    subject_kind: str
    subject_id: str | None


class StaffRevisionData(BaseModel):
    """A revision of an article that the person saved."""

    article_id: str
    n: int
    created_at: datetime


class StaffApprovalData(BaseModel):
    """A text that the person submitted, approved or returned."""

    article_id: str
    n: int
    action: str
    at: datetime
    note: str | None


class StaffNoteData(BaseModel):
    """A note that the person wrote, or that is assigned to them."""

    id: str
    article_id: str
    text: str
    created_at: datetime
    done_at: datetime | None


class StaffTaskData(BaseModel):
    """A task that the person made, or that is assigned to them."""

    id: str
    article_id: str | None
    title: str
    created_at: datetime
    done_at: datetime | None


class StaffData(BaseModel):
    """What is stored about a person of the staff, without secrets."""

    id: str
    name: str
    email: str | None
    state: str
    methods: list[str] = Field(description="What the person signs in with.")
    mails: bool = Field(description="Whether the person gets mails about texts and tasks.")
    grants: list[PersonGrantOut]
    created_at: datetime
    accepted_at: datetime | None
    signed_in_at: datetime | None
    suspended_at: datetime | None
    deleted_at: datetime | None
    sessions: list[StaffSessionData]
    passkeys: list[StaffPasskeyData]
    accounts: list[StaffAccountData]
    invitations: list[StaffInvitationData]
    keys: list[StaffKeyData]
    actions: list[StaffActionData]
    revisions: list[StaffRevisionData]
    approvals: list[StaffApprovalData]
    notes: list[StaffNoteData]
    tasks: list[StaffTaskData]


class PersonalData(BaseModel):
    """Everything that is stored about a person."""

    email: str | None = Field(description="The confirmed e-mail address by which data were found; null: none.")
    participants: list[ParticipantData]
    comments: list[CommentData]
    votes: list[VoteData]
    reactions: list[ReactionData]
    reports: list[ReportData]
    appeals: list[AppealData]
    comment_revisions: list[CommentRevisionData]
    passages: list[PassageData]
    bans: list[BanData]
    subscriptions: list[SubscriptionOut]
    mails: list[MailData] = Field(description="Mails of the last weeks, without their texts, which are not stored.")
    suppression: SuppressionData | None = Field(description="Why the address gets no mail; null: it does.")
    staff: StaffData | None = Field(
        description="The person as somebody of the staff; null: no such, or asked for at `/v1/me/data`."
    )
    cut: list[str] = Field(description="Lists that have more than the 10,000 entries shown.")


class PurgeIn(InputModel):
    """The reason for purging an article."""

    reason: Prose = Field(
        description="For the audit log, which only administrators read; it should not repeat the text."
    )
