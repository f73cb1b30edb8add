import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from app.web.admission import ROUNDS_AFTER_LONG_ONE, Admission, Limits, slot_of
from app.web.protocol import Protocol
from tests.web.running import GET, Running, answer_of, echo, parts, serving

Scenario = Callable[[Running, asyncio.Event], Awaitable[None]]


class Closing(Protocol):
    stalled_seconds = 0.01


class Hasty(Protocol):
    retry_seconds = 0


class Patient(Protocol):
    retry_seconds = 600


def limit(scenario: Scenario, *, protocol: type[Protocol] = Protocol, **limits: Any) -> Admission:
    """Run a scenario against an app with limits, whose answers to `/wait` wait for an event."""
    go = asyncio.Event()

    class App:
        admission = Admission(Limits(**limits))

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/wait":
                await go.wait()
            elif scope["path"] == "/client":
                with slot_of(scope):
                    await go.wait()
            await echo(scope, receive, send)

    serving(lambda running: scenario(running, go), App(), protocol)
    return App.admission


def ask(path: str, host: str = "x") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


@pytest.mark.parametrize("limits", [{"connections": 2}, {"connections_per_address": 2}])
def test_a_connection_too_many_is_refused(limits: dict[str, int]) -> None:
    async def scenario(running: Running, _go: asyncio.Event) -> None:
        async with running.connect() as (reader, writer):
            async with running.connect():
                status, headers, body = parts(await running.send(b""))
                assert (status, body["code"], headers["connection"]) == (503, "unavailable", "close")
                assert headers["retry-after"]
            writer.write(GET)
            assert (await answer_of(reader))[0] == 200
            while len(running.state.connections) > 1:
                await asyncio.sleep(0.001)
            async with running.connect() as (reader, writer):
                writer.write(GET)
                assert (await answer_of(reader))[0] == 200

    assert limit(scenario, **limits).connections == 0


def test_trusted_proxies_may_open_any_number_of_connections() -> None:
    async def scenario(running: Running, _go: asyncio.Event) -> None:
        async with running.connect(), running.connect() as (reader, writer):
            writer.write(GET)
            assert (await answer_of(reader))[0] == 200

    limit(scenario, connections_per_address=1, proxies=("127.0.0.0/8",))


def test_a_request_too_many_is_refused_at_once_and_its_connection_stays() -> None:
    async def scenario(running: Running, go: asyncio.Event) -> None:
        async with running.connect() as (first, asking), running.connect() as (reader, writer):
            asking.write(ask("/wait"))
            while not running.state.tasks:
                await asyncio.sleep(0)
            for _ in range(2):
                writer.write(b"POST / HTTP/1.1\r\nX-Request-ID: mine\r\nContent-Length: 3\r\n\r\nabc")
                status, headers, body = await answer_of(reader)
                assert (status, headers["x-request-id"], json.loads(body)["request_id"]) == (503, "mine", "mine")
                assert headers["retry-after"]
                assert headers["x-content-type-options"] == "nosniff"
            closing = await running.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert parts(closing)[:1] == (503,)
            go.set()
            assert (await answer_of(first))[0] == 200
            writer.write(GET)
            assert (await answer_of(reader))[0] == 200

    assert limit(scenario, protocol=Hasty, requests=1).working == 0


@pytest.mark.parametrize("proxies", [(), ("127.0.0.0/8",)])
def test_who_was_refused_is_not_read_before_there_is_room(proxies: tuple[str, ...]) -> None:
    """But the connections of a proxy are those of many clients."""

    async def scenario(running: Running, go: asyncio.Event) -> None:
        async with running.connect() as (first, asking), running.connect() as (reader, writer):
            asking.write(ask("/wait"))
            while not running.state.tasks:
                await asyncio.sleep(0)
            writer.write(GET)
            assert (await answer_of(reader))[0] == 503
            resting = [protocol for protocol in running.state.connections if protocol.flow.read_paused]  # type: ignore[union-attr]
            assert len(resting) == (0 if proxies else 1)
            writer.write(GET)
            if proxies:
                assert (await answer_of(reader))[0] == 503
            go.set()
            assert (await answer_of(first))[0] == 200
            if proxies:
                writer.write(GET)
            assert (await answer_of(reader))[0] == 200, "there is room for it now"

    assert limit(scenario, protocol=Patient, requests=1, proxies=proxies).resting == {}


def test_a_request_that_waits_for_its_client_is_no_work() -> None:
    async def scenario(running: Running, go: asyncio.Event) -> None:
        async with running.connect() as (first, asking), running.connect() as (reader, writer):
            asking.write(ask("/client"))
            while not running.state.tasks:
                await asyncio.sleep(0)
            writer.write(GET)
            assert (await answer_of(reader))[0] == 200
            go.set()
            assert (await answer_of(first))[0] == 200

    assert limit(scenario, requests=1).working == 0


def test_many_requests_that_come_together_are_all_answered() -> None:
    async def scenario(running: Running, _go: asyncio.Event) -> None:
        async def send() -> int:
            async with running.connect() as (reader, writer):
                writer.write(GET)
                return (await answer_of(reader))[0]

        assert set(await asyncio.gather(*(send() for _ in range(50)))) == {200}

    assert limit(scenario).working == 0


def test_a_path_may_have_a_limit_of_its_own() -> None:
    async def scenario() -> None:
        admission = Admission(Limits(paths={"/search": 1}))
        first = admission.admit_request("/search")
        assert first
        assert admission.admit_request("/search") is None
        assert admission.admit_request("/other")
        with first:  # it waits for its client
            second = admission.admit_request("/search")
            assert second
            second.leave()
        first.leave()
        assert admission.admit_request("/search")

    asyncio.run(scenario())


def test_requests_that_would_begin_too_late_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))  # in hundredths of a second
    monkeypatch.setattr("app.web.admission.perf_counter", lambda: next(clock) / 100)

    async def scenario() -> None:
        admission, begun, rounds = Admission(Limits()), list[int](), list[list[int]]()
        admission.max_wait_seconds = 0.0015
        for number in range(4):
            assert admission.admit_request("/"), "nothing is known yet"
            admission.start(partial(begun.append, number))
        while len(begun) < 3:
            rounds.append(list(begun))
            await asyncio.sleep(0)
            if len(begun) == 2:  # two wait, for a thousandth of a second each
                assert admission.admit_request("/") is None
        assert rounds.count([0]) > ROUNDS_AFTER_LONG_ONE, "after a long round others pass"
        while len(begun) < 4:
            await asyncio.sleep(0)
        assert admission.admit_request("/")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (ask("/", "api.example"), 200),
        (ask("/", "API.example:8000"), 200),
        (ask("/", "a.b.example.org"), 200),
        (ask("/", "[::1]:80"), 200),
        (ask("/healthz", "10.0.0.7"), 200),
        (ask("/", "example.org"), 421),
        (ask("/", "api.example.evil"), 421),
        (ask("http://evil.example/", "api.example"), 421),
        (b"GET / HTTP/1.1\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: api.example\r\nHost: evil.example\r\n\r\n", 421),
    ],
)
def test_only_own_hosts_are_answered(sent: bytes, status: int) -> None:
    async def scenario(running: Running, _go: asyncio.Event) -> None:
        async with running.connect() as (reader, writer):
            writer.write(sent)
            assert (await answer_of(reader))[0] == status

    limit(scenario, hosts=("api.example", "[::1]", "*.example.org"))


def test_a_connection_that_is_closed_is_not_held_open_by_its_reader() -> None:
    async def scenario(running: Running, _go: asyncio.Event) -> None:
        async with running.connect() as (_reader, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            while not running.state.connections:
                await asyncio.sleep(0)
            [protocol] = running.state.connections
            while not protocol.transport.get_write_buffer_size():
                protocol.transport.write(bytes(60_000))
            protocol.timeout_keep_alive_handler()
            while running.state.connections:
                await asyncio.sleep(0.001)

    limit(scenario, protocol=Closing)
