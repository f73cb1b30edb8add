"""Statements that are compiled once: for frequent reads and posted comments, at less than half of what `execute` costs.

`Connection.execute` finds the compiled form, arranges the parameters and describes the result anew each time. Of a
statement that never changes all this is known after its first run. SQLAlchemy still writes the SQL and converts what
goes in and comes out. For paths that are measured; everything else takes `execute`.
"""

from collections.abc import Callable, Collection, Mapping
from operator import methodcaller
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import iterate

_Conversions = list[tuple[int, Callable[[Any], Any]]]  # by place, where a value is not passed as it is


class _Ready(NamedTuple):
    """A statement as one database takes it."""

    sql: str
    names: list[str]  # of its parameters, in their order
    fixed: dict[str, Any]  # those that the statement itself holds
    into: _Conversions
    out: _Conversions
    is_positional: bool


def is_fixed(statement: sa.Select[Any]) -> bool:
    """Whether the SQL of a statement is always the same: none of its parameters holds any number of values."""
    return not any(isinstance(part, sa.BindParameter) and part.expanding for part in iterate(statement))


_fetch_one, _fetch_all = methodcaller("fetchone"), methodcaller("fetchall")


def _convert(row: list[Any], out: _Conversions) -> list[Any]:
    """Make what the driver gave what the types of the columns say; NULL is None for all of them."""
    for place, convert in out:
        if row[place] is not None:
            row[place] = convert(row[place])
    return row


def _raise_wrapped(connection: sa.Connection, cursor: Any, sql: str, error: Any) -> NoReturn:
    """Raise a driver's error as SQLAlchemy does; a lost connection leaves its pool."""
    dialect = connection.dialect
    is_lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
    if is_lost:
        connection.invalidate(error)
    raise DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    ) from error


R = TypeVar("R", bound=Mapping[str, object])  # a TypedDict whose keys are the columns of the statement


class Prepared(Generic[R]):
    """A statement, or one for each database; `columns` are those that an INSERT is given: all that are to be set."""

    def __init__(self, statement: Any, columns: Collection[str] = ()) -> None:
        self._statement, self._columns = statement, list(columns) or None
        self._names: list[str] = [] if isinstance(statement, Mapping) else statement.exported_columns.keys()
        self._ready: dict[str, _Ready] = {}

    def run(self, store: sa.Connection | Session, values: Mapping[str, Any]) -> None:
        """Run the statement for its effect."""
        self._execute(store, values, None)

    def first(self, store: sa.Connection | Session, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Return its first row, or None."""
        row, out = self._execute(store, values, _fetch_one)
        if row is None or not out:
            return cast("tuple[Any, ...] | None", row)
        return tuple(_convert(list(row), out))

    def row(self, store: sa.Connection | Session, values: Mapping[str, Any]) -> R | None:
        """Return its first row by the names of its columns, or None."""
        row, out = self._execute(store, values, _fetch_one)
        return None if row is None else cast(R, dict(zip(self._names, _convert(list(row), out), strict=True)))

    def rows(self, store: sa.Connection | Session, values: Mapping[str, Any]) -> list[R]:
        """Return all of its rows by the names of their columns."""
        rows, out = self._execute(store, values, _fetch_all)
        return [cast(R, dict(zip(self._names, _convert(list(row), out), strict=True))) for row in rows]

    def one(self, store: sa.Connection | Session, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the row of a statement that always gives one."""
        row = self.first(store, values)
        assert row is not None, "the statement gave no row"
        return row

    def _execute(
        self, store: sa.Connection | Session, values: Mapping[str, Any], fetch: Callable[[Any], Any] | None
    ) -> tuple[Any, _Conversions]:
        """Run the statement; what `fetch` takes from the cursor, and how to convert its values."""
        connection = store if isinstance(store, sa.Connection) else store.connection()
        dialect = connection.dialect
        ready = self._ready.get(dialect.name) or self._prepare(dialect)
        fixed = ready.fixed
        given = [fixed[name] if name in fixed else values[name] for name in ready.names]
        for place, convert in ready.into:
            given[place] = convert(given[place])
        parameters: Any = tuple(given) if ready.is_positional else dict(zip(ready.names, given, strict=True))
        cursor = connection.connection.cursor()
        for tell in connection.dispatch.before_cursor_execute:  # whoever listens hears of these statements too
            tell(connection, cursor, ready.sql, parameters, None, False)
        try:
            cursor.execute(ready.sql, parameters)
            fetched = fetch(cursor) if fetch else None
        except dialect.loaded_dbapi.Error as error:
            _raise_wrapped(connection, cursor, ready.sql, error)
        cursor.close()
        return fetched, ready.out

    def _prepare(self, dialect: sa.Dialect) -> _Ready:
        statement = self._statement[dialect.name] if isinstance(self._statement, Mapping) else self._statement
        compiled: SQLCompiler = statement.compile(dialect=dialect, column_keys=self._columns)
        if compiled.post_compile_params or compiled.literal_execute_params:
            raise TypeError("its SQL differs from run to run: that is for `execute`")
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        names = list(compiled.positiontup or binds)
        into = [binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
        out = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in statement.exported_columns
        ]
        ready = self._ready[dialect.name] = _Ready(
            str(compiled),
            names,
            {name: bind.effective_value for name, bind in binds.items() if not bind.required},
            [(place, convert) for place, convert in enumerate(into) if convert],
            [(place, convert) for place, convert in enumerate(out) if convert],
            compiled.positional,
        )
        return ready
