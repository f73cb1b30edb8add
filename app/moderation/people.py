"""People who comment, as moderators see them: their comments in every state, reports, bans and notes."""

from datetime import datetime
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import NotFound
from app.db.columns import count_affected, table_of
from app.db.rows import JsonObject, Statement, Store, fetch_row, fetch_rows, get_row
from app.events.log import PERSON_KEY
from app.identity.audit import record_action as audit
from app.identity.participants import PARTICIPANT, ParticipantRow
from app.identity.schemas import Actor
from app.moderation.bans import list_person_bans
from app.moderation.comment_access import COLUMNS, TABLES, A, C, JudgedComment, is_in_reach, present_comment
from app.moderation.people_schemas import NoteIn, PersonCommentQuery, PersonReportQuery
from app.moderation.reports import REPORT, SELECT_REPORTS, ListedReport, present_report
from app.moderation.tables import PersonNote
from app.web.paging import Page, PageQuery, Sort, fetch_page, map_page

NOTE: Final = table_of(PersonNote)
_NEWEST: Final = Sort("-created_at", descending=True)
_SELECT_PERSON: Final = sa.select(PARTICIPANT).where(
    PARTICIPANT.c.public_id == sa.bindparam("public_id", type_=sa.String())
)


class NoteRow(TypedDict):
    """A note on a person."""

    id: str
    text: str
    created_by: str
    person_id: str | None
    created_at: datetime


_SELECT_NOTES: Final = sa.select(
    NOTE.c.id, NOTE.c.text, NOTE.c.actor_id.label("created_by"), NOTE.c.person_id, NOTE.c.created_at
)


def _reaches_all(actor: Actor) -> bool:
    return actor.may_in("comments:moderate", None)


def is_comment_in_reach(actor: Actor) -> ColumnElement[bool]:
    """Build the SQL condition for comments on articles that the caller may moderate."""
    if _reaches_all(actor):
        return sa.true()
    return C.c.article_id.in_(sa.select(A.c.id).where(is_in_reach(actor)))


def get_participant(store: Store, actor: Actor, public_id: str) -> ParticipantRow:
    """Return a person; 404 for those who wrote nothing where the caller moderates, and reported nothing there."""
    row = fetch_row(store, _SELECT_PERSON, ParticipantRow, {"public_id": public_id})
    if row is None:
        raise NotFound
    if not _reaches_all(actor):
        wrote = sa.exists().where(C.c.participant_id == row["id"], is_comment_in_reach(actor))
        within = sa.select(A.c.id).where(is_in_reach(actor))
        told = sa.exists().where(REPORT.c.participant_id == row["id"], REPORT.c.article_id.in_(within))
        if not store.execute(sa.select(wrote | told)).scalar_one():
            raise NotFound
    return row


class _Tally(TypedDict):
    state: str
    number: int
    shadowed: int
    newest: datetime | None


def get_person(connection: sa.Connection, actor: Actor, public_id: str) -> JsonObject:
    """Return a person in the shape of `CommenterOut`."""
    row = get_participant(connection, actor, public_id)
    tallies = fetch_rows(
        connection,
        sa.select(
            C.c.state,
            sa.func.count().label("number"),
            sa.func.count(sa.case((C.c.shadow, 1))).label("shadowed"),
            sa.func.max(C.c.created_at).label("newest"),
        )
        .where(C.c.participant_id == row["id"], is_comment_in_reach(actor))
        .group_by(C.c.state),
        _Tally,
    )
    states = ("pending", "published", "rejected", "spam", "removed")
    by_state = {tally["state"]: tally["number"] for tally in tallies}
    return {
        "id": row["public_id"],
        "name": row["name"],
        "kind": row["kind"],
        "confirmed": row["confirmed_at"] is not None,
        "erased": row["erased_at"] is not None,
        "first_seen": row["created_at"],
        "last_seen": max((tally["newest"] for tally in tallies if tally["newest"]), default=None),
        "comments": {state: by_state.get(state, 0) for state in states},
        "shadowed": sum(tally["shadowed"] for tally in tallies),
        "approved": row["approved"],
        "rejected": row["rejected"],
        "reports_of": _count(connection, _reports(actor, row["id"], "of")),
        "reports_by": _count(connection, _reports(actor, row["id"], "by")),
        "bans": list_person_bans(connection, row["id"]),
        "notes": _count(connection, _notes(actor, row["id"])),
    }


def _count(connection: sa.Connection, query: Statement) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one())


def list_comments(
    connection: sa.Connection, actor: Actor, public_id: str, query: PersonCommentQuery
) -> Page[JsonObject]:
    """List the comments of a person in all states, newest first."""
    person_id = get_participant(connection, actor, public_id)["id"]
    rows = sa.select(*COLUMNS).select_from(TABLES).where(C.c.participant_id == person_id, is_comment_in_reach(actor))
    if query.state is not None:
        rows = rows.where(C.c.state == query.state)
    page = fetch_page(connection, rows, _NEWEST, C.c.created_at, query, JudgedComment, within=person_id)
    return map_page(page, present_comment)


def _reports(actor: Actor, person_id: str, direction: str) -> Statement:
    reports = SELECT_REPORTS.where(is_in_reach(actor))
    if direction == "by":
        return reports.where(REPORT.c.participant_id == person_id)
    return reports.where(REPORT.c.comment_id.in_(sa.select(C.c.id).where(C.c.participant_id == person_id)))


def list_reports(connection: sa.Connection, actor: Actor, public_id: str, query: PersonReportQuery) -> Page[JsonObject]:
    """List the reports on a person's comments, or those by the person, newest first."""
    person_id = get_participant(connection, actor, public_id)["id"]
    rows = _reports(actor, person_id, query.direction)
    page = fetch_page(connection, rows, _NEWEST, REPORT.c.created_at, query, ListedReport, within=person_id)
    return map_page(page, present_report)


def _notes(actor: Actor, person_id: str) -> Statement:
    """Select the notes on a person that the caller may read: who moderates some sections alone reads their own."""
    notes = _SELECT_NOTES.where(NOTE.c.participant_id == person_id)
    return notes if _reaches_all(actor) else notes.where(_is_own_note(actor))


def _is_own_note(actor: Actor) -> ColumnElement[bool]:
    is_own = NOTE.c.actor_id == actor.id
    return is_own if actor.person is None else is_own | (NOTE.c.person_id == actor.person)


def list_notes(connection: sa.Connection, actor: Actor, public_id: str, query: PageQuery) -> Page[NoteRow]:
    """List the notes on a person, newest first."""
    person_id = get_participant(connection, actor, public_id)["id"]
    rows = _notes(actor, person_id)
    return fetch_page(connection, rows, _NEWEST, NOTE.c.created_at, query, NoteRow, within=person_id)


def get_note(connection: sa.Connection, note_id: str) -> NoteRow:
    """Return a note that exists."""
    return get_row(connection, _SELECT_NOTES.where(NOTE.c.id == note_id), NoteRow)


def create_note(session: Session, actor: Actor, public_id: str, data: NoteIn) -> str:
    """Write a note on a person and return its id."""
    person = get_participant(session, actor, public_id)
    if person["erased_at"] is not None:
        raise NotFound
    row: JsonObject = {
        "id": new_id(),
        "participant_id": person["id"],
        "text": data.text,
        "actor_id": actor.id,
        "person_id": session.info.get(PERSON_KEY),
        "created_at": now(),
    }
    session.execute(sa.insert(NOTE).values(row))
    audit(session, actor, "person.note", "participant", person["id"], {})
    return str(row["id"])


def delete_note(session: Session, actor: Actor, public_id: str, note_id: str) -> None:
    """Delete a note that the caller may read."""
    person = get_participant(session, actor, public_id)
    delete = sa.delete(NOTE).where(NOTE.c.id == note_id, NOTE.c.participant_id == person["id"])
    if not _reaches_all(actor):
        delete = delete.where(_is_own_note(actor))
    if not count_affected(session.execute(delete)):
        raise NotFound
    audit(session, actor, "person.delete_note", "participant", person["id"], {})


def erase_people(session: Session, participant_ids: list[str]) -> None:
    """Erase the notes on people."""
    session.execute(sa.delete(NOTE).where(NOTE.c.participant_id.in_(participant_ids)))
