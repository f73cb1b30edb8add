"""Making appeals and answering them."""

from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.queries import is_author, locked
from app.identity.audit.actions import record as audit
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.problems import Conflict, NotFound
from app.kit.schema import Row
from app.moderation.appeals import queries
from app.moderation.appeals.queries import APPEAL
from app.moderation.appeals.schemas import AppealIn
from app.moderation.emitting import emit_appealed, emit_decided
from app.moderation.log.actions import record
from app.moderation.log.queries import decision
from app.moderation.queries import check_reach
from app.moderation.queue.actions import keep
from app.moderation.queue.queries import case_of


class NotAppealable(Conflict):
    """Nothing was decided against the comment, or its author took it away."""

    code, title = "not_appealable", "There is no decision to appeal against"


class AlreadyAppealed(Conflict):
    """The decision was appealed before: each may be once."""

    code, title = "already_appealed", "The decision was appealed before"


class NoAppeal(Conflict):
    """There is no open appeal to answer."""

    code, title = "no_appeal", "There is no open appeal"


def appeal(session: Session, actor: Actor, comment_id: str, data: AppealIn) -> str:
    """Ask moderators to look at a decision again; returns the comment's id. 404 for all but the comment's author."""
    comment = locked(session, comment_id)
    connection = session.connection()
    if not is_author(connection, actor, comment):
        raise NotFound
    decided = decision(connection, comment_id)
    if not queries.is_appealable(comment, decided):
        raise NotAppealable
    decision_id = decided["id"] if decided else comment_id
    if queries.appeal_of(connection, comment_id, decision_id):
        raise AlreadyAppealed
    values = {"id": new_id(), "comment_id": comment_id, "decision_id": decision_id, "text": data.text}
    session.execute(sa.insert(APPEAL).values(**values, state="open", created_at=now()))
    keep(session, comment, appealed=True)
    record(session, comment_id, actor.kind, None, "appeal", None, article_id=comment["article_id"])
    emit_appealed(session, comment)
    return comment_id


def answer(session: Session, comment: Row, state: Literal["granted", "declined"], words: str | None) -> bool:
    """Answer the open appeal of a comment, whose row is locked; tells whether there was one."""
    case = case_of(session.connection(), comment["id"])
    if case is None or not case["appealed"]:
        return False
    here = (APPEAL.c.comment_id == comment["id"]) & (APPEAL.c.state == "open")
    session.execute(sa.update(APPEAL).where(here).values(state=state, answer=words, answered_at=now()))
    keep(session, comment, appealed=False)
    return True


def decline(session: Session, actor: Actor, comment_id: str, reason: str | None) -> str:
    """Leave the decision as it is and say so; returns the comment's id."""
    comment = locked(session, comment_id)
    check_reach(session.connection(), actor, comment["article_id"])
    if not answer(session, comment, "declined", reason):
        raise NoAppeal
    about = comment["article_id"]
    record(session, comment_id, actor.kind, actor.id, "decline", None, article_id=about, note=reason)
    audit(session, actor, "comment.decline", "comment", comment_id, {})
    emit_decided(session, comment, "decline", comment["state"], by="moderator")
    return comment_id


def settle(session: Session, comment_ids: list[str]) -> None:
    """Close the open appeals of comments that are gone."""
    here = APPEAL.c.comment_id.in_(comment_ids) & (APPEAL.c.state == "open")
    session.execute(sa.update(APPEAL).where(here).values(state="declined", answered_at=now()))


def forget(session: Session, comment_ids: list[str]) -> None:
    """Blank the words of appeals about comments that are erased."""
    session.execute(sa.update(APPEAL).where(APPEAL.c.comment_id.in_(comment_ids)).values(text="", answer=None))
