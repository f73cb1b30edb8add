"""Schemas of personal data, as the persons get them, and of purging."""

from datetime import datetime

from pydantic import Field

from app.comments.schemas import CommentRevisionData
from app.core.models import BaseModel, InputModel
from app.moderation.rule_schemas import BanData
from app.moderation.schemas import AppealData, ReportData
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
    """A person, by e-mail address."""

    email: Email = Field(description="The address. Make sure that it belongs to the person who asked.")


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
    cut: list[str] = Field(description="Lists that have more than the 10,000 entries shown.")


class PurgeIn(InputModel):
    """The reason for purging an article."""

    reason: Prose = Field(
        description="For the audit log, which only administrators read; it should not repeat the text."
    )
