"""CORS: reads for everybody, writes and credentials for the publication's own front ends."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app.web.boundary import EXPOSED_HEADERS, Cors

FRONT, OTHER = "https://front.example", "https://other.example"


async def page(request: Request) -> Response:
    return PlainTextResponse("ok")


async def varied(request: Request) -> Response:
    return PlainTextResponse("ok", headers={"Vary": "Accept, Origin"})


ROUTES = [Route("/", page, methods=["GET", "POST"]), Route("/varied", varied)]
site = TestClient(Cors(Starlette(routes=ROUTES), [FRONT]))


@pytest.mark.parametrize("origin", [FRONT, OTHER, "null"])
def test_origin_stands_in_vary_once(origin: str) -> None:
    assert site.get("/varied", headers={"Origin": origin}).headers.get_list("vary") == ["Accept, Origin"]
    assert site.get("/", headers={"Origin": origin}).headers.get_list("vary") == ["Origin"]


@pytest.mark.parametrize(
    ("origin", "allowed", "credentials"),
    [
        (FRONT, FRONT, "true"),
        (OTHER, "*", None),
        ("null", "*", None),
        (FRONT + ".evil.example", "*", None),
        (FRONT.replace("https", "http"), "*", None),
        (None, None, None),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_may_read_answers(method: str, origin: str | None, allowed: str | None, credentials: str | None) -> None:
    headers = site.request(method, "/", headers={"Origin": origin} if origin else {}).headers
    assert headers.get("access-control-allow-origin") == allowed
    assert headers.get("access-control-allow-credentials") == credentials
    exposed = headers.get("access-control-expose-headers", "")
    assert exposed.split(", ") == (EXPOSED_HEADERS if origin else [""])


@pytest.mark.parametrize(
    ("origin", "method", "asked", "status"),
    [
        (FRONT, "GET", "", 200),
        (FRONT, "POST", "authorization,content-type,idempotency-key", 200),
        (FRONT, "PATCH", "if-match", 200),
        (FRONT, "DELETE", "x-request-id", 200),
        (FRONT, "TRACE", "", 400),
        (FRONT, "GET", "x-unknown", 400),
        (OTHER, "GET", "if-none-match", 200),
        (OTHER, "GET", "authorization", 400),
        (OTHER, "POST", "content-type", 400),
        (OTHER, "DELETE", "", 400),
        ("null", "PUT", "", 400),
    ],
)
def test_what_a_browser_may_send(origin: str, method: str, asked: str, status: int) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    answer = site.options("/", headers=headers | ({"Access-Control-Request-Headers": asked} if asked else {}))
    assert answer.status_code == status
