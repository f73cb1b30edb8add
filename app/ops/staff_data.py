"""Exporting and erasing what is stored about somebody of the staff."""

from collections.abc import Sequence
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles import forgetting as articles
from app.articles.tables import ApprovalStep, Revision
from app.db.columns import table_of
from app.db.rows import JsonObject, Statement
from app.editorial import forgetting as editorial
from app.editorial.tables import Note, Task
from app.identity.idempotency import delete_answers, delete_answers_naming
from app.identity.schemas import Actor
from app.identity.tables import ApiKey, Audit
from app.people.erasing import erase_staff
from app.people.grants import list_given
from app.people.people import find_account
from app.people.tables import Invitation, Passkey, PersonIdentity, PersonSession
from app.publication import merges
from app.releases import forgetting as releases


class _Source(TypedDict):
    """Where entries of a person stand, and which members of them are told."""

    table: sa.Table
    members: str
    order: str


# Of credentials what helps to recognize them, never a secret or a hash.
_SOURCES: dict[str, _Source] = {
    "sessions": {
        "table": table_of(PersonSession),
        "members": "id method client created_at refreshed_at expires_at",
        "order": "created_at",
    },
    "passkeys": {"table": table_of(Passkey), "members": "id name created_at last_used_at", "order": "created_at"},
    "accounts": {
        "table": table_of(PersonIdentity),
        "members": "issuer subject created_at last_used_at",
        "order": "created_at",
    },
    "invitations": {"table": table_of(Invitation), "members": "created_at expires_at used_at", "order": "created_at"},
    "keys": {
        "table": table_of(ApiKey),
        "members": "id name hint created_at expires_at revoked_at last_used_at",
        "order": "created_at",
    },
    "actions": {"table": table_of(Audit), "members": "at action subject_kind subject_id", "order": "at"},
    "revisions": {"table": table_of(Revision), "members": "article_id n created_at", "order": "created_at"},
    "approvals": {"table": table_of(ApprovalStep), "members": "article_id n action at note", "order": "at"},
    "notes": {"table": table_of(Note), "members": "id article_id text created_at done_at", "order": "created_at"},
    "tasks": {"table": table_of(Task), "members": "id article_id title created_at done_at", "order": "created_at"},
}


def _select(name: str, person_id: str, limit: int) -> Statement:
    source = _SOURCES[name]
    table = source["table"]
    is_own = table.c.person_id == person_id
    for column in ("assignee_id", "done_by_id"):
        if column in table.c:
            is_own |= table.c[column] == person_id
    columns = [table.c[member] for member in source["members"].split()]
    return sa.select(*columns).where(is_own).order_by(table.c[source["order"]]).limit(limit + 1)


def export_staff(connection: sa.Connection, person_id: str, limit: int) -> tuple[JsonObject, Sequence[str]]:
    """Return what is stored about a person, in the shape of `StaffData`, and the names of lists that were cut."""
    data: JsonObject = {**find_account(connection, person_id), "grants": list_given(connection, [person_id])[person_id]}
    cut = []
    for name in _SOURCES:
        rows = connection.execute(_select(name, person_id, limit)).mappings().all()
        if len(rows) > limit:
            cut.append(f"staff.{name}")
        data[name] = rows[:limit]
    return data, cut


def erase(session: Session, actor: Actor, person_id: str) -> None:
    """Erase a person of the staff: the account, and the name in everything they did, which stays under their id."""
    erased = erase_staff(session, actor, person_id)
    for erase_name in (articles.erase_name, editorial.erase_name, merges.erase_name, releases.erase_name):
        erase_name(session, erased)
    for caller in erased.caller_ids:
        delete_answers(session, caller)
    delete_answers_naming(session, erased.caller_ids)
