"""The site's keys: when they are read, how long they are believed, and what a bad server can do."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from app.identity.jwks import JwksCache
from app.identity.readers import ReaderKeysUnavailable
from app.net import cached_document
from app.net.cached_document import (
    DEFAULT_FRESH_SECONDS,
    MAX_DOCUMENT_BYTES,
    MAX_FRESH_SECONDS,
    MAX_STALE_SECONDS,
    MIN_REFRESH_SECONDS,
    RETRY_SECONDS,
    fetch_once,
)
from app.net.outgoing import CallFailed
from tests.identity.test_readers_of_the_site import EC, RSA, answering, published


class Site:
    """The site's server, and the time."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [published(RSA, "old")]
        self.control, self.asked, self.clock = "", 0, 0.0
        self.error: Exception | None = None
        self.set = JwksCache("https://site.example/keys", ReaderKeysUnavailable, self.fetch, lambda: self.clock)

    async def fetch(self, url: str) -> tuple[bytes, str]:
        self.asked += 1
        if self.error:
            raise self.error
        return json.dumps({"keys": self.keys}).encode(), self.control

    def has(self, kid: str | None, algorithm: str = "RS256") -> bool:
        return asyncio.run(self.set.key(kid, algorithm)) is not None


@pytest.fixture
def site() -> Site:
    return Site()


def test_keys_are_read_once(site: Site) -> None:
    async def many() -> list[Any]:
        return await asyncio.gather(*(site.set.key("old", "RS256") for _ in range(20)))

    assert None not in asyncio.run(many())
    assert site.asked == 1


def test_nothing_is_read_before_it_is_needed(site: Site) -> None:
    assert site.asked == 0


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        ("", DEFAULT_FRESH_SECONDS),
        ("public, max-age=600", 600),
        ("max-age=999999", MAX_FRESH_SECONDS),
        ("max-age=0", MIN_REFRESH_SECONDS),
        ("no-cache, max-age=x", DEFAULT_FRESH_SECONDS),
    ],
)
def test_keys_are_read_again_when_their_time_is_over(site: Site, control: str, seconds: float) -> None:
    site.control = control
    assert site.has("old")
    site.keys = [published(EC, "new")]
    site.clock = seconds - 1
    assert site.has("old")
    assert site.asked == 1
    site.clock = seconds
    assert not site.has("old")
    assert site.asked == 2


def test_a_key_that_is_not_there_is_looked_for_once_a_minute(site: Site) -> None:
    assert site.has("old")
    site.keys.append(published(EC, "new"))
    for _ in range(5):
        assert not site.has("new", "ES256")
    assert site.asked == 1  # read just now
    site.clock = MIN_REFRESH_SECONDS
    assert site.has("new", "ES256")
    for n in range(20):
        assert not site.has(f"unknown {n}")
    assert site.asked == 2


def test_keys_outlive_their_server_for_a_day(site: Site) -> None:
    assert site.has("old")
    site.error = CallFailed("away")
    site.clock = DEFAULT_FRESH_SECONDS + 1
    assert site.has("old")
    with pytest.raises(ReaderKeysUnavailable):
        site.has("new")
    assert site.asked == 2  # not again for every caller
    site.clock += RETRY_SECONDS
    assert site.has("old")
    assert site.asked == 3
    site.clock = MAX_STALE_SECONDS + 1
    with pytest.raises(ReaderKeysUnavailable):
        site.has("old")
    site.error = None
    site.clock += RETRY_SECONDS
    assert site.has("old")
    assert not site.has("new")


def test_a_look_for_an_unknown_key_that_fails_is_not_repeated_at_once(site: Site) -> None:
    site.control = "max-age=3600"
    assert site.has("old")
    site.error, site.clock = CallFailed("away"), MIN_REFRESH_SECONDS
    for _ in range(3):
        with pytest.raises(ReaderKeysUnavailable):
            site.has("unknown")
        assert site.has("old")
    assert site.asked == 2


def test_while_the_site_does_not_answer_only_those_wait_whose_key_is_unknown(site: Site) -> None:
    answer = asyncio.Event()

    async def hang(url: str) -> tuple[bytes, str]:
        site.asked += 1
        await answer.wait()
        return json.dumps({"keys": [*site.keys, published(EC, "new")]}).encode(), ""

    async def scenario() -> None:
        assert await site.set.key("old", "RS256")
        site.set._fetch, site.clock = hang, DEFAULT_FRESH_SECONDS
        unknown = [asyncio.create_task(site.set.key("new", "ES256")) for _ in range(20)]
        await asyncio.sleep(0)
        for _ in range(20):  # at once: nothing here lets time go by
            known = site.set.key("old", "RS256")
            with pytest.raises(StopIteration) as end:
                known.send(None)
            assert end.value.value is not None
        assert not any(task.done() for task in unknown)
        unknown[0].cancel()  # one goes away, and the others are answered all the same
        answer.set()
        assert None not in await asyncio.gather(*unknown[1:])
        assert site.asked == 2

    asyncio.run(scenario())


def test_old_keys_serve_when_the_site_hangs(site: Site) -> None:
    async def hang(url: str) -> tuple[bytes, str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario() -> None:
        assert await site.set.key("old", "RS256")
        site.set._fetch, site.clock = hang, DEFAULT_FRESH_SECONDS
        assert await site.set.key("old", "RS256")
        await site.set.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 7}', b"<html>", b'{"keys"', b"\xff"])
def test_what_is_no_key_set_is_a_503(site: Site, body: bytes) -> None:
    site.set = JwksCache("https://site.example/keys", ReaderKeysUnavailable, answering(body), lambda: 0.0)
    with pytest.raises(ReaderKeysUnavailable):
        site.has("old")


def test_one_bad_key_does_not_spoil_the_others(site: Site) -> None:
    site.keys = [{"kty": "RSA", "kid": "x", "n": "!", "e": "AQAB"}, {}, published(RSA, "old")]
    site.keys.insert(0, "nonsense")  # type: ignore[arg-type]
    assert site.has("old")
    assert not site.has("x")


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys?of=site"
        finally:
            server.shutdown()
            thread.join()


def test_keys_come_over_http() -> None:
    paths: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        paths.append(handler.path)
        handler.send_response(200)
        handler.send_header("Cache-Control", "max-age=60")
        handler.end_headers()
        handler.wfile.write(b"{}")

    with serving(answer) as url:
        assert asyncio.run(fetch_once(url)) == (b"{}", "max-age=60")
    assert paths == ["/keys?of=site"]


def test_redirects_are_not_followed() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://127.0.0.1:9/")
        handler.end_headers()

    with serving(answer) as url, pytest.raises(ValueError, match="302"):
        asyncio.run(fetch_once(url))


def test_an_endless_answer_is_cut() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(1000):
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            return

    with serving(answer) as url, pytest.raises(CallFailed, match="too large"):
        asyncio.run(fetch_once(url))
    assert MAX_DOCUMENT_BYTES < 1000 * 65_536


def test_a_slow_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_document, "FETCH_TIMEOUT_SECONDS", 0.05)
    done = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not done.wait(0.01):
                handler.wfile.write(b" ")
        except OSError:
            return

    with serving(answer) as url:
        try:
            with pytest.raises(CallFailed, match="in time"):
                asyncio.run(fetch_once(url))
        finally:
            done.set()
