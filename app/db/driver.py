"""The SQLite driver: the one that brings a new SQLite with it, or Python's own where there is no wheel of that."""

try:
    import pysqlite3.dbapi2 as sqlite
except ImportError:  # Linux on ARM; what is too old is refused when the database is opened
    import sqlite3 as sqlite

__all__ = ["sqlite"]
