"""What `broadsheet doctor` looks at: each check says what it found, or what is wrong."""

import ipaddress
import os
import secrets
import shutil
import smtplib
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from app import wiring
from app.cli.common import Failure, explain
from app.core.clock import now
from app.core.settings import Settings
from app.db import open_database
from app.db.columns import table_of
from app.db.migrations import read_status
from app.events.log import read_after
from app.events.schemas import START, Position
from app.events.tables import LogCursor
from app.main import create_app
from app.net.smtp import Server
from app.publication.storage import open_storage
from app.search.index import count_index_drift

MINIMUM_POSTGRESQL = 14
LITTLE, SCARCE = 1_000_000_000, 100_000_000  # bytes free on the disk: warned of, refused
SKEW = 5.0  # seconds that clocks may differ
LATE = 60.0  # seconds that a fact may wait for the worker
PATIENCE = 5.0  # seconds that a mail server may take for an answer


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str


class Doubt(Exception):
    """It works, but somebody should know."""


def examine(settings: Settings) -> list[Finding]:
    """Every check; those that need the database are left out when it cannot be reached."""
    found = [_look(name, check, settings) for name, check in LOCAL.items()]
    url = sa.make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return [*found, Finding("database", "warning", f"there is no file {url.database} yet: `serve` makes it")]
    try:
        reads = open_database(settings.database).engines()[0]
        try:
            with reads.connect() as connection:
                found += [_look(name, check, settings, connection) for name, check in STORE.items()]
        finally:
            reads.dispose()
    except Exception as error:
        found.append(Finding("database", "failed", _words(error)))
    return found


def _look(name: str, check: Callable[..., str], *args: object) -> Finding:
    try:
        return Finding(name, "ok", check(*args))
    except Doubt as doubt:
        return Finding(name, "warning", str(doubt))
    except Exception as error:
        return Finding(name, "failed", _words(error))


def _words(error: Exception) -> str:
    return explain(error) or f"{type(error).__name__}: {error}"


def check_settings(settings: Settings) -> str:
    """The app can be made of these settings."""
    for network in settings.trusted_proxies:
        if network != "*":
            ipaddress.ip_network(network, strict=False)
    create_app(settings, with_worker=False)
    return f"{settings.site_name}, {settings.site_url}"


def check_data(settings: Settings) -> str:
    """The data folder can be written and gives back what was written."""
    folder = settings.data_dir.absolute()
    if not folder.is_dir():
        raise Doubt(f"there is no folder {folder} yet: `serve` makes it")
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
    return str(folder)


def check_files(settings: Settings) -> str:
    """Only the user that the server runs as can read what it keeps."""
    url = sa.make_url(settings.database)
    places = [settings.data_dir / "mail", Path(settings.media)]
    if url.get_backend_name() == "sqlite":
        places += [Path(f"{url.database}{end}") for end in ("", "-wal", "-shm")]
    open_ones = [place for place in places if place.exists() and place.stat().st_mode & 0o077]
    if settings.data_dir.is_dir() and not settings.data_dir.stat().st_mode & 0o077:
        open_ones = [place for place in open_ones if settings.data_dir.absolute() not in place.absolute().parents]
    if open_ones:
        names = ", ".join(map(str, open_ones))
        raise Doubt(f"other users of this machine can read {names}: chmod -R go= {settings.data_dir}")
    return "readable for their owner alone"


def check_disk(settings: Settings) -> str:
    """There is room to go on."""
    folder = settings.data_dir.absolute()
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    words = f"{free / 1e9:,.1f} GB free"
    if free < SCARCE:
        raise Failure(f"only {words}")
    if free < LITTLE:
        raise Doubt(f"only {words}")
    return words


def check_clock(settings: Settings) -> str:
    """The publication's time zone is known here, and the file system's clock is that of this process."""
    local = now().astimezone(ZoneInfo(settings.time_zone))
    words = f"{local:%Y-%m-%d %H:%M:%S} in {settings.time_zone}"
    if not settings.data_dir.is_dir():
        return words
    with tempfile.NamedTemporaryFile(dir=settings.data_dir, prefix=".doctor-") as file:
        there = datetime.fromtimestamp(os.stat(file.name).st_mtime, UTC)
    _compare(there, "the data folder's file system")
    return words


def check_media(settings: Settings) -> str:
    """The media store takes a file, gives it back and forgets it."""
    store, key, content = open_storage(settings.media), f"doctor-{secrets.token_hex(8)}", secrets.token_bytes(16)
    store.put(key, content)
    try:
        if store.get(key) != content:
            raise Failure("the media store gave back something else than it was given")
    finally:
        store.delete(key)
    return settings.media.rpartition("@")[2]


def check_mail(settings: Settings) -> str:
    """The mail server answers, over TLS where it offers that, and takes the password."""
    if not settings.smtp_url:
        return f"no server: mails are put into {settings.data_dir / 'mail'}"
    host, port, tls, user, password = Server.from_url(settings.smtp_url)
    context = ssl.create_default_context()
    if tls:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=PATIENCE, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=PATIENCE)
    with server:
        server.ehlo()
        secure = tls or server.has_extn("starttls")
        if secure and not tls:
            server.starttls(context=context)
            server.ehlo()
        if user and secure:
            server.login(user, password)
        code, answer = server.noop()
        if code != 250:
            raise Failure(f"{host} answers {code} {answer.decode(errors='replace')}")
    if user and not secure:
        raise Failure(f"{host} offers no TLS: a password is not sent in clear, and so no mail")
    return f"{host} answers{' over TLS' if secure else ', without TLS'}"


def check_database(_settings: Settings, connection: sa.Connection) -> str:
    """The database is there and new enough."""
    if connection.dialect.name == "sqlite":
        return f"SQLite {connection.exec_driver_sql('SELECT sqlite_version()').scalar_one()}"
    number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    words = f"PostgreSQL {number // 10000}.{number % 10000}"
    if number < MINIMUM_POSTGRESQL * 10000:
        raise Failure(f"{words} is too old: {MINIMUM_POSTGRESQL} or newer is needed")
    return words


def check_migrations(settings: Settings, connection: sa.Connection) -> str:
    """The tables are those of this release."""
    found = read_status(settings.database)
    words = f"{found.standing}: at {found.revision}, this release needs {found.head}"
    if found.standing == "current":
        return f"at {found.revision}"
    if found.standing in {"empty", "behind"} and connection.dialect.name == "sqlite":
        raise Doubt(f"{words}; `serve` migrates by itself")
    if found.standing in {"empty", "behind"}:
        raise Failure(f"{words}; run `broadsheet migrate`")
    raise Failure(words)


def check_database_clock(_settings: Settings, connection: sa.Connection) -> str:
    """The database's clock is that of this process."""
    if connection.dialect.name == "sqlite":
        return "that of this process"
    there = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return f"{_compare(there, 'the database'):.1f} s apart"


def check_worker(settings: Settings, connection: sa.Connection) -> str:
    """Nothing has waited long for the worker."""
    if read_status(settings.database).standing != "current":
        raise Doubt("cannot be told before the database is migrated")
    cursor = table_of(LogCursor)
    rows = connection.execute(sa.select(cursor)).all()
    places = {row.reader: Position(row.xid, row.seq) for row in rows}
    for reader in wiring.readers(settings):
        waiting = read_after(connection, places.get(reader, START), limit=1)
        seconds = (now() - waiting[0].at).total_seconds() if waiting else 0.0
        if seconds > LATE:
            raise Doubt(f"a fact has waited {seconds:,.0f} s for the reader {reader}: does a worker run?")
    return "nothing waits"


def check_search(settings: Settings, connection: sa.Connection) -> str:
    """The index of the search has all public articles, and no others."""
    if read_status(settings.database).standing != "current":
        raise Doubt("cannot be told before the database is migrated")
    lacking, false = count_index_drift(connection)
    if lacking or false:
        raise Doubt(f"{lacking:,} articles are not found, {false:,} should not be; run `broadsheet search rebuild`")
    return "knows all public articles"


def _compare(there: datetime, whose: str) -> float:
    seconds = abs((there - now()).total_seconds())
    if seconds > SKEW:
        raise Failure(f"the clocks of this process and of {whose} are {seconds:,.0f} s apart")
    return seconds


LOCAL: dict[str, Callable[[Settings], str]] = {
    "settings": check_settings,
    "data folder": check_data,
    "files": check_files,
    "disk": check_disk,
    "clock": check_clock,
    "media": check_media,
    "mail": check_mail,
}
STORE: dict[str, Callable[[Settings, sa.Connection], str]] = {
    "database": check_database,
    "migrations": check_migrations,
    "database clock": check_database_clock,
    "worker": check_worker,
    "search": check_search,
}
