"""Server-Sent Events as a client reads them, each compared with its schema in the OpenAPI document."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import jsonschema_rs
import pytest

from app.core.settings import Settings
from app.main import create_app

PATIENCE = 30.0  # seconds to wait for what must come


class Event(NamedTuple):
    """An event with the id that holds after it."""

    type: str
    data: Any
    id: str


@cache
def _document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return create_app(Settings(_env_file=None, data_dir=Path(folder)), with_worker=False).openapi()


@cache
def _validator(path: str) -> Any:
    content = _document()["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"]
    schema = {**content["schema"]["contentSchema"], "components": _document()["components"]}
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def check_event(url_path: str, event: str, data: Any) -> None:
    """Compare an event with the schema that the document has for the stream at this path."""
    if url_path in ("/v1/live", "/v1/moderation/live", "/v1/editorial/live"):
        assert data["type"] == event
        errors = list(_validator(url_path).iter_errors(data))
    else:
        errors = list(_validator("/v1/articles/{article}/live").iter_errors({"event": event, "data": data}))
    assert not errors, (event, data, [error.message for error in errors])


class Reader:
    """Reads a stream as WHATWG HTML §9.2.6 says, one event after the other, which must be as documented."""

    def __init__(self, lines: Iterator[str], url_path: str) -> None:
        self._lines, self._path = lines, url_path
        self.last_id = ""

    def __iter__(self) -> Iterator[Event]:
        event, data = "", ""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if not line:
                if data:
                    check_event(self._path, event, json.loads(data))
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
        """Return the next event of a type, skipping others."""
        return next(event for event in self if event.type == kind)


def read(answer: Any) -> list[Event]:
    """Return all events of a stream that has ended."""
    return list(Reader(iter(answer.text.split("\n")), answer.request.url.path))


def _in_time(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines, and fail after `PATIENCE`, since heartbeats keep a stream open for ever."""
    until = time.monotonic() + PATIENCE
    for line in lines:
        assert time.monotonic() < until, "what must come has not come"
        yield line


@contextmanager
def following(address: str, url: str, **headers: str) -> Iterator[Reader]:
    """Open a stream of a running server, and read its first counts."""
    _document()  # made before the time begins in which events must come: it takes seconds, on a busy machine many
    with httpx2.Client(base_url=address, timeout=PATIENCE) as client, client.stream("GET", url, headers=headers) as it:
        assert it.status_code == 200, it.read()
        reader = Reader(_in_time(it.iter_lines()), it.request.url.path)
        if "/articles/" in url:
            reader.until("counts")
        yield reader


@pytest.fixture
def lasting(settings: Settings) -> Settings:
    """Return settings under which streams stay open."""
    return settings.model_copy(update={"live_seconds": 900})
