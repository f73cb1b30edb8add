"""Writing the moderation log."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.schema import table_of
from app.moderation.log.tables import ModerationLog

_LOG = table_of(ModerationLog)


def record(
    session: Session,
    comment_id: str | None,
    actor_kind: str,
    actor_id: str | None,
    action: str,
    state: str | None,
    reasons: Iterable[tuple[str, str]] = (),
    *,
    article_id: str | None = None,
    note: str | None = None,
) -> str:
    """Note a decision in its own transaction; returns its id. Reasons are (stage, detail) without private text.

    `state` is the state that the comment has from now on, None where the decision does not change it.
    """
    row: dict[str, Any] = {
        "id": new_id(),
        "at": now(),
        "comment_id": comment_id,
        "article_id": article_id,
        "actor_kind": actor_kind,
        "actor_id": actor_id,
        "action": action,
        "state": state,
        "reasons": [{"stage": stage, "detail": detail[:500]} for stage, detail in reasons],
        "note": note,
    }
    session.execute(sa.insert(_LOG).values(row))
    return str(row["id"])


def forget(session: Session, comment_ids: list[str]) -> None:
    """Blank the words of moderators and of the checker about comments that are erased: they may quote them."""
    here = _LOG.c.comment_id.in_(comment_ids)
    session.execute(sa.update(_LOG).where(here, _LOG.c.note.is_not(None)).values(note=None))
    quoting = sa.cast(_LOG.c.reasons, sa.Text).contains('"external"')
    for row in session.execute(sa.select(_LOG.c.id, _LOG.c.reasons).where(here, quoting)).all():
        kept = [one | {"detail": ""} if one["stage"] == "external" else one for one in row.reasons]
        session.execute(sa.update(_LOG).where(_LOG.c.id == row.id).values(reasons=kept))


def forget_article(session: Session, article_id: str) -> None:
    """Blank the words of moderators and the reasons of checks about an article and its comments."""
    session.execute(sa.update(_LOG).where(_LOG.c.article_id == article_id).values(note=None, reasons=[]))
