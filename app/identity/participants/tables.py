"""Participants at rest."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Participant(SQLModel, table=True):
    """One who takes part. What tells who they are outside of this server is private, and is cleared by `erase`."""

    id: str = Field(primary_key=True, sa_type=ID)
    kind: str = Field(max_length=10)  # guest, reader, staff
    public_id: str = Field(max_length=32, unique=True)  # shown to everybody: HMAC of the id, tells nothing
    name: str | None = Field(None, max_length=200)
    email: str | None = Field(None, max_length=320, index=True)  # in lower case
    confirmed_at: datetime | None = None  # when the e-mail was proven to be theirs
    token_hash: str | None = Field(None, max_length=64, unique=True)  # of guests: SHA-256
    subject: str | None = Field(None, max_length=600, unique=True)  # of readers: `iss|sub` of their JWT
    key_id: str | None = Field(None, sa_type=ID, unique=True)  # of staff who write with an API key
    author_id: str | None = Field(None, sa_type=ID)  # their profile among the publication's authors
    approved: int = 0
    rejected: int = 0
    created_at: datetime
    erased_at: datetime | None = None
