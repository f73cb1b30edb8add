"""The checks of `broadsheet doctor`; each returns its finding or raises an error."""

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
from app.net.smtp import MAIL_FOLDER, Server
from app.people.named_in_settings import SECOND_FACTOR, find_unknown_names
from app.publication.storage import open_storage
from app.search.indexing import count_index_drift

MINIMUM_POSTGRESQL = 14
WARN_FREE_BYTES, MIN_FREE_BYTES = 1_000_000_000, 100_000_000  # on the disk
MAX_CLOCK_SKEW = 5.0  # seconds
MAX_EVENT_AGE = 60.0  # seconds that an event may wait for the worker
MAX_REPLAY_LAG = 60.0  # seconds that a standby may be behind
SMTP_TIMEOUT = REDIS_TIMEOUT = 5.0  # seconds
MAX_REPORTS = 3  # of damage


@dataclass(frozen=True)
class Finding:
    """The result of a check."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str


class CheckWarning(Exception):
    """A check found something that works but needs attention."""


def run_checks(settings: Settings) -> list[Finding]:
    """Run all checks; those of the database are left out if it cannot be reached."""
    findings = [_run_check(name, check, settings) for name, check in LOCAL.items()]
    url = sa.make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return [*findings, Finding("database", "warning", f"{url.database} does not exist yet; `serve` creates it")]
    try:
        reads = open_database(settings.database, direct_url=settings.direct_database_url).engines()[0]
        try:
            with reads.connect() as connection:
                findings += [_run_check(name, check, settings, connection) for name, check in STORE.items()]
        finally:
            reads.dispose()
    except Exception as error:
        findings.append(Finding("database", "failed", _describe_error(error)))
    return findings


def _run_check(name: str, check: Callable[..., str], *args: object) -> Finding:
    try:
        return Finding(name, "ok", check(*args))
    except CheckWarning as warning:
        return Finding(name, "warning", str(warning))
    except Exception as error:
        return Finding(name, "failed", _describe_error(error))


def _describe_error(error: Exception) -> str:
    return explain(error) or f"{type(error).__name__}: {error}"


def check_settings(settings: Settings) -> str:
    """Check that the app can be created with these settings."""
    for network in settings.trusted_proxies:
        if network != "*":
            ipaddress.ip_network(network, strict=False)
    create_app(settings, with_worker=False)
    return f"{settings.site_name}, {settings.site_url}"


def check_data(settings: Settings) -> str:
    """Check that the data folder can be written."""
    folder = settings.data_dir.absolute()
    if not folder.is_dir():
        raise CheckWarning(f"{folder} does not exist yet; `serve` creates it")
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
    return str(folder)


def check_files(settings: Settings) -> str:
    """Check that only the user of the server can read its files."""
    url = sa.make_url(settings.database)
    paths = [settings.data_dir / MAIL_FOLDER, Path(settings.media)]
    if url.get_backend_name() == "sqlite":
        paths += [Path(f"{url.database}{end}") for end in ("", "-wal", "-shm")]
    exposed = [path for path in paths if path.exists() and path.stat().st_mode & 0o077]
    if settings.data_dir.is_dir() and not settings.data_dir.stat().st_mode & 0o077:
        exposed = [path for path in exposed if settings.data_dir.absolute() not in path.absolute().parents]
    if exposed:
        names = ", ".join(map(str, exposed))
        raise CheckWarning(f"other users of this machine can read {names}; run chmod -R go= {settings.data_dir}")
    return "readable by their owner only"


def check_disk(settings: Settings) -> str:
    """Check the free disk space."""
    folder = settings.data_dir.absolute()
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:,.1f} GB free"
    if free < MIN_FREE_BYTES:
        raise Failure(f"only {text}")
    if free < WARN_FREE_BYTES:
        raise CheckWarning(f"only {text}")
    return text


def check_clock(settings: Settings) -> str:
    """Check that the publication's time zone exists, and that the file system has the same clock as this process."""
    local = now().astimezone(ZoneInfo(settings.time_zone))
    text = f"{local:%Y-%m-%d %H:%M:%S} in {settings.time_zone}"
    if not settings.data_dir.is_dir():
        return text
    with tempfile.NamedTemporaryFile(dir=settings.data_dir, prefix=".doctor-") as file:
        file_time = datetime.fromtimestamp(os.stat(file.name).st_mtime, UTC)
    _compare_clocks(file_time, "the data folder's file system")
    return text


def check_media(settings: Settings) -> str:
    """Check that the media store can write, read and delete a file."""
    store, key, content = open_storage(settings.media), f"doctor-{secrets.token_hex(8)}", secrets.token_bytes(16)
    store.put(key, content)
    try:
        if store.get(key) != content:
            raise Failure("the media store returned other data than was written")
    finally:
        store.delete(key)
    return settings.media.rpartition("@")[2]


def check_mail(settings: Settings) -> str:
    """Check that the mail server answers, over TLS if it supports it, and accepts the password."""
    if not settings.smtp_url:
        return f"no mail server: mails are stored in {settings.data_dir / 'mail'}"
    host, port, tls, user, password = Server.from_url(settings.smtp_url)
    context = ssl.create_default_context()
    if tls:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SMTP_TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=SMTP_TIMEOUT)
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
        raise Failure(f"{host} does not support TLS: passwords are never sent unencrypted, so no mail can be sent")
    return f"{host} answers{' over TLS' if secure else ', without TLS'}"


def check_redis(settings: Settings) -> str:
    """Check that the Redis of the rate limits answers, if there is one."""
    if not settings.redis_url:
        return "not used: each process counts for itself"
    from limits.storage import storage_from_string

    place = settings.redis_url.rpartition("@")[2]
    seconds = {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
    if not storage_from_string(settings.redis_url, **seconds).check():
        raise Failure(f"{place} does not answer: each process counts for itself")
    return f"{place} answers"


def check_standbys(settings: Settings) -> str:
    """Check that each standby answers, follows a primary, and is not far behind."""
    lags = []
    for number, url in enumerate(settings.read_databases, 1):
        reads = open_database(url).engines()[0]
        try:
            with reads.connect() as connection:
                is_standby, lag = connection.execute(sa.select(sa.func.pg_is_in_recovery(), _replay_lag())).one()
        except Exception as error:
            raise Failure(f"standby {number} cannot be read: {_describe_error(error)}") from error
        finally:
            reads.dispose()
        if not is_standby:
            raise CheckWarning(f"standby {number} follows no primary: it is not read from")
        lags.append(float(lag or 0))
    if lags and max(lags) > MAX_REPLAY_LAG:
        raise CheckWarning(f"a standby is {max(lags):,.0f} s behind")
    return f"{len(lags)} of them keep up" if lags else "not used"


def _replay_lag() -> sa.ColumnElement[float]:
    """Return the seconds since the last replayed transaction, 0 where all that was received is replayed."""
    age = sa.func.extract("epoch", sa.func.clock_timestamp() - sa.func.pg_last_xact_replay_timestamp())
    has_all = sa.func.pg_last_wal_receive_lsn() == sa.func.pg_last_wal_replay_lsn()
    return sa.case((has_all, sa.literal(0.0)), else_=age)


def check_database(_settings: Settings, connection: sa.Connection) -> str:
    """Check that the database answers and is new enough."""
    if connection.dialect.name == "sqlite":
        return f"SQLite {connection.exec_driver_sql('SELECT sqlite_version()').scalar_one()}"
    number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    version = f"PostgreSQL {number // 10000}.{number % 10000}"
    if number < MINIMUM_POSTGRESQL * 10000:
        raise Failure(f"{version} is too old; {MINIMUM_POSTGRESQL} or newer is needed")
    return version


def check_migrations(settings: Settings, connection: sa.Connection) -> str:
    """Check that the tables are those of this release."""
    status = read_status(settings.direct_database)
    text = f"{status.standing}: at {status.revision}, this release needs {status.head}"
    if status.standing == "current":
        return f"at {status.revision}"
    if status.standing in {"empty", "behind"} and connection.dialect.name == "sqlite":
        raise CheckWarning(f"{text}; `serve` migrates automatically")
    if status.standing in {"empty", "behind"}:
        raise Failure(f"{text}; run `broadsheet migrate`")
    raise Failure(text)


def check_pages(_settings: Settings, connection: sa.Connection) -> str:
    """Check that no page of the file is damaged, which SQLite finds by reading all of them."""
    if connection.dialect.name != "sqlite":
        return "checked by PostgreSQL itself; see pg_amcheck"
    try:
        reports = connection.exec_driver_sql(f"PRAGMA integrity_check({MAX_REPORTS})").scalars().all()
    except sa.exc.DatabaseError as error:
        reports = [str(error.orig)]
    if reports != ["ok"]:
        words = "; ".join(" ".join(str(report).split()) for report in reports)
        raise Failure(f"damaged: {words}; stop the server and restore a backup")
    return "whole"


def check_orphans(_settings: Settings, connection: sa.Connection) -> str:
    """Check that no row refers to a missing one."""
    if connection.dialect.name != "sqlite":
        return "prevented by PostgreSQL itself"
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if orphans:
        pairs = sorted({f"{table} of {parent}" for table, _, parent, _ in orphans})
        raise Failure(f"{len(orphans):,} rows refer to missing ones: {', '.join(pairs)}; restore a backup")
    return "none"


def check_database_clock(_settings: Settings, connection: sa.Connection) -> str:
    """Check that the database has the same clock as this process."""
    if connection.dialect.name == "sqlite":
        return "same as this process"
    database_time = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return f"{_compare_clocks(database_time, 'the database'):.1f} s difference"


def check_worker(settings: Settings, connection: sa.Connection) -> str:
    """Check that no event has waited long for the worker."""
    if read_status(settings.direct_database).standing != "current":
        raise CheckWarning("unknown until the database is migrated")
    cursor = table_of(LogCursor)
    rows = connection.execute(sa.select(cursor)).all()
    positions = {row.reader: Position(row.xid, row.seq) for row in rows}
    for reader in wiring.consumers(settings):
        events = read_after(connection, positions.get(reader, START), limit=1)
        seconds = (now() - events[0].at).total_seconds() if events else 0.0
        if seconds > MAX_EVENT_AGE:
            raise CheckWarning(f"an event has waited {seconds:,.0f} s for {reader}; is a worker running?")
    return "no event waits"


def check_search(settings: Settings, connection: sa.Connection) -> str:
    """Check that the search index has exactly the public articles."""
    if read_status(settings.direct_database).standing != "current":
        raise CheckWarning("unknown until the database is migrated")
    missing, orphaned = count_index_drift(connection)
    if missing or orphaned:
        text = f"{missing:,} public articles are missing, {orphaned:,} others are indexed"
        raise CheckWarning(f"{text}; run `broadsheet search rebuild`")
    return "has all public articles"


def check_names(settings: Settings, connection: sa.Connection) -> str:
    """Check that the roles and sections exist that settings name."""
    if read_status(settings.direct_database).standing != "current":
        raise CheckWarning("unknown until the database is migrated")
    unknown = find_unknown_names(connection, settings)
    text = "; ".join(name.describe() for name in unknown)
    if any(name.setting == SECOND_FACTOR for name in unknown):
        raise Failure(text)
    if unknown:
        raise CheckWarning(text)
    return "all roles and sections in the settings exist"


def _compare_clocks(other: datetime, owner: str) -> float:
    seconds = abs((other - now()).total_seconds())
    if seconds > MAX_CLOCK_SKEW:
        raise Failure(f"the clocks of this process and of {owner} differ by {seconds:,.0f} s")
    return seconds


LOCAL: dict[str, Callable[[Settings], str]] = {
    "settings": check_settings,
    "data folder": check_data,
    "files": check_files,
    "disk": check_disk,
    "clock": check_clock,
    "media": check_media,
    "mail": check_mail,
    "redis": check_redis,
    "standbys": check_standbys,
}
STORE: dict[str, Callable[[Settings, sa.Connection], str]] = {
    "database": check_database,
    "pages": check_pages,
    "orphans": check_orphans,
    "migrations": check_migrations,
    "database clock": check_database_clock,
    "worker": check_worker,
    "search": check_search,
    "names": check_names,
}
