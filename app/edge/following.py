"""Following the event log, to evict answers that commits of this and other processes make stale."""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.core.logs import get_logger
from app.db import Database, SqliteDatabase
from app.db.commits import CommitWatch
from app.db.driver import sqlite
from app.events.evictions import Horizon, read_horizon, read_stale_groups
from app.events.log import POSITION_KEY
from app.events.schemas import Position

if TYPE_CHECKING:  # SQLite needs no driver of PostgreSQL
    from app.db.listening import Listener
    from app.db.postgres import PostgresDatabase

POLL_SECONDS = 0.4  # between two looks at the log on PostgreSQL without a notification, while requests come
IDLE_SECONDS = 30.0  # between two looks while no request comes
TRUSTED_SECONDS = 0.9  # after the start of the last look; later, kept answers are given only after another one
PAUSE_SECONDS = 0.01  # between two looks while no request waits
RETRY_SECONDS = 1.0  # after a failure
Evict = Callable[[set[str] | None], object]
"""Evicts cache groups; None: everything."""
log = get_logger("broadsheet.edge")


class Follower(ABC):
    """Knows the event log up to a horizon, and evicts what the events before it make stale."""

    def __init__(self, evict: Evict) -> None:
        self._evict = evict
        self._horizon = Horizon()
        self.connection: sa.Connection | None = None  # for short queries, if the event loop may run them

    @abstractmethod
    async def start(self) -> None:
        """Begin to follow."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop following."""

    @abstractmethod
    def check(self) -> bool:
        """Evict what has become stale, without waiting; return whether kept answers may be given now."""

    async def catch_up(self) -> bool:
        """Do what `check` does, and wait where that is needed."""
        return self.check()

    def can_store(self) -> bool:
        """Whether everything that has become stale so far is evicted, or is going to be."""
        return self.check()

    @property
    def lsn(self) -> int:
        """The position in the primary's WAL that a standby must have replayed to show all changes seen so far."""
        return self._horizon.lsn

    @property
    def is_settled(self) -> bool:
        """Whether no event can still appear before one that was seen."""
        return self._horizon.unsettled == {}

    def has_seen(self, position: Position) -> bool:
        """Whether the event at a position has evicted what it makes stale."""
        return self._horizon.covers(position)


class SqliteFollower(Follower):
    """Checks before each answer whether any process has committed to the file."""

    def __init__(self, database: SqliteDatabase, evict: Evict) -> None:
        super().__init__(evict)
        self._database = database
        self._commits: CommitWatch | None = None
        self._seen: object = None  # state of the watch before the log was read; None: unread

    async def start(self) -> None:
        self.connection = self._database.engines()[0].connect()
        self._commits = self._database.watch_commits(self.connection)

    async def stop(self) -> None:
        self._commits = None
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def check(self) -> bool:
        if self._commits is None:
            return False
        try:
            state = self._commits.read()
            if state != self._seen:
                self._read_log()
                self._seen = state
        except (sqlite.Error, DBAPIError, OSError):
            log.warning("nothing is kept: the log cannot be read", exc_info=True)
            self._seen = None
            self._evict(None)
            return False
        return True

    def _read_log(self) -> None:
        """Evict what commits since the last call make stale."""
        assert self.connection is not None, "start() was not awaited"
        before = self._horizon if self._seen is not None else None
        self._horizon, groups = read_stale_groups(self.connection, before)
        self._evict(groups)


class PostgresFollower(Follower):
    """Looks at the log after notifications and own commits, and a few times a second while requests come.

    Kept answers are given only while the last look is recent and the listening connection is open. The first request
    after a pause waits for a look.
    """

    def __init__(self, database: "PostgresDatabase", evict: Evict) -> None:
        super().__init__(evict)
        self._database = database
        self._listener: Listener | None = None
        self._task: asyncio.Task[None] | None = None
        self._trusted_until = 0.0  # monotonic time
        self._has_requests = False  # whether a request came since the last look
        self._writes = self._covered = (
            0  # commits of this process with events, and how many of them the last look covered
        )
        self._waiting: list[asyncio.Future[None]] = []  # for the end of a look that has not begun yet

    async def start(self) -> None:
        loop = asyncio.get_running_loop()

        def note_write(session: Session) -> None:
            if POSITION_KEY not in session.info:
                return  # without events there is nothing to evict
            with contextlib.suppress(RuntimeError):  # the loop is closed, and the server stops
                loop.call_soon_threadsafe(self._note_write)

        self._database.on_write = note_write
        first_look = loop.create_future()
        self._waiting.append(first_look)
        self._task = asyncio.create_task(self._run(), name="edge")
        await first_look  # or the first failure

    async def stop(self) -> None:
        self._database.on_write = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._distrust()

    def check(self) -> bool:
        self._has_requests = True
        return self._writes == self._covered and self._is_trusted()

    async def catch_up(self) -> bool:
        if not self.check() and self._listener is not None:
            looked = asyncio.get_running_loop().create_future()
            self._waiting.append(looked)
            self._listener.wake()
            await looked
        return self._is_trusted()

    def can_store(self) -> bool:
        return self._listener is not None

    def _is_trusted(self) -> bool:
        return time.monotonic() < self._trusted_until

    def _note_write(self) -> None:
        self._writes += 1
        if self._listener is not None:
            self._listener.wake()

    def _distrust(self) -> None:
        """Drop all answers, and keep none until the log is followed again."""
        self._listener, self._trusted_until = None, 0.0
        self._evict(None)
        _release(self._waiting)

    async def _run(self) -> None:
        """Follow the log until cancelled; after a failure, log it and start again."""
        import psycopg

        while True:
            listener = None
            try:
                listener = await self._database.listen()
                await self._follow(listener)
            except (psycopg.Error, DBAPIError, OSError) as error:
                log.warning("nothing is kept: the log cannot be followed", error=type(error).__name__)
            finally:
                self._distrust()
                if listener is not None:
                    await listener.close()
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, listener: "Listener") -> None:
        """Look at the log repeatedly, until that fails."""
        self._horizon = await self._database.read(read_horizon)
        self._evict(None)
        self._listener = listener
        while True:
            has_written = await self._look()
            if has_written:
                await listener.notify()
            seconds = POLL_SECONDS if self._has_requests else IDLE_SECONDS
            self._has_requests = False
            await listener.wait(seconds)
            if not self._waiting:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _look(self) -> bool:
        """Evict what has become stale; return whether this process may have caused some of that."""
        started, writes, waiting = time.monotonic(), self._writes, self._waiting
        self._waiting = []
        try:
            horizon, groups = await self._database.read(read_stale_groups, self._horizon)
            if horizon.unsettled is None and self._horizon.unsettled is not None:
                log.warning("little is kept: a transaction that writes has been open for many events")
            self._horizon = horizon
            if groups is None or groups:
                self._evict(groups)
            has_written = bool(groups) and writes != self._covered
            self._covered, self._trusted_until = writes, started + TRUSTED_SECONDS
            return has_written
        finally:
            _release(waiting)


def _release(waiting: list[asyncio.Future[None]]) -> None:
    for looked in waiting:
        if not looked.done():
            looked.set_result(None)
    waiting.clear()


def follow(database: Database, evict: Evict) -> Follower | None:
    """Return the follower of a store's event log."""
    if database.dialect == "postgresql":
        from app.db.postgres import PostgresDatabase

        assert isinstance(database, PostgresDatabase)
        return PostgresFollower(database, evict)
    return SqliteFollower(database, evict) if isinstance(database, SqliteDatabase) else None
