"""Deleting a subscriber."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.core.ids import is_id
from app.core.problems import InvalidParameter, NotFound
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication.terms import require_all_sections
from app.subscriptions.schemas import TYPES, SubscriberQuery
from app.subscriptions.subscriptions import SUBSCRIBER, SUBSCRIPTION, forget_subscriber, of_subscriber, present
from app.web.paging import Sort, fetch_page


def delete(session: Session, actor: Actor, subscriber_id: str) -> None:
    """Forget an address and end its subscriptions; unlike suppressing it, it may subscribe again."""
    require_all_sections(actor)
    if not forget_subscriber(session, subscriber_id):
        raise NotFound
    record_action(session, actor, "subscriber.delete", "subscriber", subscriber_id, {})


NEWEST = Sort("-created_at", descending=True)
_HOLDS = (SUBSCRIPTION.c.subscriber_id == SUBSCRIBER.c.id) & SUBSCRIPTION.c.confirmed_at.is_not(None)
_NUMBER = sa.select(sa.func.count()).select_from(SUBSCRIPTION).where(_HOLDS).correlate(SUBSCRIBER).scalar_subquery()
_SHOWN = sa.select(
    *(SUBSCRIBER.c[name] for name in ("id", "email", "confirmed_at", "created_at")), _NUMBER.label("subscriptions")
)


def page(connection: sa.Connection, asked: SubscriberQuery) -> dict[str, Any]:
    """A page of subscribers, newest first."""
    query = _SHOWN
    if asked.email is not None:
        query = query.where(SUBSCRIBER.c.email == asked.email)
    if asked.state is not None:
        query = query.where(SUBSCRIBER.c.confirmed_at.is_(None) == (asked.state == "pending"))
    if asked.kind is not None or asked.target is not None:
        wanted = sa.select(SUBSCRIPTION.c.subscriber_id).where(SUBSCRIPTION.c.confirmed_at.is_not(None))
        if asked.kind is not None:
            wanted = wanted.where(SUBSCRIPTION.c.kind == asked.kind)
        if asked.target is not None:
            if asked.target != "site" and not is_id(asked.target.partition(":")[2]):
                raise InvalidParameter("target", "target: after the type stands an id.")
            kinds = [kind for kind, types in TYPES.items() if asked.target.partition(":")[0] in types]
            wanted = wanted.where(SUBSCRIPTION.c.kind.in_(kinds), SUBSCRIPTION.c.target == asked.target)
        query = query.where(SUBSCRIBER.c.id.in_(wanted))
    return fetch_page(connection, query, NEWEST, SUBSCRIBER.c.created_at, asked)


def shown(connection: sa.Connection, subscriber_id: str) -> dict[str, Any]:
    """One subscriber with all subscriptions; 404 if there is none."""
    row = connection.execute(_SHOWN.where(SUBSCRIBER.c.id == subscriber_id)).mappings().first()
    if row is None:
        raise NotFound
    return dict(row) | {"all": present(connection, of_subscriber(connection, subscriber_id))}
