"""Reading suppressions."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.kit.paging import Sort, fetch
from app.kit.schema import Row, table_of
from app.subscriptions.schemas import address_hash
from app.subscriptions.suppressions.schemas import SuppressionQuery
from app.subscriptions.suppressions.tables import Suppression

SUPPRESSION = table_of(Suppression)
NEWEST = Sort("-created_at", descending=True)
_SHOWN = sa.select(*(SUPPRESSION.c[name] for name in ("id", "reason", "created_at", "created_by")))
_BY = _SHOWN.where(SUPPRESSION.c.address == sa.bindparam("address"))


def of(store: sa.Connection | Session, email: str) -> Row | None:
    """Why an address gets no mail, or None."""
    return at(store, address_hash(email))


def at(store: sa.Connection | Session, address: str) -> Row | None:
    """The same for the hash of an address."""
    return store.execute(_BY, {"address": address}).mappings().first()


def page(connection: sa.Connection, asked: SuppressionQuery) -> dict[str, Any]:
    """A page of suppressions, newest first."""
    query = _SHOWN
    if asked.reason is not None:
        query = query.where(SUPPRESSION.c.reason == asked.reason)
    if asked.email is not None:
        query = query.where(SUPPRESSION.c.address == address_hash(asked.email))
    return fetch(connection, query, NEWEST, SUPPRESSION.c.created_at, asked)


def shown(connection: sa.Connection, suppression_id: str) -> sa.RowMapping:
    """One suppression."""
    return connection.execute(_SHOWN.where(SUPPRESSION.c.id == suppression_id)).mappings().one()
