import asyncio
import json
import logging
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from app.web import admission, server
from app.web.protocol import IS_SHUTTING_DOWN, ON_SHUTDOWN, Protocol
from app.web.server import ServerError, bind_socket, make_config
from tests import processes
from tests.web.running import GET, Quick, Running, answer_of, echo, parts, serving


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    before = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers = before


@pytest.mark.parametrize("start", [b"G", b"GET /a HTTP/1.1\r\nHost: x\r\nX-Slow: a"])
def test_a_head_that_does_not_come_in_time_is_408(start: bytes) -> None:
    async def scenario(running: Running) -> None:
        status, headers, body = parts(await running.send(start))
        assert (status, body["code"], headers["connection"]) == (408, "request_timeout", "close")
        assert headers["content-type"] == "application/problem+json"

    serving(scenario)


@pytest.mark.parametrize("nothing", [b"", b"\r\n\r\n\r\n"])
def test_a_connection_that_asks_nothing_is_closed_without_a_word(nothing: bytes) -> None:
    async def scenario(running: Running) -> None:
        assert await running.send(nothing) == b""

    serving(scenario)


def test_the_deadline_holds_for_every_head_of_a_connection() -> None:
    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer):
            writer.write(GET)
            assert (await answer_of(reader))[0] == 200
            writer.write(GET[:-2])
            assert (await answer_of(reader))[0] == 408
            assert await reader.read() == b""

    serving(scenario)


def test_an_idle_connection_is_kept_after_an_answer() -> None:
    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer):
            for _ in range(2):
                writer.write(GET)
                assert (await answer_of(reader))[0] == 200
                await asyncio.sleep(Quick.head_seconds * 2)

    serving(scenario)


def test_a_body_may_take_longer_than_a_head() -> None:
    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n1")
            await asyncio.sleep(Quick.head_seconds * 2)
            writer.write(b"2")
            status, _, body = await answer_of(reader)
            assert (status, json.loads(body)["body"]) == (200, "12")

    serving(scenario)


def test_what_is_left_of_a_body_that_was_answered_early_has_the_deadline_too() -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n")
            assert (await answer_of(reader))[0] == 413
            writer.write(b"x" * 4000)
            assert await reader.read() == b""  # neither 408 nor 431: no head was begun

    serving(scenario, refuse)


async def close(scope: Any, receive: Any, send: Any) -> None:
    """Refuses without reading, and ends the connection."""
    headers = [(b"content-length", b"8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b"too much"})


class Patient(Quick):
    max_rest_pause, max_rest_bytes = 0.05, 3_000_000


def test_an_answer_that_ends_the_connection_is_read_by_who_still_sends() -> None:
    async def scenario(running: Running) -> None:
        for _ in range(12):
            async with running.connect() as (reader, writer):
                writer.write(b"POST / HTTP/1.1\r\nContent-Length: 2500000\r\n\r\n")
                for _ in range(25):  # a client that sends all of it before it reads
                    writer.write(b"x" * 100_000)
                    await writer.drain()
                status, headers, body = await answer_of(reader)
                assert (status, headers["connection"], body) == (413, "close", b"too much")
                assert await reader.read() == b""

    serving(scenario, close, Patient)


def test_what_is_read_after_an_answer_is_bounded_in_size_and_time() -> None:
    async def scenario(running: Running) -> None:
        head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with running.connect() as (reader, writer):
            writer.write(head)
            assert (await answer_of(reader))[0] == 413
            for _ in range(1000):
                writer.write(b"x" * 100_000)
                try:
                    await writer.drain()
                except ConnectionError:
                    break
            else:
                raise AssertionError("it reads on for ever")
        async with running.connect() as (reader, writer):
            writer.write(head)
            assert (await answer_of(reader))[0] == 413
            while running.state.connections:  # nothing more comes: it waits no longer than it must
                await asyncio.sleep(0.01)

    serving(scenario, close, Patient)


def test_a_body_that_was_read_keeps_no_connection_open() -> None:
    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
            assert json.loads((await answer_of(reader))[2])["body"] == "x"
            assert await reader.read() == b""
            while running.state.connections:
                await asyncio.sleep(0.001)

    serving(scenario, protocol=Patient)


def test_pieces_of_any_size_make_the_same_request() -> None:
    async def scenario(running: Running) -> None:
        closing = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        whole = await running.send(closing)
        assert parts(whole)[0] == 200
        for size in (1, 7, 20):
            assert await running.send(*(closing[i : i + size] for i in range(0, len(closing), size))) == whole

    class Patient(Quick):
        head_seconds = 5.0

    serving(scenario, protocol=Patient)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer):
            writer.write(GET + GET.replace(b"/a", b"/b") + GET.replace(b"/a", b"/c"))
            paths = [json.loads((await answer_of(reader))[2])["path"] for _ in range(3)]
            assert paths == ["/a", "/b", "/c"]

    serving(scenario)


def test_a_client_that_leaves_is_told_to_the_request_that_is_worked_on() -> None:
    told = asyncio.Event()

    async def wait(_scope: Any, receive: Any, _send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        told.set()

    async def scenario(running: Running) -> None:
        async with running.connect() as (_, writer):
            writer.write(GET + GET)
            while not running.state.tasks:
                await asyncio.sleep(0)
        await told.wait()

    serving(scenario, wait)


def head_of(size: int) -> bytes:
    """A request whose target and headers count as `size` bytes: names and values, and 4 for what stands around them."""
    return b"GET / HTTP/1.1\r\nX: " + b"a" * (size - 6) + b"\r\n\r\n"


def test_heads_are_bounded() -> None:
    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer):
            writer.write(head_of(1000))
            assert (await answer_of(reader))[0] == 200
        status, headers, body = parts(await running.send(head_of(1001)))
        assert (status, body["code"], headers["connection"]) == (431, "head_too_large", "close")
        many = b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300
        assert parts(await running.send(many[:600], many[600:900], many[900:]))[0] == 431
        endless = b"GET / HTTP/1.1\r\nX: " + b"a" * 400
        assert parts(await running.send(endless, b"a" * 400, b"a" * 400, b"a" * 400))[0] == 431

    serving(scenario)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"GET http://a:b/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_problem(garbage: bytes) -> None:
    async def scenario(running: Running) -> None:
        status, headers, body = parts(await running.send(garbage))
        assert (status, body["code"], headers["content-type"]) == (400, "bad_request", "application/problem+json")
        assert body["request_id"]

    serving(scenario)


def test_a_body_that_cannot_be_parsed_is_answered_once_and_told_to_the_app() -> None:
    told: list[str] = []

    async def listen(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            assert message["more_body"]
        told.append("gone")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def scenario(running: Running) -> None:
        head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        status, _, body = parts(await running.send(head, b"1\r\na\r\n", b"no number\r\n" + b"x" * 100_000))
        assert (status, body["code"]) == (400, "bad_request")
        assert told == ["gone"]

    serving(scenario, listen)


def test_garbage_never_cuts_into_an_answer() -> None:
    go = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        await go.wait()

    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer):
            writer.write(GET)
            assert (await reader.readuntil(b"ab")).startswith(b"HTTP/1.1 200")
            writer.write(b"\x00\x00")
            assert await reader.read() == b""
            go.set()

    serving(scenario, slow)


def test_draining_answers_what_is_on_its_way_and_says_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LINGER_SECONDS", 0.1)

    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer), running.connect() as (idle, _):
            writer.write(GET)
            assert (await answer_of(reader))[0] == 200
            while len(running.state.connections) < 2:
                await asyncio.sleep(0.001)
            for connection in list(running.state.connections):
                connection.shutdown()
            writer.write(GET)
            status, headers, _ = await answer_of(reader)
            assert (status, headers["connection"]) == (200, "close")
            assert await reader.read() == b""
            assert await idle.read() == b""

    class Patient(Quick):
        head_seconds = 5.0

    serving(scenario, protocol=Patient)


async def endless(scope: Any, receive: Any, send: Any) -> None:
    """Goes on until it is told to end, or the client has gone."""
    state = scope["state"]
    told = asyncio.Event()
    state[ON_SHUTDOWN] = told.set
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = b"late" if state.get(IS_SHUTTING_DOWN) else b"early"
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if body == b"early":
        await told.wait()
    await send({"type": "http.response.body", "body": b""})


def test_answers_without_an_end_are_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LINGER_SECONDS", 5)

    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer), running.connect() as (idle, asking):
            writer.write(GET)
            await reader.readuntil(b"early")
            while len(running.state.connections) < 2:
                await asyncio.sleep(0)
            for connection in list(running.state.connections):
                connection.shutdown()
            assert (await reader.read()).endswith(b"0\r\n\r\n")
            asking.write(GET)
            assert b"late" in await idle.read()

    serving(scenario, endless)


def test_readers_who_let_too_much_wait_are_left_the_oldest_first() -> None:
    class Full(Protocol):
        max_unread_bytes = 100

    async def scenario(_: Running) -> None:
        config = make_config(lambda: echo, trusted_proxies=[])
        config.load()
        protocols: list[Full] = []
        for waiting in (60, 40, 50):
            protocol = Full(config, ServerState(), {})
            protocol._reader_timer, transport = None, Slow(waiting)
            protocol.transport, protocol.flow = transport, FlowControl(transport)
            protocol.pause_writing()
            protocols.append(protocol)
        assert [protocol.transport.gone.is_set() for protocol in protocols] == [True, False, False]
        for protocol in protocols[1:]:
            protocol.resume_writing()
        assert Full.unread == {}

    serving(scenario)


class Slow:
    """A transport whose reader takes some of what waits, and then nothing more."""

    def __init__(self, *waiting: int) -> None:
        self.waiting, self.gone = list(waiting), asyncio.Event()

    def get_write_buffer_size(self) -> int:
        return self.waiting.pop(0)

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, _name: str) -> None:
        return None

    def abort(self) -> None:
        self.gone.set()


def test_a_reader_who_takes_nothing_is_left() -> None:
    class Impatient(Protocol):
        stalled_seconds = 0.01

    async def scenario(_: Running) -> None:
        config = make_config(lambda: echo, trusted_proxies=[])
        config.load()
        protocol = Impatient(config, ServerState(), {})
        protocol._reader_timer, transport = None, Slow(100, 60, 20, 19, 20)
        protocol.transport, protocol.flow = transport, FlowControl(transport)
        protocol.pause_writing()
        await transport.gone.wait()
        assert transport.waiting == [20], "as long as it keeps its pace, it is waited for"
        protocol.pause_writing()
        protocol.resume_writing()
        assert protocol._reader_timer is None

    serving(scenario)


@pytest.mark.parametrize(
    ("proxies", "client"), [((), "127.0.0.1"), (("10.0.0.0/8",), "127.0.0.1"), (("127.0.0.1",), "192.0.2.9")]
)
def test_forwarded_addresses_are_believed_from_trusted_proxies_alone(proxies: tuple[str, ...], client: str) -> None:
    async def scenario(running: Running) -> None:
        async with running.connect() as (reader, writer):
            writer.write(GET.replace(b"Host: x", b"X-Forwarded-For: 192.0.2.9"))
            assert json.loads((await answer_of(reader))[2])["client"] == client

    serving(scenario, proxies=proxies)


def test_what_uvicorn_says_becomes_a_structured_log() -> None:
    async def scenario(running: Running) -> None:
        assert parts(await running.send(b"\x00"))[0] == 400

    with structlog.testing.capture_logs() as lines:
        serving(scenario)
        serving(scenario)
    warned = [line for line in lines if line["logger"] == "uvicorn.error"]
    assert [line["event"] for line in warned] == ["Invalid HTTP request received."] * 2


def test_a_taken_address_is_told_in_one_line() -> None:
    with bind_socket("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(ServerError, match=r"Cannot listen on 127\.0\.0\.1, port \d+: Address already in use\."):
            bind_socket("127.0.0.1", first.getsockname()[1])
        assert server.url_of(first) == f"http://127.0.0.1:{first.getsockname()[1]}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_is_shown_as_a_url_has_it() -> None:
    with bind_socket("::1", 0) as listener:
        assert server.url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize("workers", [1, 2])
def test_an_app_that_does_not_start_is_an_error(workers: int) -> None:
    code = f"from tests.web.failing import serve; serve({workers})"
    with processes.start(code=code, stderr=subprocess.PIPE) as process:
        assert process.stderr
        assert "The server did not start" in process.stderr.read()
        assert process.wait(60) == 1
