"""The change feed: events of the log about public content.

A subject that was public at the time of an event may have been hidden since. Its event is left out then: followers
learn of the later event that has hidden it, and of any that shows it again.
"""

from datetime import datetime
from functools import lru_cache
from typing import TypedDict

import sqlalchemy as sa

from app.articles.tables import SITE_ID
from app.changes.schemas import EXPORT_PATH, MEANINGS, NOW, CursorExpired, Op, Type, decode_cursor, encode_cursor
from app.comments.visibility import read_event_visibility
from app.core.problems import InvalidParameter, Unavailable
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject
from app.events import catalog
from app.events.log import (
    NEXT_EVENTS,
    EventRow,
    fetch_events,
    find_batch_end,
    find_pruned_position,
    find_settled_position,
    is_after,
    is_up_to,
)
from app.events.schemas import Position
from app.events.tables import Event as EventTable

MAX_EVENTS_READ = 1000  # that one page searches for the requested types
MAX_PAGE_BYTES = 262_144  # of the estimated size: reasons can be long
_EVENT = table_of(EventTable)


def _names_of(types: frozenset[str]) -> list[sa.ColumnElement[str]]:
    return [sa.literal(name) for name, meaning in sorted(MEANINGS.items()) if meaning.type in types]


@lru_cache(64)
def _select_next(types: frozenset[str], dialect: str) -> Prepared[EventRow]:
    """Select the first events of some types among the next events of all types, without reading more than needed."""
    events = NEXT_EVENTS[dialect]
    event = events.c
    query = sa.select(events).where(event.type.in_(_names_of(types))).order_by(event.xid, event.seq)
    return Prepared(query.limit(sa.bindparam("wanted", type_=sa.BigInteger())))


def _bind_position(name: str) -> tuple[Column, Column]:
    return (
        sa.bindparam(f"{name}_xid", type_=sa.BigInteger()),
        sa.bindparam(f"{name}_seq", type_=sa.BigInteger()),
    )


@lru_cache(64)
def _select_events(types: frozenset[str], dialect: str) -> Prepared[EventRow]:
    """Select the events of some types between two positions."""
    is_within = (is_after(dialect, _bind_position("from")), is_up_to(dialect, _bind_position("to")))
    query = sa.select(_EVENT).where(*is_within, _EVENT.c.type.in_(_names_of(types)))
    return Prepared(query.order_by(_EVENT.c.xid, _EVENT.c.seq).limit(sa.bindparam("most", type_=sa.BigInteger())))


class Parent(TypedDict):
    """An object in the shape of `ChangeParentOut`."""

    type: str
    id: str | None


class Change(TypedDict):
    """A change in the shape of `ChangeOut`."""

    position: str
    type: Type
    op: Op
    id: str | None
    of: Parent | None
    revision: int | None
    at: datetime
    reason: str | None
    status: int | None


def _find_parent(event: catalog.Event, article_id: str | None) -> Parent | None:
    """Return the object that the subject of an event belongs to."""
    match event:
        case catalog.NoticeChanged() | catalog.NoticeDeleted():
            return {"type": event.scope, "id": event.target_id}
        case catalog.DiscussionChanged():
            return {"type": event.scope, "id": None if event.subject_id == SITE_ID else event.subject_id}
        case (
            catalog.AnchorChanged()
            | catalog.AnchorsResolved()
            | catalog.CommentPublished()
            | catalog.CommentEdited()
            | catalog.CommentRemoved()
            | catalog.CommentVoted()
        ):
            return {"type": "article", "id": article_id}
        case _:
            return None


def _find_subject(event: catalog.Event, parent: Parent | None, kind: Type) -> str | None:
    """Return the id of the object that has changed; None for what is only once."""
    if parent and kind == "discussion":
        return parent["id"]
    return None if event.subject_id == SITE_ID else event.subject_id


def present_change(logged: catalog.LoggedEvent, event: catalog.Event) -> Change:
    """Return an event as a change."""
    meaning, parent = MEANINGS[logged.type], _find_parent(event, logged.article_id)
    change: Change = {
        "position": str(logged.position),
        "type": meaning.type,
        "op": meaning.op,
        "id": _find_subject(event, parent, meaning.type),
        "of": parent,
        "revision": None,
        "at": logged.at,
        "reason": None,
        "status": None,
    }
    match event:
        case catalog.ArticleUnpublished():
            change["reason"], change["status"] = event.reason, 404
        case catalog.ArticleRetracted():
            change["reason"], change["status"] = event.reason, 451 if event.legal else 410
    if isinstance(event, catalog.ArticleEvent):
        change["revision"] = event.revision
    return change


def find_start(connection: sa.Connection, log: str, cursor: str | None, *, is_replica: bool = False) -> Position:
    """Return where a follower continues: 410 if the next events have been pruned, 400 for a cursor ahead of the log.

    On a replica, which may be behind, a cursor ahead of the log is a 503.
    """
    oldest = find_pruned_position(connection)
    if cursor is None:
        return oldest
    if cursor == NOW:
        return find_settled_position(connection)
    position = decode_cursor(log, cursor)
    if position < oldest:
        detail = (
            f"The next changes are no longer kept. Read {EXPORT_PATH}, and continue from the cursor in its first line."
        )
        raise CursorExpired(detail, headers={"Link": f'<{EXPORT_PATH}>; rel="alternate"'})
    if position > find_settled_position(connection):
        if is_replica:
            raise Unavailable("That position is not visible here yet.")
        raise InvalidParameter("cursor", f"The cursor is ahead of the log. Start with {EXPORT_PATH}.")
    return position


def list_changes(connection: sa.Connection, begin: Position, log: str, types: frozenset[str], limit: int) -> JsonObject:
    """Return a page of the changes after a position, in the shape of `ChangesOut`."""
    place: JsonObject = {"xid": begin.xid, "seq": begin.seq, "most": MAX_EVENTS_READ, "wanted": limit + 1}
    entries = fetch_events(connection, _select_next(types, connection.dialect.name), place)
    if len(entries) > limit:
        end, more = entries[-1].position, True
    else:  # the page ends with the events that were read, which may be of other types
        end, number = find_batch_end(connection, begin, MAX_EVENTS_READ)
        more = number == MAX_EVENTS_READ
        bounds = {"from_xid": begin.xid, "from_seq": begin.seq, "to_xid": end.xid, "to_seq": end.seq}
        entries = fetch_events(
            connection, _select_events(types, connection.dialect.name), {**bounds, "most": limit + 1}
        )
    visibility, size = read_event_visibility(connection, entries), 0
    changes: list[Change] = []
    for entry in entries[:limit]:
        if entry.event is not None and visibility.shows(entry):
            change = present_change(entry, entry.event)
            size += 400 + 4 * len(change["reason"] or "")
            if changes and size > MAX_PAGE_BYTES:
                break
            changes.append(change)
        begin = entry.position
    else:
        begin = begin if len(entries) > limit else end
    page = {"next": encode_cursor(log, begin), "limit": limit, "total": None, "more": more or begin < end}
    return {"data": changes, "page": page}
