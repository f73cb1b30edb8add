"""Reading secrets."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session

from app.identity.secrets.tables import Secret
from app.kit.clock import now
from app.kit.schema import table_of

SITE = "site"
TURN = timedelta(days=30)
_SECRET = table_of(Secret)
_ALL = sa.select(_SECRET.c.name, _SECRET.c.value)


def salt_name(moment: datetime, turns: int = 0) -> str:
    """The name of the salt of a moment, or of some turns before: every process reckons alike, so none must ask."""
    return f"salt-{int(moment.timestamp() // TURN.total_seconds()) - turns}"


def wanted(moment: datetime) -> set[str]:
    """The names of what must be there at a moment."""
    return {SITE, salt_name(moment)}


def kept(moment: datetime) -> set[str]:
    """The names of what may be there at a moment."""
    return {*wanted(moment), salt_name(moment, 1)}


def every(store: sa.Connection | Session) -> dict[str, str]:
    """All secrets by name."""
    return {row.name: row.value for row in store.execute(_ALL)}


def is_due(connection: sa.Connection) -> bool:
    """Whether a secret is missing, or a salt has had its time."""
    names, moment = set(every(connection)), now()
    return not wanted(moment) <= names <= kept(moment)
