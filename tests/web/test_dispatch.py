"""Which route answers a request: the index of routes finds what Starlette's router finds by trying all of them."""

import random
import re
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.main import create_app
from app.web.dispatch import Dispatcher, RouteIndex
from app.web.routing import install_handler

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
PARTS = ["a", "bulk", "x.md", ".md", "a.ninjs.json", "", "..", "\n", "é", "{article}", "v1", "articles"]


async def answer() -> Response:
    """Answer anything."""
    return Response()


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[APIRoute]:
    """The routes of the app, and some that overlap in every way."""
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"))
    found = [route for route in create_app(settings, with_worker=False).router.routes if isinstance(route, APIRoute)]
    router = APIRouter()
    for path in ("/a/{x}", "/a/b", "/{x}/b", "/{x:path}.md", "/a/{n:int}", "/a/{x}.md", "/", "/{x}/", "/a//b", "/a/b/"):
        for method in ("GET", "POST"):
            router.add_api_route(path, answer, methods=[method])
    return found + [route for route in router.routes if isinstance(route, APIRoute)]


def find_linearly(routes: Sequence[APIRoute], path: str, method: str) -> tuple[APIRoute, dict[str, Any]] | None:
    """Find the route as Starlette's router does."""
    partial = None
    for route in routes:
        match, child = route.matches({"type": "http", "path": path, "method": method, "root_path": ""})
        if match == Match.FULL:
            return route, child["path_params"]
        if match == Match.PARTIAL and partial is None:
            partial = route, child["path_params"]
    return partial


def make_path(rng: random.Random, routes: Sequence[APIRoute]) -> str:
    """Make a path that is like one of the routes, with something changed."""
    path = re.sub(r"{[^}]*}", lambda _: rng.choice(PARTS), rng.choice(routes).path)
    segments = path.split("/")
    for _ in range(rng.choice([0, 0, 1, 2])):
        place = rng.randrange(len(segments) + 1)
        change = rng.randrange(3)
        if change == 0:
            segments.insert(place, rng.choice(PARTS))
        elif change == 1:
            del segments[place - 1 : place]
        elif segments:
            segments[place - 1] = rng.choice(PARTS)
    return "/".join(segments) + rng.choice(["", "", "", "/", "\n", ".md"])


def test_the_index_finds_what_trying_all_routes_finds(routes: list[APIRoute]) -> None:
    rng = random.Random(random.getrandbits(32))
    index = RouteIndex(routes)
    outcomes = set()
    for _ in range(300):
        path, method = make_path(rng, routes), rng.choice(METHODS)
        expected = find_linearly(routes, path, method)
        found = index.find(path, method)
        assert found == expected, (path, method)
        outcomes.add(expected is not None and method in (expected[0].methods or ()))
        methods = {name for route in routes if route.path_regex.match(path) for name in route.methods or ()}
        assert set(index.list_methods(path)) == (methods | {"HEAD"} if "GET" in methods else methods)
    assert outcomes == {True, False}


def test_the_number_of_routes_that_are_tried_does_not_grow(routes: list[APIRoute]) -> None:
    index = RouteIndex(routes)
    for path in ("/v1/articles/a/related", "/v1/changes", "/metrics", "/v1/comments/a/replies", "/v1/search"):
        assert len(list(index._iterate_candidates(path))) <= 8, path


def test_a_missing_route_and_a_missing_method() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/x/{a}", answer, methods=["GET"])
    app.add_api_route("/x/{b}", answer, methods=["POST"])
    for route in app.routes:
        assert isinstance(route, APIRoute)
        install_handler(route)
    site = TestClient(Dispatcher(app))
    assert site.get("/y").status_code == 404
    refused = site.delete("/x/1")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert refused.json()["code"] == "method_not_allowed"
