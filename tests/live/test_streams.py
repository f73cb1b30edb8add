"""One stream and its client, without a server."""

import asyncio
from collections.abc import Awaitable, Callable

from app.events.schemas import Position
from app.live.schemas import make_frame
from app.live.streams import MAX_WAITING_PIECES, Stream


class Client:
    """A client that reads when the test lets it."""

    def __init__(self) -> None:
        self.read = asyncio.Event()
        self.got: list[bytes | None] = []

    async def __call__(self, piece: bytes | None) -> None:
        self.got.append(piece)
        await self.read.wait()


def played(scenario: Callable[[Stream, Client], Awaitable[None]]) -> None:
    async def run() -> None:
        stream, client = Stream("me", Position(0, 5)), Client()
        stream.begin(client, 60)
        await scenario(stream, client)

    asyncio.run(run())


async def rest() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_waits_is_sent_together() -> None:
    async def scenario(stream: Stream, client: Client) -> None:
        stream.put(b"a")
        await rest()
        stream.put(b"b")
        stream.put(b"c")
        await rest()
        assert client.got == [b"a"]
        client.read.set()
        await rest()
        stream.end()
        stream.put(b"d")
        await rest()
        assert client.got == [b"a", b"bc", None]

    played(scenario)


def test_a_reader_who_falls_behind_is_sent_away() -> None:
    async def scenario(stream: Stream, client: Client) -> None:
        stream.put(b"a")
        await rest()
        for _ in range(MAX_WAITING_PIECES):
            stream.put(b"b")
        assert not stream.is_over
        stream.put(b"c")
        assert stream.is_over
        stream.put(b"d")
        client.read.set()
        await rest()
        assert client.got == [b"a", None], "what it did not get it asks for when it comes back"

    played(scenario)


def test_what_is_put_in_before_the_beginning_waits() -> None:
    async def run() -> None:
        stream, client = Stream("me", Position(0, 5)), Client()
        stream.put(b"a")
        stream.end()
        client.read.set()
        stream.begin(client, 60)
        await rest()
        assert client.got == [b"a", None]

    asyncio.run(run())


def test_a_reader_who_is_ahead_gets_what_is_new() -> None:
    frames = [make_frame("a", b"{}", Position(0, seq)) for seq in (4, 5, 6)] + [make_frame("counts", b"{}")]
    chosen = Stream("me", Position(0, 5)).choose(frames)
    assert chosen == b"id: 0.6\nevent: a\ndata: {}\n\nevent: counts\ndata: {}\n\n"
