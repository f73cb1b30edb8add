"""New connections: many are accepted in a round of the loop, and accepting goes on when descriptors are free again."""

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from app.web import event_loop
from app.web.event_loop import EventLoop, Listener


class Echo(asyncio.Protocol):
    """Sends back what arrives."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()


def run(check: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> None:
    """Run a check with a listening socket in this loop."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
        asyncio.Runner(loop_factory=EventLoop) as runner,
    ):
        runner.run(check(listener))


def connect(listener: socket.socket, number: int) -> list[socket.socket]:
    return [socket.create_connection(listener.getsockname()) for _ in range(number)]


async def send_and_read(client: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    client.setblocking(False)
    await loop.sock_sendall(client, b"here")
    return await loop.sock_recv(client, 10)


def test_many_connections_are_accepted_in_a_round() -> None:
    async def check(listener: socket.socket) -> None:
        clients = connect(listener, event_loop.MAX_ACCEPTS + 5)
        server = await asyncio.get_running_loop().create_server(Echo, sock=listener)
        assert isinstance(server, Listener)
        server._accept()
        assert len(server._tasks) == event_loop.MAX_ACCEPTS, "others wait, so that those accepted are served first"
        async with asyncio.timeout(10):
            assert await asyncio.gather(*map(send_and_read, clients)) == [b"here"] * len(clients)
        server.close()
        for client in clients:
            client.close()

    run(check)


def test_accepting_goes_on_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted:
        """A listening socket of a process that at first has no descriptor left."""

        def __init__(self, listener: socket.socket) -> None:
            self.inner, self.fileno, self.setblocking, self.failures = (
                listener,
                listener.fileno,
                listener.setblocking,
                1,
            )

        def accept(self) -> Any:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.EMFILE, "")
            return self.inner.accept()

    async def check(listener: socket.socket) -> None:
        (client,) = connect(listener, 1)
        server = Listener(asyncio.get_running_loop(), Echo, cast(Any, Exhausted(listener)))
        async with asyncio.timeout(10):
            assert await send_and_read(client) == b"here"
        server.close()
        client.close()

    monkeypatch.setattr(event_loop, "PAUSE_SECONDS", 0.01)
    run(check)
