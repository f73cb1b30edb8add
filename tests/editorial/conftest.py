"""What the tests of this folder share."""

import pytest
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.db import Database
from app.people.tables import Person


@pytest.fixture
def person(db: Database) -> str:
    """Somebody of the staff; returns the id."""
    person_id = new_id()

    def add(session: Session) -> None:
        session.add(Person(id=person_id, name="Ann", skeleton="ann", created_at=now()))

    with db.transaction() as session:
        add(session)
    return person_id
