"""SQLite: reads on the event loop over one open connection, writes through one thread with group commit."""

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, Literal, cast

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlmodel import Session

from app.core.files import make_folder
from app.core.logs import get_logger
from app.db.base import Database, Overloaded, P, QueueFull, T, WriteSession, switch_interval
from app.db.commits import CommitWatch
from app.db.driver import Connection, sqlite
from app.db.election import FileLock, ProcessLock

MINIMUM_SQLITE = (3, 51, 3)  # older releases can lose commits in WAL mode
MAX_BATCH = 256
MAX_LONE_WRITES = 4  # in a batch that is not to wait for the event loop, which is rather busy with reads
MAX_WAITING_WRITES = 20_000
BUSY_SECONDS = 10.0  # for a write to begin, in the queue and for another process; for a read, for another process
CHECKPOINT_PAGES = 4000  # of the WAL; a batch of 64 comments writes 1000, and would wait for two more syncs at each
CACHE_KILOBYTES = 2000  # of pages that each of some ten connections of a process keeps; the kernel keeps the others
WRITER_CACHE_KILOBYTES = 8000  # of the connection that writes: with less, a comment reads 50 pages anew, with this 18
PRAGMAS = (
    f"busy_timeout={BUSY_SECONDS * 1000:.0f}",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",  # overwrites: words that a person has erased must not stay in the file, nor in its next backups
    f"cache_size=-{CACHE_KILOBYTES}",
    f"wal_autocheckpoint={CHECKPOINT_PAGES}",
)
WAL_ATTEMPTS = 100
LOOK_SECONDS = 0.2  # between two looks, without SQL, whether another process has committed
PROGRESS_STEPS = 100  # instructions of SQLite's virtual machine between two calls: some hundredths of a millisecond
_DEADLINE = "deadline"
"""Key in a connection's `info`: the monotonic time until which its next transaction waits for another process."""
log = get_logger("broadsheet.db")


class _Write:
    """A write in the queue of the writer thread, with the future of its caller."""

    def __init__(self, work: Callable[[Session], object], *, is_aside: bool = False) -> None:
        self.work, self.is_aside = work, is_aside
        self.deadline = time.monotonic() + BUSY_SECONDS  # for it to begin
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[object] = self.loop.create_future()


_Outcome = tuple[object, BaseException | None]


def _resolve_futures(settled: list[tuple[_Write, _Outcome]]) -> None:
    for piece, (result, error) in settled:
        if piece.future.done():  # the caller has gone away
            continue
        if error is not None:
            piece.future.set_exception(error)
        else:
            piece.future.set_result(result)


def _answer_callers(pieces: list[_Write], outcomes: list[_Outcome]) -> None:
    """Resolve the futures of a batch from the writer thread, waking each event loop once."""
    waiting: dict[asyncio.AbstractEventLoop, list[tuple[_Write, _Outcome]]] = {}
    for piece, outcome in zip(pieces, outcomes, strict=True):
        waiting.setdefault(piece.loop, []).append((piece, outcome))
    for loop, settled in waiting.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_resolve_futures, settled)


class _TransactionLost(Exception):
    """SQLite has rolled back the whole transaction by itself, with the other writes of the batch."""


class _HalfDone(Exception):
    """A write without a savepoint of its own has failed after it had changed something."""


def _raw(connection: sa.Connection) -> Connection:
    return cast(Connection, connection.connection.dbapi_connection)


def _release_pages(connection: sa.Connection) -> None:
    """Free the pages that a rare, long read has left in the cache of a thread's connection; the kernel keeps them.

    Four threads would hold 8 MB until the end of the process. It is not a statement of the read: nothing listens.
    """
    if not connection.invalidated:
        _raw(connection).execute("PRAGMA shrink_memory")


def _run_write(session: WriteSession, raw: Connection, piece: _Write, *, apart: bool) -> _Outcome:
    """Run one write, with `apart` in a savepoint of its own; it leaves nothing in the session of the batch.

    Raise _HalfDone if it would leave changes of a write that failed in the transaction.
    """
    if apart:
        raw.execute("SAVEPOINT piece")
    changes = raw.total_changes
    try:
        result = piece.work(session)
        session.flush()
        session.reset()
        if not raw.in_transaction:
            raise OperationalError(None, None, RuntimeError("the write has ended its transaction"))
        if apart:
            raw.execute("RELEASE piece")
    except Exception as error:
        session.reset(must_close=True)
        if not raw.in_transaction:  # with its savepoint, if it had one
            raise _TransactionLost from error
        if apart:
            raw.execute("ROLLBACK TO piece")
            raw.execute("RELEASE piece")
        elif raw.total_changes != changes:
            raise _HalfDone from error
        return None, error
    return result, None


def _commit_together(connection: sa.Connection, pieces: list[_Write], *, apart: bool = False) -> None:
    """Commit the waiting writes in one transaction, with one sync of the disk.

    Most writes succeed, or fail before they change anything. So they get no savepoints at first: at the end of each
    SQLite would write the new words of its full-text index to a segment of their own. When one has failed later than
    that, the transaction is repeated with savepoints (`apart`).
    """
    outcomes: list[_Outcome] = []
    connection.info[_DEADLINE] = min(piece.deadline for piece in pieces)
    try:
        with connection.begin(), WriteSession(connection) as session:
            for piece in pieces:
                outcomes.append(_run_write(session, _raw(connection), piece, apart=apart))
    except BaseException as error:
        if _raw(connection).in_transaction:
            _raw(connection).rollback()  # SQLAlchemy leaves it open when COMMIT fails: the next BEGIN would fail
        if len(pieces) > 1 and isinstance(error, _HalfDone):
            _commit_together(connection, pieces, apart=True)
            return
        if len(pieces) > 1 and isinstance(error, _TransactionLost | IntegrityError):
            for piece in pieces:  # nothing was committed because of one of them: each gets a transaction of its own
                _commit_together(connection, [piece])
            return
        if late := _find_late(pieces, error):
            _answer_callers(late, [(None, error)] * len(late))
            if others := [piece for piece in pieces if piece not in late]:
                _commit_together(connection, others, apart=apart)
            return
        cause = error.__cause__ if isinstance(error, _TransactionLost | _HalfDone) else error
        outcomes = [(None, cause)] * len(pieces)
    _answer_callers(pieces, outcomes)


def _find_late(pieces: list[_Write], error: BaseException) -> list[_Write]:
    """Return the writes that another process has kept from beginning until their deadlines."""
    if not isinstance(error, OperationalError) or not _is_busy(error):
        return []
    clock = time.monotonic()
    return [piece for piece in pieces if piece.deadline <= clock]


def _commit_in_order(connection: sa.Connection, pieces: list[_Write]) -> None:
    """Commit the waiting writes that callers wait for together, then each of the others alone."""
    if first := [piece for piece in pieces if not piece.is_aside]:
        with switch_interval.shorten() if len(first) <= MAX_LONE_WRITES else contextlib.nullcontext():
            _commit_together(connection, first)
    for piece in pieces:
        if piece.is_aside:
            with switch_interval.shorten():
                _commit_together(connection, [piece])


class SqliteDatabase(Database):
    """A SQLite file, which several processes may use."""

    dialect = "sqlite"
    batch_pause = 0.012  # longer than SQLite waits between two attempts to begin, see `_prepare_writes`

    def __init__(self, url: str) -> None:
        super().__init__()
        if sqlite.sqlite_version_info < MINIMUM_SQLITE:
            raise RuntimeError(f"SQLite {sqlite.sqlite_version} can lose commits; {MINIMUM_SQLITE} or newer is needed")
        path = sa.make_url(url).database
        if not path or path == ":memory:":
            raise RuntimeError("a SQLite database needs a file")
        self._reads = _create_engine(url, "AUTOCOMMIT", self.ensure_in_place)
        self._writes = _create_engine(url, None, self.ensure_in_place)
        self._path, self._folder = Path(path), Path(path).parent
        sa.event.listen(self._reads, "connect", self._install_progress_handler)
        sa.event.listen(self._writes, "connect", _prepare_writes)
        sa.event.listen(self._writes, "begin", _begin_immediate)
        self._queue: queue.Queue[_Write | None] = queue.Queue(MAX_WAITING_WRITES)
        self._threads = ThreadPoolExecutor(4, "read")
        self._writer: threading.Thread | None = None
        self._read_connection: sa.Connection | None = None
        self._identity: tuple[int, int] | None = None  # of the file that is open, from `start` on

    def engines(self) -> tuple[sa.Engine, sa.Engine]:
        make_folder(self._folder)  # not earlier: a database that is never used leaves nothing behind
        return self._reads, self._writes

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        with self.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    def ensure_in_place(self) -> None:
        if self._identity is not None and self._identify_file() != self._identity:
            raise Overloaded("the file of the database was moved or replaced")

    def _identify_file(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    async def take_lock(self, name: str) -> ProcessLock | None:
        return FileLock.take(self._folder / f"{self._path.name}-{name}")

    def watch_commits(self, connection: sa.Connection) -> CommitWatch:
        """Return what tells of commits; `connection` must stay open for as long as it is used."""
        return CommitWatch(_raw(connection), f"{self._path.resolve()}-shm")

    async def _watch_commits(self, notify: Callable[[], None]) -> None:
        assert self._read_connection is not None, "start() was not awaited"
        watch = self.watch_commits(self._read_connection)
        seen = watch.read()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (state := watch.read()) != seen:
                seen = state
                notify()

    def _install_progress_handler(self, connection: Connection, _record: object) -> None:
        if on_progress := self.on_progress:
            connection.set_progress_handler(
                lambda: bool(on_progress()), PROGRESS_STEPS
            )  # True would interrupt the query

    async def start(self) -> None:
        make_folder(self._folder)
        self._read_connection = self._reads.connect()
        try:
            _update_statistics(self._read_connection)
        except DatabaseError as error:
            log.warning("planner statistics were not updated", error=str(error.orig))
        self._identity = self._identify_file()
        self._writer = threading.Thread(target=self._write_loop, name="writer", daemon=True)
        self._writer.start()

    async def stop(self) -> None:
        if writer := self._writer:
            self._writer = None
            await asyncio.to_thread(self._queue.put, None)
            await asyncio.to_thread(writer.join)
        self._threads.shutdown()
        self._identity = None
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
                self._commit_in_place(connection, pieces)
                if last:
                    return

    def _commit_in_place(self, connection: sa.Connection, pieces: list[_Write]) -> None:
        """Commit the waiting writes, unless the file has left its place: what it is given there would be lost."""
        try:
            self.ensure_in_place()
        except Overloaded as error:
            log.error("writes are refused", error=str(error.orig), path=str(self._path))
            _answer_callers(pieces, [(None, error)] * len(pieces))
            return
        _commit_in_order(connection, pieces)

    async def read(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        assert self._read_connection is not None, "start() was not awaited"
        return query(self._read_connection, *args, **kwargs)

    async def scan(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            with switch_interval.shorten(), self.connect() as connection:
                try:
                    return query(connection, *args, **kwargs)
                finally:
                    _release_pages(connection)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def write(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._enqueue(_Write(lambda session: action(session, *args, **kwargs)))

    async def write_aside(self, action: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._enqueue(_Write(lambda session: action(session, *args, **kwargs), is_aside=True))

    async def _enqueue(self, piece: _Write) -> T:
        if self._writer is None:
            raise Overloaded("the database is not open")
        try:
            self._queue.put_nowait(piece)
        except queue.Full:
            raise QueueFull("too many writes wait") from None
        result = cast(T, await piece.future)
        self.commits.send()
        return result


class _StatementCompiler(SQLiteCompiler):
    """Writes limits as sums: SQLite compiles a statement anew at each run where a limit is a parameter alone.

    It takes the value of such a parameter into its plans, and so it has to plan again for each.
    """

    def limit_clause(self, select: sa.GenerativeSelect, **options: object) -> str:
        limit, offset = select._limit_clause, select._offset_clause
        text = f"\n LIMIT {'-1' if limit is None else f'{self.process(limit, **options)} + 0'}"
        return text if offset is None else f"{text} OFFSET {self.process(offset, **options)}"


def _dump_json(value: object) -> str:
    """Return a value as JSON, in a fifth of the time of the json module."""
    return pydantic_core.to_json(value).decode()


def _create_engine(
    url: str, isolation_level: Literal["AUTOCOMMIT"] | None, ensure_in_place: Callable[[], None]
) -> sa.Engine:
    def connect() -> Connection:
        ensure_in_place()  # SQLite would create a file that is missing
        arguments, options = engine.dialect.create_connect_args(engine.url)
        connection: Connection = sqlite.connect(*arguments, **{**options, "check_same_thread": False})
        return connection

    engine = sa.create_engine(
        url,
        module=sqlite,
        isolation_level=isolation_level,
        creator=connect,
        json_serializer=_dump_json,
        json_deserializer=pydantic_core.from_json,  # takes a third of the time of the json module
        hide_parameters=True,  # errors are logged, and parameters are private
    )
    engine.dialect.statement_compiler = _StatementCompiler
    sa.event.listen(engine, "connect", _prepare_connection)
    return engine


def _use_wal(connection: Connection) -> None:
    """Switch to WAL mode; SQLite itself does not wait if another process opens a new file at the same moment."""
    for left in reversed(range(WAL_ATTEMPTS)):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite.OperationalError as error:
            if not left or "locked" not in str(error):
                raise
            time.sleep(0.05)


def _prepare_connection(connection: Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin deferred transactions
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    _use_wal(connection)


def _prepare_writes(connection: Connection, _record: object) -> None:
    """Wait 20 ms at a time: SQLite's later attempts are 0.1 s apart and miss the gaps between transactions."""
    connection.execute("PRAGMA busy_timeout=20")
    connection.execute(f"PRAGMA cache_size=-{WRITER_CACHE_KILOBYTES}")


def _update_statistics(connection: sa.Connection) -> None:
    """Update missing or old statistics of the planner from a part of each index, in a few milliseconds.

    Those from whole indexes have samples of keys: words of articles and addresses of people, which nothing would
    erase. With them, SQLite also compiles a statement anew for each set of parameters.
    """
    connection.exec_driver_sql("PRAGMA optimize=0x10012")
    has_samples = sa.inspect(connection).has_table("sqlite_stat4")
    if has_samples and connection.exec_driver_sql("SELECT 1 FROM sqlite_stat4 LIMIT 1").first() is not None:
        connection.exec_driver_sql("DELETE FROM sqlite_stat4")


def _is_busy(error: OperationalError) -> bool:
    return str(getattr(error.orig, "sqlite_errorname", "")).startswith("SQLITE_BUSY")


def _begin_immediate(connection: sa.Connection) -> None:
    until = connection.info.pop(_DEADLINE, time.monotonic() + BUSY_SECONDS)
    with contextlib.suppress(sqlite.OperationalError):  # nearly always it can begin; below that takes ten times as long
        _raw(connection).execute("BEGIN IMMEDIATE")
        return
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if not _is_busy(error) or time.monotonic() > until:
                raise
        else:
            return
