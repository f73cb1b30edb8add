"""One database interface over SQLite and PostgreSQL, and the only code that commits."""

from collections.abc import Sequence

import sqlalchemy as sa

from app.db.base import Database, Overloaded, QueueFull, is_damaged, is_full, is_read_only, is_unavailable
from app.db.query_process import QueryProcesses, yield_cpu
from app.db.sqlite import SqliteDatabase

__all__ = [
    "Database",
    "Overloaded",
    "QueryProcesses",
    "QueueFull",
    "SqliteDatabase",
    "is_damaged",
    "is_full",
    "is_read_only",
    "is_unavailable",
    "open_database",
    "yield_cpu",
]


def open_database(url: str, read_urls: Sequence[str] = (), direct_url: str = "") -> Database:
    """Return the database of a URL: `sqlite:///path` or `postgresql://user@host/name`. Nothing is opened yet.

    `read_urls` are those of standbys of PostgreSQL, `direct_url` its own where `url` is that of a pooler.
    """
    name = sa.make_url(url).get_backend_name()
    if name == "sqlite":
        return SqliteDatabase(url)
    if name == "postgresql":
        from app.db.postgres import PostgresDatabase  # here, as SQLite needs no driver of PostgreSQL

        return PostgresDatabase(url, read_urls, direct_url)
    raise RuntimeError("DATABASE_URL must start with sqlite:/// or postgresql://")
