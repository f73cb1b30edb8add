"""A kept answer leaves the server byte for byte as one that goes through ASGI's `send`."""

import re
import socket
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.edge import layer
from tests.flows.conftest import serving
from tests.make import Headers, published

pytestmark = pytest.mark.portable

CASES = [
    b"GET /v1/articles/a-ferry HTTP/1.1\r\nHost: a\r\n",
    b"HEAD /v1/articles/a-ferry HTTP/1.1\r\nHost: a\r\n",
    b"GET /v1/articles/a-ferry HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n",
    b"GET /v1/articles/none HTTP/1.1\r\nHost: a\r\n",
    b"GET /feeds/site.rss HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n",
    b"GET /v1/articles/a-ferry HTTP/1.0\r\nHost: a\r\n",
    b"GET /v1/articles/a-ferry HTTP/1.1\r\nHost: a\r\nConnection: close\r\n",
]
ENDED = (b"HTTP/1.0", b"Connection: close")
ID = b"X-Request-ID: mine\r\n\r\n"


def exchange(port: int, request: bytes) -> bytes:
    """Everything that comes back; the connection is closed by the last request."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        found = b""
        while part := connection.recv(65536):
            found += part
    return re.sub(rb"(?i)date: [^\r]*", b"date: now", found)


@pytest.fixture
def port(settings: Settings, client: TestClient, editor: Headers) -> Iterator[int]:
    published(client, editor, "A ferry", body={"html": "<p>Once upon a time.</p>" * 4000})  # more than is copied
    with serving(settings) as address:
        yield int(address.rpartition(":")[2])


def sent_twice(port: int, case: bytes) -> bytes:
    """Two kept answers to pipelined requests; one where the request ends the connection."""
    if any(mark in case for mark in ENDED):
        return exchange(port, case + ID)
    last = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    found = exchange(port, case + ID + case + ID + last + ID)
    return found[: found.rindex(b"HTTP/1.1 200")]


def test_both_ways_send_the_same_bytes(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in CASES:
        exchange(port, case.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + ID)  # keeps it
    used = []
    whole = layer.send_whole

    def note(*arguments: object) -> None:
        used.append(whole(*arguments))  # type: ignore[arg-type, func-returns-value]

    monkeypatch.setattr(layer, "send_whole", note)
    at_once = [sent_twice(port, case) for case in CASES]
    assert len(used) == 10  # those whose connection goes on
    monkeypatch.setattr(layer, "find_cycle", lambda _send: None)
    in_parts = [sent_twice(port, case) for case in CASES]
    for case, one, other in zip(CASES, at_once, in_parts, strict=True):
        assert one.count(b"Broadsheet; hit") == (1 if any(mark in case for mark in ENDED) else 2), case
        heads = [re.split(rb"\r\n", found) for found in (one, other)]
        assert sorted(heads[0]) == sorted(heads[1]), case
        assert len(one) == len(other)
