"""SQLite: reads on the event loop over one kept connection, writes through one thread with group commit."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate

import pydantic_core
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session

from app.core.files import make_folder
from app.db.base import Database, Overloaded, P, T, switch_interval
from app.db.driver import sqlite

MINIMUM_SQLITE = (3, 51, 3)  # every older release can lose commits in WAL mode
MAX_BATCH = 256
MAX_WAITING_WRITES = 20_000
BUSY_SECONDS = 10.0  # seconds to wait for another process
PRAGMAS = (f"busy_timeout={BUSY_SECONDS * 1000:.0f}", "synchronous=FULL", "foreign_keys=ON", "cache_size=-32000")
WAL_ATTEMPTS = 100
PROGRESS_STEPS = 100  # of SQLite's machine between two pauses: some hundredths of a millisecond
log = structlog.get_logger("broadsheet.db")


class _Write:
    """A write that waits for the writer thread, and the caller that waits for it."""

    def __init__(self, work: Callable[[Session], Any]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()


_Outcome = tuple[Any, BaseException | None]


def _resolve_futures(settled: list[tuple[_Write, _Outcome]]) -> None:
    for piece, (result, error) in settled:
        if piece.future.done():  # the caller has gone away
            continue
        if error is not None:
            piece.future.set_exception(error)
        else:
            piece.future.set_result(result)


def _answer_callers(pieces: list[_Write], outcomes: list[_Outcome]) -> None:
    """Answer from the writer thread: a loop is woken once for all that wait in it."""
    waiting: dict[asyncio.AbstractEventLoop, list[tuple[_Write, _Outcome]]] = {}
    for piece, outcome in zip(pieces, outcomes, strict=True):
        waiting.setdefault(piece.loop, []).append((piece, outcome))
    for loop, settled in waiting.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_resolve_futures, settled)


class _TransactionLost(Exception):
    """SQLite has rolled back the whole transaction by itself, neighbours included."""


def _raw(connection: sa.Connection) -> Any:
    return connection.connection.dbapi_connection


def _run_write(connection: sa.Connection, piece: _Write) -> _Outcome:
    """Run one piece in a savepoint of its own."""
    cause: Exception | None = None
    try:
        with _write_savepoint(connection) as session:
            try:
                result = piece.work(session)
                session.flush()
            except Exception as error:
                cause = error  # where the savepoint is gone, leaving it fails too and would hide this
                raise
        return result, None
    except Exception as error:
        if not _raw(connection).in_transaction:
            raise _TransactionLost from cause or error
        return None, cause or error


@contextmanager
def _write_savepoint(connection: sa.Connection) -> Iterator[Session]:
    """The same as `savepoint` at a fraction of its cost: one name for all, and nothing to compile."""
    raw = _raw(connection)
    raw.execute("SAVEPOINT piece")
    try:
        with Session(connection, join_transaction_mode="rollback_only", expire_on_commit=False) as session:
            yield session
    except BaseException:
        raw.execute("ROLLBACK TO piece")
        raise
    finally:
        connection.exec_driver_sql("RELEASE piece")


def _commit_together(connection: sa.Connection, pieces: list[_Write]) -> None:
    """Group commit: everything that waits in one transaction, one sync of the disk for all of it."""
    outcomes: list[_Outcome] = []
    try:
        with connection.begin():
            for piece in pieces:
                outcomes.append(_run_write(connection, piece))
    except BaseException as error:
        if _raw(connection).in_transaction:
            _raw(connection).rollback()  # SQLAlchemy leaves it open when COMMIT fails: no later BEGIN would work
        if len(pieces) > 1 and isinstance(error, _TransactionLost | IntegrityError):
            for piece in pieces:  # one of them spoilt it, nothing was committed: each gets a transaction of its own
                _commit_together(connection, [piece])
            return
        cause = error.__cause__ if isinstance(error, _TransactionLost) else error
        outcomes = [(None, cause)] * len(pieces)
    _answer_callers(pieces, outcomes)


class SqliteDatabase(Database):
    """One file, or several processes on one file."""

    dialect = "sqlite"
    batch_pause = 0.012  # longer than any wait between two tries to begin, see `_prepare_writes`

    def __init__(self, url: str) -> None:
        if sqlite.sqlite_version_info < MINIMUM_SQLITE:
            raise RuntimeError(f"SQLite {sqlite.sqlite_version} can lose commits; {MINIMUM_SQLITE} or newer is needed")
        path = sa.make_url(url).database
        if not path or path == ":memory:":
            raise RuntimeError("a SQLite database needs a file")
        options: dict[str, Any] = {
            "module": sqlite,
            "connect_args": {"check_same_thread": False},
            "json_deserializer": pydantic_core.from_json,  # a third of the time that the json module takes
            "hide_parameters": True,  # errors get into logs, what was being written does not
        }
        self._reads = sa.create_engine(url, isolation_level="AUTOCOMMIT", **options)
        self._writes = sa.create_engine(url, **options)
        self._folder = Path(path).parent
        for engine in (self._reads, self._writes):
            sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(self._reads, "connect", self._install_progress_handler)
        sa.event.listen(self._writes, "connect", _prepare_writes)
        sa.event.listen(self._writes, "begin", _begin_immediate)
        self._queue: queue.Queue[_Write | None] = queue.Queue(MAX_WAITING_WRITES)
        self._threads = ThreadPoolExecutor(4, "read")
        self._writer: threading.Thread | None = None
        self._read_connection: sa.Connection | None = None

    def engines(self) -> tuple[sa.Engine, sa.Engine]:
        make_folder(self._folder)  # not before: a store that is only built leaves nothing behind
        return self._reads, self._writes

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        with self.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    def _install_progress_handler(self, connection: Any, _record: object) -> None:
        if on_progress := self.on_progress:
            connection.set_progress_handler(lambda: bool(on_progress()), PROGRESS_STEPS)  # True would end the query

    async def start(self) -> None:
        make_folder(self._folder)
        self._read_connection = self._reads.connect()
        try:  # statistics for the planner: only where they are missing or old, on a sample, in a few milliseconds
            self._read_connection.exec_driver_sql("PRAGMA optimize=0x10002")
        except OperationalError as error:
            log.warning("statistics are left for the next start", error=str(error.orig))
        self._writer = threading.Thread(target=self._write_loop, name="writer", daemon=True)
        self._writer.start()

    async def stop(self) -> None:
        if writer := self._writer:
            self._writer = None
            await asyncio.to_thread(self._queue.put, None)
            await asyncio.to_thread(writer.join)
        self._threads.shutdown()
        if self._read_connection:
            self._read_connection.close()
        await super().stop()

    def _write_loop(self) -> None:
        with self._writes.connect() as connection:
            while (first := self._queue.get()) is not None:
                pieces, last = [first], False
                while len(pieces) < MAX_BATCH and not self._queue.empty():
                    piece = self._queue.get()
                    if piece is None:
                        last = True
                        break
                    pieces.append(piece)
                _commit_together(connection, pieces)
                if last:
                    return

    async def read(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        assert self._read_connection is not None, "start() was not awaited"
        return query(self._read_connection, *args, **kwargs)

    async def scan(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            with switch_interval.shorten():
                return self.run_query(lambda connection: query(connection, *args, **kwargs))

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def write(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._writer is None:
            raise Overloaded("the store is not open")
        piece = _Write(lambda session: action(session, *args, **kwargs))
        try:
            self._queue.put_nowait(piece)
        except queue.Full:
            raise Overloaded("too many writes wait") from None
        result: T = await piece.future
        return result


def _use_wal(connection: Any) -> None:
    """Write ahead. Where two open a new file at once, SQLite does not wait for the other by itself."""
    for left in reversed(range(WAL_ATTEMPTS)):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite.OperationalError as error:
            if not left or "locked" not in str(error):
                raise
            time.sleep(0.05)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours: the driver's own would be deferred
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    _use_wal(connection)


def _prepare_writes(connection: Any, _record: object) -> None:
    """Try for 20 ms at a time: later tries of SQLite's are 0.1 s apart, and miss what lies between two transactions."""
    connection.execute("PRAGMA busy_timeout=20")


def _begin_immediate(connection: sa.Connection) -> None:
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if not getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
        else:
            return
