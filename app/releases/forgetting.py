"""Erasing the name of somebody of the staff from releases."""

import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import table_of
from app.identity.pseudonyms import ERASED_NAME, ErasedPerson, erase_actor_name
from app.releases.tables import Release

_RELEASE = table_of(Release)


def erase_name(session: Session, person: ErasedPerson) -> None:
    """Take the name of a person out of releases; those that they scheduled keep their id, and are refused."""
    erase_actor_name(session, person, _RELEASE)
    scheduled = sa.select(_RELEASE.c.id, _RELEASE.c.scheduled_by).where(_RELEASE.c.scheduled_by.is_not(None))
    for row in session.execute(scheduled).all():
        if row.scheduled_by["id"] in person.caller_ids:
            values = {"scheduled_by": {**row.scheduled_by, "name": ERASED_NAME}}
            session.execute(sa.update(_RELEASE).where(_RELEASE.c.id == row.id).values(values))
