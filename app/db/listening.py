"""Notifications of PostgreSQL (LISTEN, NOTIFY), on a connection of their own."""

import asyncio
from typing import Self

import psycopg
from psycopg import sql

CONNECT_SECONDS = 5
LOG_CHANNEL = "broadsheet_log"  # on which processes tell each other of new events


class Listener:
    """Hears what other sessions notify on a channel, and notifies them; its methods are for the event loop."""

    def __init__(self, connection: psycopg.AsyncConnection, channel: str) -> None:
        self._connection, self._channel = connection, channel
        self._woken = asyncio.Event()

    @classmethod
    async def open(cls, conninfo: str, channel: str) -> Self:
        """Connect and listen; psycopg.Error if the server cannot be reached."""
        connection = await psycopg.AsyncConnection.connect(
            conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="broadsheet"
        )
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
