"""The checker: what it is sent, what it may answer, and that nobody waits for one that is away."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from standardwebhooks import Webhook

from app.comments.moderation import CheckerVerdict, Draft
from app.core.settings import Settings
from app.moderation.checker import MAX_ANSWER_BYTES, MAX_FAILURES, PAUSE_SECONDS, UNAVAILABLE, Checker

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DRAFT = Draft("0199", "Text", "<p>Text</p>", ("https://a.example/",), "Somebody", "guest")


class Server:
    """A checker that answers what it is told to."""

    def __init__(self, body: bytes = b"", status: str = "200 OK", headers: str = "") -> None:
        self.body, self.status, self.headers = body, status, headers
        self.silent, self.asked = False, 0
        self.clock = 0.0
        self.head: dict[str, str] = {}
        self.sent = b""
        self._served: list[asyncio.Task[None]] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._served.append(asyncio.ensure_future(self._answer(reader, writer)))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        self.head = {"": first} | {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.sent = await reader.readexactly(int(self.head["content-length"]))
        if not self.silent:
            head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n{self.headers}"
            writer.write(f"{head}\r\n".encode() + self.body)
        else:
            await reader.read()
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    def run(self, use: Callable[[Checker], Awaitable[Any]], timeout: float = 5.0, **fields: Any) -> Any:
        """What is made of a checker that speaks to this server."""

        async def main() -> Any:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            settings = Settings(_env_file=None, **{"checker_url": f"http://127.0.0.1:{port}/check?a=b", **fields})
            checker = Checker(settings, timeout, lambda: self.clock)
            try:
                return await use(checker)
            finally:
                await checker.stop()
                server.close()
                await server.wait_closed()
                await asyncio.gather(*self._served)

        return asyncio.run(main())

    def asks(self, **fields: Any) -> CheckerVerdict:
        """What it says of a draft."""
        return self.run(lambda checker: checker.ask(DRAFT), **fields)


@pytest.mark.parametrize(
    ("answer", "opinion"),
    [
        ({"verdict": "publish"}, ("publish", "")),
        ({"verdict": "hold", "reason": None}, ("hold", "")),
        ({"verdict": "spam", "reason": "It\nshouts.", "score": 1}, ("spam", "It shouts.")),
        ({"verdict": "reject", "reason": "x" * 500}, ("reject", "x" * 500)),
    ],
)
def test_an_answer(answer: dict[str, Any], opinion: tuple[str, str]) -> None:
    assert Server(json.dumps(answer).encode()).asks() == opinion


def test_what_it_is_sent() -> None:
    server = Server(b'{"verdict": "publish"}')
    server.asks(checker_secret=SECRET)
    assert server.head[""] == "POST /check?a=b HTTP/1.1"
    assert server.head["content-type"] == "application/json"
    message = Webhook(SECRET).verify(server.sent, server.head)
    assert message.keys() == {"type", "timestamp", "data"}
    assert message["type"] == "comment.check"
    assert message["data"] == {**DRAFT._asdict(), "links": list(DRAFT.links)}


def test_without_a_secret_it_is_not_signed() -> None:
    server = Server(b'{"verdict": "publish"}')
    server.asks()
    assert "webhook-id" in server.head
    assert "webhook-signature" not in server.head


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        (b"", "200 OK", ""),
        (b"not json", "200 OK", ""),
        (b"[]", "200 OK", ""),
        (b"{}", "200 OK", ""),
        (b'{"verdict": "burn"}', "200 OK", ""),
        (b'{"verdict": "unavailable"}', "200 OK", ""),
        (b'{"verdict": "publish", "reason": 5}', "200 OK", ""),
        (b'{"verdict": "publish"}' + b" " * MAX_ANSWER_BYTES, "200 OK", ""),
        (b'{"verdict": "publish"}', "500 Broken", ""),
        (b'{"verdict": "publish"}', "204 No Content", ""),
        (b'{"verdict": "publish"}', "302 Found", "Location: /elsewhere\r\n"),
        (b'{"verdict": "publish"}', "200 OK", "Content-Encoding: gzip\r\n"),
    ],
)
def test_an_answer_that_cannot_be_used(body: bytes, status: str, headers: str) -> None:
    server = Server(body, status, headers)
    assert server.asks() == UNAVAILABLE
    assert server.asked == 1


def test_one_that_does_not_answer_in_time() -> None:
    server = Server()
    server.silent = True
    assert server.asks(timeout=0.05) == UNAVAILABLE


def test_proxies_of_the_environment_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Server(b'{"verdict": "publish"}').asks() == CheckerVerdict("publish")


def test_nobody_waits_for_one_that_is_away() -> None:
    server = Server(b"{}")

    async def many(checker: Checker) -> list[int]:
        asked = []
        for clock in (0.0, PAUSE_SECONDS - 1, PAUSE_SECONDS):
            server.clock = clock
            for _ in range(MAX_FAILURES + 2):
                assert await checker.ask(DRAFT) == UNAVAILABLE
            asked.append(server.asked)
        server.body, server.clock = b'{"verdict": "publish"}', 2 * PAUSE_SECONDS
        assert await checker.ask(DRAFT) == CheckerVerdict("publish")
        server.body = b"{}"
        for _ in range(MAX_FAILURES):
            await checker.ask(DRAFT)
        asked.append(server.asked)
        return asked

    # After the pause one try tells whether it is back; one that answered may fail as often again.
    assert server.run(many) == [MAX_FAILURES, MAX_FAILURES, MAX_FAILURES + 1, 2 * MAX_FAILURES + 2]


def test_without_an_address_there_is_no_checker() -> None:
    assert Server().asks(checker_url="") is None
