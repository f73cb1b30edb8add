"""States of a store that many tests begin with, made once in a process and put into each test's own store."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pysqlite3.dbapi2 as sqlite
import sqlalchemy as sa
from sqlmodel import SQLModel

Restore = Callable[[str], None]
_SEQUENCES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S'"


def keep_store(url: str, folder: Path) -> Restore:
    """Keep what is in a store, and return what puts it into an empty one of the same kind, given its address."""
    return _keep_sqlite(url, folder) if url.startswith("sqlite") else _keep_postgresql(url)


def _copy_sqlite(source: str, target: str) -> None:
    with sqlite.connect(source) as here, sqlite.connect(target) as there:
        here.backup(there)
    here.close()
    there.close()


def _keep_sqlite(url: str, folder: Path) -> Restore:
    kept = str(folder / "kept.db")
    _copy_sqlite(_path(url), kept)
    return lambda url: _copy_sqlite(kept, _path(url))


def _path(url: str) -> str:
    return sa.make_url(url).database or ""


def _keep_postgresql(url: str) -> Restore:
    rows: dict[str, bytes] = {}
    with psycopg.connect(url) as connection:
        for table in SQLModel.metadata.sorted_tables:
            with connection.cursor().copy(f'COPY "{table.name}" TO STDOUT') as copy:
                if data := b"".join(copy):
                    rows[table.name] = data
        numbers = {
            name: connection.execute(f"SELECT last_value FROM {name}").fetchone()
            for (name,) in connection.execute(_SEQUENCES).fetchall()
        }

    def restore(url: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            for name, data in rows.items():
                with connection.cursor().copy(f'COPY "{name}" FROM STDIN') as copy:
                    copy.write(data)
            for name, value in numbers.items():
                connection.execute("SELECT setval(%s::regclass, %s)", [name, *(value or ())])

    return restore
