"""Tables of the hub: subscriptions, and requests that are not confirmed yet."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table


class HubSubscription(Table, table=True):
    """A subscription of a callback to a topic, which it has confirmed, until its lease ends."""

    __tablename__ = "hub_subscription"
    __table_args__ = (sa.Index("ix_hub_subscription_topic", "kind", "target_id", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    pair: str = Field(max_length=64, unique=True)  # SHA-256 of topic and callback, which are too long for an index
    topic: str = Field(max_length=2048)
    callback: str = Field(max_length=2048)
    host: str = Field(max_length=255, index=True)  # of the callback
    kind: str = Field(max_length=10)  # site, section, tag, author, comments
    target_id: str | None = Field(sa_type=ID)  # null: the site
    form: str = Field(max_length=10)
    secret: str | None = Field(max_length=200)
    expires_at: datetime = Field(index=True)
    verified_at: datetime
    sent: str | None = Field(None, max_length=64)  # SHA-256 of the feed that was sent last


class HubRequest(Table, table=True):
    """A request that takes effect when its callback confirms it."""

    __tablename__ = "hub_request"

    id: str = Field(primary_key=True, sa_type=ID)
    mode: str = Field(max_length=12)  # subscribe, unsubscribe
    pair: str = Field(max_length=64)
    topic: str = Field(max_length=2048)
    callback: str = Field(max_length=2048)
    host: str = Field(max_length=255, index=True)
    kind: str = Field(max_length=10)
    target_id: str | None = Field(sa_type=ID)
    form: str = Field(max_length=10)
    secret: str | None = Field(max_length=200)
    lease_seconds: int
    created_at: datetime = Field(index=True)
