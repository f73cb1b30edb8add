"""Statements that are compiled once: for frequent reads and posted comments, at less than half the cost of `execute`.

`Connection.execute` looks up the compiled form, arranges the parameters and describes the result on every call. For a
statement that never changes all this is known after the first run. SQLAlchemy still writes the SQL and converts
parameters and results. For measured hot paths only; everything else uses `execute`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from operator import methodcaller
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPICursor, DBAPIModule
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ReturnsRows
from sqlalchemy.sql.visitors import iterate
from sqlmodel.sql.sqltypes import UTCDateTime

from app.db.rows import Statement, Store

_Conversions = list[tuple[int, Callable[[object], object]]]  # by index, of the values that need one
T = TypeVar("T")
R = TypeVar("R", bound=Mapping[str, object])  # a TypedDict whose keys are the columns of the statement


class _Compiled(NamedTuple):
    """A statement as compiled for one database."""

    sql: str
    columns: list[str]  # of the rows
    names: list[str]  # of the parameters, in order
    fixed: dict[str, object]  # the values of those that the statement fixes
    into: _Conversions  # of the parameters
    out: _Conversions
    is_positional: bool

    def bind(self, values: Mapping[str, object]) -> tuple[object, ...] | Mapping[str, object]:
        """Return the parameters as the driver takes them."""
        if self.fixed:
            values = {**values, **self.fixed}
        bound = [values[name] for name in self.names]
        for index, convert in self.into:
            bound[index] = convert(bound[index])
        return tuple(bound) if self.is_positional else dict(zip(self.names, bound, strict=True))


def is_fixed(statement: Statement) -> bool:
    """Whether the SQL of a statement never changes: no parameter is a list, which expands to its values."""
    return not any(isinstance(part, sa.BindParameter) and part.expanding for part in iterate(statement))


_fetch_one: Callable[[DBAPICursor], Sequence[object] | None] = methodcaller("fetchone")
_fetch_all: Callable[[DBAPICursor], Sequence[Sequence[object]]] = methodcaller("fetchall")


def _fetch_nothing(_cursor: DBAPICursor) -> None:
    return


def _parse_utc(text: object) -> object:
    return datetime.fromisoformat(f"{text}+00:00")


def _find_bind_conversion(kind: sa.types.TypeEngine[object], dialect: sa.Dialect) -> Callable[[object], object] | None:
    """Return how values of a column type become the driver's; None if they are."""
    convert = kind.dialect_impl(dialect).bind_processor(dialect)
    if not (convert and isinstance(kind, UTCDateTime) and dialect.name == "sqlite"):
        return convert

    def format_utc(value: object) -> object:
        if isinstance(value, datetime) and value.tzinfo is UTC:  # as the type does it, in a third of the time
            return value.isoformat(" ", "microseconds")[:26]
        return convert(value)

    return format_utc


def _find_conversion(kind: sa.types.TypeEngine[object], dialect: sa.Dialect) -> Callable[[object], object] | None:
    """Return how the driver's values become those of a column type; None if they are."""
    if isinstance(kind, UTCDateTime) and dialect.name == "sqlite":  # stored in UTC without an offset
        return _parse_utc  # as the type does it, in a fifth of the time
    if isinstance(kind, sa.Float):  # both drivers give floats, and the type would ask for what the driver says of it
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _convert(row: list[object], out: _Conversions) -> list[object]:
    """Convert the driver's values to those of the column types; NULL stays None."""
    for index, convert in out:
        if row[index] is not None:
            row[index] = convert(row[index])
    return row


def _raise_wrapped(connection: sa.Connection, cursor: DBAPICursor, sql: str, error: DBAPIModule.Error) -> NoReturn:
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


_Listeners = Collection[Callable[..., tuple[str, Any]]]


def _prepare_execution(
    listeners: _Listeners, connection: sa.Connection, cursor: DBAPICursor, sql: str, parameters: Any
) -> tuple[str, Any]:
    """Call what listens to statements before they run, as `execute` does; return what it makes of the statement."""
    for listener in listeners:
        sql, parameters = listener(connection, cursor, sql, parameters, None, False)
    return sql, parameters


def _is_heard(connection: sa.Connection) -> bool:
    """Whether anything listens to the statements of a connection; to ask all its listeners takes longer."""
    on_engine = connection.engine.dispatch
    return connection._has_events or bool(on_engine.before_cursor_execute or on_engine.after_cursor_execute)


class Prepared(Generic[R]):
    """A statement, or a function that builds the one for a dialect. `columns` are the columns that an INSERT sets."""

    def __init__(self, statement: ReturnsRows | Callable[[str], ReturnsRows], columns: Collection[str] = ()) -> None:
        self._statement, self._columns = statement, list(columns) or None
        self._compiled: dict[str, _Compiled] = {}

    def run(self, store: Store, values: Mapping[str, object]) -> None:
        """Run the statement for its effect."""
        self._execute(store, values, _fetch_nothing)

    def first(self, store: Store, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """Return its first row as a tuple, or None."""
        row, compiled = self._execute(store, values, _fetch_one)
        return None if row is None else tuple(_convert(list(row), compiled.out) if compiled.out else row)

    def one(self, store: Store, values: Mapping[str, object]) -> tuple[Any, ...]:
        """Return the row, as a tuple, of a statement that always gives one."""
        row = self.first(store, values)
        assert row is not None, "the statement gave no row"
        return row

    def row(self, store: Store, values: Mapping[str, object]) -> R | None:
        """Return its first row by the names of its columns, or None."""
        row, compiled = self._execute(store, values, _fetch_one)
        if row is None:
            return None
        return cast(R, dict(zip(compiled.columns, _convert(list(row), compiled.out), strict=True)))

    def rows(self, store: Store, values: Mapping[str, object]) -> list[R]:
        """Return all of its rows by the names of their columns."""
        rows, compiled = self._execute(store, values, _fetch_all)
        names, out = compiled.columns, compiled.out
        return [cast(R, dict(zip(names, _convert(list(row), out), strict=True))) for row in rows]

    def _execute(
        self, store: Store, values: Mapping[str, object], fetch: Callable[[DBAPICursor], T]
    ) -> tuple[T, _Compiled]:
        """Run the statement; return what `fetch` takes from the cursor, and what describes it."""
        connection = store if isinstance(store, sa.Connection) else store.connection()
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name) or self._compile(dialect)
        parameters = compiled.bind(values)
        cursor = connection.connection.cursor()
        is_heard, sql = _is_heard(connection), compiled.sql
        if is_heard:
            listeners = connection.dispatch.before_cursor_execute
            sql, parameters = _prepare_execution(listeners, connection, cursor, sql, parameters)
        try:
            cursor.execute(sql, parameters)
            fetched = fetch(cursor)
            if is_heard:
                for listener in connection.dispatch.after_cursor_execute:
                    listener(connection, cursor, sql, parameters, None, False)
        except dialect.loaded_dbapi.Error as error:
            _raise_wrapped(connection, cursor, sql, error)
        cursor.close()
        return fetched, compiled

    def _compile(self, dialect: sa.Dialect) -> _Compiled:
        source = self._statement
        statement = source if isinstance(source, ReturnsRows) else source(dialect.name)
        sql: SQLCompiler = statement.compile(dialect=dialect, column_keys=self._columns)
        if sql.post_compile_params or sql.literal_execute_params:
            raise TypeError("the SQL of this statement depends on its parameters: use execute")
        binds = {name: bind for bind, name in sql.bind_names.items()}
        names = list(sql.positiontup or binds)
        into = [_find_bind_conversion(binds[name].type, dialect) for name in names]
        out = [_find_conversion(column.type, dialect) for column in statement.exported_columns]
        compiled = self._compiled[dialect.name] = _Compiled(
            str(sql),
            statement.exported_columns.keys(),
            names,
            {name: bind.effective_value for name, bind in binds.items() if not bind.required},
            [(index, convert) for index, convert in enumerate(into) if convert],
            [(index, convert) for index, convert in enumerate(out) if convert],
            sql.positional,
        )
        return compiled
