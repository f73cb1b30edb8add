"""Subscribers as staff see them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.kit.paging import PageQuery
from app.subscriptions.schemas import Email, Kind, SubscriptionOut


class SubscriberOut(BaseModel):
    """An address that something was subscribed to."""

    id: str
    email: str
    subscriptions: int = Field(description="Those that hold.")
    confirmed_at: datetime | None = Field(description="When the address was first proven; null: it never was.")
    created_at: datetime


class OneSubscriberOut(SubscriberOut):
    """The same with what it is subscribed to."""

    all: list[SubscriptionOut] = Field(description="Those that hold, and those that wait to be confirmed.")


class SubscriberQuery(PageQuery):
    """Filters of the list of subscribers."""

    state: Literal["confirmed", "pending"] | None = Field(None, description="Only addresses that are proven, or not.")
    kind: Kind | None = Field(None, description="Only those who subscribe to something of this kind.")
    target: str | None = Field(
        None,
        pattern=r"^(site|(section|series|author|tag|article|comment):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        description="Only those who subscribe to this: `site`, or a type and an id, such as `article:0199…`.",
    )
    email: Email | None = Field(None, description="Only this address.")
