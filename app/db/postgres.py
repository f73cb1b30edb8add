"""PostgreSQL: reads and writes in thread pools with psycopg, one transaction for each action.

Reads of anonymous requests may go to replicas. Who calls, what follows a write and all background work is read from
the primary, so that no answer denies what was acknowledged.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Concatenate, Literal

import psycopg
import pydantic_core
import sqlalchemy as sa
from psycopg.conninfo import make_conninfo
from psycopg.types.string import TextLoader
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.core.logs import get_logger
from app.db.base import (
    RETRIED_STATES,
    Database,
    Overloaded,
    P,
    ReplicaChoice,
    T,
    allowed_replica_use,
    begin_transaction,
    require_primary,
    switch_interval,
)
from app.db.election import ProcessLock
from app.db.listening import LOG_CHANNEL, VANISHED, Listener, SessionLock
from app.db.replica import Replicas, ReplicaUnavailable
from app.db.running import RunningQuery, run_within

SESSION_SETTINGS = {"timezone": "UTC", "statement_timeout": "20s", "lock_timeout": "5s"}
SCAN_THREADS = 3  # slow reads at a time
ANSWER_SECONDS = 10.0
"""For an indexed query or a write, its wait for a thread included: then it is given up, as its server may hang."""
SLOW_SECONDS = 25.0  # the same for slow queries: more than the server's own limit of a statement
ASIDE_SECONDS = 120.0  # for a write that nobody waits for
LOOK_SECONDS = 1.0  # between two looks whether another process has committed, where none tells
RETRY_SECONDS = 1.0  # after a look has failed
log = get_logger("broadsheet.db")


class PostgresDatabase(Database):
    """A PostgreSQL database, with standbys for reads if there are any.

    With a `direct_url`, the other URLs lead to poolers that give a session for each transaction. They get none of
    the settings of a session, and no prepared statements; what listens goes past them.
    """

    dialect = "postgresql"

    def __init__(self, url: str, read_urls: Sequence[str] = (), direct_url: str = "", threads: int = 8) -> None:
        super().__init__()
        self._direct_url, self._is_pooled = direct_url or url, bool(direct_url)
        self.on_write: Callable[[Session], object] | None = None
        """What is called in a thread after each commit, with the session that made it."""
        create_engine = partial(_create_engine, threads=threads, is_pooled=self._is_pooled)
        self._reads, self._writes = create_engine(url, "AUTOCOMMIT"), create_engine(url, None)
        standbys = [create_engine(read_url, "AUTOCOMMIT", connect_seconds=2) for read_url in read_urls]
        self.replicas = Replicas(standbys, self._reads, threads, SCAN_THREADS) if standbys else None
        self._read_threads = ThreadPoolExecutor(threads, "read")
        self._scan_threads = ThreadPoolExecutor(SCAN_THREADS, "scan")  # slow queries must not occupy all threads
        self._write_threads = ThreadPoolExecutor(threads, "write")

    def engines(self) -> tuple[sa.Engine, sa.Engine]:
        return self._reads, self._writes

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        with self._reads.connect() as connection:
            # Read-only, it takes no transaction id, for whose end consumers of the log would wait.
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    async def start(self) -> None:
        if self.replicas:
            self.replicas.start()
        if self._is_pooled and (missing := await self.read(find_missing_settings)):
            log.warning("sessions behind the pooler lack settings", run=missing)

    async def listen(self) -> Listener:
        """Listen to what other processes tell of new events, on the primary."""
        return await Listener.open(self._find_conninfo(), LOG_CHANNEL)

    async def take_lock(self, name: str) -> ProcessLock | None:
        try:
            return await SessionLock.take(self._find_conninfo(), name)
        except psycopg.Error as error:
            raise ConnectionError("the lock cannot be asked for") from error

    def _find_conninfo(self) -> str:
        """Return how to connect to the primary, past a pooler."""
        # As SQLAlchemy connects: it understands a URL with several hosts, of which libpq would take the last.
        _, parameters = self._writes.dialect.create_connect_args(sa.make_url(self._direct_url))
        of_libpq = {name: str(value) for name, value in parameters.items() if isinstance(value, str | int)}
        return make_conninfo(**of_libpq)

    async def _watch_commits(self, notify: Callable[[], None]) -> None:
        while True:
            try:
                await self._listen_for_commits(notify)
            except (psycopg.Error, OSError) as error:
                log.warning("commits of other processes cannot be followed", error=type(error).__name__)
            notify()  # there may have been some
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen_for_commits(self, notify: Callable[[], None]) -> None:
        """Look whether anything was committed when another process tells of it, and now and then, until that fails."""
        listener, seen = await self.listen(), ""
        try:
            while True:
                if (state := await listener.read_snapshot()) != seen:
                    seen = state
                    notify()
                await listener.wait(LOOK_SECONDS)
        finally:
            await listener.close()

    async def stop(self) -> None:
        if self.replicas:
            await self.replicas.stop()
        await asyncio.to_thread(self._write_threads.shutdown)
        await asyncio.to_thread(self._read_threads.shutdown)
        await asyncio.to_thread(self._scan_threads.shutdown)
        await super().stop()

    def choose_replica(self) -> ReplicaChoice | None:
        use = allowed_replica_use()
        return self.replicas.choose(use) if self.replicas and use else None

    def run_on_replica(self, choice: ReplicaChoice, query: Callable[[sa.Connection], T]) -> T:
        assert self.replicas, "no replica can have been chosen"
        with suppress(ReplicaUnavailable):
            return self.replicas.members[choice.number].run_query_within(query, choice.lsn)
        return self.run_query(query)

    def run_query(self, query: Callable[[sa.Connection], T], running: RunningQuery | None = None) -> T:
        running = running or RunningQuery()
        try:
            return self._run_on(self._reads, query, running)
        except DBAPIError as error:
            if not error.connection_invalidated or running.is_ended:
                raise
            log.warning("connection was lost; reading again")
            return self._run_on(self._reads, query, running)  # the server was restarted; reads may be repeated

    def _run_on(self, engine: sa.Engine, query: Callable[[sa.Connection], T], running: RunningQuery) -> T:
        with engine.connect() as connection, running.holding(connection):
            return query(connection)

    async def _run_within(self, threads: ThreadPoolExecutor, seconds: float, run: Callable[[RunningQuery], T]) -> T:
        """Run a piece of work in a thread; raise Overloaded if the server has not answered all of it in time."""
        try:
            return await run_within(threads, seconds, run)
        except TimeoutError:
            raise Overloaded("the server does not answer") from None

    async def _run_anywhere(self, query: Callable[[sa.Connection], T], *, is_scan: bool) -> T:
        """Run a query on a replica if the request may use one, else on the primary."""
        if self.replicas and (choice := self.choose_replica()):
            member = self.replicas.members[choice.number]
            with suppress(ReplicaUnavailable):
                return await (member.scan if is_scan else member.read)(query, choice.lsn)
            require_primary()
        threads, seconds = (self._scan_threads, SLOW_SECONDS) if is_scan else (self._read_threads, ANSWER_SECONDS)
        return await self._run_within(threads, seconds, partial(self.run_query, query))

    async def read(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(connection: sa.Connection) -> T:
            return query(connection, *args, **kwargs)

        return await self._run_anywhere(run, is_scan=False)

    async def scan(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(connection: sa.Connection) -> T:
            with switch_interval.shorten():
                return query(connection, *args, **kwargs)

        return await self._run_anywhere(run, is_scan=True)

    async def scan_fresh(
        self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._write_within(SLOW_SECONDS, lambda session: query(session.connection(), *args, **kwargs))

    async def write(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._write_within(ANSWER_SECONDS, lambda session: action(session, *args, **kwargs))

    async def write_aside(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(session: Session) -> T:
            with switch_interval.shorten():
                return action(session, *args, **kwargs)

        return await self._write_within(ASIDE_SECONDS, run)

    async def _write_within(self, seconds: float, action: Callable[[Session], T]) -> T:
        def run(running: RunningQuery, tries: int = 5, *, was_lost: bool = False) -> T:
            is_committing = False
            try:
                with (
                    self._writes.connect() as connection,
                    running.holding(connection),
                    begin_transaction(connection) as session,
                ):
                    result = action(session)
                    session.flush()
                    is_committing = True
                if self.on_write:
                    self.on_write(session)
                return result
            except DBAPIError as error:
                # A connection that was lost before COMMIT has written nothing: the server was restarted or replaced.
                is_lost = error.connection_invalidated and not is_committing and not running.is_ended
                if is_lost and not was_lost:
                    return run(running, tries, was_lost=True)
                if tries and getattr(error.orig, "sqlstate", None) in RETRIED_STATES:
                    return run(running, tries - 1, was_lost=was_lost)
                raise

        result = await self._run_within(self._write_threads, seconds, run)
        self.commits.send()
        return result


def _create_engine(
    url: str,
    isolation_level: Literal["AUTOCOMMIT"] | None,
    *,
    threads: int,
    is_pooled: bool,
    connect_seconds: int = 5,
) -> sa.Engine:
    options = " ".join(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())
    session: dict[str, object] = {"prepare_threshold": None} if is_pooled else {"options": options}
    place = sa.make_url(url).set(drivername="postgresql+psycopg")
    vanished = {name: value for name, value in VANISHED.items() if name not in place.query}
    engine = sa.create_engine(
        place,
        isolation_level=isolation_level,
        pool_size=threads,
        max_overflow=SCAN_THREADS + 1,
        pool_timeout=5,
        pool_recycle=1800,
        json_deserializer=pydantic_core.from_json,  # takes a third of the time of psycopg's own
        hide_parameters=True,
        connect_args={"connect_timeout": connect_seconds, "application_name": "broadsheet", **vanished, **session},
    )
    sa.event.listen(engine, "connect", _prepare_connection)
    return engine


def find_missing_settings(connection: sa.Connection) -> list[str]:
    """Return the SQL that an operator has to run so that sessions have their settings without being told."""
    lacking = [name for name, value in SESSION_SETTINGS.items() if _show(connection, name) != value]
    return [f"ALTER ROLE CURRENT_USER SET {name} = '{SESSION_SETTINGS[name]}'" for name in lacking]


def _show(connection: sa.Connection, name: str) -> str:
    return str(connection.execute(sa.select(sa.func.current_setting(name))).scalar_one())


def _prepare_connection(connection: psycopg.Connection, _record: object) -> None:
    connection.adapters.register_loader("uuid", TextLoader)  # ids are text here, and a UUID object costs 1 µs each
