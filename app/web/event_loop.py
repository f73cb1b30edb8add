"""The event loop of the server: uvloop, changed to accept several connections per iteration instead of one.

uvloop handles everything that is ready between two accepts. Of many clients that connect at once, the last would wait
for the requests of all the others.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final, cast

import uvloop

from app.core.logs import get_logger

MAX_ACCEPTS: Final = 32  # per iteration: open connections wait meanwhile, and other processes get their share
PAUSE_SECONDS: Final = 1.0  # before accepting again, after file descriptors or memory ran out
MAX_UNSENT_BYTES: Final = 131_072
"""Bytes that the kernel holds for a client that does not read: otherwise up to 4 MB, for each of many slow readers."""
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
log = get_logger("broadsheet.server")


class Listener:
    """Accepts the connections of a listening socket and gives them to a loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, make_protocol: Callable[[], asyncio.Protocol], listener: socket.socket
    ) -> None:
        self._loop, self._make_protocol, self._listener = loop, make_protocol, listener
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Accept the connections that are waiting, which would otherwise be reset, then stop accepting."""
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._accept()
        self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Wait until each accepted connection has a protocol, which closes it; uvicorn calls this last."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                log.error("connections cannot be accepted", error=errno.errorcode[error.errno])
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(PAUSE_SECONDS, self._loop.add_reader, self._listener, self._accept)
                return
            task = self._loop.create_task(self._connect(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError:  # the client has gone
            connection.close()


class EventLoop(uvloop.Loop):
    """uvloop that serves listening sockets with `Listener`."""

    async def create_server(self, *arguments: object, **options: object) -> asyncio.Server:
        """Serve with the protocols of a factory, the first argument, on the listening socket `sock`."""
        make_protocol = cast(Callable[[], asyncio.Protocol], arguments[0])
        return cast(asyncio.Server, Listener(self, make_protocol, cast(socket.socket, options["sock"])))
