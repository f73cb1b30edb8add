"""Who wrote what, and who `me` is."""

from typing import Final, Protocol

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.problems import Invalid, InvalidParameter
from app.db.columns import table_of
from app.db.rows import JsonObject
from app.identity.schemas import Actor
from app.people.tables import Person

_PERSON = table_of(Person)
SELF: Final = "me"


class Written(Protocol):
    """Something with the caller who wrote it."""

    actor_id: str | None
    person_id: str | None


def name_doer(actor: Actor, *, done: bool) -> JsonObject:
    """Return the columns that say who marked something as done; nulls if it is not done any more."""
    if not done:
        return {"done_at": None, "done_by": None, "done_by_id": None}
    return {"done_at": now(), "done_by": actor.name, "done_by_id": actor.person or actor.id}


def is_same_caller(actor: Actor, written: Written) -> bool:
    """Whether the caller wrote this, as the same person or by the same key."""
    return bool({actor.id, actor.person} & {written.actor_id, written.person_id} - {None})


def parse_assignee(actor: Actor, ref: str) -> str:
    """Return the id of the person that a filter names; 400 for `me` with a key that belongs to nobody."""
    if ref != SELF:
        return ref
    if actor.person is None:
        raise InvalidParameter("assignee", "assignee: `me` needs somebody who signed in, or a key that belongs to one.")
    return actor.person


def require_assignee(session: Session, actor: Actor, ref: str | None) -> str | None:
    """Return the id of a person; 422 if there is none, or for `me` with a key that belongs to nobody."""
    person_id = actor.person if ref == SELF else ref
    is_there = sa.select(_PERSON.c.id).where(_PERSON.c.id == person_id, _PERSON.c.deleted_at.is_(None))
    if ref is not None and (person_id is None or session.execute(is_there).first() is None):
        raise Invalid("There is no such person.", pointer="/assignee", code="not_found")
    return person_id
