"""Letting an address be, and lifting that again."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.identity.audit.actions import record
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.problems import NotFound
from app.kit.schema import affected
from app.publication.actions import unlimited
from app.subscriptions import actions
from app.subscriptions.queries import subscriber_at
from app.subscriptions.schemas import address_hash
from app.subscriptions.suppressions.queries import SUPPRESSION, at, of
from app.subscriptions.suppressions.schemas import SuppressionIn

_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert(SUPPRESSION).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(SUPPRESSION).on_conflict_do_nothing(),
}
_WEIGHT = {"unsubscribe": 0, "bounce": 1, "complaint": 2}


def suppress(session: Session, address: str, reason: str, by: str | None = None) -> str:
    """End every subscription of an address, known by its hash, and send it nothing more; returns the suppression's id.

    Of two reasons the graver one stays: what a reader may lift must not hide what they may not.
    """
    row = {"id": new_id(), "address": address, "reason": reason, "created_at": now(), "created_by": by}
    session.execute(_INSERT[session.get_bind().dialect.name], row)
    held = at(session, address)
    if held is None:
        raise NotFound  # it was lifted at this very moment
    if _WEIGHT[held["reason"]] < _WEIGHT[reason]:
        session.execute(sa.update(SUPPRESSION).where(SUPPRESSION.c.id == held["id"]).values(reason=reason))
    if subscriber := subscriber_at(session, address):
        actions.forget_subscriber(session, subscriber["id"])
    return str(held["id"])


def create(session: Session, actor: Actor, data: SuppressionIn) -> str:
    """The same, for staff and for what reads complaints of mail providers."""
    unlimited(actor)
    suppression_id = suppress(session, address_hash(data.email), data.reason, actor.id)
    record(session, actor, "suppression.create", "suppression", suppression_id, {"reason": data.reason})
    return suppression_id


def lift(session: Session, actor: Actor, suppression_id: str) -> None:
    """Let an address subscribe again; what it had is gone."""
    unlimited(actor)
    if not affected(session.execute(sa.delete(SUPPRESSION).where(SUPPRESSION.c.id == suppression_id))):
        raise NotFound
    record(session, actor, "suppression.lift", "suppression", suppression_id, {})


def welcome_back(session: Session, email: str, asked_at: datetime) -> bool:
    """Whether an address may be mailed, as its owner asked for it: what they had enough of before that ends."""
    own = (SUPPRESSION.c.reason == "unsubscribe") & (SUPPRESSION.c.created_at <= asked_at)
    session.execute(sa.delete(SUPPRESSION).where(SUPPRESSION.c.address == address_hash(email), own))
    return of(session, email) is None
