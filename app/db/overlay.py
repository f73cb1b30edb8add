"""Overlays: reads that see some tables as they will be, without a change of the store.

Each statement of a read gets common table expressions that have the names of the tables. So no query needs to know
that it is read through an overlay, and none can forget to ask.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Concatenate, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlmodel import Session

from app.db.base import Database, P, T
from app.db.election import ProcessLock
from app.db.query_process import QueryProcesses

_KEY: Final = "overlay"
"""Key in a connection's `info`: the overlay of the read that runs on it."""
_WITH: Final = re.compile(r"\s*WITH\s+(RECURSIVE\s+)?", re.IGNORECASE)
_SELECT: Final = re.compile(r"\s*(?:SELECT|WITH)\b", re.IGNORECASE)


class OverlaidTable(NamedTuple):
    """A table as the SELECT of all its columns from the real tables, whose names have their schema."""

    sql: str
    column: str | None = None  # the only one that differs: statements without it read the real table
    by_id: str | None = None  # the same rows for joins by id, where the database would collect all rows of `sql`


@dataclass(frozen=True)
class Overlay:
    """The tables that differ, by name."""

    tables: Mapping[str, OverlaidTable]
    unindexed: tuple[str, ...] = ()  # ids of articles whose texts the index of searches lacks
    prepare: tuple[str, ...] = ()  # on SQLite: statements that fill temporary tables, which `tables` read

    @cached_property
    def _names(self) -> re.Pattern[str]:
        patterns = (f"{name}\\.{table.column}" if table.column else name for name, table in self.tables.items())
        return re.compile(rf"\b(?:{'|'.join(patterns) or '$^'})\b")

    def rewrite(self, sql: str) -> str:
        """Return a statement that reads the overlaid tables instead of the real ones."""
        names = sorted({found.partition(".")[0] for found in self._names.findall(sql)})
        if not names or not _SELECT.match(sql):
            return sql
        tables = {name: self.tables[name].sql for name in names}
        for name, table in self.tables.items():
            if table.by_id and name in tables:
                sql, number = re.subn(
                    rf"(?<!OUTER )JOIN {name} ON (?={name}\.id =)", f"JOIN {name}_by_id AS {name} ON ", sql
                )
                tables |= {f"{name}_by_id": table.by_id} if number else {}
        parts = ", ".join(f"{name} AS NOT MATERIALIZED ({query})" for name, query in tables.items())
        if match := _WITH.match(sql):
            return f"WITH {match[1] or ''}{parts}, {sql[match.end() :]}"
        return f"WITH {parts} {sql}"


def overlay_of(connection: sa.Connection) -> Overlay | None:
    """Return the overlay through which a connection reads."""
    overlay = connection.info.get(_KEY)
    return overlay if isinstance(overlay, Overlay) else None


@contextmanager
def overlaying(connection: sa.Connection, overlay: Overlay) -> Iterator[None]:
    """Read through an overlay within the context."""

    def rewrite(
        _connection: sa.Connection,
        _cursor: DBAPICursor,
        sql: str,
        parameters: object,
        _context: object,
        _many: bool,
    ) -> tuple[str, object]:
        return overlay.rewrite(sql), parameters

    if overlay.prepare:
        connection.exec_driver_sql("PRAGMA temp_store=MEMORY")
    try:
        for statement in overlay.prepare:
            connection.exec_driver_sql(statement)
        sa.event.listen(connection, "before_cursor_execute", rewrite, retval=True)
        connection.info[_KEY] = overlay
        try:
            yield
        finally:
            del connection.info[_KEY]
            sa.event.remove(connection, "before_cursor_execute", rewrite)
    finally:
        if overlay.prepare:
            connection.exec_driver_sql("PRAGMA temp_store=DEFAULT")  # a change deletes all temporary tables


class OverlaidDatabase(Database):
    """A database whose reads see an overlay. They run in threads: an overlay makes them slower."""

    def __init__(self, database: Database, overlay: Overlay) -> None:
        super().__init__()
        self.dialect, self._database, self._overlay = database.dialect, database, overlay

    async def read(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(connection: sa.Connection) -> T:
            with overlaying(connection, self._overlay):
                return query(connection, *args, **kwargs)

        return await self._database.scan_fresh(run)

    async def scan(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.read(query, *args, **kwargs)

    async def write(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.write(action, *args, **kwargs)

    def engines(self) -> tuple[sa.Engine, sa.Engine]:
        return self._database.engines()

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        with self._database.connect() as connection, overlaying(connection, self._overlay):
            yield connection

    def snapshot(self) -> AbstractContextManager[sa.Connection]:
        return self._database.snapshot()

    async def take_lock(self, name: str) -> ProcessLock | None:
        return await self._database.take_lock(name)

    async def _watch_commits(self, notify: Callable[[], None]) -> None:
        raise NotImplementedError("an overlay sees no commits of its own")


class OverlaidProcesses(QueryProcesses):
    """Runs queries of query processes through an overlay, in threads."""

    def __init__(self, database: OverlaidDatabase) -> None:
        super().__init__(database, lambda: database, 0)
        self._overlaid = database

    async def scan(self, query: Callable[[sa.Connection], T]) -> T:
        return await self._overlaid.read(query)
