"""Participants: guests, readers of the site and staff who comment, vote or report."""

from datetime import datetime
from typing import TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Forbidden, Unauthorized
from app.db.columns import count_affected, table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject, Statement, Store, begin_insert, fetch_rows
from app.identity.schemas import Actor
from app.identity.secrets import GUEST_PREFIX, Vault
from app.identity.tables import Participant
from app.identity.tokens import hash_token, make_token

PARTICIPANT = table_of(Participant)


class ParticipantRow(TypedDict):
    """A participant as stored."""

    id: str
    kind: str
    public_id: str
    name: str | None
    email: str | None
    confirmed_at: datetime | None
    token_hash: str | None
    subject: str | None
    key_id: str | None
    person_id: str | None
    author_id: str | None
    approved: int
    rejected: int
    created_at: datetime
    erased_at: datetime | None


def _select_by(name: str) -> Statement:
    column = PARTICIPANT.c[name]
    return sa.select(PARTICIPANT).where(column == sa.bindparam("value", type_=column.type))


_SELECT_BY = {name: _select_by(name) for name in ("id", "token_hash", "subject", "key_id", "person_id")}
_FIND_BY: dict[str, Prepared[ParticipantRow]] = {name: Prepared(query) for name, query in _SELECT_BY.items()}
_LOCK_BY: dict[str, Prepared[ParticipantRow]] = {
    name: Prepared(query.with_for_update(read=True, key_share=True)) for name, query in _SELECT_BY.items()
}
_INSERT: Prepared[JsonObject] = Prepared(
    lambda dialect: begin_insert(dialect, PARTICIPANT).on_conflict_do_nothing().returning(PARTICIPANT.c.id),
    PARTICIPANT.c.keys(),
)
_EMAIL = _select_by("email").order_by(PARTICIPANT.c.id)
_CONFIRMED = _select_by("email").where(PARTICIPANT.c.confirmed_at.is_not(None)).order_by(PARTICIPANT.c.id)


def find_participant_by(store: Store, name: str, value: str | None) -> ParticipantRow | None:
    """Find the participant with this `id`, `token_hash`, `subject`, `key_id` or `person_id`."""
    return _FIND_BY[name].row(store, {"value": value})


def find_caller(store: Store, actor: Actor) -> ParticipantRow | None:
    """Find the participant behind a caller; None for anonymous callers, edit tokens and new participants."""
    name, value = _lookup_of(actor)
    return find_participant_by(store, name, value) if value is not None else None


def lock_participant(session: Session, actor: Actor) -> ParticipantRow | None:
    """Return the participant behind a caller, locked so that it is not erased before the transaction ends."""
    name, value = _lookup_of(actor)
    return _LOCK_BY[name].row(session, {"value": value}) if value is not None else None


def _lookup_of(actor: Actor) -> tuple[str, str | None]:
    if actor.kind == "guest":
        return "id", actor.id
    if actor.kind == "reader" and actor.reader:
        return "subject", actor.reader.subject
    if actor.kind == "person":
        return "person_id", actor.id
    return "key_id", actor.id if actor.kind == "key" else None


def list_by_email(store: Store, email: str) -> list[ParticipantRow]:
    """List participants with this e-mail address, confirmed or not."""
    return fetch_rows(store, _EMAIL, ParticipantRow, {"value": email.lower()})


def list_by_confirmed_email(store: Store, email: str) -> list[ParticipantRow]:
    """List participants who confirmed this e-mail address."""
    return fetch_rows(store, _CONFIRMED, ParticipantRow, {"value": email.lower()})


_IS_ROW = PARTICIPANT.c.id == sa.bindparam("here", type_=PARTICIPANT.c.id.type)
_UPDATE = sa.update(PARTICIPANT).where(_IS_ROW)
_PERSONAL = ("name", "email", "confirmed_at", "token_hash", "subject", "key_id", "person_id", "author_id")


def _adjusted_count(name: str) -> sa.ColumnElement[int]:
    adjusted = PARTICIPANT.c[name] + sa.bindparam(f"more_{name}", type_=sa.Integer())
    return sa.case((adjusted < 0, 0), else_=adjusted)


_TRUST = _UPDATE.values(approved=_adjusted_count("approved"), rejected=_adjusted_count("rejected"))


def get_or_create_participant(
    session: Session,
    vault: Vault,
    actor: Actor,
    *,
    name: str | None = None,
    email: str | None = None,
    token: str | None = None,
    author_id: str | None = None,
) -> ParticipantRow:
    """Return the participant behind a caller, created if there is none.

    An anonymous caller becomes the guest with the token `token`. Guests get the name and e-mail given. Readers have
    those in the JWT of their site, which may also confirm the e-mail; `name` is used where the JWT has none. Staff
    have the name of their key, or their own, unless one is given. `author_id` is the author profile that the site names
    for a reader, who is staff then. An unconfirmed e-mail does not lead to the other participants who have it.
    """
    if actor.kind == "anonymous":
        if token is None:
            raise ValueError("a new guest needs a token")
        values: JsonObject = {
            "kind": "guest",
            "name": name,
            "email": email and email.lower(),
            "token_hash": hash_token(token),
        }
        return _insert_participant(session, vault, values, "token_hash")
    row = lock_participant(session, actor)
    if actor.kind == "guest":
        if row is None or row["erased_at"] is not None:
            raise Unauthorized("This token is unknown.")
        return _update_details(session, row, {"name": name, "email": email and email.lower()})
    if actor.kind == "reader" and actor.reader is not None:
        claims = actor.reader
        details: JsonObject = {"name": claims.name or name, "email": claims.email}
        profile: JsonObject = {"kind": "staff" if author_id else "reader", "author_id": author_id}
        if row is None:
            confirmed = now() if claims.email and claims.verified else None
            values = {**details, **profile, "subject": claims.subject, "confirmed_at": confirmed}
            row = _insert_participant(session, vault, values, "subject")
        return _update_details(session, row, details, profile, verified=claims.verified)
    if actor.is_staff:
        if row is None:
            column, value = _lookup_of(actor)
            values = {"kind": "staff", "name": name or actor.name, column: value, "author_id": author_id}
            row = _insert_participant(session, vault, values, column)
        return _update_details(session, row, {"name": name})
    raise Forbidden("This token is only valid for one comment or for subscriptions.")


def _insert_participant(session: Session, vault: Vault, values: JsonObject, unique: str) -> ParticipantRow:
    """Insert a participant, or return the row that a concurrent request inserted."""
    blank: JsonObject = dict.fromkeys((*_PERSONAL, "erased_at"))
    participant_id = new_id()
    row = blank | values | {"id": participant_id, "public_id": vault.public_id(participant_id), "created_at": now()}
    row |= {"approved": 0, "rejected": 0}
    if _INSERT.first(session, row) is not None:
        return cast(ParticipantRow, row)
    existing = find_participant_by(session, unique, str(values[unique]))
    if existing is None:
        raise Unauthorized("This token is unknown.")
    return existing


def _update_details(
    session: Session,
    row: ParticipantRow,
    details: JsonObject,
    profile: JsonObject | None = None,
    *,
    verified: bool = False,
) -> ParticipantRow:
    """Update the details that a participant gave, and return the row; a new e-mail address is unconfirmed."""
    current: JsonObject = {**row}
    values = {key: value for key, value in details.items() if value is not None and current[key] != value}
    if "email" in values:
        values["confirmed_at"] = None
    if verified and values.get("confirmed_at", row["confirmed_at"]) is None and values.get("email", row["email"]):
        values["confirmed_at"] = now()
    values |= {key: value for key, value in (profile or {}).items() if current[key] != value}
    if not values:
        return row
    session.execute(_UPDATE.values(values), {"here": row["id"]})
    return cast(ParticipantRow, current | values)


def adjust_trust(session: Session, participant_id: str, *, approved: int = 0, rejected: int = 0) -> None:
    """Add to the numbers of texts that moderators approved and rejected; neither falls below 0."""
    session.execute(_TRUST, {"here": participant_id, "more_approved": approved, "more_rejected": rejected})


def confirm_email(session: Session, participant_id: str, email: str) -> bool:
    """Mark an e-mail address as confirmed; return False if the participant has another one meanwhile."""
    mine = (PARTICIPANT.c.email == email.lower()) & PARTICIPANT.c.confirmed_at.is_(None)
    update = sa.update(PARTICIPANT).where(_IS_ROW, mine).values(confirmed_at=now())
    return count_affected(session.execute(update, {"here": participant_id})) == 1


def erase_participant(session: Session, participant_id: str) -> None:
    """Clear all personal data of a participant, whose token, JWT and key are unknown afterwards."""
    update = sa.update(PARTICIPANT).where(_IS_ROW, PARTICIPANT.c.erased_at.is_(None))
    session.execute(update.values({**dict.fromkeys(_PERSONAL), "erased_at": now()}), {"here": participant_id})


def clear_unconfirmed_email(session: Session, email: str) -> None:
    """Clear an e-mail address wherever it is unconfirmed, and the names given with it; the participants remain."""
    typed = (PARTICIPANT.c.email == email.lower()) & PARTICIPANT.c.confirmed_at.is_(None)
    session.execute(sa.update(PARTICIPANT).where(typed).values(name=None, email=None))


def create_guest(session: Session, _actor: Actor, vault: Vault) -> tuple[str, ParticipantRow]:
    """Create a guest; return the token and the row."""
    token = make_token(GUEST_PREFIX)
    values: JsonObject = {"kind": "guest", "token_hash": hash_token(token)}
    return token, _insert_participant(session, vault, values, "token_hash")
