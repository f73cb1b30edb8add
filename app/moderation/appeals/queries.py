"""Reading what was decided about a comment, for its author."""

from typing import Any

import sqlalchemy as sa

from app.comments.queries import is_author
from app.identity.schemas import Actor
from app.kit.problems import NotFound
from app.kit.schema import Row, table_of
from app.moderation.appeals.tables import Appeal
from app.moderation.log.queries import decision, redaction_of
from app.moderation.queries import C, check_reach

APPEAL = table_of(Appeal)
_COMMENT = sa.select(
    *(C.c[name] for name in "id article_id participant_id state removed_by redacted_at".split())
).where(C.c.id == sa.bindparam("id", type_=C.c.id.type))
_BY = {"key": "moderator", "system": "system"}


def appeal_of(connection: sa.Connection, comment_id: str, decision_id: str) -> sa.RowMapping | None:
    """The appeal against one decision, or None."""
    query = sa.select(APPEAL).where(APPEAL.c.comment_id == comment_id, APPEAL.c.decision_id == decision_id)
    return connection.execute(query).mappings().first()


def is_appealable(comment: Row, decided: Row | None) -> bool:
    """Whether something was decided against a comment: not by its author, and not merely put off."""
    if comment["state"] == "removed":
        return bool(comment["removed_by"] == "moderator")
    hidden = comment["state"] == "pending" and decided is not None and decided["action"] == "hide"
    return hidden or comment["state"] in {"rejected", "spam"}


def told(connection: sa.Connection, actor: Actor, comment_id: str) -> dict[str, Any]:
    """What was decided about a comment, as `DecisionOut` has it; 404 for all but its author and moderators."""
    comment = connection.execute(_COMMENT, {"id": comment_id}).mappings().first()
    if comment is None:
        raise NotFound
    if actor.may("comments:moderate"):
        check_reach(connection, actor, comment["article_id"])
    elif not is_author(connection, actor, comment):
        raise NotFound
    decided = decision(connection, comment_id)
    redaction = redaction_of(connection, comment_id) if comment["redacted_at"] else None
    if comment["removed_by"] == "author":
        return {
            "state": comment["state"],
            "action": "remove",
            "by": "author",
            **dict.fromkeys(("at", "reason", "appeal", "redaction")),
            "may_appeal": False,
        }
    appeal = appeal_of(connection, comment_id, decided["id"] if decided else comment_id)
    return {
        "state": comment["state"],
        "action": decided["action"] if decided else None,
        "by": _BY.get(decided["actor_kind"], "system") if decided else None,
        "at": decided["at"] if decided else None,
        "reason": decided["note"] if decided else None,
        "may_appeal": appeal is None and is_appealable(comment, decided),
        "appeal": appeal,
        "redaction": {"at": redaction["at"], "reason": redaction["note"]} if redaction else None,
    }


def written_about(connection: sa.Connection, comment_ids: list[str]) -> list[Row]:
    """The appeals of these comments: what is told to those who ask what is stored about them."""
    columns = [APPEAL.c[name] for name in "comment_id text state answer created_at answered_at".split()]
    return list(connection.execute(sa.select(*columns).where(APPEAL.c.comment_id.in_(comment_ids))).mappings())
