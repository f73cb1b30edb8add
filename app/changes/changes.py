"""Reading the log as the public may know it.

Facts are stated when something is public; by the time they are read it may no longer be. So what is to be read again
is told only while readers can see it: whatever hid it stands later in the log, and whatever shows it again as well.
"""

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from app.articles.tables import SITE_ID
from app.changes.schemas import EXPORT, MEANINGS, CursorExpired, decode, encode
from app.comments.visibility import read_event_visibility
from app.core.problems import InvalidParameter, Unavailable
from app.db.columns import table_of
from app.events.catalog import (
    AnchorChanged,
    AnchorsResolved,
    ArticleEvent,
    ArticleRetracted,
    ArticleUnpublished,
    CommentEdited,
    CommentPublished,
    CommentRemoved,
    CommentVoted,
    DiscussionChanged,
    Event,
    LoggedEvent,
    NoticeChanged,
    NoticeDeleted,
)
from app.events.log import fetch_events, find_batch_end, find_pruned_position, find_settled_position
from app.events.schemas import Position
from app.events.tables import Event as EventRow

MOST_READ = 1000  # facts that one page looks through for what was asked for
MOST_BYTES = 262_144  # of one page: reasons can be long
_EVENT = table_of(EventRow)


def _place(name: str) -> Any:
    return sa.tuple_(*(sa.bindparam(f"{name}_{part}", type_=sa.BigInteger()) for part in ("xid", "seq")))


@lru_cache(64)
def _facts(types: frozenset[str]) -> sa.Select[Any]:
    here = sa.tuple_(_EVENT.c.xid, _EVENT.c.seq)
    kinds = sorted(name for name, meaning in MEANINGS.items() if meaning.type in types)
    found = sa.select(_EVENT).where(here > _place("from"), here <= _place("to"), _EVENT.c.type.in_(kinds))
    return found.order_by(_EVENT.c.xid, _EVENT.c.seq).limit(sa.bindparam("most", type_=sa.BigInteger()))


def _parent(event: Event, article_id: str | None) -> dict[str, Any] | None:
    """Return what the subject belongs to, in the shape of `ChangeParentOut`."""
    match event:
        case NoticeChanged() | NoticeDeleted():
            return {"type": event.scope, "id": event.target_id}
        case DiscussionChanged():
            return {"type": event.scope, "id": None if event.subject_id == SITE_ID else event.subject_id}
        case (
            AnchorChanged()
            | AnchorsResolved()
            | CommentPublished()
            | CommentEdited()
            | CommentRemoved()
            | CommentVoted()
        ):
            return {"type": "article", "id": article_id}
        case _:
            return None


def present(logged: LoggedEvent, event: Event) -> dict[str, Any]:
    """Return an event in the shape of `ChangeOut`."""
    meaning, parent = MEANINGS[logged.type], _parent(event, logged.article_id)
    change: dict[str, Any] = {
        "position": str(logged.position),
        "type": meaning.type,
        "op": meaning.op,
        "id": parent["id"] if parent and meaning.type == "discussion" else event.subject_id,
        "of": parent,
        "revision": None,
        "at": logged.at,
        "reason": None,
        "status": None,
    }
    match event:
        case ArticleUnpublished():
            change |= {"reason": event.reason, "status": 404}
        case ArticleRetracted():
            change |= {"reason": event.reason, "status": 451 if event.legal else 410}
    if isinstance(event, ArticleEvent):
        change["revision"] = event.revision
    return change


def start(connection: sa.Connection, log: str, cursor: str | None, *, is_replica: bool = False) -> Position:
    """Where a follower goes on: 410 if what comes next has been pruned, 400 for a place that this log has not reached.

    A replica may not have come so far yet: 503.
    """
    kept = find_pruned_position(connection)
    if cursor is None:
        return kept
    position = decode(log, cursor)
    if position < kept:
        detail = f"What came next is no longer kept: read {EXPORT} and go on from the cursor in its first line."
        raise CursorExpired(detail, headers={"Link": f'<{EXPORT}>; rel="alternate"'})
    if position > find_settled_position(connection):
        if is_replica:
            raise Unavailable("That position is not visible here yet.")
        raise InvalidParameter("cursor", f"This log has not come so far; begin with {EXPORT}.")
    return position


def page(connection: sa.Connection, begin: Position, log: str, types: frozenset[str], limit: int) -> dict[str, Any]:
    """A page of the changes after a position, in the shape of `ChangesOut`."""
    end, more = find_batch_end(connection, begin, MOST_READ)
    places = {"from_xid": begin.xid, "from_seq": begin.seq, "to_xid": end.xid, "to_seq": end.seq}
    facts = fetch_events(connection, _facts(types), {**places, "most": limit + 1})
    visibility, size = read_event_visibility(connection, facts), 0
    told: list[dict[str, Any]] = []
    for fact in facts[:limit]:
        if fact.event is not None and visibility.shows(fact):
            change = present(fact, fact.event)
            size += 400 + 4 * len(change["reason"] or "")
            if told and size > MOST_BYTES:
                break
            told.append(change)
        begin = fact.position
    else:
        begin = begin if len(facts) > limit else end
    next_ = encode(log, begin)
    more = more or begin < end
    return {"data": told, "page": {"next": next_, "limit": limit, "total": None, "more": more}}
