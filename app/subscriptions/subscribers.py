"""Subscribers as staff see them."""

from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.ids import is_id
from app.core.problems import InvalidParameter, NotFound
from app.db.rows import JsonObject, fetch_row
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication.terms import require_all_sections
from app.subscriptions.schemas import TARGET_TYPES, SubscriberQuery
from app.subscriptions.subscriptions import (
    SUBSCRIBER,
    SUBSCRIPTION,
    erase_subscriber,
    list_subscriptions,
    present_subscriptions,
)
from app.web.paging import Page, Sort, fetch_page


def delete_subscriber(session: Session, actor: Actor, subscriber_id: str) -> None:
    """Delete a subscriber and their subscriptions. Unlike a suppressed address, it can subscribe again."""
    require_all_sections(actor, "subscribers:manage")
    if not erase_subscriber(session, subscriber_id):
        raise NotFound
    record_action(session, actor, "subscriber.delete", "subscriber", subscriber_id, {})


NEWEST = Sort("-created_at", descending=True)
_IS_CONFIRMED = (SUBSCRIPTION.c.subscriber_id == SUBSCRIBER.c.id) & SUBSCRIPTION.c.confirmed_at.is_not(None)
_COUNT = (
    sa.select(sa.func.count()).select_from(SUBSCRIPTION).where(_IS_CONFIRMED).correlate(SUBSCRIBER).scalar_subquery()
)
_SELECT_SUBSCRIBERS = sa.select(
    *(SUBSCRIBER.c[name] for name in ("id", "email", "confirmed_at", "created_at")), _COUNT.label("subscriptions")
)


class SubscriberSummary(TypedDict):
    """A subscriber with the number of confirmed subscriptions."""

    id: str
    email: str
    confirmed_at: datetime | None
    created_at: datetime
    subscriptions: int


def list_subscribers(connection: sa.Connection, filters: SubscriberQuery) -> Page[SubscriberSummary]:
    """List subscribers, newest first."""
    query = _SELECT_SUBSCRIBERS
    if filters.email is not None:
        query = query.where(SUBSCRIBER.c.email == filters.email)
    if filters.state is not None:
        query = query.where(SUBSCRIBER.c.confirmed_at.is_(None) == (filters.state == "pending"))
    if filters.kind is not None or filters.target is not None:
        subscriber_ids = sa.select(SUBSCRIPTION.c.subscriber_id).where(SUBSCRIPTION.c.confirmed_at.is_not(None))
        if filters.kind is not None:
            subscriber_ids = subscriber_ids.where(SUBSCRIPTION.c.kind == filters.kind)
        if filters.target is not None:
            if filters.target != "site" and not is_id(filters.target.partition(":")[2]):
                raise InvalidParameter("target", "target must be `site` or `type:id`.")
            kinds = [kind for kind, types in TARGET_TYPES.items() if filters.target.partition(":")[0] in types]
            subscriber_ids = subscriber_ids.where(
                SUBSCRIPTION.c.kind.in_(kinds), SUBSCRIPTION.c.target == filters.target
            )
        query = query.where(SUBSCRIBER.c.id.in_(subscriber_ids))
    return fetch_page(connection, query, NEWEST, SUBSCRIBER.c.created_at, filters, SubscriberSummary)


def get_subscriber(connection: sa.Connection, subscriber_id: str) -> JsonObject:
    """Return a subscriber with all subscriptions; 404 if missing."""
    row = fetch_row(connection, _SELECT_SUBSCRIBERS.where(SUBSCRIBER.c.id == subscriber_id), SubscriberSummary)
    if row is None:
        raise NotFound
    return {**row, "all": present_subscriptions(connection, list_subscriptions(connection, subscriber_id))}
