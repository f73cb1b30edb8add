"""Removing and restoring many comments of one person in few statements, with the effects of `lifecycle.set_state`.

Rows are locked in the order in which posting a comment locks them: comments, anchors, counters of articles.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.anchors import adjust_counts
from app.articles.counters import adjust_tallies, count_comments
from app.comments.reading import C
from app.comments.schemas import State
from app.core.clock import now
from app.db.columns import is_among
from app.db.prepared import Prepared
from app.db.row_lists import ROWS, select_rows
from app.db.rows import JsonObject
from app.events.catalog import CommentPublished, CommentRemoved
from app.events.log import emit_all


class MassRow(TypedDict):
    """The columns of a comment that its removal and its return depend on."""

    id: str
    article_id: str
    parent_id: str | None
    root_id: str
    anchor_id: str | None
    state: str
    listed: bool
    replies: int
    created_at: datetime
    withdrawn_at: datetime | None


class _Parent(TypedDict):
    id: str
    parent_id: str | None
    state: str
    replies: int


class _Listed(TypedDict):
    id: str
    parent_id: str | None
    listed: bool


_ACTION: Final = sa.bindparam("action", type_=C.c.removed_in.type)
_MASS: Final = sa.select(*(C.c[name] for name in MassRow.__annotations__))
_LOCK_OPEN: Prepared[MassRow] = Prepared(
    lambda dialect: (
        _MASS.where(is_among(dialect, C.c.id, "ids"), (C.c.state == "pending") | (C.c.state == "published"))
        .order_by(C.c.id)
        .with_for_update()
    )
)
_NEXT_REMOVED: Prepared[MassRow] = Prepared(
    _MASS.where(C.c.removed_in == _ACTION)
    .order_by(C.c.created_at, C.c.id)
    .limit(sa.bindparam("most", type_=sa.BigInteger()))
    .with_for_update()
)
_LOCK_PARENTS: Prepared[_Listed] = Prepared(
    lambda dialect: (
        sa.select(C.c.id, C.c.parent_id, C.c.listed)
        .where(is_among(dialect, C.c.id, "ids"))
        .order_by(C.c.id)
        .with_for_update()
    )
)


def _update_among(**values: object) -> Prepared[JsonObject]:
    return Prepared(lambda dialect: sa.update(C).where(is_among(dialect, C.c.id, "ids")).values(values))


_MOMENT: Final = sa.bindparam("moment", type_=C.c.withdrawn_at.type)
_REMOVE: Final = _update_among(
    state="removed",
    listed=C.c.replies > 0,
    version=C.c.version + 1,
    removed_by="moderator",
    removed_in=_ACTION,
    featured=False,
    withdrawn_at=sa.case((C.c.state == "published", _MOMENT), else_=C.c.withdrawn_at),
)
_RETURNED: Final[JsonObject] = {"version": C.c.version + 1, "removed_by": None, "removed_in": None}
_PUBLISH: Final = _update_among(state="published", listed=True, withdrawn_at=None, **_RETURNED)
_SUSPEND: Final = _update_among(state="pending", listed=C.c.replies > 0, featured=False, **_RETURNED)
_UNLIST: Final = _update_among(listed=False)
_LIST: Final = _update_among(listed=True)


def _adjust_replies_of(dialect: str) -> sa.Update:
    rows = select_rows(dialect, id=C.c.id.type, change=sa.Integer())
    update = sa.update(C).where(C.c.id == rows.c.id, C.c.listed)
    return update.values(replies=C.c.replies + rows.c.change)


_ADJUST_REPLIES: Prepared[_Parent] = Prepared(
    lambda dialect: _adjust_replies_of(dialect).returning(C.c.id, C.c.parent_id, C.c.state, C.c.replies)
)


def lock_comments(session: Session, comment_ids: Sequence[str]) -> list[MassRow]:
    """Lock comments in the order of their ids; return those that `remove_comments` removes."""
    return _LOCK_OPEN.rows(session, {"ids": list(comment_ids)}) if comment_ids else []


def lock_removed(session: Session, action_id: str, limit: int) -> list[MassRow]:
    """Lock the first comments that an action has removed, oldest first."""
    return _NEXT_REMOVED.rows(session, {"action": action_id, "most": limit})


def remove_comments(session: Session, rows: Sequence[MassRow], action_id: str) -> None:
    """Remove comments that `lock_comments` returned, with all counters, and emit an event for each that was public."""
    if not rows:
        return
    _REMOVE.run(session, {"ids": [row["id"] for row in rows], "moment": now(), "action": action_id})
    public = [row for row in rows if row["state"] == "published"]
    # one that has replies stays as a tombstone, until the last of them leaves
    _leave_parents(session, Counter(row["parent_id"] for row in public if row["parent_id"] and not row["replies"]))
    _count(session, public, -1)
    emit_all(session, [CommentRemoved(**_fields_of(row)) for row in public])


def _leave_parents(session: Session, leaving: Mapping[str, int]) -> None:
    """Take listed replies from comments, and tombstones that have no other out of their threads."""
    while leaving:
        parents = _adjust_replies(session, {parent_id: -number for parent_id, number in leaving.items()})
        empty = [parent for parent in parents if parent["state"] != "published" and not parent["replies"]]
        if not empty:
            return
        _UNLIST.run(session, {"ids": [parent["id"] for parent in empty]})
        leaving = Counter(parent["parent_id"] for parent in empty if parent["parent_id"])


def _adjust_replies(session: Session, changes: Mapping[str, int]) -> list[_Parent]:
    rows = [{"id": parent_id, "change": change} for parent_id, change in sorted(changes.items())]
    return _ADJUST_REPLIES.rows(session, {ROWS: rows})


def _count(session: Session, rows: Sequence[MassRow], sign: int) -> None:
    """Add comments that are public now, or take back those that were, in all counters."""
    by_article, inline, by_anchor = Counter[str](), Counter[str](), Counter[str]()
    by_hour = Counter[tuple[str, datetime]]()
    for row in rows:
        by_article[row["article_id"]] += sign
        by_hour[row["article_id"], row["created_at"].replace(minute=0, second=0, microsecond=0)] += sign
        if row["anchor_id"] is not None:
            inline[row["article_id"]] += sign
            by_anchor[row["anchor_id"]] += sign
    adjust_counts(session, by_anchor)
    adjust_tallies(session, by_article, inline)
    count_comments(session, by_hour)


class _EventFields(TypedDict):
    subject_id: str
    article_id: str
    parent_id: str | None
    root_id: str


def _fields_of(row: MassRow) -> _EventFields:
    article_id, parent_id, root_id = row["article_id"], row["parent_id"], row["root_id"]
    return {"subject_id": row["id"], "article_id": article_id, "parent_id": parent_id, "root_id": root_id}


def restore_comments(session: Session, rows: Sequence[MassRow], since: datetime) -> list[tuple[MassRow, State]]:
    """Restore comments that `lock_removed` returned, and return them with their states.

    What was public until the moment `since` is public again, with an event for each; what waited waits again.
    """
    public, waiting = list[MassRow](), list[MassRow]()
    for row in rows:
        was_public = row["withdrawn_at"] is not None and row["withdrawn_at"] >= since
        (public if was_public else waiting).append(row)
    for update, changed in ((_PUBLISH, public), (_SUSPEND, waiting)):
        if changed:
            update.run(session, {"ids": [row["id"] for row in changed]})
    _join_parents(session, Counter(row["parent_id"] for row in public if row["parent_id"] and not row["listed"]))
    _count(session, public, 1)
    emit_all(session, [CommentPublished(**_fields_of(row)) for row in public])
    restored: list[tuple[MassRow, State]] = [(row, "published") for row in public]
    return restored + [(row, "pending") for row in waiting]


def _join_parents(session: Session, joining: Mapping[str, int]) -> None:
    """Add listed replies to comments; those that had left their threads are tombstones again, as they would still be.

    A comment that was removed while it had no reply is one, too: with this reply it would have stayed.
    """
    while joining:
        parents = _LOCK_PARENTS.rows(session, {"ids": list(joining)})
        absent = [parent for parent in parents if not parent["listed"]]
        if absent:
            _LIST.run(session, {"ids": [parent["id"] for parent in absent]})
        _adjust_replies(session, joining)
        joining = Counter(parent["parent_id"] for parent in absent if parent["parent_id"])
