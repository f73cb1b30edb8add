"""The generation of cached article JSON."""

import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import table_of
from app.db.rows import insert_into
from app.publication.tables import Generation

_GENERATION = table_of(Generation)


def bump_generation(session: Session) -> None:
    """Invalidate all cached article JSON, because something that articles show has changed."""
    session.execute(sa.update(_GENERATION).values(n=_GENERATION.c.n + 1))


def adopt_cache_key(session: Session, cache_key: str) -> None:
    """Set the cache key of cached article JSON; a new key starts a new generation."""
    row = session.get(Generation, 1, with_for_update=True)
    if row is None:
        insert = insert_into(session, _GENERATION).values(id=1, n=1, made_for=cache_key)
        session.execute(insert.on_conflict_do_nothing())  # another process may have been first
    elif row.made_for != cache_key:
        row.n, row.made_for = row.n + 1, cache_key
