"""Errors as problem+json: for every status, with a stable code, and never a word of what was sent."""

import pickle
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, EmailStr, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.testclient import TestClient

from app.core.problems import (
    MEDIA_TYPE,
    Conflict,
    Invalid,
    InvalidParameter,
    NotFound,
    Problem,
    ProblemOut,
    Unauthorized,
    Unavailable,
    document_problems,
)
from app.web import problem_responses
from app.web.dispatch import Dispatcher
from app.web.routing import install_handler

Headers = dict[str, str]
NESTED = 10_000


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int = Field(1, le=10)
    word: Literal["yes", "no"] = "yes"
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat(kind="cat")


@pytest.fixture
def small() -> TestClient:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/x")
    async def post(body: Body, q: int = 0) -> Response:
        return Response()

    @app.get("/x")
    async def get(n: Annotated[int, Query(le=3)] = 0) -> Response:
        return Response()

    @app.get("/fail/{name}")
    async def fail(name: str) -> None:
        raise FAILURES[name]

    for route in app.routes:
        assert isinstance(route, APIRoute)
        install_handler(route)
    return TestClient(Dispatcher(app), raise_server_exceptions=False)


FAILURES: dict[str, Exception] = {
    "missing": NotFound(),
    "taken": Conflict("It is taken."),
    "member": Conflict("Changed.", current=3),
    "pointer": Invalid("Too long.", pointer="/title"),
    "away": Unavailable(retry_after=7),
    "teapot": HTTPException(418, "canary"),
    "media": HTTPException(415, "canary", {"Accept": "x/y"}),
}


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("missing", 404, "not_found"),
        ("taken", 409, "conflict"),
        ("pointer", 422, "invalid_body"),
        ("away", 503, "unavailable"),
        ("teapot", 500, "internal_error"),
        ("media", 415, "unsupported_media_type"),
    ],
)
def test_the_shape_of_a_problem(small: TestClient, name: str, status: int, code: str) -> None:
    answer = small.get(f"/fail/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    told = ProblemOut.model_validate(answer.json())
    assert (told.status, told.code, told.type) == (status, code, f"/problems/{code}")
    assert "canary" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_members_headers_and_places(small: TestClient) -> None:
    assert small.get("/fail/member").json()["current"] == 3
    assert small.get("/fail/away").headers["retry-after"] == "7"
    assert small.get("/fail/media").headers["accept"] == "x/y"
    place = {"pointer": "/title", "code": "invalid", "detail": "Too long."}
    assert small.get("/fail/pointer").json()["errors"] == [place]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"n": "canary"}, "/n", "int_parsing"),
        ({"n": 11}, "/n", "less_than_equal"),
        ({"n": 1 << 80}, "/n", "less_than_equal"),
        ({"word": "canary"}, "/word", "literal_error"),
        ({"pet": {"kind": "canary"}}, "/pet", "union_tag_invalid"),
        ({"pet": {"kind": "dog", "name": 1}}, "/pet/name", "string_type"),
        ({"pet": {"kind": "dog"}}, "/pet/name", "missing"),
        ({"known-name": "canary"}, "/known-name", "extra_forbidden"),
        ({"<canary>": 1}, "/(not shown)", "extra_forbidden"),
        ({"x" * 65: 1}, "/(not shown)", "extra_forbidden"),
        (["canary"], "", "model_attributes_type"),
        ("canary", "", "model_attributes_type"),
    ],
)
def test_a_body_that_does_not_fit(small: TestClient, body: Any, pointer: str, code: str) -> None:
    answer = small.post("/x", json=body)
    assert answer.status_code == 422
    assert [(place["pointer"], place["code"]) for place in answer.json()["errors"]] == [(pointer, code)]
    assert "canary" not in answer.text


class Letter(BaseModel):
    to: EmailStr | None = None
    pages: list[int] = []
    options: dict[str, int] = {}
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat(kind="cat")
    cat: Cat = Cat(kind="cat")


@pytest.mark.parametrize(
    ("letter", "detail"),
    [
        ({"pages": 1}, "/pages: Input should be an array"),
        ({"options": []}, "/options: Input should be an object"),
        ({"cat": 1}, "/cat: Input should be an object"),
        ({"pet": {}}, "/pet: Input does not name its kind"),
        ([], "body: Input should be an object"),
        ({"to": "a@canary\u2603.example"}, "/to: must be a valid e-mail address: The part after the @-sign is invalid"),
        (
            {"to": "a\u2603canary @b.example"},
            "/to: must be a valid e-mail address: The email address contains invalid characters before the @-sign",
        ),
        ({"to": "canary"}, "/to: must be a valid e-mail address: An email address must have an @-sign"),
    ],
)
def test_details_speak_of_json_and_cite_nothing(letter: Any, detail: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Letter.model_validate(letter)
    entries = [{**entry, "loc": ("body", *entry["loc"])} for entry in caught.value.errors()]
    problem = problem_responses.problem_from_exception(RequestValidationError(entries, body=letter))
    assert problem.detail == detail


def test_a_parameter_that_does_not_fit_is_a_400_that_names_it(small: TestClient) -> None:
    answer = small.get("/x?n=canary")
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "n")
    assert "canary" not in answer.text
    first = small.post("/x?q=canary", json={"n": 11})  # the body is not read before the parameters fit
    assert [place.get("parameter") for place in first.json()["errors"]] == ["q"]


def test_many_mistakes_are_told_up_to_twenty(small: TestClient) -> None:
    assert len(small.post("/x", json={f"k{n}": 1 for n in range(100)}).json()["errors"]) == 20


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "json", None]
)
def test_json_under_another_name_is_a_415(small: TestClient, media_type: str | None) -> None:
    answer = small.post("/x", content=b'{"n": 1}', headers={"Content-Type": media_type} if media_type else {})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    for good in ("application/json", "application/json; charset=utf-8", "application/merge-patch+json"):
        assert small.post("/x", content=b'{"n": 1}', headers={"Content-Type": good}).status_code == 200


def test_a_missing_body_is_a_422(small: TestClient) -> None:
    assert small.post("/x").status_code == 422


def test_allow_names_every_method_of_the_address(small: TestClient) -> None:
    answer = small.put("/x")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_every_kind_of_problem_has_its_own_code() -> None:
    def kinds(kind: type[Problem]) -> Iterator[type[Problem]]:
        yield kind
        for inner in kind.__subclasses__():
            yield from kinds(inner)

    every = list(kinds(Problem))
    codes = [kind.code for kind in every]
    assert len(codes) == len(set(codes))
    assert set(codes) == set(Problem.registry)
    assert all(kind.__doc__ and kind.title and 400 <= kind.status < 600 for kind in every)


def test_routes_document_their_problems_by_status() -> None:
    found = document_problems(NotFound, Invalid)
    assert {int(status) for status in found} == {404, 422}
    assert "`not_found`" in found[404]["description"]


BAD_BODIES = {
    "NaN": (b'{"canary": NaN}', 400),
    "Infinity": (b'{"canary": -Infinity}', 400),
    "1e999": (b'{"name": 1e999, "scopes": ["admin"]}', 422),
    "escaped lone surrogate": (b'{"name": "canary \\ud800", "scopes": ["admin"]}', 400),
    "escaped low surrogate": (b'{"name": "canary \\udc00x", "scopes": ["admin"]}', 400),
    "surrogate in a name": (b'{"canary\\ud800": 1}', 400),
    "raw surrogate": (b'{"name": "canary \xed\xa0\x80", "scopes": ["admin"]}', 400),
    "not UTF-8": (b'{"name": "canary \xff", "scopes": ["admin"]}', 400),
    "NUL": (b'{"name": "canary \\u0000", "scopes": ["admin"]}', 422),
    "raw NUL": (b'{"name": "canary \x00", "scopes": ["admin"]}', 400),
    "deep lists": (b"[" * NESTED + b"]" * NESTED, 400),
    "deep objects": (b'{"canary":' * NESTED + b"1" + b"}" * NESTED, 400),
    "beyond 63 bits": (b'{"name": 9223372036854775808, "scopes": ["admin"]}', 422),
    "a number of many digits": (b'{"name": ' + b"9" * 100_000 + b', "scopes": ["admin"]}', 400),
    "cut off": (b'{"canary": "', 400),
    "two values": (b"{} {}", 400),
    "nothing but space": (b"  ", 400),
    "wrong types": (b'{"name": ["canary"], "scopes": {"canary": 1}}', 422),
    "null": (b"null", 422),
}


def test_no_body_breaks_the_server(client: TestClient, admin: Headers) -> None:
    for case, (body, status) in BAD_BODIES.items():
        answer = client.post("/v1/keys", content=body, headers={**admin, "Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), case
        assert answer.json()["code"] in {"invalid_json", "invalid_body"}
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "canary" not in answer.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_hundred_megabytes_are_refused(client: TestClient, admin: Headers) -> None:
    headers = {**admin, "Content-Type": "application/json"}
    part = b"x" * 1_000_000
    for content in (part * 100, (part for _ in range(100))):
        answer = client.post("/v1/keys", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_an_unknown_address_is_a_404(client: TestClient, admin: Headers) -> None:
    for path in ("/none", "/v1/canary", "//v1/keys", "/v1/keys/%2e%2e/x", "/%00", "/v1/keys/canary"):
        answer = client.get(path, headers=admin, follow_redirects=False)
        assert (answer.status_code, answer.headers["content-type"]) == (404, MEDIA_TYPE), path
        assert "canary" not in answer.text


def test_a_validation_error_without_a_place_in_the_body_is_told() -> None:
    error = RequestValidationError([{"type": "missing", "loc": ("header", "x-token"), "msg": "Field required"}])
    problem = problem_responses.problem_from_exception(error)
    assert (problem.status, problem.errors[0]["parameter"]) == (400, "x-token")


@pytest.mark.parametrize("failure", [*FAILURES.values(), InvalidParameter("sort", "sort: unknown."), Unauthorized()])
def test_it_goes_from_one_process_to_another_unchanged(failure: Exception) -> None:
    again = pickle.loads(pickle.dumps(failure))
    assert (type(again), again.args, vars(again)) == (type(failure), failure.args, vars(failure))
