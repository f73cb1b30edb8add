"""Moving a comment between states, and everything that is counted by them."""

from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors import anchors
from app.articles import activity
from app.articles.discussions import adjust_tally
from app.comments.reading import C
from app.comments.schemas import State, controversy_score, wilson_score
from app.comments.tables import CommentRevision
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict
from app.db.columns import Row, table_of
from app.events.catalog import CommentEdited, CommentPublished, CommentRemoved, CommentVoted
from app.events.log import emit

By = Literal["author", "moderator", "system"]
_IS_ROW = C.c.id == sa.bindparam("here", type_=C.c.id.type)
_UPDATE = sa.update(C).where(_IS_ROW)
_CHANGE = sa.bindparam("more", type_=sa.Integer())
_ADJUST_REPLIES = (
    _UPDATE.values(replies=C.c.replies + _CHANGE)
    .where(C.c.listed)
    .returning(C.c.id, C.c.parent_id, C.c.state, C.c.replies)
)
_UNLIST = _UPDATE.values(listed=False)
_PERSONAL: dict[str, Any] = {
    "author_id": "",
    "author_name": "",
    "badges": [],
    "email": None,
    "notify": "none",
    "address_hash": None,
    "address_ranges": None,
    "source": "",
    "html": "",
    "text": "",
    "fingerprint": "",
    "request": None,
    "approved_text": False,
    "featured": False,
    "redacted_at": None,
}
_CLEAR = _UPDATE.values(**_PERSONAL, version=C.c.version + 1)
_REVISION = table_of(CommentRevision)
_NEXT_NUMBER = sa.select(sa.func.coalesce(sa.func.max(_REVISION.c.number), 0) + 1).where(
    _REVISION.c.comment_id == sa.bindparam("of", type_=_REVISION.c.comment_id.type)
)
MAX_REVISIONS = 100
_CLEAR_PARTICIPANT = _UPDATE.values(participant_id=None)
_SET_VOTES = _UPDATE.values(
    {name: sa.bindparam(f"new_{name}") for name in ("upvotes", "downvotes", "best", "controversy")}
)


class ParentNotPublished(Conflict):
    """The parent comment is not public."""

    code, title = "parent_not_published", "The parent comment is not public"


def event_fields(row: Row) -> dict[str, Any]:
    """Return the fields of every comment event: ids only."""
    return {
        "subject_id": row["id"],
        "article_id": row["article_id"],
        "parent_id": row["parent_id"],
        "root_id": row["root_id"],
    }


def announce_comment(session: Session, row: Row) -> None:
    """Add a comment that became public to all counters and emit its event."""
    if row["parent_id"] is not None and _adjust_replies(session, row["parent_id"], 1) is None:
        raise ParentNotPublished
    _adjust_counts(session, row, 1)
    emit(session, CommentPublished(**event_fields(row)))


def _adjust_counts(session: Session, row: Row, change: int) -> None:
    inline = row["anchor_id"] is not None
    if inline:
        anchors.adjust_count(session, row["anchor_id"], change)
    adjust_tally(session, row["article_id"], comments=change, inline=change if inline else 0)
    activity.count_activity(session, row["article_id"], row["created_at"], comments=change)


def _adjust_replies(session: Session, parent_id: str, change: int) -> Row | None:
    return session.execute(_ADJUST_REPLIES, {"here": parent_id, "more": change}).mappings().first()


def _leave_thread(session: Session, row: Row) -> None:
    """Take a comment out of its thread, and every tombstone above it that held nothing else."""
    parent_id = row["parent_id"]
    while parent_id is not None:
        parent = _adjust_replies(session, parent_id, -1)
        if parent is None or parent["state"] == "published" or parent["replies"]:
            return
        session.execute(_UNLIST, {"here": parent_id})
        parent_id = parent["parent_id"]


def set_state(session: Session, row: Row, state: State, *, by: By, approved_text: bool | None = None) -> str:
    """Move a comment, read by `lock_comment`, to a state; returns the one that it had.

    A comment that leaves the public view keeps its place as a tombstone while replies stand under it. 409 if it would
    become public under one that is not.
    """
    former_state, is_public = row["state"], state == "published"
    values: dict[str, Any] = {"state": state, "listed": is_public or row["replies"] > 0, "version": row["version"] + 1}
    values["removed_by"] = by if state == "removed" else None
    if approved_text is not None:
        values["approved_text"] = approved_text
    if is_public:
        values["withdrawn_at"] = None
    else:
        values["featured"] = False
        if former_state == "published":
            values["withdrawn_at"] = now()
    session.execute(_UPDATE.values(values), {"here": row["id"]})
    if is_public and former_state != "published":
        if row["listed"]:  # its place was kept
            _adjust_counts(session, row, 1)
            emit(session, CommentPublished(**event_fields(row)))
        else:
            announce_comment(session, row)
    elif former_state == "published" and not is_public:
        if not values["listed"]:
            _leave_thread(session, row)
        _adjust_counts(session, row, -1)
        emit(session, CommentRemoved(**event_fields(row)))
    return str(former_state)


def update_comment(session: Session, row: Row, values: dict[str, Any]) -> None:
    """Change the text or the presentation of a comment."""
    session.execute(_UPDATE.values(**values, version=C.c.version + 1), {"here": row["id"]})
    if row["state"] == "published":
        emit(session, CommentEdited(**event_fields(row)))


def keep_revision(session: Session, row: Row, *, by: Literal["author", "moderator"]) -> None:
    """Keep the text of a comment before it is changed; of many changes the oldest texts go first."""
    number: int = session.execute(_NEXT_NUMBER, {"of": row["id"]}).scalar_one()
    texts = {name: row[name] for name in ("source", "html", "text")}
    about = {"id": new_id(), "comment_id": row["id"], "number": number, "replaced_at": now(), "replaced_by": by}
    session.execute(sa.insert(_REVISION).values(about | texts))
    if number > MAX_REVISIONS:
        old = (_REVISION.c.comment_id == row["id"]) & (_REVISION.c.number <= number - MAX_REVISIONS)
        session.execute(sa.delete(_REVISION).where(old))


def set_featured(session: Session, row: Row, value: bool) -> None:
    """Feature a comment, or stop featuring it."""
    update_comment(session, row, {"featured": value})


def adjust_votes(session: Session, row: Row, up: int, down: int) -> tuple[int, int]:
    """Move the votes of a comment, read by `lock_comment`; returns how many it has now."""
    ups, downs = max(0, row["upvotes"] + up), max(0, row["downvotes"] + down)
    scores = {"new_best": wilson_score(ups, downs), "new_controversy": controversy_score(ups, downs)}
    session.execute(_SET_VOTES, {"here": row["id"], "new_upvotes": ups, "new_downvotes": downs, **scores})
    if row["state"] == "published":
        emit(session, CommentVoted(**event_fields(row)))
    return ups, downs


def clear_comment(session: Session, row: Row) -> None:
    """Blank everything that was said and how its author was shown; only the place in the thread stays.

    Whose it was stays known here: to count floods, and to find what is left about it when its author is erased.
    """
    session.execute(sa.delete(_REVISION).where(_REVISION.c.comment_id == row["id"]))
    session.execute(_CLEAR, {"here": row["id"]})


def erase_comment(session: Session, row: Row) -> None:
    """Clear a comment and remove its link to the participant."""
    clear_comment(session, row)
    session.execute(_CLEAR_PARTICIPANT, {"here": row["id"]})
