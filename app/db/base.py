"""One store, as rooms see it, and the only place where anything is committed."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

P = ParamSpec("P")
T = TypeVar("T")
RETRIED_STATES = {"40001", "40P01"}  # serialization failure, deadlock: PostgreSQL asks for a new try
UNAVAILABLE_ERRORS = tuple(f"SQLITE_{name}" for name in ("BUSY", "LOCKED", "CANTOPEN", "READONLY", "IOERR", "PROTOCOL"))


class Overloaded(DBAPIError):
    """No write is taken now: more wait than could be answered in time, or the store is not open."""

    def __init__(self, why: str) -> None:
        super().__init__(None, None, RuntimeError(why))


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the database is away or busy, so that the same work may succeed later."""
    if error.connection_invalidated or isinstance(error, Overloaded):
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state)[:2] in {"08", "53", "57"} or state in RETRIED_STATES | {"55P03", "25006"}
    name = getattr(error.orig, "sqlite_errorname", "")
    if name:
        return str(name).startswith(UNAVAILABLE_ERRORS)
    return isinstance(error, sa.exc.OperationalError)


def is_full(error: DBAPIError) -> bool:
    """Whether the disk under the database is full."""
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", "")
    return code in {"53100", "SQLITE_FULL"}


class _SwitchInterval:
    """While anything long runs in a thread, threads take turns of 0.2 ms instead of Python's 5.

    The event loop needs the interpreter several times in a request of half a millisecond, and would wait each time.
    Only meanwhile: where many short pieces of work compete, short turns cost a tenth.
    """

    seconds = 0.0002

    def __init__(self) -> None:
        self._lock, self._running, self._before = Lock(), 0, 0.0

    @contextmanager
    def shorten(self) -> Iterator[None]:
        """Shorten the switch interval while the context lasts."""
        with self._lock:
            if not self._running:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(self.seconds)
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    sys.setswitchinterval(self._before)


switch_interval = _SwitchInterval()


@contextmanager
def savepoint(connection: sa.Connection) -> Iterator[Session]:
    """A session in a savepoint of its own: released at the end, rolled back alone on an exception."""
    with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
        yield session
        session.commit()


class Database(ABC):
    """One store. `read` and `write` are for the event loop, `connect` and `transaction` for everything else."""

    dialect: str
    batch_pause = 0.0  # seconds between two pieces of work of one command
    on_progress: Callable[[], object] | None = None
    """What is called again and again while a query runs in this process: set before the first connection is opened."""

    @abstractmethod
    async def read(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an indexed query."""

    @abstractmethod
    async def scan(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query that may take longer than about 2 ms: never on the event loop."""

    async def scan_fresh(
        self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`scan` what was committed a moment ago: never on a replica that may not have it yet."""
        return await self.scan(query, *args, **kwargs)

    @abstractmethod
    async def write(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an action whole or not at all; returns after the commit. The action may be run again, so it must
        have no effect outside the session. Once called it is carried out even if the caller is cancelled."""

    @abstractmethod
    def engines(self) -> tuple[sa.Engine, sa.Engine]:
        """The engines for reading (autocommit) and for writing."""

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection to read on, for commands and threads."""
        with self.engines()[0].connect() as connection:
            yield connection

    def run_query(self, query: Callable[[sa.Connection], T]) -> T:
        """Run a query in the calling thread."""
        with self.connect() as connection:
            return query(connection)

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[sa.Connection]:
        """A connection that sees the store as it is when it first reads, however long it reads on."""

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction of a command or thread: committed at its end, rolled back on an exception."""
        with self.engines()[1].connect() as connection, connection.begin(), savepoint(connection) as session:
            yield session

    @contextmanager
    def batch_transaction(self) -> Iterator[Session]:
        """One transaction of many that a command makes: before it goes on, others who wait can write."""
        with self.transaction() as session:
            yield session
        time.sleep(self.batch_pause)

    async def start(self) -> None:
        """Open what is kept open."""
        return

    async def stop(self) -> None:
        """Finish the work that was accepted, then close."""
        for engine in self.engines():
            engine.dispose()
