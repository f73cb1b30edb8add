"""Actions on people: bans, and the removal of all their comments, which the worker carries out in short transactions.

A transaction takes comments until `MAX_BATCH_SECONDS` have passed, so that no other write waits long. Its position is
stored with what it did: after a crash the next one continues.
"""

import time
from datetime import UTC, datetime
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.tables import SITE_ID
from app.comments.mass_removal import MassRow, lock_comments, lock_removed, remove_comments, restore_comments
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, Invalid, NotFound
from app.db.columns import is_among, table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject, fetch_row, get_row
from app.events.log import PERSON_KEY, emit
from app.events.staff_events import CommentsRemoved
from app.identity.audit import record_action as audit
from app.identity.schemas import Actor
from app.moderation import bans
from app.moderation.canned import resolve_reason
from app.moderation.comment_access import A, C
from app.moderation.events import emit_decided
from app.moderation.log import LoggedComment, Reasoning, log_decision, log_decisions
from app.moderation.people import get_participant
from app.moderation.people_schemas import ActionIn
from app.moderation.queue import list_waiting_among, settle_cases
from app.moderation.reports import uphold_reports
from app.moderation.schemas import ReasonIn
from app.moderation.tables import PersonAction
from app.web.paging import Page, PageQuery, Sort, fetch_page

MAX_BATCH_SECONDS: Final = 0.015  # of a transaction
CHUNK_SIZE: Final = 50  # comments that are removed or restored by the same statements
BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)  # before any comment
ACTION: Final = table_of(PersonAction)
_NEWEST: Final = Sort("-created_at", descending=True)
_SHOWN: Final = (
    "id state ban ban_id until remove_all sections removed restored reason ground created_at finished_at".split()
)
_SELECT_SHOWN: Final = sa.select(*(ACTION.c[name] for name in _SHOWN), ACTION.c.actor_id.label("created_by"))
NEXT_REMOVAL: Final = sa.select(sa.func.min(ACTION.c.due_at))
"""Selects when the next batch of a removal, or of its undoing, is due."""


class AlreadyUndone(Conflict, code="already_undone", title="The action has been undone"):
    """The action was undone, or is being undone, before."""


class ShownAction(TypedDict):
    """An action as moderators see it."""

    id: str
    state: str
    ban: str | None
    ban_id: str | None
    until: datetime | None
    remove_all: bool
    sections: list[str] | None
    removed: int
    restored: int
    reason: str | None
    ground: str | None
    created_at: datetime
    finished_at: datetime | None
    created_by: str | None


class ActionRow(TypedDict):
    """All columns of an action."""

    id: str
    participant_id: str
    actor_kind: str
    actor_id: str | None
    person_id: str | None
    sections: list[str] | None
    ban_id: str | None
    ban: str | None
    until: datetime | None
    reason: str | None
    ground: str | None
    canned_id: str | None
    remove_all: bool
    state: str
    removed: int
    restored: int
    after_at: datetime | None
    after_id: str | None
    due_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


def _check(data: ActionIn) -> None:
    if data.ban is None and not data.remove_all:
        raise Invalid("Send `ban`, `remove_all` or both.", pointer="/ban", code="required")
    if data.until is not None and data.ban is None:
        raise Invalid("Only bans end.", pointer="/until", code="not_wanted")
    if data.until is not None and data.until <= now():
        raise Invalid("`until` must be in the future.", pointer="/until", code="in_the_past")


def create_action(session: Session, actor: Actor, public_id: str, data: ActionIn) -> str:
    """Ban a person, or begin to remove all comments of theirs, or both. Return the id of the action."""
    _check(data)
    person = get_participant(session, actor, public_id)
    reasoning = resolve_reason(session, ReasonIn(reason=data.reason, ground=data.ground, canned=data.canned))
    reason = reasoning["note"]
    ban_id = None
    if data.ban is not None:
        shadow = data.ban == "shadow"
        ban_id = bans.ban_person(session, actor, person["id"], shadow=shadow, until=data.until, reason=reason)
    sections, moment = actor.sections_for("comments:moderate"), now()
    row: ActionRow = {
        "id": new_id(),
        "participant_id": person["id"],
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "person_id": session.info.get(PERSON_KEY),
        "sections": None if sections is None else sorted(sections),
        "ban_id": ban_id,
        "ban": data.ban,
        "until": data.until,
        "reason": reason,
        "ground": reasoning["ground"],
        "canned_id": reasoning["canned_id"],
        "remove_all": data.remove_all,
        "state": "removing" if data.remove_all else "done",
        "removed": 0,
        "restored": 0,
        "after_at": None,
        "after_id": None,
        "due_at": moment if data.remove_all else None,
        "created_at": moment,
        "finished_at": None if data.remove_all else moment,
    }
    session.execute(sa.insert(ACTION), row)
    what = [name for name, value in (("ban", data.ban), ("remove_all", data.remove_all)) if value]
    if data.ban is not None:
        log_decision(session, None, actor.kind, actor.id, f"person.{data.ban}_ban", None, **reasoning)
    audit(session, actor, "person.act", "participant", person["id"], {"action": row["id"], "what": what})
    return row["id"]


def get_action(connection: sa.Connection, action_id: str) -> ShownAction:
    """Return an action that exists."""
    return get_row(connection, _SELECT_SHOWN.where(ACTION.c.id == action_id), ShownAction)


def find_action(connection: sa.Connection, actor: Actor, public_id: str, action_id: str) -> ShownAction | None:
    """Return an action on a person, or None."""
    person = get_participant(connection, actor, public_id)
    query = _SELECT_SHOWN.where(ACTION.c.id == action_id, ACTION.c.participant_id == person["id"])
    row = fetch_row(connection, query, ShownAction)
    return row if row is not None and _is_in_reach(actor, row["sections"]) else None


def _is_in_reach(actor: Actor, sections: list[str] | None) -> bool:
    """Whether the caller moderates wherever an action removes comments."""
    own = actor.sections_for("comments:moderate")
    return own is None or (sections is not None and own.issuperset(sections))


def list_actions(connection: sa.Connection, actor: Actor, public_id: str, query: PageQuery) -> Page[ShownAction]:
    """List the actions on a person, newest first; who moderates some sections alone sees their own."""
    person = get_participant(connection, actor, public_id)
    rows = _SELECT_SHOWN.where(ACTION.c.participant_id == person["id"])
    if not actor.may_in("comments:moderate", None):
        is_own = ACTION.c.actor_id == actor.id
        rows = rows.where(is_own if actor.person is None else is_own | (ACTION.c.person_id == actor.person))
    return fetch_page(connection, rows, _NEWEST, ACTION.c.created_at, query, ShownAction, within=person["id"])


def undo_action(session: Session, actor: Actor, public_id: str, action_id: str) -> str:
    """Lift the ban of an action, and begin to restore what it removed. Return its id."""
    person = get_participant(session, actor, public_id)
    row = _lock_action(session, action_id)
    if row is None or row["participant_id"] != person["id"] or not _is_in_reach(actor, row["sections"]):
        raise NotFound
    if row["state"] in ("restoring", "undone"):
        raise AlreadyUndone
    if row["ban_id"] is not None:
        bans.end_ban(session, actor, row["ban_id"])
    moment = now()
    values: JsonObject = {"state": "restoring", "due_at": moment, "finished_at": None}
    if not row["remove_all"]:
        values = {"state": "undone", "due_at": None, "finished_at": moment}
    session.execute(sa.update(ACTION).where(ACTION.c.id == action_id).values(values))
    audit(session, actor, "person.undo", "participant", person["id"], {"action": action_id})
    return action_id


def _lock_action(session: Session, action_id: str) -> ActionRow | None:
    if not is_id(action_id):
        return None
    return fetch_row(session, sa.select(ACTION).where(ACTION.c.id == action_id).with_for_update(), ActionRow)


def advance_actions(session: Session) -> int:
    """Remove or restore the next comments of the action that waits longest; return their number, plus 1 for more."""
    due = sa.select(ACTION).where(ACTION.c.due_at <= now()).order_by(ACTION.c.due_at).limit(1)
    row = fetch_row(session, due.with_for_update(skip_locked=True), ActionRow)
    if row is None:
        return 0
    session.info[PERSON_KEY] = row["person_id"]
    until = time.monotonic() + MAX_BATCH_SECONDS
    values = _remove_batch(session, row, until) if row["state"] == "removing" else _restore_batch(session, row, until)
    session.execute(sa.update(ACTION).where(ACTION.c.id == row["id"]).values(values))
    return 1


def _is_over(begun: float, until: float) -> bool:
    """Whether a chunk that takes as long as the one begun at `begun` would end after a time."""
    moment = time.monotonic()
    return moment + (moment - begun) > until


class _Place(TypedDict):
    id: str
    created_at: datetime


def _remove_batch(session: Session, action: ActionRow, until: float) -> JsonObject:
    """Remove comments until a time; return the columns of the action that change."""
    removed, after = 0, (action["after_at"], action["after_id"])
    while True:
        begun = time.monotonic()
        places = _list_places(session, action, after)
        rows = lock_comments(session, [place["id"] for place in places])
        _remove_chunk(session, action, rows)
        removed += len(rows)
        if len(places) < CHUNK_SIZE:
            if action["removed"] + removed:
                emit(session, CommentsRemoved(subject_id=action["id"]))
            values: JsonObject = {"state": "done", "due_at": None, "finished_at": now()}
            break
        after = (places[-1]["created_at"], places[-1]["id"])
        if _is_over(begun, until):
            values = {"after_at": after[0], "after_id": after[1]}
            break
    return {**values, "removed": action["removed"] + removed}


_AFTER_AT: Final = sa.bindparam("after_at", type_=C.c.created_at.type)
_PLACES: Final = (
    sa.select(C.c.id, C.c.created_at)
    .where(
        C.c.participant_id == sa.bindparam("participant", type_=C.c.participant_id.type),
        C.c.created_at >= _AFTER_AT,
        (C.c.created_at > _AFTER_AT) | (C.c.id > sa.bindparam("after_id", type_=C.c.id.type)),
    )
    .order_by(C.c.created_at, C.c.id)
    .limit(sa.bindparam("most", type_=sa.BigInteger()))
)
_NEXT_PLACES: Prepared[_Place] = Prepared(_PLACES)
_NEXT_PLACES_WITHIN: Prepared[_Place] = Prepared(
    lambda dialect: _PLACES.where(
        C.c.article_id.in_(sa.select(A.c.id).where(is_among(dialect, A.c.section_id, "sections")))
    )
)


def _list_places(session: Session, action: ActionRow, after: tuple[datetime | None, str | None]) -> list[_Place]:
    """List the next comments of the person, in the order of time."""
    place = {"after_at": after[0] or BEGINNING, "after_id": after[1] or SITE_ID}
    values: JsonObject = {"participant": action["participant_id"], "most": CHUNK_SIZE, **place}
    if action["sections"] is None:
        return _NEXT_PLACES.rows(session, values)
    return _NEXT_PLACES_WITHIN.rows(session, {**values, "sections": action["sections"]})


def _remove_chunk(session: Session, action: ActionRow, rows: list[MassRow]) -> None:
    if not rows:
        return
    ids = [row["id"] for row in rows]
    waits = list_waiting_among(session, ids)
    remove_comments(session, rows, action["id"])
    reasoning: Reasoning = {
        "note": action["reason"],
        "ground": action["ground"],
        "canned_id": action["canned_id"],
    }
    entries = [LoggedComment(row["id"], row["article_id"], "removed") for row in rows]
    log_decisions(session, entries, action["actor_kind"], action["actor_id"], "remove", reasoning)
    if waits:
        uphold_reports(session, sorted(waits))
    settle_cases(session, ids)
    for row in rows:
        if row["state"] == "pending" or row["id"] in waits:
            emit_decided(
                session, {"id": row["id"], "article_id": row["article_id"]}, "remove", "removed", by="moderator"
            )


_NO_REASONING: Final[Reasoning] = {"note": None, "ground": None, "canned_id": None}


def _restore_batch(session: Session, action: ActionRow, until: float) -> JsonObject:
    """Restore comments that an action has removed until a time; return the columns of the action that change."""
    restored = 0
    begun = time.monotonic()
    while rows := lock_removed(session, action["id"], CHUNK_SIZE):
        comments = restore_comments(session, rows, action["created_at"])
        restored += len(comments)
        entries = [LoggedComment(row["id"], row["article_id"], state) for row, state in comments]
        log_decisions(session, entries, action["actor_kind"], action["actor_id"], "restore", _NO_REASONING)
        if _is_over(begun, until):
            break
        begun = time.monotonic()
    values: JsonObject = {"restored": action["restored"] + restored}
    return values if rows else {**values, "state": "undone", "due_at": None, "finished_at": now()}


def erase_people(session: Session, participant_ids: list[str]) -> None:
    """End the actions on people who are erased, and erase the reasons."""
    values = {"reason": None, "state": "done", "due_at": None}
    session.execute(sa.update(ACTION).where(ACTION.c.participant_id.in_(participant_ids)).values(values))
