"""Tables of webhooks and of replays."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table


class Webhook(Table, table=True):
    """A URL that receives messages. Its secrets are stored in plain text, since a hash cannot sign."""

    id: str = Field(primary_key=True, sa_type=ID)
    url: str = Field(max_length=2048)
    events: list[str] = Field(sa_type=sa.JSON)
    description: str = Field(max_length=2000)
    moderation: bool = Field(False, sa_column_kwargs={"server_default": sa.false()})
    """True if a caller with `comments:moderate` has set `events`, so that moderation events may be sent."""
    editorial: bool = Field(False, sa_column_kwargs={"server_default": sa.false()})
    """True if a caller who reads drafts has set `events`, so that editorial events may be sent."""
    moderator_id: str | None = Field(None, sa_type=ID)
    """The key or person that set `events`, if that matters: events are sent as far as they may read them now.

    Those of moderation as long as they may moderate all sections, editorial ones of sections whose drafts they read.
    Messages name the person who caused an event as long as they are an administrator.
    """
    enabled: bool = True
    disabled_at: datetime | None = None  # by this server because of failures; null if an editor did it
    disabled_reason: str | None = Field(None, max_length=300)
    secret: str = Field(max_length=100)
    old_secret: str | None = Field(None, max_length=100)
    old_secret_until: datetime | None = None
    version: int = 1
    created_at: datetime = Field(index=True)
    updated_at: datetime


class WebhookReplay(Table, table=True):
    """A part of the log that is sent to a webhook again."""

    __tablename__ = "webhook_replay"

    id: str = Field(primary_key=True, sa_type=ID)
    webhook_id: str = Field(sa_type=ID, foreign_key="webhook.id", ondelete="CASCADE", index=True)
    since: datetime
    until: datetime
    xid: int = Field(0, sa_type=sa.BigInteger)  # position of the last event read
    seq: int = Field(0, sa_type=sa.BigInteger)
    created_at: datetime
