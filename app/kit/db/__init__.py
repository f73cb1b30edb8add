"""Where reads and writes run, and when they are committed: nothing else decides either."""

import sqlalchemy as sa

from app.kit.db.aside import Aside, giving_way
from app.kit.db.base import Database, Overloaded, is_full, is_unavailable
from app.kit.db.postgres import PostgresDatabase
from app.kit.db.sqlite import SqliteDatabase

__all__ = [
    "Aside",
    "Database",
    "Overloaded",
    "PostgresDatabase",
    "SqliteDatabase",
    "giving_way",
    "is_full",
    "is_unavailable",
    "open_database",
]


def open_database(url: str, read_url: str = "") -> Database:
    """The store behind a URL: `sqlite:///path` or `postgresql://user@host/name`."""
    name = sa.make_url(url).get_backend_name()
    if name == "sqlite":
        return SqliteDatabase(url)
    if name == "postgresql":
        return PostgresDatabase(url, read_url)
    raise RuntimeError("DATABASE_URL must start with sqlite:/// or postgresql://")
