"""PostgreSQL: reads and writes in pools of threads with psycopg, one transaction for each piece of work."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Concatenate

import pydantic_core
import sqlalchemy as sa
import structlog
from psycopg.types.string import TextLoader
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.db.base import RETRIED_STATES, Database, P, T, switch_interval

OPTIONS = "-c timezone=UTC -c statement_timeout=20000 -c lock_timeout=5000"
SCAN_THREADS = 3  # slow reads at a time
log = structlog.get_logger("broadsheet.db")


class PostgresDatabase(Database):
    """A PostgreSQL server, with a replica to read from if there is one."""

    dialect = "postgresql"

    def __init__(self, url: str, read_url: str = "", threads: int = 8) -> None:
        options: dict[str, Any] = {
            "pool_size": threads,
            "max_overflow": SCAN_THREADS + 1,
            "pool_timeout": 5,
            "pool_recycle": 1800,
            "json_deserializer": pydantic_core.from_json,  # a third of the time that psycopg's own takes
            "hide_parameters": True,
            "connect_args": {"connect_timeout": 5, "options": OPTIONS, "application_name": "broadsheet"},
        }
        self._reads = sa.create_engine(_with_driver(read_url or url), isolation_level="AUTOCOMMIT", **options)
        self._writes = sa.create_engine(_with_driver(url), **options)
        for engine in self.engines():
            sa.event.listen(engine, "connect", _prepare_postgres)
        self._read_threads = ThreadPoolExecutor(threads, "read")
        self._scan_threads = ThreadPoolExecutor(
            SCAN_THREADS, "scan"
        )  # so that what is slow never holds all of the others up
        self._write_threads = ThreadPoolExecutor(threads, "write")

    def engines(self) -> tuple[sa.Engine, sa.Engine]:
        return self._reads, self._writes

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        with self._reads.connect() as connection:
            # It holds no number of a transaction, so that readers of the log do not wait for its end.
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    async def stop(self) -> None:
        await asyncio.to_thread(self._write_threads.shutdown)
        await asyncio.to_thread(self._read_threads.shutdown)
        await asyncio.to_thread(self._scan_threads.shutdown)
        await super().stop()

    def run_query(self, query: Callable[[sa.Connection], T]) -> T:
        try:
            return super().run_query(query)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            log.warning("connection was lost; reading again")
            return super().run_query(query)  # a read may be repeated: the server was restarted or the pool was stale

    async def _run_in(self, threads: ThreadPoolExecutor, query: Callable[[sa.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, self.run_query, query)

    async def read(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run_in(self._read_threads, lambda connection: query(connection, *args, **kwargs))

    async def scan(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(connection: sa.Connection) -> T:
            with switch_interval.shorten():
                return query(connection, *args, **kwargs)

        return await self._run_in(self._scan_threads, run)

    async def scan_fresh(
        self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.write(lambda session: query(session.connection(), *args, **kwargs))

    async def write(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(tries: int = 5) -> T:
            try:
                with self.transaction() as session:
                    return action(session, *args, **kwargs)
            except DBAPIError as error:
                if tries and getattr(error.orig, "sqlstate", None) in RETRIED_STATES:
                    return run(tries - 1)
                raise

        return await asyncio.get_running_loop().run_in_executor(self._write_threads, run)


def _prepare_postgres(connection: Any, _record: object) -> None:
    connection.adapters.register_loader("uuid", TextLoader)  # ids are text here, and a UUID in between costs 1 µs each


def _with_driver(url: str) -> sa.URL:
    return sa.make_url(url).set(drivername="postgresql+psycopg")
