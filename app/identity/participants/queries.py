"""Reading participants."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.identity.participants.tables import Participant
from app.identity.schemas import Actor
from app.kit.db.prepared import Prepared
from app.kit.schema import Row, table_of

PARTICIPANT = table_of(Participant)


def _by(name: str) -> sa.Select[Any]:
    column = PARTICIPANT.c[name]
    return sa.select(PARTICIPANT).where(column == sa.bindparam("value", type_=column.type))


_BY = {name: _by(name) for name in ("id", "token_hash", "subject", "key_id")}
_HELD = {name: Prepared(query.with_for_update(read=True, key_share=True)) for name, query in _BY.items()}
_EMAIL = _by("email").order_by(PARTICIPANT.c.id)
_CONFIRMED = _by("email").where(PARTICIPANT.c.confirmed_at.is_not(None)).order_by(PARTICIPANT.c.id)


def by(store: sa.Connection | Session, name: str, value: str | None) -> Row | None:
    """The participant with this `id`, `token_hash`, `subject` or `key_id`, or None."""
    return store.execute(_BY[name], {"value": value}).mappings().first()


def find(store: sa.Connection | Session, actor: Actor) -> Row | None:
    """The participant behind a caller, or None: strangers, edit tokens, and who has not taken part before."""
    name, value = _known_by(actor)
    return by(store, name, value) if value is not None else None


def held(session: Session, actor: Actor) -> Row | None:
    """The same, whom nobody erases until this transaction ends: what is written now does not outlive the erasing."""
    name, value = _known_by(actor)
    return _HELD[name].row(session, {"value": value}) if value is not None else None


def _known_by(actor: Actor) -> tuple[str, str | None]:
    if actor.kind == "guest":
        return "id", actor.id
    if actor.kind == "reader" and actor.reader:
        return "subject", actor.reader.subject
    return "key_id", actor.id if actor.kind == "key" else None


def with_email(store: sa.Connection | Session, email: str) -> list[Row]:
    """Those who have this e-mail address, proven or only typed."""
    return list(store.execute(_EMAIL, {"value": email.lower()}).mappings())


def by_email(store: sa.Connection | Session, email: str) -> list[Row]:
    """Those to whom this e-mail address was proven to belong; who only typed it is nobody's business."""
    return list(store.execute(_CONFIRMED, {"value": email.lower()}).mappings())
