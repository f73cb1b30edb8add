"""Writing and reading the audit log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now, start_of
from app.core.ids import is_id, new_id
from app.db.columns import table_of
from app.db.rows import JsonObject
from app.identity.pseudonyms import ErasedPerson, erase_actor_name
from app.identity.schemas import Actor, AuditQuery
from app.identity.tables import Audit
from app.web.paging import Page, Sort, fetch_page

_AUDIT = table_of(Audit)
BLANK_BATCH_SIZE = 500  # subjects per statement


def record_action(
    session: Session, actor: Actor, action: str, subject_kind: str, subject_id: str | None, detail: Mapping[str, object]
) -> None:
    """Record an action, in its transaction. `detail` has names of fields and states, never private text."""
    session.add(
        Audit(
            id=new_id(),
            at=now(),
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            person_id=actor.person,
            action=action,
            subject_kind=subject_kind,
            subject_id=subject_id,
            detail=dict(detail),
        )
    )


def blank_details(session: Session, subject_ids: Sequence[str]) -> None:
    """Clear the details of all entries about some subjects, which may contain names and slugs."""
    for at in range(0, len(subject_ids), BLANK_BATCH_SIZE):
        is_named = _AUDIT.c.subject_id.in_(list(subject_ids[at : at + BLANK_BATCH_SIZE]))
        session.execute(sa.update(_AUDIT).where(is_named).values(detail={}))


def erase_name(session: Session, person: ErasedPerson) -> None:
    """Take the name of a person out of the log. What they did, and what was done with their account, stays."""
    blank_details(session, [person.id, *person.key_ids])
    erase_actor_name(session, person, _AUDIT)


class AuditRow(TypedDict):
    """An entry of the audit log."""

    id: str
    at: datetime
    actor_kind: str
    actor_id: str | None
    actor_name: str
    person_id: str | None
    action: str
    subject_kind: str
    subject_id: str | None
    detail: JsonObject


NEWEST_FIRST = Sort("-at", descending=True)


def list_audit_entries(connection: sa.Connection, query: AuditQuery, zone: str) -> Page[AuditRow]:
    """Return a page of the audit log, newest first; days are those of the time zone `zone`."""
    statement = sa.select(_AUDIT)
    ids = (
        (_AUDIT.c.subject_id, query.subject_id),
        (_AUDIT.c.subject_id, query.subject),
        (_AUDIT.c.actor_id, query.actor),
        (_AUDIT.c.person_id, query.person),
    )
    for column, value in ids:
        if value is not None:
            statement = statement.where(column == value if is_id(value) else sa.false())
    for column, word in ((_AUDIT.c.action, query.action), (_AUDIT.c.subject_kind, query.subject_kind)):
        if word is not None:
            statement = statement.where(column == word)
    if query.since is not None:
        statement = statement.where(_AUDIT.c.at >= start_of(query.since, zone))
    if query.until is not None:
        statement = statement.where(_AUDIT.c.at < start_of(query.until, zone))
    return fetch_page(connection, statement, NEWEST_FIRST, _AUDIT.c.at, query, AuditRow)
