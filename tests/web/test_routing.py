"""How a write gets its body: read strictly, and only from those who may write."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from app.core.problems import Unauthorized
from app.core.settings import Settings
from app.main import create_app
from app.web.dispatch import Dispatcher
from app.web.routing import LazyRoute, Router, install_handler

router = APIRouter()


class Note(BaseModel):
    """What is sent."""

    text: str


class Asked(BaseModel):
    """What is asked."""

    loud: bool = False


class Door(SecurityBase):
    """Lets in who says please."""

    scheme_name = "door"

    async def __call__(self, request: Request) -> str:
        if "please" not in request.headers:
            raise Unauthorized("Say please.")
        return "somebody"


@router.post("/notes/{n}")
async def post(n: int, body: Note, query: Annotated[Asked, Query()], who: Annotated[str, Depends(Door())]) -> Response:
    """Say it back."""
    return JSONResponse([n, body.text.upper() if query.loud else body.text, who])


@router.post("/perhaps")
async def perhaps(body: Note | None = None) -> Response:
    """A body that may be left out."""
    return JSONResponse(body and body.text)


@pytest.fixture
def site() -> TestClient:
    app = FastAPI()
    for route in router.routes:
        assert isinstance(route, APIRoute)
        install_handler(route)
        app.router.routes.append(route)
    return TestClient(Dispatcher(app), headers={"please": "yes"}, raise_server_exceptions=False)


def test_every_route_of_the_app_can_be_built(settings: Settings) -> None:
    for route in create_app(settings, with_worker=False).router.routes:
        assert isinstance(route, LazyRoute)
        assert callable(route.handler)


def test_a_route_is_built_when_it_is_requested(settings: Settings) -> None:
    notes = Router()
    notes.add_api_route("/notes/{n}", post, methods=["POST"])
    route, app = notes.routes[0], FastAPI()
    assert isinstance(route, LazyRoute)
    app.router.routes[:] = notes.routes
    client = TestClient(Dispatcher(app), headers={"please": "yes"})
    assert client.post("/other").status_code == 404
    assert "dependant" not in vars(route)
    assert client.post("/notes/3", json={"text": "é"}).json() == [3, "é", "somebody"]
    assert "dependant" in vars(route)


def test_everything_finds_its_argument(site: TestClient) -> None:
    assert site.post("/notes/3?loud=true", json={"text": "é"}).json() == [3, "É", "somebody"]
    assert site.post("/perhaps").json() is None
    assert site.post("/perhaps", json={"text": "a"}).json() == "a"


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"])
def test_what_counts_as_json(site: TestClient, kind: str) -> None:
    assert site.post("/notes/1", content=b'{"text": "a"}', headers={"content-type": kind}).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status", "pointer"),
    [
        ({"content": b""}, 422, ""),
        ({"json": {}}, 422, "/text"),
        ({"json": {"text": 1}}, 422, "/text"),
        ({"json": []}, 422, ""),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, None),
        ({"content": b'{"text": NaN}', "headers": {"content-type": "application/json"}}, 400, None),
        ({"content": b'{"text": "a"}', "headers": {"content-type": "text/plain"}}, 415, None),
        ({"content": b'{"text": "a"}'}, 415, None),
    ],
)
def test_what_does_not_fit(site: TestClient, sent: dict[str, Any], status: int, pointer: str | None) -> None:
    answer = site.post("/notes/1", **sent)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    if pointer is not None:
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def _asked(app: Any, headers: list[tuple[bytes, bytes]], arriving: Iterable[dict[str, Any]]) -> list[int]:
    """The status of an answer, and how many parts of the body were read for it."""
    parts, told = iter(arriving), [0, 0]

    async def receive() -> dict[str, Any]:
        told[1] += 1
        return next(parts)

    async def send(message: dict[str, Any]) -> None:
        told[0] = message.get("status", told[0])

    scope = {"type": "http", "method": "POST", "path": "/notes/1", "raw_path": b"/notes/1", "root_path": ""}
    scope |= {"headers": headers, "query_string": b"", "scheme": "http", "http_version": "1.1", "request_id": "r"}
    await app(scope, receive, send)
    return told


def test_a_stranger_is_refused_before_the_body_is_read(site: TestClient) -> None:
    body = {"type": "http.request", "body": b'{"text": "a"}'}
    json = (b"content-type", b"application/json")
    assert asyncio.run(_asked(site.app, [json], [body])) == [401, 0]
    assert asyncio.run(_asked(site.app, [json, (b"please", b"yes")], [body])) == [200, 1]


def test_a_client_that_goes_away(site: TestClient) -> None:
    assert asyncio.run(_asked(site.app, [(b"please", b"yes")], [{"type": "http.disconnect"}])) == [400, 1]


def test_apps_of_one_process_share_their_routes_as_they_are(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)

    def patterns() -> list[str]:
        app = create_app(settings, with_worker=False)
        return [route.path_regex.pattern for route in app.router.routes if isinstance(route, APIRoute)]

    first = patterns()
    assert any("(?!" in pattern for pattern in first)
    assert patterns() == first
