"""A pooler in transaction mode: each transaction of a client runs in another session of the server.

It behaves like PgBouncer in what can break: it refuses options of a session, and lets sessions keep whatever a
transaction has left there. The protocol is that of PostgreSQL's documentation, "Message Flow".
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

SESSIONS = 3
ENCRYPTION_REQUESTS = {80877103, 80877104}  # TLS and GSSAPI
NAME = "pooled"  # of the database, for clients
_LENGTH = 4  # bytes of the length that each message has


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + _LENGTH).to_bytes(_LENGTH) + body


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one message: its type and its content."""
    kind = await reader.readexactly(1)
    return kind, await reader.readexactly(int.from_bytes(await reader.readexactly(_LENGTH)) - _LENGTH)


class Pooler:
    """Lets clients take turns in a few sessions, and notes what they say."""

    def __init__(self, url: str) -> None:
        address = sa.make_url(url)
        self._socket = f"{address.query['host']}/.s.PGSQL.5432"
        self._user, self._database = address.username or "", address.database or ""
        self._sessions: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._greeting = b""
        self.statements: list[str] = []
        self.prepared: list[str] = []  # names of statements that clients want to find again

    async def open(self) -> None:
        """Open the sessions."""
        for _ in range(SESSIONS):
            reader, writer = await asyncio.open_unix_connection(self._socket)
            named = f"user\0{self._user}\0database\0{self._database}\0\0".encode()
            writer.write(_message(b"", (3 << 16).to_bytes(4) + named))
            self._greeting = b""
            kind = b""
            while kind != b"Z":
                kind, body = await _read(reader)
                assert kind != b"E", body
                self._greeting += _message(kind, body)
            self._sessions.put_nowait((reader, writer))

    def close(self) -> None:
        """Close the sessions."""
        while not self._sessions.empty():
            self._sessions.get_nowait()[1].close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves."""
        try:
            if await self._welcome(reader, writer):
                while True:
                    await self._run_transaction(reader, writer)
        except asyncio.IncompleteReadError:  # it has left
            pass
        finally:
            writer.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        body = await reader.readexactly(int.from_bytes(await reader.readexactly(_LENGTH)) - _LENGTH)
        if int.from_bytes(body[:4]) in ENCRYPTION_REQUESTS:
            writer.write(b"N")
            return await self._welcome(reader, writer)
        parameters = body[4:].split(b"\0")[::2]
        if b"options" in parameters:
            text = b"unsupported startup parameter: options"
            writer.write(_message(b"E", b"SFATAL\0C08P01\0M" + text + b"\0\0"))
            return False
        writer.write(self._greeting)
        return True

    async def _run_transaction(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass messages between a client and a session until the transaction has ended."""
        message = await _read(reader)
        if message[0] == b"X":
            raise asyncio.IncompleteReadError(b"", None)
        session = await self._sessions.get()
        state = b""
        while state != b"I":
            self._note(*message)
            session[1].write(_message(*message))
            if message[0] in b"QS":
                kind = b""
                while kind != b"Z":
                    kind, state = await _read(session[0])
                    writer.write(_message(kind, state))
            if state != b"I":
                message = await _read(reader)
        self._sessions.put_nowait(session)

    def _note(self, kind: bytes, body: bytes) -> None:
        if kind == b"Q":
            self.statements.append(body.rstrip(b"\0").decode())
        elif kind == b"P":
            name, statement, _ = body.split(b"\0", 2)
            self.statements.append(statement.decode())
            if name:
                self.prepared.append(name.decode())


@contextmanager
def pooling(url: str, folder: Path) -> Iterator[tuple[str, Pooler]]:
    """Run a pooler in a thread, in front of the server of a URL; the URL to use instead."""
    pooler, is_open, loop = Pooler(url), threading.Event(), asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def run() -> None:
        await pooler.open()
        server = await asyncio.start_unix_server(pooler.serve, folder / ".s.PGSQL.5432")
        is_open.set()
        await stopping.wait()
        server.close()
        pooler.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert is_open.wait(30)
    try:
        yield f"postgresql://anybody@/{NAME}?host={folder}", pooler
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()
