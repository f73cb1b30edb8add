"""Queries that wait in threads for the answer of a PostgreSQL server, and are given up when it does not come."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from typing import TypeVar, cast

import psycopg
import sqlalchemy as sa

T = TypeVar("T")


class RunningQuery:
    """A query in a thread, with its connection, so that the event loop can end it."""

    def __init__(self) -> None:
        self._lock, self._socket = threading.Lock(), -1
        self.is_ended = False

    @contextmanager
    def holding(self, connection: sa.Connection) -> Iterator[None]:
        """Use a connection within the context, which ends before it goes back to its pool.

        It is ended at once if the query was given up meanwhile.
        """
        driver_connection = cast(psycopg.Connection, connection.connection.dbapi_connection)
        with self._lock:
            self._socket = driver_connection.pgconn.socket
        if self.is_ended:
            self.end()
        try:
            yield
        finally:
            with self._lock:
                self._socket = -1

    def end(self) -> None:
        """Cut the connection: the thread that waits for the answer of a hung server gets an error instead."""
        with self._lock:
            self.is_ended = True
            if self._socket >= 0:
                with suppress(OSError), socket.socket(fileno=os.dup(self._socket)) as duplicate:
                    duplicate.shutdown(socket.SHUT_RDWR)


async def run_within(threads: Executor, seconds: float, run: Callable[[RunningQuery], T]) -> T:
    """Run a query in a thread; give it up and raise TimeoutError if it has not ended in time, its wait included."""
    running = RunningQuery()
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().run_in_executor(threads, run, running)
    except TimeoutError:
        running.end()
        raise
