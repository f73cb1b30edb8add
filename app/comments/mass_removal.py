"""Removing many comments of one person in few statements, with the same effects as `lifecycle.set_state` on each."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors import anchors
from app.articles.counters import adjust_tally, count_activity
from app.comments.lifecycle import leave_parent
from app.comments.reading import C
from app.core.clock import now
from app.db.columns import is_among
from app.db.prepared import Prepared
from app.db.rows import JsonObject, dialect_of, fetch_rows
from app.events.catalog import CommentRemoved
from app.events.log import emit_all


class MassRow(TypedDict):
    """The columns of a comment that its removal depends on."""

    id: str
    article_id: str
    parent_id: str | None
    root_id: str
    anchor_id: str | None
    state: str
    replies: int
    created_at: datetime


_COLUMNS: Final = [C.c[name] for name in MassRow.__annotations__]


def lock_comments(session: Session, comment_ids: Sequence[str]) -> list[MassRow]:
    """Lock comments in the order of their ids; return those that `remove_comments` removes."""
    query = sa.select(*_COLUMNS).where(C.c.id.in_(comment_ids), C.c.state.in_(("pending", "published")))
    return fetch_rows(session, query.order_by(C.c.id).with_for_update(), MassRow)


@lru_cache(2)
def _update_removed(dialect: str) -> sa.Update:
    moment = sa.bindparam("moment", type_=C.c.withdrawn_at.type)
    values: JsonObject = {
        "state": "removed",
        "listed": C.c.replies > 0,
        "version": C.c.version + 1,
        "removed_by": "moderator",
        "removed_in": sa.bindparam("action", type_=C.c.removed_in.type),
        "featured": False,
        "withdrawn_at": sa.case((C.c.state == "published", moment), else_=C.c.withdrawn_at),
    }
    return sa.update(C).where(is_among(dialect, C.c.id, "ids")).values(values)


def remove_comments(session: Session, rows: Sequence[MassRow], action_id: str) -> None:
    """Remove comments that `lock_comments` returned, with all counters, and emit an event for each that was public."""
    if not rows:
        return
    values = {"ids": [row["id"] for row in rows], "moment": now(), "action": action_id}
    session.execute(_update_removed(dialect_of(session)), values)
    public = [row for row in rows if row["state"] == "published"]
    by_article, inline, by_anchor = Counter[str](), Counter[str](), Counter[str]()
    by_hour = Counter[tuple[str, datetime]]()
    for row in public:
        by_article[row["article_id"]] += 1
        by_hour[row["article_id"], row["created_at"].replace(minute=0, second=0, microsecond=0)] += 1
        if row["anchor_id"] is not None:
            inline[row["article_id"]] += 1
            by_anchor[row["anchor_id"]] += 1
    for anchor_id, number in sorted(by_anchor.items()):
        anchors.adjust_count(session, anchor_id, -number)
    for article_id, number in sorted(by_article.items()):
        adjust_tally(session, article_id, comments=-number, inline=-inline[article_id])
    for (article_id, hour), number in sorted(by_hour.items()):
        count_activity(session, article_id, hour, comments=-number)
    for row in public:
        if not row["replies"]:  # else it stays as a tombstone, until the last reply leaves
            leave_parent(session, row["parent_id"])
    emit_all(session, [_removal_of(row) for row in public])


def _removal_of(row: MassRow) -> CommentRemoved:
    return CommentRemoved(
        subject_id=row["id"], article_id=row["article_id"], parent_id=row["parent_id"], root_id=row["root_id"]
    )


class RemovedRow(TypedDict):
    """A comment that an action has removed, and when it stopped being public."""

    id: str
    withdrawn_at: datetime | None


_NEXT_REMOVED: Prepared[RemovedRow] = Prepared(
    sa.select(C.c.id, C.c.withdrawn_at)
    .where(C.c.removed_in == sa.bindparam("action", type_=C.c.removed_in.type))
    .order_by(C.c.created_at, C.c.id)
    .limit(sa.bindparam("most", type_=sa.BigInteger()))
)


def list_removed(session: Session, action_id: str, limit: int) -> list[RemovedRow]:
    """List the first comments that an action has removed, oldest first."""
    return _NEXT_REMOVED.rows(session, {"action": action_id, "most": limit})


def detach_from_action(session: Session, comment_id: str) -> None:
    """Leave a comment removed for good when an action is undone that cannot restore it."""
    session.execute(sa.update(C).where(C.c.id == comment_id).values(removed_in=None))
