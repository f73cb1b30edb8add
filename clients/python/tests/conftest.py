"""The server that `clients/with-server` started, and clients of it whose requests can be watched."""

import os
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest

from broadsheet_client import Client

URL = os.environ.get("BROADSHEET_URL", "")
KEY = os.environ.get("BROADSHEET_KEY", "")
SLUG = "in-praise-of-the-slow-bridge"


def words(text: str) -> str:
    """Return a text that no comment had before, since duplicates are refused."""
    return f"{text} ({uuid4()})"


class Transport(httpx.HTTPTransport):
    """A transport that notes requests and answers; `answer` may answer the nth in the server's place, or raise."""

    def __init__(
        self, answer: Callable[[int, httpx.Request], httpx.Response | None] = lambda _n, _request: None
    ) -> None:
        super().__init__()
        self.answer, self.requests, self.answers = answer, list[httpx.Request](), list[httpx.Response]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Note a request and answer it."""
        self.requests.append(request)
        response = self.answer(len(self.requests), request) or super().handle_request(request)
        self.answers.append(response)
        return response


@pytest.fixture
def transport() -> Transport:
    """A transport that only notes."""
    return Transport()


@pytest.fixture
def api(transport: Transport) -> Iterator[Client]:
    """A client of an anonymous reader."""
    with Client(URL, http=httpx.Client(transport=transport)) as client:
        yield client


@pytest.fixture
def editor() -> Iterator[Client]:
    """A client with an editor's key."""
    with Client(URL, key=KEY) as client:
        yield client


def answer_problem(status: int, code: str, **headers: str) -> httpx.Response:
    """Return an error answer."""
    content_type = {"content-type": "application/problem+json"}
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=content_type | fields, json={"status": status, "code": code})
