"""What needs a session of PostgreSQL of its own: notifications (LISTEN, NOTIFY) and advisory locks."""

import asyncio
from typing import Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.db.election import ProcessLock, number_lock

VANISHED: dict[str, int] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Settings of libpq by which a connection ends within half a minute if the server's machine has vanished.

Seconds and milliseconds; the system's own are a quarter of an hour and more.
"""
CONNECT_SECONDS = 5
LOG_CHANNEL = "broadsheet_log"  # on which processes tell each other of new events


class SessionLock(ProcessLock):
    """An advisory lock, which ends with its session."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection

    @classmethod
    async def take(cls, conninfo: str, name: str) -> Self | None:
        """Take the lock; None if another session holds it, psycopg.Error if the server cannot be reached."""
        connection = await _connect(conninfo)
        try:
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (number_lock(name),))
            row = await cursor.fetchone()
        except BaseException:  # a cancellation, too
            await connection.close()
            raise
        if row is None or not row[0]:
            await connection.close()
            return None
        return cls(connection)

    async def is_held(self) -> bool:
        try:
            await self._connection.execute("")
        except psycopg.Error:
            return False
        return True

    async def release(self) -> None:
        await self._connection.close()


async def _connect(conninfo: str) -> psycopg.AsyncConnection:
    complete = make_conninfo("", **{**VANISHED, **conninfo_to_dict(conninfo)})
    return await psycopg.AsyncConnection.connect(
        complete, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="broadsheet"
    )


class Listener:
    """Hears what other sessions notify on a channel, and notifies them; its methods are for the event loop."""

    def __init__(self, connection: psycopg.AsyncConnection, channel: str) -> None:
        self._connection, self._channel = connection, channel
        self._woken = asyncio.Event()

    @classmethod
    async def open(cls, conninfo: str, channel: str) -> Self:
        """Connect and listen; psycopg.Error if the server cannot be reached."""
        connection = await _connect(conninfo)
        listener = cls(connection, channel)
        connection.add_notify_handler(listener._hear)
        try:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        except BaseException:  # a cancellation, too
            await connection.close()
            raise
        return listener

    def _hear(self, notify: psycopg.Notify) -> None:
        if notify.pid != self._connection.info.backend_pid:
            self._woken.set()

    def wake(self) -> None:
        """End `wait` at once."""
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Wait for a notification, for so many seconds; psycopg.Error if the connection is lost."""
        loop, socket = asyncio.get_running_loop(), self._connection.fileno()
        readable = asyncio.Event()

        def note() -> None:
            loop.remove_reader(socket)  # what is there stays readable until it is read
            readable.set()
            self._woken.set()

        loop.add_reader(socket, note)
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        finally:
            loop.remove_reader(socket)
        self._woken.clear()
        if readable.is_set():
            await self._connection.execute("")  # reads notifications, or notices that the connection is gone

    async def read_snapshot(self) -> str:
        """Return what transactions are visible: it changes with each that writes. psycopg.Error without a connection.

        Read before the data, it is the same only as long as these are.
        """
        cursor = await self._connection.execute("SELECT pg_current_snapshot()::text")
        row = await cursor.fetchone()
        return str(row and row[0])

    async def notify(self) -> None:
        """Wake all others that listen; psycopg.Error if the connection is lost."""
        await self._connection.execute("SELECT pg_notify(%s, '')", (self._channel,))

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()
