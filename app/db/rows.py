"""Rows of queries as typed dictionaries, and INSERTs that say what to do about a row that is there already."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlmodel import Session, SQLModel

from app.core.ids import is_id
from app.core.problems import NotFound

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

JsonObject: TypeAlias = dict[str, object]
"""A JSON object that is built, or taken as it is, and not read."""

Column: TypeAlias = sa.ColumnElement[Any]
"""An SQL expression of whatever type."""

Statement: TypeAlias = sa.Select[Any]
"""A SELECT of whatever columns."""

Store: TypeAlias = sa.Connection | Session
"""What queries run on: a connection that reads, or the session of a transaction."""

Insert: TypeAlias = "sqlite.Insert | postgresql.Insert"
"""An INSERT that takes ON CONFLICT; both databases write it alike."""

R = TypeVar("R", bound=Mapping[str, object])  # a TypedDict
Model = TypeVar("Model", bound=SQLModel)


def dialect_of(store: Store) -> str:
    """Return the name of the database that a connection or session works on: `sqlite` or `postgresql`."""
    return (store if isinstance(store, sa.Connection) else store.get_bind()).dialect.name


def begin_insert(dialect: str, table: sa.Table) -> Insert:
    """Begin an INSERT into a table that may go on with `on_conflict_do_nothing` or `on_conflict_do_update`."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # here, as short commands on SQLite do without it

    return postgresql.insert(table)


def insert_into(store: Store, table: sa.Table) -> Insert:
    """Begin an INSERT as `begin_insert` does, for the database that a connection or session works on."""
    return begin_insert(dialect_of(store), table)


def _check_columns(row_type: type[R], names: Sequence[str]) -> None:
    """Raise TypeError where a query's columns are not the keys that its row type declares."""
    declared = row_type.__annotations__.keys()
    if declared != set(names):
        raise TypeError(f"{row_type.__name__} does not have the columns of its query: {sorted(declared ^ set(names))}")


def fetch_rows(
    store: Store, statement: sa.Executable, row_type: type[R], values: Mapping[str, object] | None = None
) -> list[R]:
    """Run a query and return its rows as dictionaries of the given TypedDict, whose keys are the query's columns."""
    result = store.execute(statement, values)
    names = tuple(result.keys())
    _check_columns(row_type, names)
    return [cast(R, dict(zip(names, row, strict=True))) for row in result]


def fetch_row(
    store: Store, statement: sa.Executable, row_type: type[R], values: Mapping[str, object] | None = None
) -> R | None:
    """Run a query and return its first row, or None."""
    result = store.execute(statement, values)
    names = tuple(result.keys())
    _check_columns(row_type, names)
    row = result.first()
    return None if row is None else cast(R, dict(zip(names, row, strict=True)))


def get_row(store: Store, statement: sa.Executable, row_type: type[R], values: Mapping[str, object] | None = None) -> R:
    """Run a query that always gives one row, and return it."""
    row = fetch_row(store, statement, row_type, values)
    assert row is not None, "the query gave no row"
    return row


def lock_row(session: Session, model: type[Model], row_id: str) -> Model:
    """Return a row for a change, locked until the transaction ends; 404 without one of this id."""
    row = session.get(model, row_id, with_for_update=True) if is_id(row_id) else None
    if row is None:
        raise NotFound
    return row
