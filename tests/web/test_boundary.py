"""The outermost layers: ids, bounds, CORS, metrics, the log, and answers to what nobody expected."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, cast

import pytest
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from prometheus_client import generate_latest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.testclient import TestClient

from app.core import logs
from app.core.ids import is_id
from app.core.problems import BodyTooLarge
from app.core.settings import Settings
from app.main import create_app
from app.web import access_log, boundary
from app.web.access_log import AccessLog, Metrics
from app.web.boundary import Boundary, Cors
from app.web.dispatch import Dispatcher
from app.web.routing import install_handler

FRONT = "https://front.example"
PRIVATE = ["reader@example.org", "bs_" + "0f" * 20, "203.0.113.7", "2001:db8::7", "q-canary", "local-canary"]


class Handed(Response):
    """Begins an answer, and leaves it to go on when the app is done with it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        registry = scope["app"].state.registry
        scope["state"][boundary.CONTINUATION] = partial(self.go_on, registry, scope["is_head"])

    async def go_on(self, registry: Any, is_head: bool, receive: Any, send: Any) -> None:
        counted = 'route="/on",status="200"} 1.0' in generate_latest(registry).decode()
        await send({"type": "http.response.body", "body": f"{counted} {is_head}".encode()})


def build(metrics: Metrics) -> Boundary:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/ok/{name}")
    async def ok(request: Request, name: str) -> Response:
        request.scope["answer_headers"] = [(b"ratelimit", b"r")]
        return JSONResponse({"name": name})

    @app.post("/ok/{name}")
    async def post(name: str, body: dict[str, Any]) -> Response:
        return JSONResponse({"size": len(str(body))})

    @app.get("/boom")
    async def boom() -> Response:
        secret = "local-canary"
        raise ValueError(f"{' '.join(PRIVATE[:4])} {len(secret)}")

    @app.get("/late")
    async def late() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begun"
            raise LookupError

        return StreamingResponse(parts())

    @app.get("/on")
    async def on(request: Request) -> Response:
        return Handed()

    app.state.registry = metrics.registry
    for route in app.routes:
        install_handler(cast(APIRoute, route))
    return Boundary(Cors(Dispatcher(app), [FRONT]), AccessLog(metrics, "json"), 1000)


def test_an_answer_can_go_on_without_the_app(site: TestClient) -> None:
    answer = site.get("/on", headers={"Origin": FRONT})
    assert answer.text == "True False", "it is counted when it begins"
    assert answer.headers["access-control-allow-origin"] == FRONT
    assert answer.headers["x-request-id"]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def site(metrics: Metrics) -> TestClient:
    return TestClient(build(metrics), raise_server_exceptions=False)


@pytest.mark.parametrize("sent", ["abc", "A-1._:x", "x" * 100, "01890000-0000-7000-8000-000000000000"])
def test_a_request_id_comes_back(site: TestClient, sent: str) -> None:
    assert site.get("/ok/a", headers={"X-Request-ID": sent}).headers["x-request-id"] == sent
    assert site.get("/none", headers={"X-Request-ID": sent}).json()["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "x" * 101, "<script>", "a\tb", "ä", "a,b"])
def test_a_bad_request_id_is_replaced(site: TestClient, sent: str) -> None:
    answers = [site.get("/ok/a", headers={"X-Request-ID": sent.encode()}) for _ in range(2)]
    given = [answer.headers["x-request-id"] for answer in answers]
    assert all(map(is_id, given))
    assert given[0] != given[1]


@pytest.mark.parametrize("path", ["/ok/a", "/none", "/boom"])
def test_head_is_get_without_a_body(site: TestClient, path: str) -> None:
    head, get = site.head(path, headers={"X-Request-ID": "same"}), site.get(path, headers={"X-Request-ID": "same"})
    assert (head.status_code, head.headers) == (get.status_code, get.headers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ok/a", 200),
        ("GET", "/none", 404),
        ("PUT", "/ok/a", 405),
        ("GET", "/boom", 500),
        ("POST", "/ok/a", 422),
    ],
)
def test_every_answer_has_the_safe_headers(site: TestClient, method: str, path: str, status: int) -> None:
    answer = site.request(method, path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-request-id"]
    if status > 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"


def test_what_a_route_left_for_the_answer_is_added(site: TestClient) -> None:
    assert site.get("/ok/a").headers["ratelimit"] == "r"


def test_what_nobody_expected_is_a_500_that_tells_nothing(metrics: Metrics, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("json")
    outermost = build(metrics)
    site = TestClient(outermost, raise_server_exceptions=False)
    bearer = {"Authorization": f"Bearer {PRIVATE[1]}", "X-Request-ID": "id-1", "Origin": FRONT}
    answer = site.get("/boom?q=q-canary", headers=bearer)
    assert answer.status_code == 500
    assert answer.json() == {
        "type": "/problems/internal_error",
        "title": "Internal server error",
        "status": 500,
        "detail": "Internal server error",
        "code": "internal_error",
        "request_id": "id-1",
    }
    assert answer.headers["access-control-allow-origin"] == FRONT  # a front end can read it
    outermost.access_log.flush()
    error, request = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (error["event"], error["level"], error["request_id"]) == ("request failed", "error", "id-1")
    assert error["exception"][0]["exc_type"] == "ValueError"
    assert (request["event"], request["route"], request["status"]) == ("request", "/boom", 500)
    assert request["request_id"] == "id-1"
    assert not [secret for secret in PRIVATE if secret in str([error, request])]


def test_an_answer_that_has_begun_is_broken_off(metrics: Metrics) -> None:
    with pytest.raises(LookupError):
        TestClient(build(metrics)).get("/late")


def test_labels_of_metrics_are_bounded(site: TestClient, metrics: Metrics) -> None:
    for n in range(5):
        site.get(f"/ok/{n}?q={n}")
        site.get(f"/none/{n}")
        site.request(f"WHAT{n}", "/ok/a")
    text = generate_latest(metrics.registry).decode()
    counted = {line for line in text.splitlines() if line.startswith("broadsheet_requests_total{")}
    assert counted == {
        'broadsheet_requests_total{method="GET",route="/ok/{name}",status="200"} 5.0',
        'broadsheet_requests_total{method="GET",route="unmatched",status="404"} 5.0',
        'broadsheet_requests_total{method="other",route="/ok/{name}",status="405"} 5.0',
    }
    assert 'broadsheet_request_seconds_count{route="/ok/{name}"} 10.0' in text


def test_a_body_that_is_too_large_is_refused(site: TestClient) -> None:
    body = b'{"a": "' + b"x" * 2000 + b'"}'
    json_type = {"Content-Type": "application/json"}
    for content in (body, iter([body[:900], body[900:]])):
        answer = site.post("/ok/a", content=content, headers=json_type)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-request-id"]
    assert site.post("/ok/a", content=body[:900] + b'"}', headers=json_type).status_code == 200


Parts = AsyncIterator[dict[str, Any]]


async def silent() -> Parts:
    """A client that begins and then says nothing for a while."""
    yield {"type": "http.request", "body": b"{", "more_body": True}
    await asyncio.sleep(0.05)
    yield {"type": "http.request", "body": b"}"}


async def dripping() -> Parts:
    """A client that never pauses and hardly gets on."""
    for _ in range(20_000):
        await asyncio.sleep(0)
        yield {"type": "http.request", "body": b"", "more_body": True}
    yield {"type": "http.request", "body": b"{}"}


async def ask(app: Boundary, parts: Parts, length: bytes = b"") -> list[Any]:
    """What the app sends to a request whose body comes in such parts."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return await anext(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")] + ([(b"content-length", length)] if length else [])
    scope = {"type": "http", "method": "POST", "path": "/ok/a", "query_string": b"", "headers": headers}
    await app({**scope, "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"}}, receive, send)  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize(("limit", "client"), [("MAX_BODY_PAUSE_SECONDS", silent), ("BODY_SECONDS", dripping)])
def test_a_body_that_does_not_come_in_time_is_a_408(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, limit: str, client: Callable[[], Parts]
) -> None:
    start, _ = asyncio.run(ask(build(metrics), client()))
    assert start["status"] == 200
    monkeypatch.setattr(boundary, limit, 0.01)
    start, body = asyncio.run(ask(build(metrics), client()))
    assert start["status"] == 408
    assert json.loads(body["body"])["code"] == "request_timeout"
    assert (b"connection", b"close") in start["headers"]


def test_a_body_that_keeps_a_pace_may_take_its_time(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steady() -> Parts:
        for _ in range(900):
            await asyncio.sleep(0)
            yield {"type": "http.request", "body": b" ", "more_body": True}
        yield {"type": "http.request", "body": b"{}"}

    monkeypatch.setattr(boundary, "BODY_SECONDS", 0.01)
    monkeypatch.setattr(boundary, "MIN_BODY_BYTES_PER_SECOND", 100)
    start, _ = asyncio.run(ask(build(metrics), steady()))
    assert start["status"] == 200


def test_an_announced_size_is_enough_to_refuse(metrics: Metrics) -> None:
    start, _ = asyncio.run(ask(build(metrics), silent(), b"104857600"))  # nothing is read of it
    assert start["status"] == 413


def test_a_compressed_body_is_refused(site: TestClient) -> None:
    for coding, status in (("gzip", 415), ("br, gzip", 415), ("identity", 200)):
        answer = site.post("/ok/a", json={}, headers={"Content-Encoding": coding})
        assert answer.status_code == status
        assert answer.headers.get("accept-encoding") == (None if status == 200 else "identity")


def test_large_bodies_that_arrive_together_are_bounded(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "MAX_BUFFERED_BYTES", 1500)
    monkeypatch.setattr(boundary, "MIN_LARGE_BYTES", 500)
    app = build(metrics)

    async def send(size: int) -> Parts:
        yield {"type": "http.request", "body": b'{"a": "' + b"x" * size + b'"}'}

    async def wait() -> Parts:
        yield {"type": "http.request", "body": b'{"a": "' + b"x" * 900, "more_body": True}
        statuses = [(await ask(app, send(size)))[0]["status"] for size in (900, 400, 900)]
        assert statuses == [503, 200, 503]
        yield {"type": "http.request", "body": b'"}'}

    assert asyncio.run(ask(app, wait()))[0]["status"] == 200
    assert app.buffered == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the log is that of the process
def test_a_stop_writes_the_lines_that_wait(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "FLUSH_SECONDS", 60.0)
    settings = settings.model_copy(update={"log_format": "json"})
    with TestClient(create_app(settings, with_worker=False)) as client:
        client.request('SAY"', "/healthz?q=1", headers={"X-Request-ID": "the-last"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "the-last" in line]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [('SAY"', "/healthz", 405)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"x-request-id": "edge-7:a"}, "edge-7:a"),
        ({"traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"}, "a1" * 16),
        ({"traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01", "x-request-id": "edge-7"}, "edge-7"),
        ({"traceparent": f"00-{'0' * 32}-{'b2' * 8}-01"}, None),
        ({"x-request-id": "a" * 101}, None),
        ({"x-request-id": "<script>"}, None),
    ],
)
def test_the_id_of_a_request_is_its_edges(given: dict[str, str], expected: str | None) -> None:
    found = boundary.read_request_id([(name.encode(), value.encode()) for name, value in given.items()])
    assert found == expected or (expected is None and is_id(found))


def test_a_refused_body_is_not_kept_until_the_collector_runs(metrics: Metrics) -> None:
    async def large() -> Parts:
        for _ in range(3):
            yield {"type": "http.request", "body": b"x" * 900, "more_body": True}

    app = build(metrics)
    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(ask(app, large()))[0]["status"] == 413
        assert not [one for one in gc.get_objects() if isinstance(one, BodyTooLarge)]  # with the frames that it was in
    finally:
        gc.enable()
