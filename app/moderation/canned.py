"""Canned reasons of decisions, in several languages."""

from datetime import datetime
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, Invalid, NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, Store, fetch_row, get_row, insert_into
from app.identity.audit import record_action as audit
from app.identity.schemas import Actor
from app.moderation.log import Reasoning
from app.moderation.people_schemas import CannedIn
from app.moderation.schemas import ReasonIn
from app.moderation.tables import CannedReason
from app.publication.terms import require_all_sections
from app.web import etag
from app.web.paging import Page, PageQuery, Sort, fetch_page

CANNED: Final = table_of(CannedReason)
_NEWEST: Final = Sort("-created_at", descending=True)


class CannedRow(TypedDict):
    """A canned reason."""

    id: str
    title: str
    ground: str | None
    basis: str | None
    texts: dict[str, str]
    version: int
    created_at: datetime
    updated_at: datetime


class ReasonExists(Conflict, code="reason_exists", title="A reason with this title exists already"):
    """Another canned reason has this title."""


def list_reasons(connection: sa.Connection, query: PageQuery) -> Page[CannedRow]:
    """List canned reasons, newest first."""
    return fetch_page(connection, sa.select(CANNED), _NEWEST, CANNED.c.created_at, query, CannedRow)


def find_reason(store: Store, reason_id: str) -> CannedRow | None:
    """Return a canned reason, or None."""
    return fetch_row(store, sa.select(CANNED).where(CANNED.c.id == reason_id), CannedRow) if is_id(reason_id) else None


def get_reason(connection: sa.Connection, reason_id: str) -> CannedRow:
    """Return a canned reason that exists."""
    return get_row(connection, sa.select(CANNED).where(CANNED.c.id == reason_id), CannedRow)


def create_reason(session: Session, actor: Actor, data: CannedIn) -> str:
    """Create a canned reason and return its id."""
    require_all_sections(actor, "comments:moderate")
    moment = now()
    row: JsonObject = {**data.model_dump(), "id": new_id(), "version": 1, "created_at": moment, "updated_at": moment}
    insert = insert_into(session, CANNED).values(row).on_conflict_do_nothing()
    if session.execute(insert.returning(CANNED.c.id)).first() is None:
        raise ReasonExists
    audit(session, actor, "reason.create", "reason", str(row["id"]), {})
    return str(row["id"])


def replace_reason(
    session: Session, actor: Actor, reason_id: str, data: CannedIn, versions: frozenset[int] | None
) -> str:
    """Replace a canned reason and return its id; decisions that used it keep their text."""
    require_all_sections(actor, "comments:moderate")
    query = sa.select(CANNED).where(CANNED.c.id == reason_id).with_for_update()
    row = fetch_row(session, query, CannedRow)
    if row is None:
        raise NotFound
    etag.check_version(row["version"], versions)
    taken = sa.select(CANNED.c.id).where(CANNED.c.title == data.title, CANNED.c.id != reason_id)
    if session.execute(taken).first() is not None:
        raise ReasonExists
    values: JsonObject = {**data.model_dump(), "version": row["version"] + 1, "updated_at": now()}
    session.execute(sa.update(CANNED).where(CANNED.c.id == reason_id).values(values))
    audit(session, actor, "reason.change", "reason", reason_id, {})
    return reason_id


def delete_reason(session: Session, actor: Actor, reason_id: str, versions: frozenset[int] | None) -> None:
    """Delete a canned reason; decisions that used it keep their text."""
    require_all_sections(actor, "comments:moderate")
    row = find_reason(session, reason_id)
    if row is None:
        raise NotFound
    etag.check_version(row["version"], versions)
    session.execute(sa.delete(CANNED).where(CANNED.c.id == reason_id))
    audit(session, actor, "reason.delete", "reason", reason_id, {})


def resolve_reason(store: Store, given: ReasonIn | None) -> Reasoning:
    """Return the text and the ground of a decision; what is given goes before what a canned reason says."""
    if given is None:
        return {"note": None, "ground": None, "canned_id": None}
    if given.canned is None:
        return {"note": given.reason, "ground": given.ground, "canned_id": None}
    canned = find_reason(store, given.canned)
    if canned is None:
        raise Invalid("The canned reason does not exist.", pointer="/canned", code="not_found")
    default = next(iter(canned["texts"].values()), None)
    return {"note": given.reason or default, "ground": given.ground or canned["ground"], "canned_id": canned["id"]}
