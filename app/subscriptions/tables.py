"""Tables of subscribers, subscriptions, opt-ins and suppressions."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table, partial_index


class Subscriber(Table, table=True):
    """An e-mail address. No other table contains it: they have the subscriber's id."""

    __table_args__ = (
        sa.Index("ix_subscriber_new", "created_at", "id"),
        sa.Index("ix_subscriber_address", "address", unique=True),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    email: str = Field(max_length=320, unique=True)  # normalised, in lower case
    address: str = Field(max_length=64)  # its SHA-256, which the links in mails contain
    generation: int = 1  # of the manage token; earlier tokens are invalid
    confirmed_at: datetime | None = None  # when the address was first confirmed
    created_at: datetime


class Subscription(Table, table=True):
    """A subscription. Without `confirmed_at` it was only requested, and nothing is sent."""

    __table_args__ = (
        sa.UniqueConstraint("subscriber_id", "kind", "target", "channel", name="uq_subscription_target"),
        partial_index("ix_subscription_target", "kind", "target", "subscriber_id", where="confirmed_at IS NOT NULL"),
        partial_index("ix_subscription_pending", "created_at", where="confirmed_at IS NULL"),
        partial_index("ix_subscription_participant", "participant_id", where="participant_id IS NOT NULL"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    subscriber_id: str = Field(sa_type=ID, foreign_key="subscriber.id", ondelete="CASCADE")
    kind: str = Field(max_length=30)
    target: str = Field(max_length=60)  # `site`, or `type:id`
    channel: str = Field("mail", max_length=10)
    frequency: str = Field(max_length=10)  # immediate, daily, weekly
    article_id: str | None = Field(None, sa_type=ID)  # the article of the comments
    participant_id: str | None = Field(None, sa_type=ID)  # who requested it; not notified of their own comments
    created_at: datetime
    confirmed_at: datetime | None = None


class SubscriptionRequest(Table, table=True):
    """A request for a subscription, until the worker processes it, so that the response reveals nothing."""

    __tablename__ = "subscription_request"
    __table_args__ = (sa.Index("ix_subscription_request_due", "due_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    email: str = Field(max_length=320)
    kind: str = Field(max_length=30)
    target: str = Field(max_length=60)
    frequency: str = Field(max_length=10)
    article_id: str | None = Field(None, sa_type=ID)
    participant_id: str | None = Field(None, sa_type=ID)
    comment_id: str | None = Field(None, sa_type=ID)
    confirm_url: str | None = Field(None, max_length=2048)
    network: str | None = Field(None, max_length=64)  # hash of the network address
    near_range: str | None = Field(None, max_length=64)  # hashes of the ranges that contain it
    far_range: str | None = Field(None, max_length=64)
    proven: bool  # whether the requester had confirmed the address
    created_at: datetime
    due_at: datetime


class OptIn(Table, table=True):
    """A confirmation mail: what its token confirms, and what the limits of such mails count."""

    __tablename__ = "opt_in"
    __table_args__ = (
        sa.Index("ix_opt_in_mailbox", "mailbox", "created_at"),
        sa.Index("ix_opt_in_network", "network", "created_at"),
        sa.Index("ix_opt_in_near_range", "near_range", "created_at"),
        sa.Index("ix_opt_in_far_range", "far_range", "created_at"),
        sa.Index("ix_opt_in_at", "created_at"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    subscription_id: str = Field(sa_type=ID)  # may be deleted; the limits count the mail all the same
    frequency: str = Field(max_length=10)  # set when it is confirmed
    confirm_url: str | None = Field(None, max_length=2048)
    participant_id: str | None = Field(None, sa_type=ID)  # whose e-mail is confirmed with it
    comment_id: str | None = Field(None, sa_type=ID)  # with which it was requested
    mailbox: str = Field(max_length=64)  # see `mailbox_hash`
    network: str | None = Field(None, max_length=64)
    near_range: str | None = Field(None, max_length=64)
    far_range: str | None = Field(None, max_length=64)
    used: int | None = None  # generation of the manage token given when it was confirmed
    created_at: datetime


class CommentAsk(Table, table=True):
    """The `notify` setting of a comment that was last applied, so that it is applied only once."""

    __tablename__ = "comment_ask"

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    notify: str = Field(max_length=10)


class Suppression(Table, table=True):
    """An address that gets no mail, as a hash; kept when everything else about the address is deleted."""

    __table_args__ = (sa.Index("ix_suppression_new", "created_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    address: str = Field(max_length=64, unique=True)  # SHA-256
    reason: str = Field(max_length=12)  # unsubscribe, bounce, complaint
    created_at: datetime
    created_by: str | None = Field(None, sa_type=ID)  # id of the key
