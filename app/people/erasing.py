"""Erasing somebody of the staff: what signs them in, their address and their name."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.db.columns import table_of
from app.db.rows import Store, lock_row
from app.identity import audit
from app.identity.pseudonyms import ERASED_NAME, ErasedPerson
from app.identity.schemas import Actor
from app.identity.tables import ApiKey
from app.people.people import delete_person
from app.people.tables import Person

_KEY = table_of(ApiKey)
_PERSON = table_of(Person)


class Staff(NamedTuple):
    """Somebody of the staff."""

    id: str
    email: str | None  # null once deleted


def find_staff(store: Store, email: str | None, person_id: str | None) -> Staff | None:
    """Find the person of the staff with an e-mail address, or with an id, also one who was deleted."""
    is_meant = _PERSON.c.email == email.lower() if email is not None else _PERSON.c.id == person_id
    row = store.execute(sa.select(_PERSON.c.id, _PERSON.c.email).where(is_meant)).first()
    return Staff(row.id, row.email) if row else None


def erase_staff(session: Session, actor: Actor, person_id: str) -> ErasedPerson:
    """Delete a person unless that was done before, and erase their name; return whom other rooms have to erase.

    409 for the last administrator. Keys that belong to the person are revoked.
    """
    person = lock_row(session, Person, person_id)
    keys = session.execute(sa.select(_KEY.c.id).where(_KEY.c.person_id == person_id)).scalars().all()
    erased = ErasedPerson(person_id, person.name, keys)
    if person.deleted_at is None:
        delete_person(session, actor, person_id)
    person.name = ERASED_NAME
    session.flush()
    is_own = _KEY.c.person_id == person_id
    revoked = sa.func.coalesce(_KEY.c.revoked_at, sa.bindparam("moment", now(), type_=_KEY.c.revoked_at.type))
    session.execute(sa.update(_KEY).where(is_own).values(name=ERASED_NAME, skeleton="", revoked_at=revoked))
    audit.erase_name(session, erased)
    return erased
