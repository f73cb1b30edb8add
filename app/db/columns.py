"""Column types and SQL expressions that mean the same on SQLite and on PostgreSQL."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime

ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
"""A UUID as text in Python; native on PostgreSQL, 36 characters on SQLite, so that JSON built in SQL shows it alike."""

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 63-bit number that SQLite can also count up by itself (only INTEGER PRIMARY KEY does)."""


def table_of(model: type[SQLModel]) -> sa.Table:
    """The Core table behind a model: reads select its columns into rows."""
    return cast(sa.Table, vars(model)["__table__"])


def count_affected(result: sa.Result[Any]) -> int:
    """Return how many rows an UPDATE or DELETE changed."""
    return cast("sa.CursorResult[Any]", result).rowcount


def partial_index(name: str, *columns: str, where: str) -> sa.Index:
    """Return an index of only those rows that meet a condition."""
    condition = sa.text(where)
    return sa.Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


Row = sa.RowMapping | Mapping[str, Any]
"""A row as queries give it and as functions that shape it take it."""


def as_sort_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A time as the database writes it, a number or text as it is: `moment` reads it, and it sorts like the time."""
    return sa.cast(column, sa.String) if isinstance(column.type, UTCDateTime) else column


def parse_time(text: str) -> datetime:
    """The time that `as_text` gave."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


class json_rows(FunctionElement[list[dict[str, Any]]]):
    """Aggregate: a JSON array with one object a row, in the given order; NULL or [] where there is no row."""

    inherit_cache = True
    type = sa.JSON()

    def __init__(self, order: ColumnElement[Any], **columns: ColumnElement[Any]) -> None:
        pairs: list[Any] = []
        for name, column in columns.items():
            pairs += [sa.literal_column(f"'{name}'"), column]
        super().__init__(order, *pairs)

    def sql(self, array: str, row: str, compiler: SQLCompiler, **kw: Any) -> str:
        """The call with the names that one database has for it."""
        order, *pairs = (compiler.process(clause, **kw) for clause in self.clauses)
        return f"{array}({row}({', '.join(pairs)}) ORDER BY {order})"


@compiles(json_rows, "sqlite")
def _sqlite(element: json_rows, compiler: SQLCompiler, **kw: Any) -> str:
    return element.sql("json_group_array", "json_object", compiler, **kw)


@compiles(json_rows, "postgresql")
def _postgresql(element: json_rows, compiler: SQLCompiler, **kw: Any) -> str:
    return element.sql("json_agg", "json_build_object", compiler, **kw)
