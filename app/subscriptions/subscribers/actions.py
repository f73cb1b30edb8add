"""Deleting a subscriber."""

from sqlmodel import Session

from app.identity.audit.actions import record
from app.identity.schemas import Actor
from app.kit.problems import NotFound
from app.publication.actions import unlimited
from app.subscriptions.actions import forget_subscriber


def delete(session: Session, actor: Actor, subscriber_id: str) -> None:
    """Forget an address and end its subscriptions; unlike suppressing it, it may subscribe again."""
    unlimited(actor)
    if not forget_subscriber(session, subscriber_id):
        raise NotFound
    record(session, actor, "subscriber.delete", "subscriber", subscriber_id, {})
