"""Writing the audit log."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now, start_of
from app.core.ids import is_id, new_id
from app.db.columns import table_of
from app.identity.schemas import Actor, AuditQuery
from app.identity.tables import Audit
from app.web.paging import Sort, fetch_page

_AUDIT = table_of(Audit)
BLANK_BATCH_SIZE = 500  # subjects named in one statement


def record_action(
    session: Session, actor: Actor, action: str, subject_kind: str, subject_id: str | None, detail: dict[str, Any]
) -> None:
    """Note an action in its own transaction. `detail` names fields and states, never private text."""
    session.add(
        Audit(
            id=new_id(),
            at=now(),
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            action=action,
            subject_kind=subject_kind,
            subject_id=subject_id,
            detail=detail,
        )
    )


def blank_details(session: Session, subject_ids: Sequence[str]) -> None:
    """Drop the details of what was done to some subjects: they may hold names and slugs."""
    for at in range(0, len(subject_ids), BLANK_BATCH_SIZE):
        is_named = _AUDIT.c.subject_id.in_(list(subject_ids[at : at + BLANK_BATCH_SIZE]))
        session.execute(sa.update(_AUDIT).where(is_named).values(detail={}))


NEWEST_FIRST = Sort("-at", descending=True)


def list_audit_entries(connection: sa.Connection, asked: AuditQuery, zone: str) -> dict[str, Any]:
    """A page of the audit log, newest first; days are those of a time zone."""
    statement = sa.select(_AUDIT)
    ids = (
        (_AUDIT.c.subject_id, asked.subject_id),
        (_AUDIT.c.subject_id, asked.subject),
        (_AUDIT.c.actor_id, asked.actor),
    )
    for column, value in ids:
        if value is not None:
            statement = statement.where(column == value if is_id(value) else sa.false())
    for column, word in ((_AUDIT.c.action, asked.action), (_AUDIT.c.subject_kind, asked.subject_kind)):
        if word is not None:
            statement = statement.where(column == word)
    if asked.since is not None:
        statement = statement.where(_AUDIT.c.at >= start_of(asked.since, zone))
    if asked.until is not None:
        statement = statement.where(_AUDIT.c.at < start_of(asked.until, zone))
    return fetch_page(connection, statement, NEWEST_FIRST, _AUDIT.c.at, asked)
