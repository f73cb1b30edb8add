"""Alembic's entry point: the same migrations for SQLite and PostgreSQL, models as the target."""

from typing import Any

import sqlalchemy as sa
from alembic import context
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

import app.wiring  # noqa: F401  brings every table into the metadata
from app.core.settings import Settings
from app.db import open_database
from app.db.columns import set_postgresql_options

LOCK_TIMEOUT = "5s"  # a migration that cannot get its lock gives up instead of blocking every reader behind it


def render_item(kind: str, item: Any, _autogen: Any) -> str | bool:
    """Write SQLModel's own types as plain `sa.` types."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.impl.length})" if item.impl.length else "sa.String()"
    return False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """SQLite keeps full-text tables in tables of their own, which no model knows."""
    return kind != "table" or not (name or "").startswith(("search_words", "comment_words"))


def include_object(item: Any, _name: str | None, kind: str, _reflected: bool, _counterpart: Any) -> bool:
    """Leave out indexes that only the other database has (`ddl_if`), which Alembic does not read."""
    condition = item._ddl_if if kind == "index" else None
    return condition is None or condition.dialect == context.get_context().dialect.name


def migrate(connection: sa.Connection) -> None:
    """Run on an open connection."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_item=render_item,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        include_name=include_name,
        include_object=include_object,
    )
    with context.begin_transaction():
        context.run_migrations()


set_postgresql_options(SQLModel.metadata)
given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    reads, writes = open_database(Settings().direct_database).engines()
    with writes.connect() as opened:
        if opened.dialect.name == "sqlite":  # a table that is built anew must not take its children with it
            opened.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")
        migrate(opened)
    reads.dispose()
    writes.dispose()
