"""Taking the name of an erased person out of records that stay; their id remains, as a pseudonym."""

from collections.abc import Collection
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

ERASED_NAME: Final = "Erased person"


class ErasedPerson(NamedTuple):
    """Somebody of the staff whose name is being erased."""

    id: str
    name: str
    key_ids: Collection[str]  # of keys that belong to the person

    @property
    def caller_ids(self) -> list[str]:
        """The ids by which records name the person as their caller."""
        return sorted({self.id, *self.key_ids})


def erase_actor_name(session: Session, person: ErasedPerson, *tables: sa.Table) -> None:
    """Replace the name in records of what the person did, in tables with `actor_id` and `actor_name`."""
    for table in tables:
        names_person = table.c.person_id == person.id if "person_id" in table.c else sa.false()
        is_own = sa.or_(table.c.actor_id.in_(person.caller_ids), names_person)
        session.execute(sa.update(table).where(is_own).values(actor_name=ERASED_NAME))
