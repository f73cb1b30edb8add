"""Personal data as they are handed to whom they are about."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.subscriptions.schemas import Email, SubscriptionOut
from app.text.inputs import Prose


class ParticipantData(BaseModel):
    """Somebody under whose name was written, voted or reported."""

    id: str = Field(description="What others see as `author.id`.")
    kind: str
    name: str | None
    email: str | None
    confirmed_at: datetime | None = Field(description="When the e-mail was proven; null: it was only typed.")
    subject: str | None = Field(description="What the publication's site calls this reader.")
    approved: int
    rejected: int
    created_at: datetime


class CommentData(BaseModel):
    """A comment with all that is kept of it."""

    id: str
    article_id: str
    parent_id: str | None
    state: str
    author_name: str
    email: str | None
    source: str = Field(description="As it was written.")
    html: str
    text: str
    notify: str
    address_hash: str | None = Field(description="What stands for the network address; nothing leads back to it.")
    created_at: datetime
    edited_at: datetime | None


class VoteData(BaseModel):
    """A vote."""

    comment_id: str
    value: int
    at: datetime
    address_hash: str | None = Field(description="What stands for the network address of a guest; nothing leads back.")
    counted: bool


class ReactionData(BaseModel):
    """A reaction."""

    article_id: str
    value: str
    at: datetime
    address_hash: str | None = Field(description="As in votes.")
    counted: bool


class ReportData(BaseModel):
    """A report that was sent."""

    id: str
    comment_id: str | None
    article_id: str
    reason: str
    text: str | None
    email: str | None
    state: str
    created_at: datetime


class AppealData(BaseModel):
    """An appeal, and its answer."""

    comment_id: str
    text: str
    state: str
    answer: str | None
    created_at: datetime
    answered_at: datetime | None


class CommentRevisionData(BaseModel):
    """The text of a comment before a change."""

    comment_id: str
    number: int
    replaced_at: datetime
    replaced_by: str = Field(description="`author` or `moderator`.")
    source: str
    text: str


class PassageData(BaseModel):
    """A passage that was marked in an article."""

    id: str
    article_id: str
    exact: str | None
    created_at: datetime


class BanData(BaseModel):
    """A ban."""

    kind: str
    reason: str | None
    until: datetime | None
    created_at: datetime


class MailData(BaseModel):
    """A mail that was sent, or was to be sent."""

    what: str
    state: str
    created_at: datetime
    finished_at: datetime | None


class SuppressionData(BaseModel):
    """That the address gets no mail."""

    reason: str
    created_at: datetime


class PersonIn(BaseModel):
    """Whom it is about."""

    model_config = ConfigDict(extra="forbid")

    email: Email = Field(description="The address; whether it is theirs is for who asks to make sure.")


class PersonalData(BaseModel):
    """Everything that is stored about a person."""

    email: str | None = Field(description="The proven e-mail that was looked for; null: none.")
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
    mails: list[MailData] = Field(description="Of the last weeks; what they said is not kept.")
    suppression: SuppressionData | None = Field(description="Why the address gets no mail; null: it may.")
    cut: list[str] = Field(description="The lists that hold more than the 10,000 entries shown.")


Data = dict[str, Any]


class PurgeIn(BaseModel):
    """Why an article is purged."""

    model_config = ConfigDict(extra="forbid")

    reason: Prose = Field(
        description="For the audit log, which administrators alone read; it should not repeat the text."
    )
