"""The SQLite file of the tests of one process: emptied for each of them, with its connections kept.

To copy a new file is cheap, but each connection to it parses the whole schema, in 3 ms, and a test needs several.
"""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import sqlalchemy as sa

INDEXES = ("search_words", "comment_words")  # of FTS5, each with tables of its own: `search_words_data` and others
Rows = list[tuple[Any, ...]]


class SqliteStore:
    """A migrated file that tests share in turn; a new one where a test has left something other than rows."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._path: Path | None = None
        self._number = 0
        self._kept: dict[object, list[Any]] = {}
        self._ways: dict[int, object] = {}  # how each open connection was asked for, by its id
        self._own: Any = None  # it empties the store, and stays open: the last one to close deletes the WAL

    def serve(self, engine: sa.Engine) -> None:
        """Close the connections of an engine, or keep them."""
        dialect: Any = engine.dialect
        close = dialect.do_close
        dialect.do_close = lambda connection: self._close(connection, close)

    def creator(self, database: str | None, way: object, create: Callable[[], Any]) -> Callable[[], Any]:
        """Return what opens a connection for an engine, or takes a kept one."""

        def connect() -> Any:
            if self._own is None or database != str(self._path):
                connection = create()
                self._ways.pop(id(connection), None)  # of one that has ended without being closed
                return connection
            try:
                connection = self._kept[way].pop() if self._files() == self._identity else create()
            except (KeyError, IndexError):
                connection = create()
            self._ways[id(connection)] = way
            return connection

        return connect

    def _close(self, connection: Any, close: Callable[[Any], None]) -> None:
        way = self._ways.pop(id(connection), None)
        if way is None:
            close(connection)
            return
        try:
            connection.rollback()
            connection.set_progress_handler(None, 0)
            connection.set_trace_callback(None)
            connection.row_factory = None
        except sqlite.Error:
            close(connection)
        else:
            self._kept.setdefault(way, []).append(connection)

    def leave_to_parent(self) -> None:
        """Open connections of its own in a forked process: those of its parent must not be used, nor closed, there."""
        self._of_parent = self._kept, self._ways, self._own
        self._kept, self._ways, self._own = {}, {}, None

    def empty(self, template: Path) -> Path:
        """Return the path of an empty, migrated file."""
        if self._own is None or not self._is_emptied():
            self._renew(template)
        assert self._path is not None
        return self._path

    def _is_emptied(self) -> bool:
        """Delete all rows; False where that does not make the file as it was at first."""
        assert self._path is not None
        if self._files() != self._identity:
            return False
        run = self._own.execute
        try:
            if run("PRAGMA schema_version").fetchone() != self._version:
                return False
            run("BEGIN IMMEDIATE")
            for table in self._tables:
                if run(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone():
                    run(f'DELETE FROM "{table}"')
            for name in INDEXES:
                if self._read(f"{name}_data") != self._at_first[f"{name}_data"]:
                    run(f"INSERT INTO {name} ({name}) VALUES ('delete-all')")
            if self._read("sqlite_stat1") != self._at_first["sqlite_stat1"]:
                run("DELETE FROM sqlite_stat1")
                self._own.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", self._at_first["sqlite_stat1"])
            run("COMMIT")
            self._ways.clear()  # connections that are still in use are not kept when they are closed
            for connection in [connection for kept in self._kept.values() for connection in kept]:
                connection.execute("ANALYZE sqlite_schema")  # statistics in memory, which outlive a rollback
            is_busy, *_ = run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite.Error:
            return False
        return not is_busy and all(self._read(table) == rows for table, rows in self._at_first.items())

    def _read(self, table: str) -> Rows:
        rows: Rows = self._own.execute(f'SELECT * FROM "{table}" LIMIT 20').fetchall()  # more than an empty store has
        return rows

    def _files(self) -> list[int]:
        with suppress(OSError):
            return [Path(f"{self._path}{suffix}").stat().st_ino for suffix in ("", "-wal", "-shm")]
        return []

    def _renew(self, template: Path) -> None:
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="broadsheet-", ignore_cleanup_errors=True)
        self._path = Path(self._folder.name) / "broadsheet.db"
        shutil.copy(template, self._path)
        self._own = sqlite.connect(
            str(self._path), isolation_level=None, check_same_thread=False, cached_statements=500
        )
        run = self._own.execute
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "secure_delete=ON", "foreign_keys=OFF"):
            run(f"PRAGMA {pragma}")
        run("PRAGMA optimize=0x10012")  # each app that starts does so: here, once, it makes the tables of statistics
        for name in INDEXES:
            run(f"INSERT INTO {name} ({name}) VALUES ('delete-all')")  # as between tests, which leaves other numbers
        names = [name for (name,) in run("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        indexes = tuple(f"{name}_" for name in INDEXES)
        filled = [name for name in names if name not in INDEXES and self._read(name)]
        self._at_first = {name: self._read(name) for name in filled}
        self._tables = [name for name in names if name not in {*INDEXES, *filled} and not name.startswith(indexes)]
        self._version = run("PRAGMA schema_version").fetchone()
        self._identity = self._files()

    def close(self) -> None:
        """Close all connections that are not in use, and delete the file."""
        for kept in self._kept.values():
            while kept:
                kept.pop().close()
        self._ways.clear()
        if self._own is not None:
            self._own.close()
            self._own = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
