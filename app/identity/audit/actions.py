"""Writing the audit log."""

from typing import Any

from sqlmodel import Session

from app.identity.audit.tables import Audit
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import new_id


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
