"""Webhooks at rest."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID


class Webhook(SQLModel, table=True):
    """An address that is told. Its secrets are readable here: signing needs them, and a hash cannot sign."""

    id: str = Field(primary_key=True, sa_type=ID)
    url: str = Field(max_length=2048)
    events: list[str] = Field(sa_type=sa.JSON)
    description: str = Field(max_length=2000)
    moderation: bool = Field(False, sa_column_kwargs={"server_default": sa.false()})
    """Moderation events may be sent: a key with `comments:moderate` chose its events,"""
    moderator_id: str | None = Field(None, sa_type=ID)
    """this one, and they are sent as long as it may moderate everywhere."""
    enabled: bool = True
    disabled_at: datetime | None = None  # by this server, and not by an editor
    disabled_reason: str | None = Field(None, max_length=300)
    secret: str = Field(max_length=100)
    old_secret: str | None = Field(None, max_length=100)
    old_secret_until: datetime | None = None
    version: int = 1
    created_at: datetime = Field(index=True)
    updated_at: datetime


class WebhookReplay(SQLModel, table=True):
    """A part of the log that a webhook is still to be told again."""

    __tablename__ = "webhook_replay"

    id: str = Field(primary_key=True, sa_type=ID)
    webhook_id: str = Field(sa_type=ID, foreign_key="webhook.id", ondelete="CASCADE", index=True)
    since: datetime
    until: datetime
    xid: int = Field(0, sa_type=sa.BigInteger)  # how far it has come
    seq: int = Field(0, sa_type=sa.BigInteger)
    created_at: datetime
