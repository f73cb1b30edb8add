"""Phrases at rest."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Phrase(SQLModel, table=True):
    """Something that comments may not say unread."""

    id: str = Field(primary_key=True, sa_type=ID)
    text: str = Field(max_length=200)
    match: str = Field(max_length=10)  # word or text
    action: str = Field(max_length=10)  # hold, reject, spam
    note: str | None = Field(None, max_length=2000)
    version: int = 1
    created_at: datetime = Field(index=True)
    updated_at: datetime


class PhraseStamp(SQLModel, table=True):
    """The only row: another value than the one that a process compiled its phrases under means that they changed."""

    __tablename__ = "phrase_stamp"

    id: int = Field(1, primary_key=True)
    value: str = Field(sa_type=ID)
