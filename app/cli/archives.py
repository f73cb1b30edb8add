"""Backups: a folder with a file of the database and the media, which appears only when it is complete."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import fsspec
import sqlalchemy as sa
from fsspec.implementations.local import LocalFileSystem

from app.cli.common import Failure
from app.db.driver import sqlite

if TYPE_CHECKING:
    from sqlite3 import Connection

DATABASE = "broadsheet.db"
DUMP = "broadsheet.dump"
MEDIA = "media"


@dataclass(frozen=True)
class BackupSummary:
    """The bytes of the database, media files (None: in a remote store), and media files deleted meanwhile."""

    size: int
    media: int | None
    vanished: int


def backup(url: str, media_url: str, target: Path, *, force: bool) -> BackupSummary:
    """Create a backup. The database is copied first, so that the media files that it refers to are copied after it."""
    if not target.parent.is_dir():
        raise Failure(f"There is no folder {target.parent}.")
    if target.exists() and not force:
        raise Failure(f"{target} exists already; --force replaces it.")
    if target.exists() and not _is_backup(target):
        raise Failure(f"{target} is not a backup of Broadsheet.")
    with _created_atomically(target) as draft:
        if _is_sqlite(url):
            _copy_sqlite(sqlite_file(url), draft / DATABASE)
        else:
            _dump_postgresql(url, draft / DUMP)
        size = sum(file.stat().st_size for file in draft.iterdir())
        folder = _folder(media_url)
        if folder is None:
            return BackupSummary(size, None, 0)
        copied, vanished = _copy_files(folder, draft / MEDIA)
        return BackupSummary(size, copied, vanished)


def sqlite_file(url: str) -> Path:
    """Return the file of a SQLite URL."""
    return Path(sa.make_url(url).database or "").absolute()


def has_data(url: str) -> bool:
    """Tell whether a restore would replace a database."""
    if not _is_sqlite(url):
        with _connected(url) as connection:
            return bool(sa.inspect(connection).get_table_names())
    file = sqlite_file(url)
    return file.is_file() and file.stat().st_size > 0


def name_database(url: str) -> str:
    """Name a database for a person: a file, or a URL without its password."""
    return str(sqlite_file(url)) if _is_sqlite(url) else _without_password(url)


def check_backup(url: str, archive: Path) -> Path:
    """Check that a backup is complete and not of a newer release."""
    file = archive / (DATABASE if _is_sqlite(url) else DUMP)
    if not file.is_file():
        raise Failure(f"{archive} does not contain {file.name}.")
    if _is_sqlite(url):
        with closing(_open(file, "mode=ro&immutable=1")) as source:
            _check(source, file)
            _check_revision(_read_revision(source), file)
    else:
        script = _run_tool("pg_restore", url, "--data-only", "--table=alembic_version", "--file=-", str(file))
        rows = script.partition("COPY public.alembic_version")[2].splitlines()[1:2]
        _check_revision(rows[0].strip() if rows else None, file)
    return archive


def restore(archive: Path, url: str, media_url: str) -> int | None:
    """Replace the store; return the number of restored media files, None if they are in a remote store."""
    if _is_sqlite(url):
        return _restore_sqlite(archive, url, media_url)
    _refuse_sessions(url)
    count = _restore_media(archive, media_url)
    options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
    _run_tool("pg_restore", url, *options, _dbname(url), str(archive / DUMP))
    return count


def _restore_sqlite(archive: Path, url: str, media_url: str) -> int | None:
    target = sqlite_file(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite.connect(str(target), timeout=0, isolation_level=None)) as connection:
        _lock_exclusively(connection, target)
        count = _restore_media(archive, media_url)
        with closing(_open(archive / DATABASE, "mode=ro&immutable=1")) as source:
            source.backup(connection)  # one transaction: a crash leaves the old store
    return count


def compact(url: str) -> tuple[int, int]:
    """Rewrite the file of a SQLite store without its unused parts; return its size before and after."""
    if not _is_sqlite(url):
        raise Failure("This is for SQLite. On PostgreSQL, run VACUUM (FULL) while nothing else is connected.")
    file = sqlite_file(url)
    if not file.is_file():
        raise Failure(f"There is no database {file}.")
    before = file.stat().st_size
    with closing(sqlite.connect(str(file), timeout=0, isolation_level=None)) as connection:
        _lock_exclusively(connection, file)
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("VACUUM")
        _check(connection, file)
    return before, file.stat().st_size


def _restore_media(archive: Path, media_url: str) -> int | None:
    folder = _folder(media_url)
    if folder is None:
        return None
    return _copy_files(archive / MEDIA, folder)[0] if (archive / MEDIA).is_dir() else 0


def _is_sqlite(url: str) -> bool:
    return sa.make_url(url).get_backend_name() == "sqlite"


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    from app.db import open_database

    engines = open_database(url).engines()
    try:
        with engines[0].connect() as connection:
            if not _is_sqlite(url):  # a session is listed for a moment after its end: it is no server's
                connection.exec_driver_sql("SET application_name = 'broadsheet restore'")
            yield connection
    finally:
        for engine in engines:
            engine.dispose()


def _refuse_sessions(url: str) -> None:
    """Fail if a server or a worker runs on a PostgreSQL database."""
    sessions = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'broadsheet' AND pid <> pg_backend_pid()"
    )
    with _connected(url) as connection:
        if connection.execute(sessions).scalar_one():
            raise Failure(f"{_without_password(url)} is in use: stop the server and the worker first.")


def _lock_exclusively(connection: "Connection", file: Path) -> None:
    """Lock the database; fail if a server runs, as leaving WAL mode needs every other connection closed."""
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite.OperationalError as error:
        raise Failure(f"{file} is in use ({error}): stop the server and the worker first.") from error


def _open(file: Path, query: str) -> "Connection":
    url = f"file:{quote(str(file.absolute()))}?{query}"
    connection: Connection = sqlite.connect(url, uri=True, isolation_level=None)
    return connection


def _check(connection: "Connection", file: Path) -> None:
    try:
        answer = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite.DatabaseError as error:
        answer = str(error)
    if answer != "ok":
        raise Failure(f"{file} is damaged: {' '.join(answer.split())}.")


def _read_revision(connection: "Connection") -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite.OperationalError:
        return None
    return str(row[0]) if row else None


def _check_revision(revision: str | None, file: Path) -> None:
    from app.db.migrations import list_revisions

    if revision is None:
        raise Failure(f"{file} is not a store of Broadsheet.")
    if revision not in list_revisions():
        raise Failure(f"{file} is at revision {revision}, which is of a newer release.")


def _copy_sqlite(file: Path, target: Path) -> None:
    """Copy with SQLite's online backup, which is consistent and does not block writers."""
    if not file.is_file():
        raise Failure(f"There is no database {file}.")
    with closing(_open(file, "mode=rw")) as source, closing(sqlite.connect(str(target))) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, readable in a read-only folder
        _check(copy, target)
    _sync(target)


def _dump_postgresql(url: str, target: Path) -> None:
    _run_tool("pg_dump", url, "--format=custom", "--no-owner", _dbname(url), f"--file={target}")
    _sync(target)


def _without_password(url: str) -> str:
    parsed = sa.make_url(url)
    return sa.URL.create(
        "postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database, parsed.query
    ).render_as_string()


def _dbname(url: str) -> str:
    return f"--dbname={_without_password(url)}"


def _run_tool(name: str, url: str, *arguments: str) -> str:
    """Run a tool of PostgreSQL; the password is passed in the environment, which other users cannot read."""
    program, password = shutil.which(name), sa.make_url(url).password
    if program is None:
        raise Failure(f"{name} is not installed. Where it is, run: {name} {' '.join(arguments)}")
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    ran = subprocess.run(  # noqa: S603  the arguments are the operator's own settings
        [program, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise Failure(f"{name} failed: {' '.join(ran.stderr.split())}")
    return ran.stdout


def _folder(media_url: str) -> Path | None:
    """Return the folder of the media, None for a remote store."""
    fs, root = fsspec.url_to_fs(media_url)
    return Path(root) if isinstance(fs, LocalFileSystem) else None


def _copy_files(source: Path, target: Path) -> tuple[int, int]:
    """Copy a tree, each file atomically; return the numbers of copied files and of files deleted meanwhile."""
    copied = vanished = 0
    for file in sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith(".")):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.parent / f".{secrets.token_hex(8)}"
        try:
            shutil.copy2(file, draft)
            draft.chmod(0o600)
            _sync(draft)
            draft.replace(place)
            copied += 1
        except FileNotFoundError:
            if file.exists():
                raise
            vanished += 1
        finally:
            draft.unlink(missing_ok=True)
    for folder in [target, *target.rglob("*")]:
        if folder.is_dir():
            _sync(folder)
    return copied, vanished


def _is_backup(folder: Path) -> bool:
    return folder.is_dir() and ((folder / DATABASE).is_file() or (folder / DUMP).is_file() or not any(folder.iterdir()))


@contextmanager
def _created_atomically(target: Path) -> Iterator[Path]:
    """Create a folder under a temporary name, and rename it when it is complete."""
    draft = target.parent / f".{target.name}.{secrets.token_hex(8)}"
    draft.mkdir(mode=0o700)
    try:
        yield draft
        _sync(draft)
        if target.exists():
            old = target.parent / f".{target.name}.{secrets.token_hex(8)}"
            target.rename(old)
            draft.rename(target)
            shutil.rmtree(old)
        else:
            draft.rename(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
