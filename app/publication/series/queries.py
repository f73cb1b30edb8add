"""Reading series."""

from typing import Any

import sqlalchemy as sa

from app.kit.schema import table_of
from app.publication import queries
from app.publication.schemas import TERM_SORTS, TermQuery
from app.publication.series.tables import Series

_SERIES = table_of(Series)
_ALL = sa.select(_SERIES)


def by_ref(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """One series by id or slug, or None."""
    return queries.by_ref(connection, _ALL, ref)


def shown(connection: sa.Connection, series_id: str) -> sa.RowMapping:
    """A series that was just written."""
    return connection.execute(_ALL.where(_SERIES.c.id == series_id)).mappings().one()


def page(connection: sa.Connection, asked: TermQuery) -> dict[str, Any]:
    """A page of series."""
    return queries.page(connection, _ALL, TERM_SORTS[asked.sort], asked)
