"""The interface of a database, with the only code that commits."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Lock
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import CoreExecuteOptionsParameter
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.db.election import ProcessLock
from app.db.signal import CommitSignal

P = ParamSpec("P")
T = TypeVar("T")
RETRIED_STATES = {"40001", "40P01"}  # serialization failure and deadlock, after which a transaction is retried
UNAVAILABLE_ERRORS = tuple(f"SQLITE_{name}" for name in ("BUSY", "LOCKED", "CANTOPEN", "READONLY", "IOERR", "PROTOCOL"))


class Overloaded(DBAPIError):
    """The database takes no write now: too many wait, it is not open, or its file is not in its place."""

    def __init__(self, why: str) -> None:
        super().__init__(None, None, RuntimeError(why))


class QueueFull(Overloaded):
    """So much work waits that more is refused: the database itself is well."""


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the database cannot be reached or is busy, so that the same work may succeed later."""
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
    """Whether the disk of the database is full."""
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", "")
    return code in {"53100", "SQLITE_FULL"}


def is_damaged(error: DBAPIError) -> bool:
    """Whether the database has found damage in its own files, which only a backup or an operator mends."""
    code = str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", ""))
    return code in {"XX001", "XX002"} or code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def is_read_only(error: DBAPIError) -> bool:
    """Whether the database can be read, but takes no writes now."""
    code = str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", ""))
    return code == "25006" or code.startswith("SQLITE_READONLY")


@dataclass
class ReplicaUse:
    """How a request uses replicas: one that has replayed `lsn` of the primary's log answers all of its reads.

    Another one might lack what the first has shown. When it fails, the primary answers from then on.
    """

    lsn: int
    number: int | None = None  # which replica; None before the first read
    is_over: bool = False


class ReplicaChoice(NamedTuple):
    """A replica to read from, and how much of the primary's log it must have replayed to answer."""

    number: int
    lsn: int


_replica_use: ContextVar[ReplicaUse | None] = ContextVar("replica_use", default=None)
_required_lsn: ContextVar[int] = ContextVar("required_lsn", default=0)


def allow_replica() -> None:
    """Let the reads of this request be answered by a replica, which may not have the latest writes yet."""
    _replica_use.set(ReplicaUse(_required_lsn.get()))


def require_primary() -> None:
    """Let the reads of this request see every write that was acknowledged, as those of all other work do."""
    if use := _replica_use.get():
        use.is_over = True  # in all tasks of this request


def allowed_replica_use() -> ReplicaUse | None:
    """Return how this request uses replicas; None where only the primary may answer."""
    use = _replica_use.get()
    return None if use is None or use.is_over else use


@contextmanager
def require_lsn(lsn: int) -> Iterator[None]:
    """Within the context, let no replica answer that has not replayed the primary's log up to a position."""
    token = _required_lsn.set(lsn)
    try:
        yield
    finally:
        _required_lsn.reset(token)


class _SwitchInterval:
    """Python's switch interval: 0.2 ms instead of 5 ms while a long query, or a write among reads, runs in a thread.

    The event loop takes the interpreter lock several times in a request of half a millisecond, and would wait each
    time; a write takes it for each of its statements, and would wait for the event loop. At other times the short
    interval would cost 10 %, where many short pieces of work compete.
    """

    seconds = 0.0002

    def __init__(self) -> None:
        self._lock, self._running, self._before = Lock(), 0, 0.0

    @contextmanager
    def shorten(self) -> Iterator[None]:
        """Shorten the switch interval within the context."""
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


class WriteSession(Session):
    """A session in a transaction that its caller commits or rolls back.

    It knows its connection: SQLAlchemy's look-up would take a tenth of the time of a statement, at each.
    """

    def __init__(self, connection: sa.Connection) -> None:
        super().__init__(connection, join_transaction_mode="rollback_only", expire_on_commit=False)
        self._own_connection = connection

    def connection(
        self,
        bind_arguments: dict[str, object] | None = None,
        execution_options: CoreExecuteOptionsParameter | None = None,
    ) -> sa.Connection:
        """Return the connection; in a nested transaction, after its savepoint was set."""
        if self.in_nested_transaction():
            return super().connection(bind_arguments, execution_options)
        return self._own_connection

    def reset(self, *, must_close: bool = False) -> None:
        """Forget what flushed work has left, or any with `must_close`, before other work in the same transaction."""
        self.info.clear()
        if must_close or len(self.identity_map) or self.in_nested_transaction():
            self.close()

    def close(self) -> None:
        """Close the session, if anything has used more of it than its connection: that begins its transaction."""
        if self.in_transaction():
            super().close()

    def rollback(self) -> None:
        """Roll back the caller's transaction, of whose statements the session may know none."""
        super().rollback()
        if (transaction := self._own_connection.get_transaction()) is not None and transaction.is_active:
            transaction.rollback()


@contextmanager
def begin_transaction(connection: sa.Connection) -> Iterator[WriteSession]:
    """Open a transaction on a connection: committed at the end, rolled back on an exception."""
    with connection.begin(), WriteSession(connection) as session:
        yield session
        session.flush()


class Database(ABC):
    """A database. `read` and `write` are for the event loop, `connect` and `transaction` for commands and threads."""

    dialect: str
    batch_pause = 0.0  # seconds between two transactions of long work
    on_progress: Callable[[], object] | None = None
    """A function that is called often while a query runs; to be set before the first connection is opened."""

    def __init__(self) -> None:
        self.commits = CommitSignal(self._watch_commits)

    @abstractmethod
    async def _watch_commits(self, notify: Callable[[], None]) -> None:
        """Call a function after commits of other processes, until cancelled."""

    @abstractmethod
    async def read(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an indexed query."""

    @abstractmethod
    async def scan(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query that may take longer than about 2 ms, outside the event loop."""

    async def scan_fresh(
        self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query as `scan` does, but never on a replica, which may lack what was just committed."""
        return await self.scan(query, *args, **kwargs)

    @abstractmethod
    async def write(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an action in a transaction; return after the commit.

        The action may be run again, so it must have no effect outside the session. It is carried out even if the
        caller is cancelled.
        """

    async def write_aside(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an action as `write` does, for work that nobody waits for: it holds up the writes of callers less."""

        def run(session: Session) -> T:
            with switch_interval.shorten():
                return action(session, *args, **kwargs)

        return await self.write(run)

    @abstractmethod
    def engines(self) -> tuple[sa.Engine, sa.Engine]:
        """Return the engines for reading (autocommit) and for writing."""

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a connection for reading, in commands and threads."""
        with self.engines()[0].connect() as connection:
            yield connection

    def choose_replica(self) -> ReplicaChoice | None:
        """Choose the replica for reads of this request: one is there, keeps up, and the request allows it."""
        return None

    def run_query(self, query: Callable[[sa.Connection], T]) -> T:
        """Run a query in the calling thread."""
        with self.connect() as connection:
            return query(connection)

    def run_on_replica(self, choice: ReplicaChoice, query: Callable[[sa.Connection], T]) -> T:
        """Run a query in the calling thread, on a replica if it can answer."""
        raise NotImplementedError(f"replica {choice.number} of a database that has none")

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[sa.Connection]:
        """Open a connection whose reads all see the database as it was at the first."""

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction of a command or thread: committed at the end, rolled back on an exception."""
        with self.engines()[1].connect() as connection, begin_transaction(connection) as session:
            yield session

    @contextmanager
    def batch_transaction(self) -> Iterator[Session]:
        """Open one of many transactions of a command; after each, other writers get their turn."""
        with self.transaction() as session:
            yield session
        time.sleep(self.batch_pause)

    def ensure_in_place(self) -> None:
        """Raise Overloaded if what this process has open is not what the database's URL leads to any more."""
        return

    @abstractmethod
    async def take_lock(self, name: str) -> ProcessLock | None:
        """Take a lock that one process on the store holds; None: another one does. OSError if none can be had."""

    async def start(self) -> None:
        """Open the connections that stay open."""
        return

    async def stop(self) -> None:
        """Finish accepted work, then close all connections."""
        for engine in self.engines():
            engine.dispose()
