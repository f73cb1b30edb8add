"""Unsubscribing as it comes in and goes out."""

from pydantic import BaseModel, Field

from app.subscriptions.schemas import SubscriptionOut


class UnsubscribeOut(BaseModel):
    """What sending the same address by POST would end."""

    everything: bool = Field(description="All subscriptions of the address, which then gets no mail at all.")
    subscriptions: list[SubscriptionOut] = Field(description="Those that hold; empty if they have ended already.")


class UnsubscribedOut(BaseModel):
    """It has ended, now or before."""

    unsubscribed: bool
