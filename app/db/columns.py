"""Column types and SQL expressions that work alike on SQLite and PostgreSQL."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime

from app.db.rows import Column, JsonObject

ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
"""A UUID, as text in Python: native on PostgreSQL, 36 characters on SQLite, so that both write it alike in JSON."""

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 64-bit integer that SQLite can also generate, as it does for INTEGER PRIMARY KEY alone."""


PAST = sa.literal(datetime(1970, 1, 1, tzinfo=UTC), UTCDateTime())
"""A moment before any other, for what is due whenever it is there."""


class Table(SQLModel):
    """The base of all tables: Pydantic's validators, of which rows need none, are not built at import."""

    model_config = {"defer_build": True}


def table_of(model: type[SQLModel]) -> sa.Table:
    """Return the Core table of a model, for queries that select columns."""
    return cast(sa.Table, vars(model)["__table__"])


def count_affected(result: sa.Result[*tuple[object, ...]]) -> int:
    """Return how many rows an UPDATE or DELETE changed."""
    return cast("sa.CursorResult[*tuple[object, ...]]", result).rowcount


class _TextSearchType(sa.types.UserDefinedType[str]):
    """A type of PostgreSQL's text search, named here as to import them from its dialect takes 3 MB on SQLite."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_options: object) -> str:
        """Return the name of the type in SQL."""
        return self.name


TSVECTOR, TSQUERY = _TextSearchType("TSVECTOR"), _TextSearchType("TSQUERY")


def partial_index(name: str, *columns: str, where: str, postgresql_where: str = "", unique: bool = False) -> sa.Index:
    """Return an index of only those rows that meet a condition, which PostgreSQL may need in other words.

    Its options of PostgreSQL are in `info` until `set_postgresql_options`: they would import its dialect on SQLite.
    """
    info = {"postgresql_where": sa.text(postgresql_where or where)}
    return sa.Index(name, *columns, unique=unique, sqlite_where=sa.text(where), info=info)


def gin_index(name: str, column: str) -> sa.Index:
    """Return an index of the words in a text search vector."""
    return sa.Index(name, column, info={"postgresql_using": "gin"})


def set_postgresql_options(metadata: sa.MetaData) -> None:
    """Give all indexes their options of PostgreSQL, for migrations, which alone need them."""
    for table in metadata.tables.values():
        for index in table.indexes:
            index.dialect_kwargs.update(index.info)


Row = sa.RowMapping | Mapping[str, Any]
"""A row whose columns are not declared; `app.db.rows` gives typed ones."""


def as_sort_text(column: Column) -> Column:
    """Cast a time to text, which sorts like the time and which `parse_time` reads; other columns stay as they are."""
    return sa.cast(column, sa.String) if isinstance(column.type, UTCDateTime) else column


def parse_time(text: str) -> datetime:
    """Parse a time that `as_sort_text` selected."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def is_among(dialect: str, column: sa.Column[str], name: str) -> sa.ColumnElement[bool]:
    """Build the condition that a column of text or ids has one of the values in the list that is bound to `name`.

    The list is one parameter, so that the SQL is fixed; an IN of many parameters takes three times as long on SQLite.
    """
    if dialect == "postgresql":
        kind = sa.Uuid(as_uuid=False) if column.type is ID else sa.String()
        return column == sa.any_(sa.bindparam(name, type_=sa.ARRAY(kind)))
    values = sa.func.json_each(sa.bindparam(name, type_=sa.JSON())).table_valued("value")
    return column.in_(sa.select(values.c.value))


class json_rows(FunctionElement[list[JsonObject]]):
    """An aggregate: a JSON array with an object for each row, in the given order; NULL or [] without rows."""

    inherit_cache = True
    type = sa.JSON()

    def __init__(self, order: Column, **columns: Column) -> None:
        pairs: list[Column] = []
        for name, column in columns.items():
            pairs += [sa.literal_column(f"'{name}'"), column]
        super().__init__(order, *pairs)

    def sql(self, array: str, row: str, compiler: SQLCompiler, **kw: object) -> str:
        """Write the call with the function names of one database."""
        order, *pairs = (compiler.process(clause, **kw) for clause in self.clauses)
        return f"{array}({row}({', '.join(pairs)}) ORDER BY {order})"


@compiles(json_rows, "sqlite")
def _sqlite(element: json_rows, compiler: SQLCompiler, **kw: object) -> str:
    return element.sql("json_group_array", "json_object", compiler, **kw)


@compiles(json_rows, "postgresql")
def _postgresql(element: json_rows, compiler: SQLCompiler, **kw: object) -> str:
    return element.sql("json_agg", "json_build_object", compiler, **kw)
