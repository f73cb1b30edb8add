"""Moderation decisions, and their effects on reports, appeals, the author's history and the spam classifier."""

from typing import TypedDict

from sqlmodel import Session

from app.comments import lifecycle as comments
from app.comments.reading import StoredComment, lock_comment
from app.core.problems import Conflict, Problem
from app.identity.audit import record_action as audit
from app.identity.participants import adjust_trust
from app.identity.schemas import Actor
from app.moderation import appeals, reports
from app.moderation.canned import resolve_reason
from app.moderation.comment_access import check_reach
from app.moderation.events import emit_decided
from app.moderation.learning import learn_comment
from app.moderation.log import log_decision
from app.moderation.queue import end_lease, find_case, update_case
from app.moderation.schemas import Action, CommentState, DecisionBulkIn, ReasonIn

# The target state of each action, and the states from which it is allowed. A comment removed by its author cannot
# change; one that is in the target state already stays as it is.
TRANSITIONS: dict[Action, tuple[CommentState, frozenset[CommentState]]] = {
    "approve": ("published", frozenset({"pending", "rejected", "spam"})),
    "reject": ("rejected", frozenset({"pending", "published", "spam"})),
    "spam": ("spam", frozenset({"pending", "published", "rejected"})),
    "remove": ("removed", frozenset({"pending", "published"})),
    "restore": ("published", frozenset({"removed", "rejected", "spam"})),
}


class DecisionResult(TypedDict):
    """The result of a decision on one of several comments."""

    id: str
    done: bool
    state: CommentState | None
    code: str | None


class WrongCommentState(Conflict, code="wrong_comment_state", title="The comment's state does not allow this action"):
    """The comment's state does not allow the action. A comment removed by its author cannot change state."""


def _check_transition(comment: StoredComment, action: Action) -> bool:
    """Tell whether the action changes the comment's state; 409 if it is not allowed in that state."""
    target, sources = TRANSITIONS[action]
    if comment["state"] == "removed" and comment["removed_by"] == "author":
        raise WrongCommentState("The comment's author has removed it.")
    if comment["state"] == target:
        return False
    if comment["state"] not in sources:
        raise WrongCommentState
    return True


def decide_comment(
    session: Session, actor: Actor, comment_id: str, action: Action, given: ReasonIn | None, force: bool
) -> str:
    """Apply an action to a comment and return its id. Repeating a decision changes nothing."""
    comment = lock_comment(session, comment_id)
    check_reach(session.connection(), actor, comment["article_id"])
    changes_state = _check_transition(comment, action)
    is_publishing = TRANSITIONS[action][0] == "published"
    case = find_case(session, comment_id)
    is_waiting = case is not None and case["waits"]
    if not changes_state and not is_waiting and (comment["approved_text"] or action != "approve"):
        return comment_id
    if case is not None and case["appealed"]:
        appeals.require_other_moderator(session, actor, comment_id)
    reasoning = resolve_reason(session, given)
    end_lease(session, actor, comment_id, force=force)
    if changes_state or (is_publishing and not comment["approved_text"]):
        comments.set_state(session, comment, TRANSITIONS[action][0], by="moderator", approved_text=is_publishing)
    reports.close_reports(session, comment, "dismissed" if is_publishing else "upheld")
    declined = (
        appeals.answer_appeal(session, comment, "granted" if is_publishing else "declined", reasoning["note"])
        and not changes_state
    )
    _apply_verdict(session, comment, action, case["verdict"] if case else None)
    state = TRANSITIONS[action][0] if changes_state else None
    # Confirming a decision is logged as declining the appeal, not as a decision that could be appealed again.
    logged_action = "decline" if declined and not is_publishing else action
    log_decision(
        session,
        comment_id,
        actor.kind,
        actor.id,
        logged_action,
        state,
        article_id=comment["article_id"],
        note=reasoning["note"],
        ground=reasoning["ground"],
        canned_id=reasoning["canned_id"],
    )
    audit(session, actor, f"comment.{logged_action}", "comment", comment_id, {"from": comment["state"], "state": state})
    emit_decided(session, comment, logged_action, TRANSITIONS[action][0], by="moderator")
    return comment_id


def _apply_verdict(session: Session, comment: StoredComment, action: Action, former_verdict: str | None) -> None:
    """Update the author's counters and the spam classifier, undoing the effects of an earlier decision."""
    verdict = "approved" if TRANSITIONS[action][0] == "published" else "rejected"
    learn_comment(
        session, comment["id"], comment["text"], {"approve": False, "restore": False, "spam": True}.get(action)
    )
    update_case(session, comment, verdict=verdict)
    if verdict == former_verdict or comment["participant_id"] is None:
        return
    changes = {"approved": 0, "rejected": 0, verdict: 1} | ({former_verdict: -1} if former_verdict else {})
    adjust_trust(session, comment["participant_id"], **changes)


def remove_comment(session: Session, actor: Actor, comment_id: str) -> None:
    """Remove a comment as a moderator, without a reason."""
    decide_comment(session, actor, comment_id, "remove", None, force=False)


def decide_comments(session: Session, actor: Actor, data: DecisionBulkIn) -> list[DecisionResult]:
    """Apply an action to several comments, each in its own savepoint with a result of its own."""
    given = ReasonIn(reason=data.reason, ground=data.ground, canned=data.canned)
    resolve_reason(session, given)  # else each comment would have the problem of all
    results: list[DecisionResult] = []
    for comment_id in data.ids:
        try:
            with session.begin_nested():
                decide_comment(session, actor, comment_id, data.action, given, data.force)
        except Problem as problem:
            results.append({"id": comment_id, "done": False, "state": None, "code": problem.code})
        else:
            state = TRANSITIONS[data.action][0]
            results.append({"id": comment_id, "done": True, "state": state, "code": None})
    return results


def feature_comment(session: Session, actor: Actor, comment_id: str, value: bool) -> str:
    """Feature a published comment, or stop featuring it. Return its id."""
    comment = lock_comment(session, comment_id)
    check_reach(session.connection(), actor, comment["article_id"])
    if comment["featured"] == value:
        return comment_id
    if value and comment["state"] != "published":
        raise WrongCommentState("Only published comments can be featured.")
    comments.set_featured(session, comment, value)
    action = "feature" if value else "unfeature"
    log_decision(session, comment_id, actor.kind, actor.id, action, None, article_id=comment["article_id"])
    audit(session, actor, f"comment.{action}", "comment", comment_id, {})
    return comment_id
