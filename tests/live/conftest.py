"""Server-Sent Events as a client reads them."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx2
import pytest

from app.core.settings import Settings

PATIENCE = 30.0  # seconds to wait for what must come


class Event(NamedTuple):
    """An event with the id that holds after it."""

    type: str
    data: Any
    id: str


class Reader:
    """Reads a stream as WHATWG HTML §9.2.6 says, one event after the other."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.last_id = ""

    def __iter__(self) -> Iterator[Event]:
        event, data = "", ""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if not line:
                if data:
                    yield Event(event, json.loads(data), self.last_id)
                event, data = "", ""
            elif name == "id":
                self.last_id = value
            elif name == "event":
                event = value
            elif name == "data":
                data += value
            else:
                assert name in {"retry", ""}, line

    def until(self, kind: str) -> Event:
        """The next event of a type; others are passed over."""
        return next(event for event in self if event.type == kind)


def read(text: str) -> list[Event]:
    """All events of a stream that has ended."""
    return list(Reader(iter(text.split("\n"))))


def _in_time(lines: Iterator[str]) -> Iterator[str]:
    """Heartbeats keep a stream open without end, but nobody waits so long for what they need."""
    until = time.monotonic() + PATIENCE
    for line in lines:
        assert time.monotonic() < until, "what must come has not come"
        yield line


@contextmanager
def following(address: str, url: str, **headers: str) -> Iterator[Reader]:
    """An open stream of a running server, its first counts behind it."""
    with httpx2.Client(base_url=address, timeout=PATIENCE) as client, client.stream("GET", url, headers=headers) as it:
        assert it.status_code == 200, it.read()
        reader = Reader(_in_time(it.iter_lines()))
        if "/articles/" in url:
            reader.until("counts")
        yield reader


@pytest.fixture
def lasting(settings: Settings) -> Settings:
    """Settings under which streams go on."""
    return settings.model_copy(update={"live_seconds": 900})
