"""Deciding about comments, and all that follows from a decision."""

from typing import Any

from sqlmodel import Session

from app.comments import lifecycle as comments
from app.comments.reading import locked
from app.core.problems import Conflict, Problem
from app.db.columns import Row
from app.identity.audit import record as audit
from app.identity.participants import trust
from app.identity.schemas import Actor
from app.moderation import appeals, reports
from app.moderation.comment_access import check_reach
from app.moderation.events import emit_decided
from app.moderation.learning import learned
from app.moderation.log import record
from app.moderation.queue import case_of, keep, take_over
from app.moderation.schemas import MACHINE, Action, DecisionBulkIn


class WrongCommentState(Conflict):
    """The comment's state does not allow this; one that its author removed stays so."""

    code, title = "wrong_comment_state", "The comment's state does not allow this"


def _check(comment: Row, action: Action) -> bool:
    """Whether the decision changes the comment's state; 409 where it may not be made."""
    target, sources = MACHINE[action]
    if comment["state"] == "removed" and comment["removed_by"] == "author":
        raise WrongCommentState("Its author has removed this comment.")
    if comment["state"] == target:
        return False
    if comment["state"] not in sources:
        raise WrongCommentState
    return True


def decide(session: Session, actor: Actor, comment_id: str, action: Action, reason: str | None, force: bool) -> str:
    """Approve, reject, … one comment; returns its id. The same decision again changes nothing."""
    comment = locked(session, comment_id)
    check_reach(session.connection(), actor, comment["article_id"])
    moves = _check(comment, action)
    shows = MACHINE[action][0] == "published"
    case = case_of(session.connection(), comment_id)
    waits = case is not None and case["waits"]
    if not moves and not waits and (comment["approved_text"] or action != "approve"):
        return comment_id
    take_over(session, actor, comment_id, force=force)
    if moves or (shows and not comment["approved_text"]):
        comments.set_state(session, comment, MACHINE[action][0], by="moderator", approved_text=shows)
    reports.close(session, comment, "dismissed" if shows else "upheld")
    declined = appeals.answer(session, comment, "granted" if shows else "declined", reason) and not moves
    _judge(session, comment, action, case["verdict"] if case else None)
    state = MACHINE[action][0] if moves else None
    # What only confirms a decision is no new one: it could be appealed against without end.
    named = "decline" if declined and not shows else action
    record(session, comment_id, actor.kind, actor.id, named, state, article_id=comment["article_id"], note=reason)
    audit(session, actor, f"comment.{named}", "comment", comment_id, {"from": comment["state"], "state": state})
    emit_decided(session, comment, named, MACHINE[action][0], by="moderator")
    return comment_id


def _judge(session: Session, comment: Row, action: Action, before: str | None) -> None:
    """Let the author's standing and the classifier follow the decision; what an earlier one did is undone."""
    verdict = "approved" if MACHINE[action][0] == "published" else "rejected"
    learned(session, comment["id"], comment["text"], {"approve": False, "restore": False, "spam": True}.get(action))
    keep(session, comment, verdict=verdict)
    if verdict == before or comment["participant_id"] is None:
        return
    moved = {"approved": 0, "rejected": 0, verdict: 1} | ({before: -1} if before else {})
    trust(session, comment["participant_id"], **moved)


def remove(session: Session, actor: Actor, comment_id: str) -> None:
    """Remove a comment for a moderator who deletes it, without a reason given."""
    decide(session, actor, comment_id, "remove", None, force=False)


def decide_all(session: Session, actor: Actor, data: DecisionBulkIn) -> list[dict[str, Any]]:
    """One decision about several comments: each is decided or refused by itself."""
    results: list[dict[str, Any]] = []
    for comment_id in data.ids:
        done: dict[str, Any] = {"id": comment_id, "done": True, "state": MACHINE[data.action][0], "code": None}
        try:
            with session.begin_nested():
                decide(session, actor, comment_id, data.action, data.reason, data.force)
        except Problem as problem:
            done |= {"done": False, "state": None, "code": problem.code}
        results.append(done)
    return results


def feature(session: Session, actor: Actor, comment_id: str, value: bool) -> str:
    """Let a published comment stand out, or no longer; returns its id."""
    comment = locked(session, comment_id)
    check_reach(session.connection(), actor, comment["article_id"])
    if bool(comment["featured"]) == value:
        return comment_id
    if value and comment["state"] != "published":
        raise WrongCommentState("Only a published comment stands out.")
    comments.feature(session, comment, value)
    action = "feature" if value else "unfeature"
    record(session, comment_id, actor.kind, actor.id, action, None, article_id=comment["article_id"])
    audit(session, actor, f"comment.{action}", "comment", comment_id, {})
    return comment_id
