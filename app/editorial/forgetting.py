"""Erasing the name of somebody of the staff from notes, tasks and locks."""

import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import table_of
from app.editorial.tables import ArticleLock, Note, Task
from app.identity.pseudonyms import ERASED_NAME, ErasedPerson, erase_actor_name


def erase_name(session: Session, person: ErasedPerson) -> None:
    """Take the name of a person out of notes, tasks and locks, whose texts stay."""
    note, task = table_of(Note), table_of(Task)
    erase_actor_name(session, person, note, task, table_of(ArticleLock))
    for table in (note, task):
        is_unknown = table.c.done_by_id.is_(None) & (table.c.done_by == person.name)  # as former releases stored it
        is_own = table.c.done_by_id.in_(person.caller_ids) | is_unknown
        session.execute(sa.update(table).where(is_own).values(done_by=ERASED_NAME))
