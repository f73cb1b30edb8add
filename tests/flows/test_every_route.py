"""What holds for every route: who calls is asked first, nothing that is sent is ignored, no header breaks anything."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app import wiring
from app.core.ids import new_id
from app.core.settings import Settings
from app.identity.access import Access
from app.identity.secrets import GUEST_PREFIX
from app.identity.tokens import make_token
from app.main import create_app
from tests import make
from tests.document import operation_at

pytestmark = pytest.mark.portable

Headers = dict[str, str]
PARTS = {"form": "rss", "month": "2026-01", "part": "2026-01", "suffix": "txt", "n": "1", "code": "not_found"}
PARTS |= {"participant": "0" * 32}
GARBAGE = b'{"title": [' * 100_000
ROUTES = [route for router in wiring.ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def access(route: APIRoute) -> Access:
    """What a route declares of who may call it."""
    return next(inner.call for inner in route.dependant.dependencies if isinstance(inner.call, Access))


def method_of(route: APIRoute) -> str:
    """The one method that each route has."""
    (method,) = route.methods or ()
    return method


def url(route: APIRoute) -> str:
    """An address that leads to a route, and to nothing that there is."""
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: PARTS.get(found[1], new_id()), route.path)


def takes_body(route: APIRoute) -> bool:
    """Whether a route says that it reads a body."""
    return bool(route.dependant.body_params) or "requestBody" in (route.openapi_extra or {})


def named(routes: list[APIRoute]) -> Iterator[Any]:
    for route in routes:
        yield pytest.param(route, id=f"{method_of(route)} {route.path}")


SCOPED = [route for route in ROUTES if access(route).scope]


def asked(client: TestClient, route: APIRoute, headers: Headers) -> tuple[int, int]:
    """The status of an answer to a large body that is no JSON, and how many parts of it were read."""
    reads, status = 0, 0

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": GARBAGE}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    path = url(route)
    sent = {"content-type": "application/json", "content-length": str(len(GARBAGE)), **headers}
    scope = {"type": "http", "method": method_of(route), "path": path, "raw_path": path.encode(), "root_path": ""}
    scope |= {"query_string": b"surprise=1", "scheme": "http", "http_version": "1.1", "client": ("192.0.2.1", 1)}
    scope |= {"headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()]}
    assert client.portal is not None
    client.portal.call(client.app, scope, receive, send)
    return status, reads


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_strangers_are_refused_before_anything_else_is_looked_at(client: TestClient) -> None:
    assert {(route.path, asked(client, route, {})) for route in SCOPED} == {(route.path, (401, 0)) for route in SCOPED}


def test_a_key_without_the_scope_is_refused_before_anything_else_is_looked_at(
    client: TestClient, make_key: Callable[..., Headers]
) -> None:
    of_moderators, of_managers = make_key("comments:moderate"), make_key("subscribers:manage")
    for route in SCOPED:
        key = of_managers if "comments:moderate" in access(route).scopes else of_moderators
        assert asked(client, route, key) == (403, 0), route.path


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_refused_is_counted(settings: Settings) -> None:
    few = settings.model_copy(update={"rate_limits": "read=3/minute"})
    routes = [route for route in SCOPED if method_of(route) in ("PATCH", "PUT")]
    with TestClient(create_app(few, with_worker=False)) as client:
        assert [asked(client, route, {})[0] for route in routes[:5]] == [401, 401, 401, 429, 429]


OPEN_WRITES = [route for route in ROUTES if not access(route).scope and method_of(route) not in ("GET", "HEAD")]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_writes_that_anyone_may_send_are_counted_before_their_bodies_are_read(
    settings: Settings, client: TestClient
) -> None:
    guest = make.guest(client)
    policies = ("comment", "guest", "hub", "sign-in", "subscribe", "write")
    none = settings.model_copy(update={"rate_limits": ",".join(f"{policy}=0/minute" for policy in policies)})
    with TestClient(create_app(none, with_worker=False)) as limited:
        answers = {(method_of(route), route.path): asked(limited, route, guest) for route in OPEN_WRITES}
    assert {route: answer for route, answer in answers.items() if answer != (429, 0)} == {}


BARE = [route for route in ROUTES if not takes_body(route) and access(route).strict]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_body_where_none_is_taken_is_refused(client: TestClient, admin: Headers) -> None:
    for route in BARE:
        headers = {**admin, "If-Match": "*"}
        for content in (b'{"revision": 2}', b"not json", b'{"a": "%b"}' % (b"x" * 1000), iter([b"[1", b"]"])):
            answer = client.request(method_of(route), url(route), content=content, headers=headers)
            found = answer.status_code, answer.json()["code"]
            assert found == (400, "body_not_taken") or (found[0] == 400 and not_reached(answer)), (route.path, found)


def not_reached(answer: Any) -> bool:
    """Whether an address or a parameter was refused before the body: made-up parts of paths do not fit everywhere."""
    return any("parameter" in error for error in answer.json().get("errors", ()))


@pytest.mark.parametrize("content", [b"", b"{}", b" {\n} ", b"null", b"  "])
def test_an_empty_body_is_no_body(client: TestClient, editor: Headers, content: bytes) -> None:
    url = f"/v1/articles/{make.published(client, editor)['id']}/unpublish"
    headers = {**editor, "If-Match": "*", "Content-Type": "application/json", "Idempotency-Key": "once"}
    answers = [client.post(url, content=body, headers=headers) for body in (content, b"")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].headers["idempotency-replayed"] == "true"


def test_a_get_with_a_body_is_refused_where_programs_speak(client: TestClient) -> None:
    assert client.request("GET", "/v1/articles", content=b"x=1").json()["code"] == "body_not_taken"
    assert client.request("GET", "/feeds/site.rss", content=b"x=1").status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_body_ignores_a_field(client: TestClient) -> None:
    """Every model of a body refuses what it does not know, at every depth."""
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    open_ones: set[str] = set()
    seen: set[str] = set()

    def visit(schema: Any) -> None:
        if isinstance(schema, list):
            for item in schema:
                visit(item)
        if not isinstance(schema, dict):
            return
        name = str(schema.get("$ref", "")).rsplit("/", 1)[-1]
        if name and name not in seen:
            seen.add(name)
            if schemas[name].get("type") == "object" and schemas[name].get("additionalProperties") is not False:
                open_ones.add(name)
            visit(schemas[name])
        for key, value in schema.items():
            if key != "$ref":
                visit(value)

    for path in document["paths"].values():
        for operation in path.values():
            visit(operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema"))
    assert seen
    assert open_ones == set()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", "line 1, column 1"),
        (b'{"title": "a",\n  "dek": tru}', "line 2, column"),
        (b'{"title": "a", "title": "b"}', "a duplicate name at line 1, column 24"),
        (b'{"title": "a", "tags": [{"n": 1, "\\u006e": 2}]}', "a duplicate name at line 1"),
    ],
)
def test_broken_json_is_told_with_its_place(client: TestClient, editor: Headers, body: bytes, place: str) -> None:
    answer = client.post("/v1/articles", content=body, headers={**editor, "Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
    assert place in answer.json()["detail"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_broken_json_is_a_400_on_every_route_that_takes_json(client: TestClient, admin: Headers) -> None:
    headers = {**admin, "If-Match": "*", "Content-Type": "application/json"}
    for route in ROUTES:
        fields = route.dependant.body_params
        if fields and not isinstance(fields[0].field_info, Form):
            for content in (b"not json", b'{"a": 1, "a": 2}'):
                answer = client.request(method_of(route), url(route), content=content, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json"), route.path


VALUES = ["*", '"v1-abc"', 'W/"x"', "1", "0.57", "日本".encode(), b"\xff", "x" * 300, ""]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_declared_header_breaks_any_operation(client: TestClient, admin: Headers) -> None:
    document = client.get("/openapi.json").json()
    broken: list[tuple[str, str, Any, int]] = []
    for route in ROUTES:
        operation = operation_at(document, method_of(route), route.path_format)
        names = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"]
        form = {"List-Unsubscribe": "One-Click", "hub.mode": "subscribe", "hub.topic": "x", "hub.callback": "x"}
        body: Any = {"json": {}} if route.dependant.body_params else {}
        if route.dependant.body_params and isinstance(route.dependant.body_params[0].field_info, Form):
            body = {"data": form}
        for name in names:
            for value in VALUES:
                headers: dict[str, Any] = {**admin, name: value}
                answer = client.request(method_of(route), url(route), headers=headers, **body)
                if answer.status_code >= 500:
                    broken.append((route.path, name, value, answer.status_code))
    assert broken == []


def test_outside_the_api_parameters_are_ignored() -> None:
    lenient = {route.path for route in ROUTES if not access(route).strict}
    outside = {route.path for route in ROUTES if not route.path.startswith("/v1")}
    assert lenient == outside | {"/v1/unsubscribe/{token}"}


def test_outside_the_api_parameters_change_nothing(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor)
    extra = "utm_source=mail&dnt=1&callback=x&a=%00&%00=1&page%5B%5D=2&%FF=%FF&=&&x"
    plain = [
        "/feeds/site.rss",
        "/feeds/site.atom",
        "/feeds/site.json",
        f"/feeds/articles/{article['slug']}/comments.atom",
    ]
    plain += ["/sitemap.xml", "/sitemap-news.xml", f"/oembed?url={article['url']}", "/problems/not_found", "/docs"]
    for address in plain:
        with_more = f"{address}{'&' if '?' in address else '?'}{extra}"
        one, other = client.get(address), client.get(with_more)
        assert (one.status_code, other.status_code) == (200, 200), address
        told = ("etag", "link", "cache-tag", "last-modified")
        assert [one.headers.get(name) for name in told] == [other.headers.get(name) for name in told], address
        assert one.content == other.content, address
    for address in ("/healthz", "/readyz", "/metrics"):
        assert client.get(f"{address}?{extra}").status_code == 200
    assert client.post(f"/hub?{extra}", data={"hub.mode": "x"}).status_code == 422
    assert client.get("/feeds/archive/2026-01.atom?page=x").status_code == 400  # what is known must still be right


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("page=2", "page.next"),
        ("offset=20", "page.next"),
        ("utm_source=x", "There is no parameter utm_source"),
        ("sort-by=x", "sort-by"),
        ("fields=no-such", "there is no field no-such"),
        ("%3Cb%3E=x", "(not shown)"),
        (f"{'x' * 65}=1", "(not shown)"),
        ("%E6%97%A5=1", "(not shown)"),
    ],
)
def test_an_unknown_parameter_is_named(client: TestClient, query: str, told: str) -> None:
    answer = client.get(f"/v1/articles?{query}")
    assert answer.status_code == 400
    assert told in answer.json()["detail"]


def test_a_slash_at_the_end_changes_nothing(client: TestClient, editor: Headers) -> None:
    slug = make.published(client, editor)["slug"]
    for address in (
        "/v1/articles",
        f"/v1/articles/{slug}",
        "/v1/sections",
        "/feeds/site.rss",
        "/sitemap.xml",
        "/healthz",
    ):
        one, other = client.get(address), client.get(f"{address}/", follow_redirects=False)
        assert (one.status_code, one.content) == (other.status_code, other.content), address
    make.published(client, editor, "Another")
    pages = [client.get(f"/v1/articles{slash}?limit=1").json()["page"]["next"] for slash in ("", "/")]
    assert pages[0] == pages[1] is not None
    assert 'rel="next"' in client.get("/v1/articles/?limit=1").headers["link"]
    assert client.get("/v1/articles/?limit=1").headers["link"].startswith("</v1/articles?limit=1&")
    wrong = client.put("/v1/articles/", headers=editor)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")
    assert client.post("/v1/articles/", json={"title": "Third"}, headers=editor).status_code == 201
    assert client.get("/v1/nothing/").status_code == 404
    assert client.get(f"/v1/articles/{slug}%2F").status_code == 404


TOKENS = {
    "a guest's": lambda _: make_token(GUEST_PREFIX),
    "no guest's": lambda _: "bg_cut",
    "an edit token": lambda _: "be_cut",
    "a manage token": lambda _: "bm_cut",
    "a JWT": lambda _: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.x",
}


@pytest.mark.parametrize("kind", TOKENS)
def test_an_unknown_token_reads_as_nobody(client: TestClient, editor: Headers, kind: str) -> None:
    article = make.published(client, editor)
    stale = {"Authorization": f"Bearer {TOKENS[kind](client)}", "Origin": "https://site.example"}
    for address in ("/v1/articles", f"/v1/articles/{article['id']}", f"/v1/articles/{article['id']}/comments"):
        plain, answer = client.get(address), client.get(address, headers=stale)
        assert (answer.status_code, answer.content) == (200, plain.content)
        assert answer.headers["broadsheet-token"] == "unknown"
        assert "Broadsheet-Token" in answer.headers["access-control-expose-headers"]
        assert answer.headers["cache-control"] == "private, no-store"
        assert "cache-tag" not in answer.headers
        assert "broadsheet-token" not in plain.headers
        assert client.get(address, headers={**stale, "If-None-Match": plain.headers["etag"]}).status_code == 304
        assert client.head(address, headers=stale).headers["broadsheet-token"] == "unknown"
    assert client.get("/v1/articles/none", headers=stale).status_code == 404
    for address in (
        "/v1/whoami",
        "/v1/me/data",
        "/v1/subscriptions",
        f"/v1/me/votes?article={article['id']}",
        "/v1/keys",
    ):
        assert client.get(address, headers=stale).status_code == 401, address
    posted = client.post(f"/v1/articles/{article['id']}/comments", json={"text": "Well."}, headers=stale)
    assert posted.status_code == 401
    assert client.get("/v1/articles", headers={"Authorization": "Bearer bs_unknown"}).status_code == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_unknown_token_counts_as_nobody_where_it_reads_and_as_a_guess_where_it_writes(settings: Settings) -> None:
    few = settings.model_copy(update={"rate_limits": "read=3/minute,invalid=1/minute"})
    stale = {"Authorization": "Bearer bg_cut"}
    with TestClient(create_app(few, with_worker=False)) as client:
        assert [client.get("/v1/articles", headers=stale).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert [client.delete("/v1/me/data", headers=stale).status_code for _ in range(2)] == [401, 429]


def test_names_in_any_script_go_through_every_answer_with_an_address(client: TestClient, editor: Headers) -> None:
    name = "日本"
    front = {"title": name, "blocks": []}
    made = client.put(f"/v1/fronts/{name}", json=front, headers={**editor, "If-None-Match": "*"})
    assert (made.status_code, made.headers["location"]) == (201, "/v1/fronts/%E6%97%A5%E6%9C%AC")
    assert client.get(made.headers["location"]).status_code == 200
    for kind in ("sections", "tags", "authors", "series"):
        made = client.post(f"/v1/{kind}", json={"name": name, "slug": name}, headers=editor)
        assert made.status_code == 201, made.text
        assert client.get(made.headers["location"]).json()["slug"] == name
    article = make.published(client, editor, name, slug=name, section=name, tags=[name], authors=[name])
    make.published(client, editor, "Another", section=name, tags=[name], authors=[name])
    listed = client.get(f"/v1/articles?section={name}&tag={name}&limit=1")
    link = listed.headers["link"].partition(">")[0][1:]
    assert client.get(link).json()["data"][0]["slug"] == name
    for kind in ("sections", "tags", "authors"):
        for form in ("rss", "atom", "json"):
            feed = client.get(f"/feeds/{kind}/{name}.{form}")
            assert f"/feeds/{kind}/%E6%97%A5%E6%9C%AC.{form}" in feed.headers["link"]
    assert client.get(f"/feeds/articles/{name}/comments.atom").status_code == 200
    headers = {**editor, "If-Match": "*"}
    assert client.patch(f"/v1/articles/{article['id']}", json={"slug": "中国"}, headers=headers).status_code == 200
    for tail in ("", ".txt", "/neighbours", "/related", "/live"):
        moved = client.get(f"/v1/articles/{name}{tail}", follow_redirects=False)
        assert (moved.status_code, moved.headers["location"]) == (301, f"/v1/articles/%E4%B8%AD%E5%9B%BD{tail}")
    assert client.get(f"/oembed?url={article['url']}").status_code == 200
