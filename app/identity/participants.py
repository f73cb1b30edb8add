"""Participants: guests, readers of the site and staff who comment, vote or report."""

import zlib
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Forbidden, Unauthorized
from app.db.columns import Row, count_affected, table_of
from app.db.prepared import Prepared
from app.identity.schemas import Actor
from app.identity.secrets import GUEST_PREFIX, Vault
from app.identity.tables import Participant

PARTICIPANT = table_of(Participant)


def _select_by(name: str) -> sa.Select[Any]:
    column = PARTICIPANT.c[name]
    return sa.select(PARTICIPANT).where(column == sa.bindparam("value", type_=column.type))


_SELECT_BY = {name: _select_by(name) for name in ("id", "token_hash", "subject", "key_id")}
_LOCK_BY: dict[str, Prepared[dict[str, Any]]] = {
    name: Prepared(query.with_for_update(read=True, key_share=True)) for name, query in _SELECT_BY.items()
}
_EMAIL = _select_by("email").order_by(PARTICIPANT.c.id)
_CONFIRMED = _select_by("email").where(PARTICIPANT.c.confirmed_at.is_not(None)).order_by(PARTICIPANT.c.id)


def find_participant_by(store: sa.Connection | Session, name: str, value: str | None) -> Row | None:
    """The participant with this `id`, `token_hash`, `subject` or `key_id`, or None."""
    return store.execute(_SELECT_BY[name], {"value": value}).mappings().first()


def find_caller(store: sa.Connection | Session, actor: Actor) -> Row | None:
    """The participant behind a caller, or None: strangers, edit tokens, and who has not taken part before."""
    name, value = _lookup_of(actor)
    return find_participant_by(store, name, value) if value is not None else None


def lock_participant(session: Session, actor: Actor) -> Row | None:
    """Return the participant behind a caller, locked so that it is not erased before the transaction ends."""
    name, value = _lookup_of(actor)
    return _LOCK_BY[name].row(session, {"value": value}) if value is not None else None


def _lookup_of(actor: Actor) -> tuple[str, str | None]:
    if actor.kind == "guest":
        return "id", actor.id
    if actor.kind == "reader" and actor.reader:
        return "subject", actor.reader.subject
    return "key_id", actor.id if actor.kind == "key" else None


def list_by_email(store: sa.Connection | Session, email: str) -> list[Row]:
    """List participants with this e-mail address, confirmed or not."""
    return list(store.execute(_EMAIL, {"value": email.lower()}).mappings())


def list_by_confirmed_email(store: sa.Connection | Session, email: str) -> list[Row]:
    """List participants who confirmed this e-mail address."""
    return list(store.execute(_CONFIRMED, {"value": email.lower()}).mappings())


_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert(PARTICIPANT).on_conflict_do_nothing().returning(PARTICIPANT.c.id),
    "postgresql": postgresql.insert(PARTICIPANT).on_conflict_do_nothing().returning(PARTICIPANT.c.id),
}
_IS_ROW = PARTICIPANT.c.id == sa.bindparam("here", type_=PARTICIPANT.c.id.type)
_UPDATE = sa.update(PARTICIPANT).where(_IS_ROW)
_PERSONAL = ("name", "email", "confirmed_at", "token_hash", "subject", "key_id", "author_id")


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
) -> Row:
    """The participant behind a caller, as a row; made if there is none.

    A stranger becomes the guest whose token is `token`. A guest takes the name and e-mail given. A reader has those of
    their site, and its word that the e-mail is proven; `name` is for a site that tells none. A key's name stands for
    the staff behind it unless one is given. `author_id` is the author's profile that a reader's site names: such a
    reader is staff. An e-mail that was only typed proves nothing and leads to no other participant.
    """
    if actor.kind == "anonymous":
        if token is None:
            raise ValueError("a new guest needs a token")
        values: dict[str, Any] = {
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
        details: dict[str, Any] = {"name": claims.name or name, "email": claims.email}
        profile = {"kind": "staff" if author_id else "reader", "author_id": author_id}
        if row is None:
            confirmed = now() if claims.email and claims.verified else None
            values = {**details, **profile, "subject": claims.subject, "confirmed_at": confirmed}
            row = _insert_participant(session, vault, values, "subject")
        return _update_details(session, row, details, profile, verified=claims.verified)
    if actor.kind == "key":
        if row is None:
            values = {"kind": "staff", "name": name or actor.name, "key_id": actor.id, "author_id": author_id}
            row = _insert_participant(session, vault, values, "key_id")
        return _update_details(session, row, {"name": name})
    raise Forbidden("This token is for one comment, or for subscriptions, alone.")


def hash_token(token: str) -> str:
    """Hash a token for storage."""
    return sha256(token.encode()).hexdigest()


def _insert_participant(session: Session, vault: Vault, values: dict[str, Any], unique: str) -> Row:
    """Insert a participant, or return the row that a concurrent request inserted."""
    blank = dict.fromkeys((*_PERSONAL, "erased_at"))
    participant_id = new_id()
    row = blank | values | {"id": participant_id, "public_id": vault.public_id(participant_id), "created_at": now()}
    row |= {"approved": 0, "rejected": 0}
    if session.execute(_INSERT[session.get_bind().dialect.name], row).first() is not None:
        return row
    existing = find_participant_by(session, unique, values[unique])
    if existing is None:
        raise Unauthorized("This token is unknown.")
    return existing


def _update_details(
    session: Session,
    row: Row,
    details: dict[str, Any],
    profile: dict[str, Any] | None = None,
    *,
    verified: bool = False,
) -> Row:
    """The row with what its owner says of themselves; an e-mail that is another one is not proven any more."""
    values: dict[str, Any] = {key: value for key, value in details.items() if value is not None and row[key] != value}
    if "email" in values:
        values["confirmed_at"] = None
    if verified and values.get("confirmed_at", row["confirmed_at"]) is None and values.get("email", row["email"]):
        values["confirmed_at"] = now()
    values |= {key: value for key, value in (profile or {}).items() if row[key] != value}
    if not values:
        return row
    session.execute(_UPDATE.values(values), {"here": row["id"]})
    return {**row, **values}


def adjust_trust(session: Session, participant_id: str, *, approved: int = 0, rejected: int = 0) -> None:
    """Move the numbers of texts that moderators approved and rejected; neither falls below none."""
    session.execute(_TRUST, {"here": participant_id, "more_approved": approved, "more_rejected": rejected})


def confirm_email(session: Session, participant_id: str, email: str) -> bool:
    """Note that an e-mail was proven; False if the participant has another one by now."""
    mine = (PARTICIPANT.c.email == email.lower()) & PARTICIPANT.c.confirmed_at.is_(None)
    update = sa.update(PARTICIPANT).where(_IS_ROW, mine).values(confirmed_at=now())
    return count_affected(session.execute(update, {"here": participant_id})) == 1


def erase_participant(session: Session, participant_id: str) -> None:
    """Clear everything personal; the token, the site's word and the key lead here no more. Twice changes nothing."""
    update = sa.update(PARTICIPANT).where(_IS_ROW, PARTICIPANT.c.erased_at.is_(None))
    session.execute(update.values({**dict.fromkeys(_PERSONAL), "erased_at": now()}), {"here": participant_id})


def clear_unconfirmed_email(session: Session, email: str) -> None:
    """Clear an e-mail address where it was only typed, with the name beside it; whoever typed it takes part on."""
    typed = (PARTICIPANT.c.email == email.lower()) & PARTICIPANT.c.confirmed_at.is_(None)
    session.execute(sa.update(PARTICIPANT).where(typed).values(name=None, email=None))


def is_guest_token(token: str) -> bool:
    """Whether this can be a guest's token: prefix, length and checksum are right."""
    body = token.removeprefix(GUEST_PREFIX)
    if body == token or len(body) != 72 or not body.isascii():
        return False
    return f"{zlib.crc32(body[:64].encode()):08x}" == body[64:]


def create_guest(session: Session, _actor: Actor, vault: Vault) -> tuple[str, Row]:
    """A new guest who has not said anything yet; returns the token and the row."""
    token = vault.make_guest_token()
    values = {"kind": "guest", "token_hash": hash_token(token)}
    return token, _insert_participant(session, vault, values, "token_hash")
