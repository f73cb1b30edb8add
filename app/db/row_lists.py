"""Rows that a statement takes as one parameter, so that its SQL is fixed however many there are (`app.db.prepared`).

Executing a statement for each row takes ten times as long; so does an INSERT of many rows, for which SQLAlchemy
arranges each value by itself.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pydantic_core
import sqlalchemy as sa

from app.db.rows import Column

ROWS = "rows"
"""The name of the parameter, a list of objects with a member for each column."""


class _RowsAsJson(sa.TypeDecorator[Sequence[Mapping[str, object]]]):
    """Writes rows as JSON, with times in UTC: on SQLite as it stores them, without an offset."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Mapping[str, object]] | None, dialect: sa.Dialect) -> str:
        """Write the rows; the first one tells which of their members are times."""
        rows = value or ()
        times = [name for name, each in rows[0].items() if isinstance(each, datetime)] if rows else []
        if times and dialect.name == "sqlite":
            rows = [{**row, **{name: _write_time(row[name]) for name in times}} for row in rows]
        return pydantic_core.to_json(rows).decode()


def _write_time(time: object) -> str:
    assert isinstance(time, datetime)
    return time.replace(tzinfo=None).isoformat(" ", "microseconds")


def select_rows(dialect: str, **types: sa.types.TypeEngine[Any]) -> sa.FromClause:
    """Build a table of the rows that are bound to `ROWS`, in their order, with columns of these names and types.

    Columns of JSON take arrays and objects. Times must be in UTC.
    """
    parameter = sa.bindparam(ROWS, type_=_RowsAsJson())
    columns = [sa.column(name, kind) for name, kind in types.items()]
    if dialect == "postgresql":
        rows = sa.func.json_to_recordset(sa.cast(parameter, sa.JSON())).table_valued(*columns, name="given")
        return rows.render_derived(with_types=True)
    each = sa.func.json_each(parameter).table_valued("value", name="each_row")
    members: list[Column] = [
        sa.type_coerce(sa.func.json_extract(each.c.value, sa.literal_column(f"'$.{name}'")), kind).label(name)
        for name, kind in types.items()
    ]
    return sa.select(*members).select_from(each).subquery("given")
