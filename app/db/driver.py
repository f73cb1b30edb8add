"""The SQLite driver: pysqlite3, which contains a recent SQLite, or the standard library's where it has no wheel."""

from sqlite3 import Connection

try:
    import pysqlite3.dbapi2 as sqlite
except ImportError:  # Linux on ARM; opening a database refuses a SQLite that is too old
    import sqlite3 as sqlite

__all__ = ["Connection", "sqlite"]
