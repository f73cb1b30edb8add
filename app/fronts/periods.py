"""The history of what readers saw of fronts, written in the transaction that changes it."""

from datetime import datetime
from typing import TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.core.ids import is_id, new_id
from app.db.columns import table_of
from app.db.rows import JsonObject
from app.fronts.tables import Front, FrontPeriod

PERIOD = table_of(FrontPeriod)


def write_period(session: Session, front: Front, shown: JsonObject | None, moment: datetime) -> None:
    """End the period of a front at a moment, and begin the next one if readers see something of it."""
    ended = sa.update(PERIOD).where(PERIOD.c.front_id == front.id, PERIOD.c.until_at.is_(None))
    session.execute(ended.values(until_at=moment))
    if shown is not None:
        row = {"id": new_id(), "front_id": front.id, "slug": front.slug, "from_at": moment, "shown": shown}
        session.execute(sa.insert(PERIOD).values(**row))


class FrontPeriodRow(TypedDict):
    """What readers saw of a front at a moment."""

    front_id: str
    slug: str
    shown: JsonObject


def find_period(connection: sa.Connection, ref: str, moment: datetime) -> FrontPeriodRow | None:
    """Find what readers saw at a moment of the front that has this id, or had this slug."""
    named = (PERIOD.c.front_id if is_id(ref) else PERIOD.c.slug) == ref
    query = sa.select(PERIOD.c.front_id, PERIOD.c.slug, PERIOD.c.shown).where(
        named, PERIOD.c.from_at <= moment, PERIOD.c.until_at.is_(None) | (PERIOD.c.until_at > moment)
    )
    return cast("FrontPeriodRow | None", connection.execute(query.limit(1)).mappings().first())
