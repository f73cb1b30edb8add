"""Writing the audit log."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.identity.audit.tables import Audit
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.schema import table_of

_AUDIT = table_of(Audit)
BLANKED_AT_ONCE = 500  # subjects named in one statement


def record(
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
    for at in range(0, len(subject_ids), BLANKED_AT_ONCE):
        here = _AUDIT.c.subject_id.in_(list(subject_ids[at : at + BLANKED_AT_ONCE]))
        session.execute(sa.update(_AUDIT).where(here).values(detail={}))
