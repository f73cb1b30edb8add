"""Reading merges of terms, and what merged terms have become."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session

from app.kit.schema import Row, table_of
from app.publication.merges.tables import TermMerge

MERGE = table_of(TermMerge)
RUNNING, DONE = "running", "done"


def has_running(connection: sa.Connection) -> bool:
    """Whether a merge is to go on."""
    return connection.execute(sa.select(MERGE.c.id).where(MERGE.c.state == RUNNING).limit(1)).first() is not None


def find_merge(connection: sa.Connection, merge_id: str) -> Row | None:
    """One merge, or None."""
    return connection.execute(sa.select(MERGE).where(MERGE.c.id == merge_id)).mappings().first()


def is_merging(session: Session, term_id: str) -> bool:
    """Whether a term is part of a merge that has not ended."""
    named = (MERGE.c.source_id == term_id) | (MERGE.c.target_id == term_id)
    return session.execute(sa.select(MERGE.c.id).where(named, MERGE.c.state == RUNNING)).first() is not None


def find_merged(store: sa.Connection | Session, ids: Sequence[str]) -> dict[str, str | None]:
    """What merged terms went into, by their ids; None for those that were taken off their articles."""
    if not ids:
        return {}
    named = sa.select(MERGE.c.source_id, MERGE.c.target_id).where(MERGE.c.source_id.in_(ids))
    return {row.source_id: row.target_id for row in store.execute(named)}


def follow_merges(store: sa.Connection | Session, ids: Sequence[str]) -> list[str]:
    """Put the terms that others were merged into in their place, in order and without repeats; drop removed ones."""
    moved = find_merged(store, ids)
    current = [moved.get(term_id, term_id) for term_id in ids]
    return list(dict.fromkeys(term_id for term_id in current if term_id is not None))
