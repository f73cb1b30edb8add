"""Suppressions: addresses that get no mail, because of an unsubscribe, a bounce or a complaint."""

from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import NotFound
from app.db.columns import count_affected, table_of
from app.db.rows import Store, fetch_row, get_row, insert_into
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication.terms import require_all_sections
from app.subscriptions import subscriptions
from app.subscriptions.schemas import SuppressionIn, SuppressionQuery, address_hash
from app.subscriptions.subscriptions import find_subscriber_by_address
from app.subscriptions.tables import Suppression
from app.web.paging import Page, Sort, fetch_page

SUPPRESSION = table_of(Suppression)
NEWEST = Sort("-created_at", descending=True)


class SuppressionRow(TypedDict):
    """A suppression without the address hash."""

    id: str
    reason: str
    created_at: datetime
    created_by: str | None


_SELECT_SUPPRESSIONS = sa.select(*(SUPPRESSION.c[name] for name in ("id", "reason", "created_at", "created_by")))
_SELECT_BY_ADDRESS = _SELECT_SUPPRESSIONS.where(SUPPRESSION.c.address == sa.bindparam("address"))


def find_suppression(store: Store, email: str) -> SuppressionRow | None:
    """Return the suppression of an e-mail address, or None."""
    return find_suppression_by_address(store, address_hash(email))


def find_suppression_by_address(store: Store, address: str) -> SuppressionRow | None:
    """Return the suppression of an address hash, or None."""
    return fetch_row(store, _SELECT_BY_ADDRESS, SuppressionRow, {"address": address})


def list_suppressions(connection: sa.Connection, filters: SuppressionQuery) -> Page[SuppressionRow]:
    """List suppressions, newest first."""
    query = _SELECT_SUPPRESSIONS
    if filters.reason is not None:
        query = query.where(SUPPRESSION.c.reason == filters.reason)
    if filters.email is not None:
        query = query.where(SUPPRESSION.c.address == address_hash(filters.email))
    return fetch_page(connection, query, NEWEST, SUPPRESSION.c.created_at, filters, SuppressionRow)


def get_suppression(connection: sa.Connection, suppression_id: str) -> SuppressionRow:
    """Return a suppression that exists."""
    return get_row(connection, _SELECT_SUPPRESSIONS.where(SUPPRESSION.c.id == suppression_id), SuppressionRow)


_GRAVITY = {"unsubscribe": 0, "bounce": 1, "complaint": 2}


def suppress_address(session: Session, address: str, reason: str, by: str | None = None) -> str:
    """Suppress an address, given as a hash, and delete its subscriptions. Return the suppression's id.

    The graver of two reasons is kept, so that a reader cannot lift a bounce or a complaint.
    """
    row = {"id": new_id(), "address": address, "reason": reason, "created_at": now(), "created_by": by}
    session.execute(insert_into(session, SUPPRESSION).on_conflict_do_nothing(), row)
    suppression = find_suppression_by_address(session, address)
    if suppression is None:
        raise NotFound  # lifted concurrently
    if _GRAVITY[suppression["reason"]] < _GRAVITY[reason]:
        session.execute(sa.update(SUPPRESSION).where(SUPPRESSION.c.id == suppression["id"]).values(reason=reason))
    if subscriber := find_subscriber_by_address(session, address):
        subscriptions.erase_subscriber(session, subscriber["id"])
    return suppression["id"]


def create_suppression(session: Session, actor: Actor, data: SuppressionIn) -> str:
    """Suppress an address for staff, or for a service that processes complaints of mail providers."""
    require_all_sections(actor, "subscribers:manage")
    suppression_id = suppress_address(session, address_hash(data.email), data.reason, actor.id)
    record_action(session, actor, "suppression.create", "suppression", suppression_id, {"reason": data.reason})
    return suppression_id


def lift_suppression(session: Session, actor: Actor, suppression_id: str) -> None:
    """Lift a suppression. Former subscriptions are not restored."""
    require_all_sections(actor, "subscribers:manage")
    if not count_affected(session.execute(sa.delete(SUPPRESSION).where(SUPPRESSION.c.id == suppression_id))):
        raise NotFound
    record_action(session, actor, "suppression.lift", "suppression", suppression_id, {})


def lift_own_unsubscribe(session: Session, email: str, asked_at: datetime) -> bool:
    """Lift an unsubscribe made before a request by its owner; tell whether the address may get mail now."""
    own = (SUPPRESSION.c.reason == "unsubscribe") & (SUPPRESSION.c.created_at <= asked_at)
    session.execute(sa.delete(SUPPRESSION).where(SUPPRESSION.c.address == address_hash(email), own))
    return find_suppression(session, email) is None
