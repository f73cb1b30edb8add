"""Ending what a mail came from."""

from sqlmodel import Session

from app.identity.schemas import Actor
from app.identity.secrets.actions import Vault
from app.subscriptions import actions
from app.subscriptions.queries import SUBSCRIPTION
from app.subscriptions.suppressions.actions import suppress
from app.subscriptions.unsubscribing.queries import scope_of, within


def unsubscribe(session: Session, _actor: Actor, vault: Vault, token: str) -> None:
    """End it. Twice changes nothing, and a link never grows too old for it."""
    scope = scope_of(vault, token)
    if scope.everything:
        suppress(session, scope.address, "unsubscribe")
    elif ids := [row["id"] for row in within(session, scope)]:
        actions.end(session, SUBSCRIPTION.c.id.in_(ids))
