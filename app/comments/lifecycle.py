"""Changing the state of a comment and the counters that depend on it, and changing its text and votes."""

from collections.abc import Mapping
from typing import Literal, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors import anchors
from app.articles import counters
from app.articles.counters import adjust_tally
from app.comments.moderation import SHADOW_STAGE, Verdict
from app.comments.reading import C, StoredComment
from app.comments.schemas import State, controversy_score, wilson_score
from app.comments.tables import ENTRY, CommentRevision
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject
from app.events.catalog import CommentEdited, CommentPublished, CommentRemoved, CommentVoted
from app.events.log import emit
from app.text.words import list_words

By = Literal["author", "moderator", "system"]
_IS_ROW = C.c.id == sa.bindparam("comment", type_=C.c.id.type)
_UPDATE = sa.update(C).where(_IS_ROW)
_CHANGE = sa.bindparam("change", type_=sa.Integer())
_UNLIST = _UPDATE.values(listed=False)
_PERSONAL: JsonObject = {
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
    "risk": 0,
    "featured": False,
    "redacted_at": None,
}
_CLEAR = _UPDATE.values({**_PERSONAL, "version": C.c.version + 1})
_REVISION = table_of(CommentRevision)
MAX_REVISIONS = 100
_NEXT_NUMBER = sa.select(sa.func.coalesce(sa.func.max(_REVISION.c.number), 0) + 1).where(
    _REVISION.c.comment_id == sa.bindparam("of", type_=_REVISION.c.comment_id.type)
)
_CLEAR_PARTICIPANT = _UPDATE.values(participant_id=None)
_SET_VOTES: Prepared[JsonObject] = Prepared(
    _UPDATE.values(
        {
            name: sa.bindparam(f"new_{name}", type_=C.c[name].type)
            for name in ("upvotes", "downvotes", "best", "controversy")
        }
    )
)


class ParentNotPublished(Conflict, code="parent_not_published", title="The parent comment is not public"):
    """The parent comment is not public."""


class _Parent(TypedDict):
    id: str
    parent_id: str | None
    state: str
    replies: int


_ADJUST_REPLIES: Prepared[_Parent] = Prepared(
    _UPDATE.values(replies=C.c.replies + _CHANGE)
    .where(C.c.listed)
    .returning(C.c.id, C.c.parent_id, C.c.state, C.c.replies)
)


class _EventFields(TypedDict):
    subject_id: str
    article_id: str
    parent_id: str | None
    root_id: str


MAX_WORDS = 5000  # that are indexed of a comment
_INSERT_ENTRY: Prepared[JsonObject] = Prepared(sa.insert(ENTRY), ("comment_id", "vector"))
_DELETE_ENTRY = sa.delete(ENTRY).where(ENTRY.c.comment_id == sa.bindparam("comment", type_=ENTRY.c.comment_id.type))


def event_fields(row: StoredComment) -> _EventFields:
    """Return the fields of every comment event: ids only."""
    return {
        "subject_id": row["id"],
        "article_id": row["article_id"],
        "parent_id": row["parent_id"],
        "root_id": row["root_id"],
    }


def announce_comment(session: Session, row: StoredComment) -> None:
    """Add a comment that became public to all counters, and emit its event."""
    if row["parent_id"] is not None and _adjust_replies(session, row["parent_id"], 1) is None:
        raise ParentNotPublished
    _adjust_counts(session, row, 1)
    emit(session, CommentPublished(**event_fields(row)))


def _adjust_counts(session: Session, row: StoredComment, change: int) -> None:
    anchor_id = row["anchor_id"]
    if anchor_id is not None:
        anchors.adjust_count(session, anchor_id, change)
    adjust_tally(session, row["article_id"], comments=change, inline=0 if anchor_id is None else change)
    counters.count_activity(session, row["article_id"], row["created_at"], comments=change)


def _adjust_replies(session: Session, parent_id: str, change: int) -> _Parent | None:
    return _ADJUST_REPLIES.row(session, {"comment": parent_id, "change": change})


def _leave_thread(session: Session, row: StoredComment) -> None:
    """Take a comment out of its thread, with every tombstone above it that has no other listed replies."""
    parent_id = row["parent_id"]
    while parent_id is not None:
        parent = _adjust_replies(session, parent_id, -1)
        if parent is None or parent["state"] == "published" or parent["replies"]:
            return
        session.execute(_UNLIST, {"comment": parent_id})
        parent_id = parent["parent_id"]


def set_state(session: Session, row: StoredComment, state: State, *, by: By, approved_text: bool | None = None) -> str:
    """Change the state of a comment that `lock_comment` returned, and return the former one.

    A comment that is no longer public stays in its thread as a tombstone while it has listed replies. 409 if it would
    become public under a parent that is not.
    """
    former_state, is_public = row["state"], state == "published"
    is_listed = is_public or row["replies"] > 0
    values: JsonObject = {"state": state, "listed": is_listed, "version": row["version"] + 1}
    values["removed_by"] = by if state == "removed" else None
    values["removed_in"] = None
    if by == "moderator":
        values["shadow"] = False
    if approved_text is not None:
        values["approved_text"] = approved_text
    if is_public:
        values["withdrawn_at"] = None
    else:
        values["featured"] = False
        if former_state == "published":
            values["withdrawn_at"] = now()
    session.execute(_UPDATE.values(values), {"comment": row["id"]})
    if is_public and former_state != "published":
        if row["listed"]:  # it was a tombstone
            _adjust_counts(session, row, 1)
            emit(session, CommentPublished(**event_fields(row)))
        else:
            announce_comment(session, row)
    elif former_state == "published" and not is_public:
        if not is_listed:
            _leave_thread(session, row)
        _adjust_counts(session, row, -1)
        emit(session, CommentRemoved(**event_fields(row)))
    return former_state


def update_comment(session: Session, row: StoredComment, values: Mapping[str, object]) -> None:
    """Change columns of a comment that readers or its author see, and increment its version."""
    session.execute(_UPDATE.values({**values, "version": C.c.version + 1}), {"comment": row["id"]})
    if "text" in values:
        delete_entry(session, row["id"])
        index_comment(session, row["id"], row["author_name"], str(values["text"]))
    if row["state"] == "published":
        emit(session, CommentEdited(**event_fields(row)))


def set_risk(session: Session, row: StoredComment, risk: int) -> None:
    """Set the risk of a comment as the moderation pipeline judged its new text."""
    if risk != row["risk"]:
        session.execute(_UPDATE.values(risk=risk), {"comment": row["id"]})


def is_shadow(verdict: Verdict) -> bool:
    """Whether somebody under a shadow ban wrote a comment, who must not know."""
    return any(reason.stage == SHADOW_STAGE for reason in verdict.reasons)


def set_shadow(session: Session, row: StoredComment, value: bool) -> None:
    """Set whether the author of a comment sees it as published while nobody else sees it."""
    session.execute(_UPDATE.values(shadow=value), {"comment": row["id"]})


def keep_revision(session: Session, row: StoredComment, *, by: Literal["author", "moderator"]) -> None:
    """Keep the text of a comment before it is changed. Only the newest `MAX_REVISIONS` texts are kept."""
    number: int = session.execute(_NEXT_NUMBER, {"of": row["id"]}).scalar_one()
    values: JsonObject = {
        "id": new_id(),
        "comment_id": row["id"],
        "number": number,
        "replaced_at": now(),
        "replaced_by": by,
        "source": row["source"],
        "html": row["html"],
        "text": row["text"],
    }
    session.execute(sa.insert(_REVISION).values(values))
    if number > MAX_REVISIONS:
        old = (_REVISION.c.comment_id == row["id"]) & (_REVISION.c.number <= number - MAX_REVISIONS)
        session.execute(sa.delete(_REVISION).where(old))


def set_featured(session: Session, row: StoredComment, value: bool) -> None:
    """Feature a comment, or stop featuring it."""
    update_comment(session, row, {"featured": value})


def adjust_votes(session: Session, row: StoredComment, up: int, down: int) -> tuple[int, int]:
    """Add to the votes of a comment that `lock_comment` returned, and return the new numbers."""
    ups, downs = max(0, row["upvotes"] + up), max(0, row["downvotes"] + down)
    scores = {"new_best": wilson_score(ups, downs), "new_controversy": controversy_score(ups, downs)}
    _SET_VOTES.run(session, {"comment": row["id"], "new_upvotes": ups, "new_downvotes": downs, **scores})
    if row["state"] == "published":
        emit(session, CommentVoted(**event_fields(row)))
    return ups, downs


def clear_comment(session: Session, row: StoredComment) -> None:
    """Erase the text of a comment and how its author was shown; only its place in the thread stays.

    The participant stays linked: floods are counted by it, and erasing the author finds the comment by it.
    """
    session.execute(sa.delete(_REVISION).where(_REVISION.c.comment_id == row["id"]))
    session.execute(_CLEAR, {"comment": row["id"]})
    delete_entry(session, row["id"])


def erase_comment(session: Session, row: StoredComment) -> None:
    """Clear a comment and remove its link to the participant."""
    clear_comment(session, row)
    session.execute(_CLEAR_PARTICIPANT, {"comment": row["id"]})


def build_vector(name: str, text: str) -> str:
    """Return the words of a comment, each once, as the text form of PostgreSQL's tsvector; SQLite splits at spaces."""
    return " ".join(dict.fromkeys((*list_words(name), *list_words(text, MAX_WORDS))))


def index_comment(session: Session, comment_id: str, name: str, text: str) -> None:
    """Index a comment that has no entry."""
    _INSERT_ENTRY.run(session, {"comment_id": comment_id, "vector": build_vector(name, text)})


def delete_entry(session: Session, comment_id: str) -> None:
    """Delete the entry of a comment, if it has one."""
    session.execute(_DELETE_ENTRY, {"comment": comment_id})
