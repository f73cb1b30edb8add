"""Appeals against moderation decisions, and the decision as the comment's author sees it."""

from datetime import datetime
from typing import Literal, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.reading import StoredComment, is_author, lock_comment
from app.comments.schemas import State
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, fetch_rows
from app.identity.audit import record_action as audit
from app.identity.schemas import Actor
from app.moderation.canned import find_reason, resolve_reason
from app.moderation.comment_access import C, check_reach, may_moderate
from app.moderation.events import emit_appealed, emit_decided
from app.moderation.log import LOG, LogEntry, find_decision, find_redaction, log_decision
from app.moderation.queue import find_case, update_case
from app.moderation.schemas import AppealData, AppealIn, ReasonIn
from app.moderation.tables import Appeal, Report

APPEAL, REPORT = table_of(Appeal), table_of(Report)


class AppealRow(AppealData):
    """All columns of an appeal."""

    id: str
    decision_id: str


class _Appealable(TypedDict):
    state: State
    removed_by: str | None


class _DecidedComment(_Appealable):
    id: str
    article_id: str
    participant_id: str | None
    shadow: bool
    redacted_at: datetime | None


_SELECT_COMMENT = sa.select(
    *(C.c[name] for name in "id article_id participant_id state shadow removed_by redacted_at".split())
).where(C.c.id == sa.bindparam("id", type_=C.c.id.type))
_DECIDER_BY_ACTOR_KIND = {"key": "moderator", "person": "moderator", "system": "system"}


def find_appeal(connection: sa.Connection, comment_id: str, decision_id: str) -> AppealRow | None:
    """Return the appeal against a decision, or None."""
    query = sa.select(APPEAL).where(APPEAL.c.comment_id == comment_id, APPEAL.c.decision_id == decision_id)
    return fetch_row(connection, query, AppealRow)


def is_appealable(comment: _Appealable, decision: LogEntry | None) -> bool:
    """Tell whether a decision went against the comment: it is hidden, rejected, spam, or removed by a moderator."""
    if comment["state"] == "removed":
        return comment["removed_by"] == "moderator"
    hidden = comment["state"] == "pending" and decision is not None and decision["action"] == "hide"
    return hidden or comment["state"] in {"rejected", "spam"}


def get_decision(connection: sa.Connection, comment_id: str, actor: Actor) -> JsonObject:
    """Return the decision on a comment in the shape of `DecisionOut`; 404 for all but its author and moderators."""
    comment = fetch_row(connection, _SELECT_COMMENT, _DecidedComment, {"id": comment_id})
    if comment is None:
        raise NotFound
    is_moderator = may_moderate(connection, actor, comment["article_id"])
    if not (is_moderator or is_author(connection, actor, comment_id, comment["participant_id"])):
        raise NotFound
    if comment["shadow"] and not is_moderator:
        return {
            "state": "published",
            **dict.fromkeys(("action", "by", "at", "reason", "appeal", "redaction", "statement")),
            "may_appeal": False,
        }
    decision = find_decision(connection, comment_id)
    redaction = find_redaction(connection, comment_id) if comment["redacted_at"] else None
    if comment["removed_by"] == "author":
        return {
            "state": comment["state"],
            "action": "remove",
            "by": "author",
            **dict.fromkeys(("at", "reason", "appeal", "redaction", "statement")),
            "may_appeal": False,
        }
    appeal = find_appeal(connection, comment_id, decision["id"] if decision else comment_id)
    return {
        "state": comment["state"],
        "action": decision["action"] if decision else None,
        "by": _DECIDER_BY_ACTOR_KIND.get(decision["actor_kind"], "system") if decision else None,
        "at": decision["at"] if decision else None,
        "reason": decision["note"] if decision else None,
        "may_appeal": appeal is None and is_appealable(comment, decision),
        "appeal": appeal,
        "redaction": {"at": redaction["at"], "reason": redaction["note"]} if redaction else None,
        "statement": _state_reasons(connection, comment, decision, redaction),
    }


def _state_reasons(
    connection: sa.Connection, comment: _DecidedComment, decision: LogEntry | None, redaction: LogEntry | None
) -> JsonObject | None:
    """Return the statement of reasons in the shape of `StatementOut`; None where nothing restricts the comment."""
    is_restricted = is_appealable(comment, decision)
    entry = decision if is_restricted else redaction
    if entry is None:
        return None
    canned = find_reason(connection, entry["canned_id"]) if entry["canned_id"] else None
    restriction = "redacted" if not is_restricted else "removed" if comment["state"] == "removed" else "hidden"
    upheld = sa.exists().where(REPORT.c.comment_id == comment["id"], REPORT.c.state != "dismissed")
    return {
        "restriction": restriction,
        "automated": entry["actor_kind"] == "system",
        "rules": [reason["stage"] for reason in entry["reasons"]],
        "reported": connection.execute(sa.select(upheld)).scalar_one(),
        "ground": entry["ground"],
        "basis": canned["basis"] if canned else None,
        "texts": canned["texts"] if canned else {},
        "redress": ["appeal", "court"] if is_restricted else ["court"],
    }


def list_appeals_about(connection: sa.Connection, comment_ids: list[str]) -> list[AppealData]:
    """List the appeals about comments, for a copy of somebody's personal data."""
    columns = [APPEAL.c[name] for name in "comment_id text state answer created_at answered_at".split()]
    return fetch_rows(connection, sa.select(*columns).where(APPEAL.c.comment_id.in_(comment_ids)), AppealData)


class NotAppealable(Conflict, code="not_appealable", title="There is no decision to appeal"):
    """No decision went against the comment, or its author removed it."""


class AlreadyAppealed(Conflict, code="already_appealed", title="The decision has already been appealed"):
    """A decision can be appealed once."""


class SameModerator(Conflict, code="same_moderator", title="Another moderator has to decide the appeal"):
    """Whoever made a decision, by whatever key, does not decide the appeal against it."""


class NoAppeal(Conflict, code="no_appeal", title="There is no open appeal"):
    """The comment has no open appeal to answer."""


def appeal_decision(session: Session, actor: Actor, comment_id: str, data: AppealIn) -> str:
    """Appeal the decision on a comment and return the comment's id. 404 for all but the comment's author."""
    comment = lock_comment(session, comment_id)
    connection = session.connection()
    if not is_author(connection, actor, comment_id, comment["participant_id"]):
        raise NotFound
    decision = find_decision(connection, comment_id)
    if not is_appealable(comment, decision):
        raise NotAppealable
    decision_id = decision["id"] if decision else comment_id
    if find_appeal(connection, comment_id, decision_id):
        raise AlreadyAppealed
    values = {"id": new_id(), "comment_id": comment_id, "decision_id": decision_id, "text": data.text}
    session.execute(sa.insert(APPEAL).values(**values, state="open", created_at=now()))
    update_case(session, comment, appealed=True)
    log_decision(session, comment_id, actor.kind, None, "appeal", None, article_id=comment["article_id"])
    emit_appealed(session, comment)
    return comment_id


def answer_appeal(
    session: Session, comment: StoredComment, state: Literal["granted", "declined"], answer: str | None
) -> bool:
    """Answer the open appeal of a comment whose row is locked; tell whether there was one."""
    case = find_case(session, comment["id"])
    if case is None or not case["appealed"]:
        return False
    is_open = (APPEAL.c.comment_id == comment["id"]) & (APPEAL.c.state == "open")
    session.execute(sa.update(APPEAL).where(is_open).values(state=state, answer=answer, answered_at=now()))
    update_case(session, comment, appealed=False)
    return True


def require_other_moderator(session: Session, actor: Actor, comment_id: str) -> None:
    """Raise 409 `same_moderator` if the caller made the decision that an open appeal of a comment is about."""
    query = (
        sa.select(LOG.c.actor_id, LOG.c.person_id)
        .join(APPEAL, APPEAL.c.decision_id == LOG.c.id)
        .where(APPEAL.c.comment_id == comment_id, APPEAL.c.state == "open")
    )
    decider = session.execute(query).first()
    if decider is None:
        return
    is_same_person = decider.person_id is not None and decider.person_id == actor.person
    if is_same_person or (decider.actor_id is not None and decider.actor_id == actor.id):
        raise SameModerator


def decline_appeal(session: Session, actor: Actor, comment_id: str, given: ReasonIn | None) -> str:
    """Decline the open appeal: the decision stands. Return the comment's id."""
    comment = lock_comment(session, comment_id)
    check_reach(session.connection(), actor, comment["article_id"])
    require_other_moderator(session, actor, comment_id)
    reasoning = resolve_reason(session, given)
    if not answer_appeal(session, comment, "declined", reasoning["note"]):
        raise NoAppeal
    article_id = comment["article_id"]
    log_decision(session, comment_id, actor.kind, actor.id, "decline", None, article_id=article_id, **reasoning)
    audit(session, actor, "comment.decline", "comment", comment_id, {})
    emit_decided(session, comment, "decline", comment["state"], by="moderator")
    return comment_id


def close_appeals(session: Session, comment_ids: list[str]) -> None:
    """Decline the open appeals of comments that their authors removed."""
    is_open = APPEAL.c.comment_id.in_(comment_ids) & (APPEAL.c.state == "open")
    session.execute(sa.update(APPEAL).where(is_open).values(state="declined", answered_at=now()))


def erase_appeals(session: Session, comment_ids: list[str]) -> None:
    """Erase the texts of appeals about comments."""
    session.execute(sa.update(APPEAL).where(APPEAL.c.comment_id.in_(comment_ids)).values(text="", answer=None))
