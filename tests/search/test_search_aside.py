"""The search in a process of its own finds what a thread finds, at once."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.main import create_app
from tests import make

Headers = dict[str, str]


@pytest.fixture
def beside(settings: Settings) -> Iterator[TestClient]:
    """A client of an app whose process for searches stands ready."""
    app = create_app(settings.model_copy(update={"search_processes": 1}), with_worker=False)
    with TestClient(app) as found:
        until = time.monotonic() + 60
        while not app.state.services.query_processes._processes:
            make.ok(found.get("/v1/search?q=ready"))
            assert time.monotonic() < until
        app.state.services.query_processes._db = SimpleNamespace(choose_replica=lambda: None)  # no thread can help
        yield found


PATHS = (
    "/v1/search?q=ferry",
    "/v1/search?q=ferry&limit=1",
    "/v1/search?q=ferry&sort=-published_at&count=exact&formats=text",
    "/v1/search?q=nothing",
    "/v1/search?q=ferry&cursor=nonsense",
    "/v1/articles?q=ferry&limit=1&count=exact",
    "/v1/articles?q=ferry&sort=title",
    "/v1/articles?q=ferry&cursor=nonsense",
)


def told(answer: Any) -> tuple[int, Any]:
    return answer.status_code, {**answer.json(), "request_id": None}


def test_it_answers_the_same_at_once(client: TestClient, beside: TestClient, editor: Headers) -> None:
    for title in ("The ferry", "The other ferry", "A <b>ferry</b> 渡し船"):
        make.published(client, editor, title, body={"html": "<p>It sails.</p>"})
    for path in PATHS:
        assert told(beside.get(path)) == told(client.get(path)), path
        assert told(beside.get(path, headers=editor)) == told(client.get(path, headers=editor)), path
    for number in range(3, 8):  # and finds what was published a moment ago
        made = make.published(beside, editor, f"Ferry {number}")
        found = make.ok(beside.get("/v1/search?q=ferry&sort=-published_at"))["data"]
        assert (len(found), found[0]["id"]) == (number + 1, made["id"])
        make.act(beside, editor, made, "unpublish")
        assert len(make.ok(beside.get("/v1/search?q=ferry"))["data"]) == number
        make.act(beside, editor, made, "publish")
