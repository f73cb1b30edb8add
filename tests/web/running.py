"""The protocol of the server on a real socket, without a process of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from uvicorn.server import ServerState

from app.web.protocol import Protocol
from app.web.server import make_config

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Tells what it was asked, after the whole body."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    shown = {
        "path": scope["path"],
        "client": scope["client"][0],
        "body": body.decode(),
        "headers": len(scope["headers"]),
    }
    answer = json.dumps(shown).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


class Quick(Protocol):
    head_seconds = 0.05
    head_bytes = 1000


Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Running:
    def __init__(self, address: tuple[str, int], state: ServerState) -> None:
        self.address, self.state = address, state

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[Reader, Writer]]:
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            yield reader, writer
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    async def send(self, *pieces: bytes) -> bytes:
        """Everything that comes back until the server closes."""
        async with self.connect() as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
            return await reader.read()


def serving(
    scenario: Callable[[Running], Awaitable[None]],
    app: Any = echo,
    protocol: type[Protocol] = Quick,
    proxies: tuple[str, ...] = (),
) -> None:
    """Run a scenario against the protocol on a real socket."""

    async def run() -> None:
        config = make_config(lambda: app, trusted_proxies=list(proxies))
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
        async with listening:
            await asyncio.wait_for(scenario(Running(listening.sockets[0].getsockname(), state)), 10)

    asyncio.run(run())


async def answer_of(reader: Reader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *rest = head.strip().split("\r\n")
    headers = dict(item.lower().split(": ", 1) for item in rest)
    return int(line.split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0)))


def parts(raw: bytes) -> tuple[int, dict[str, str], Any]:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    return int(line.split()[1]), dict(item.lower().split(": ", 1) for item in rest), json.loads(body)
