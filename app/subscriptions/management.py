"""Management of a caller's own subscriptions."""

from sqlmodel import Session

from app.core.problems import NotFound
from app.db.rows import Store
from app.identity.schemas import Actor
from app.identity.secrets import MANAGE_PREFIX, Vault
from app.subscriptions import subscriptions
from app.subscriptions.schemas import SubscriptionPatch
from app.subscriptions.subscriptions import SUBSCRIPTION, find_owner, find_subscriber, find_subscription


def create_manage_token(store: Store, vault: Vault, subscriber_id: str) -> str:
    """Create the token with which a subscriber manages subscriptions; it seals their id and token generation."""
    row = find_subscriber(store, subscriber_id)
    if row is None:
        raise NotFound
    return vault.seal_token(MANAGE_PREFIX, f"{subscriber_id.replace('-', '')}{row['generation']:08x}")


def _find_own(session: Session, actor: Actor, subscription_id: str) -> str:
    """Return the id of the caller's subscription; 404 for others."""
    me = find_owner(session, actor)
    row = find_subscription(session, subscription_id, me["id"]) if me else None
    if row is None:
        raise NotFound
    return row["id"]


def update_subscription(session: Session, actor: Actor, subscription_id: str, data: SubscriptionPatch) -> str:
    """Set the frequency of the caller's subscription and return its id."""
    own_id = _find_own(session, actor, subscription_id)
    if "frequency" in data.model_fields_set:
        subscriptions.set_frequency(session, own_id, data.frequency)
    return own_id


def end_subscription(session: Session, actor: Actor, subscription_id: str) -> None:
    """End a subscription of the caller."""
    subscriptions.end_subscriptions(session, SUBSCRIPTION.c.id == _find_own(session, actor, subscription_id))


def rotate_manage_token(session: Session, actor: Actor) -> str:
    """Revoke all manage tokens of the caller and return the subscriber's id."""
    me = find_owner(session, actor)
    if me is None:
        raise NotFound
    subscriptions.rotate_manage_tokens(session, me["id"])
    return me["id"]
