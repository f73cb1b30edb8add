"""Reading the audit log."""

from typing import Any

import sqlalchemy as sa

from app.identity.audit.schemas import AuditQuery
from app.identity.audit.tables import Audit
from app.kit.clock import starts_at
from app.kit.ids import is_id
from app.kit.paging import Sort, fetch
from app.kit.schema import table_of

_AUDIT = table_of(Audit)
NEWEST = Sort("-at", descending=True)


def page(connection: sa.Connection, asked: AuditQuery, zone: str) -> dict[str, Any]:
    """A page of the audit log, newest first; days are those of a time zone."""
    query = sa.select(_AUDIT)
    ids = (
        (_AUDIT.c.subject_id, asked.subject_id),
        (_AUDIT.c.subject_id, asked.subject),
        (_AUDIT.c.actor_id, asked.actor),
    )
    for column, value in ids:
        if value is not None:
            query = query.where(column == value if is_id(value) else sa.false())
    for column, word in ((_AUDIT.c.action, asked.action), (_AUDIT.c.subject_kind, asked.subject_kind)):
        if word is not None:
            query = query.where(column == word)
    if asked.since is not None:
        query = query.where(_AUDIT.c.at >= starts_at(asked.since, zone))
    if asked.until is not None:
        query = query.where(_AUDIT.c.at < starts_at(asked.until, zone))
    return fetch(connection, query, NEWEST, _AUDIT.c.at, asked)
