"""Moving the number on."""

import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import table_of
from app.publication.tables import Stamp

_STAMP = table_of(Stamp)


def bump(session: Session) -> None:
    """What articles show has changed: cards made until now are no longer good."""
    session.execute(sa.update(_STAMP).values(n=_STAMP.c.n + 1))


def adopt(session: Session, made_for: str) -> None:
    """Note what cards are made for from now on; cards made for something else are no longer good."""
    row = session.get(Stamp, 1, with_for_update=True)
    if row is None:
        session.add(Stamp(id=1, n=1, made_for=made_for))
    elif row.made_for != made_for:
        row.n, row.made_for = row.n + 1, made_for
