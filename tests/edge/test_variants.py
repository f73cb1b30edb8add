"""Requests that differ in form alone share an answer; those that differ in substance never do."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.edge.keeper import Keeper
from app.edge.requests import TAKEN_PARAMETERS
from app.web.freshness import format_http_date
from tests.make import Headers, guest, published

pytestmark = pytest.mark.portable

Outcome = Callable[..., str]
STORED, HIT, MISS, BYPASS = "fwd=uri-miss; stored", "hit", "fwd=uri-miss", "fwd=bypass"
PATH = "/v1/articles/a-ferry"
LIST = "/v1/articles?fields=title,slug&limit=5"


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    return published(client, editor, "A ferry", body={"html": "<p>Once upon a time.</p>" * 200})


SAME = {
    "another order": "/v1/articles?limit=5&fields=title,slug",
    "percent-encoding": "/v1/articles?l%69mit=%35&fields=title%2cslug",
    "an encoded path": "/v1/%61rticles?fields=title,slug&limit=5",
    "a slash at the end": "/v1/articles/?fields=title,slug&limit=5",
    "an empty part": "/v1/articles?&fields=title,slug&&limit=5&",
}
OTHERS = {
    "another value": "/v1/articles?fields=title,slug&limit=50",
    "another order within a value": "/v1/articles?fields=slug,title&limit=5",
    "a repeated parameter": "/v1/articles?fields=title,slug&limit=6&limit=5",
    "white space": "/v1/articles?fields=title,+slug&limit=5",
}


@pytest.mark.parametrize("path", SAME.values(), ids=SAME)
def test_forms_of_one_address_share_an_answer(
    path: str, client: TestClient, outcome: Outcome, article: dict[str, Any]
) -> None:
    kept = client.get(LIST)
    assert outcome(path) == HIT
    assert outcome(path) == HIT  # found as it came
    assert client.get(path).content == kept.content


@pytest.mark.parametrize("path", OTHERS.values(), ids=OTHERS)
def test_other_addresses_do_not(path: str, client: TestClient, outcome: Outcome, article: dict[str, Any]) -> None:
    client.get(LIST)
    assert outcome(path) == STORED
    assert outcome(LIST) == HIT


@pytest.mark.parametrize("path", ["/sitemap.xml", "/feeds/site.rss"])
def test_parameters_that_are_ignored_make_no_other_answer(
    path: str, client: TestClient, outcome: Outcome, article: dict[str, Any]
) -> None:
    assert outcome(f"{path}?x=1") == STORED
    assert outcome(f"{path}?x=2&y=") == HIT
    assert outcome(path) == HIT


def test_every_parameter_of_a_feed_is_known_to_what_keeps_it(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    shared = document["components"]["parameters"]
    for path, item in document["paths"].items():
        for beginning, taken in TAKEN_PARAMETERS.items():
            if path.startswith(beginning):
                given = [shared.get(one.get("$ref", "").rpartition("/")[2], one) for one in item["get"]["parameters"]]
                names = {one["name"] for one in given if one["in"] == "query"}
                assert names <= {*taken, "release"}  # of which nothing is kept


def test_other_paths_do_not_share_an_answer(client: TestClient, outcome: Outcome, article: dict[str, Any]) -> None:
    assert outcome(PATH) == STORED
    for path in (
        "/v1/articles/A-FERRY",
        "/v1//articles/a-ferry",
        "/v1/articles/a-ferry%20",
        "/v1/articles/a%2Dferry%2F",
    ):
        assert client.get(path).status_code == 404
    assert client.get("/v1/articles/a%2Dferry").headers["cache-status"] == f"Broadsheet; {HIT}"


NEGOTIATED = [
    ({}, None),
    ({"Accept": "*/*"}, None),
    ({"Accept": "application/json;q=0.5, text/html"}, None),
    ({"Accept": "text/markdown;q=0.1, application/json;q=0.9"}, None),
    ({"Accept": "nonsense"}, None),
    ({"Accept-Encoding": "identity"}, None),
    ({"Accept-Encoding": ""}, None),
    ({"Accept-Encoding": "gzip;q=0"}, None),
    ({"Accept-Encoding": "compress, x-unknown"}, None),
    ({"Accept-Encoding": "gzip"}, "gzip"),
    ({"Accept-Encoding": "GZIP;q=0.8, identity;q=0.1"}, "gzip"),
    ({"Accept-Encoding": "identity;q=0, gzip"}, "gzip"),
    ({"Accept-Encoding": "br;q=0.9, gzip;q=0.1"}, "br"),
    ({"Accept-Encoding": "*"}, "zstd"),
    ({"Accept-Encoding": "identity;q=0, *;q=0.5"}, "zstd"),
]


def test_what_negotiates_the_same_shares_an_answer(client: TestClient, article: dict[str, Any], keeper: Keeper) -> None:
    client.headers.pop("accept-encoding")
    client.headers.pop("accept")
    seen: dict[str | None, bytes] = {}
    for sent, coding in NEGOTIATED:
        with client.stream("GET", PATH, headers=sent) as answer:
            body = b"".join(answer.iter_raw())
        assert answer.headers.get("content-encoding") == coding, sent
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-status"] == f"Broadsheet; {HIT if coding in seen else STORED}", sent
        assert seen.setdefault(coding, body) == body
    assert len(keeper.memory) == len(seen)


def test_conditions(client: TestClient, article: dict[str, Any]) -> None:
    fresh = client.get(PATH)
    tag, date = fresh.headers["etag"], fresh.headers["last-modified"]
    later = format_http_date(int(datetime.now(UTC).timestamp()) + 3600)
    cases = [
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": f"W/{tag}"}, 304),
        ({"If-None-Match": f'"a", "b" , {tag}'}, 304),
        ({"If-None-Match": '"a"'}, 200),
        ({"If-None-Match": tag.strip('"')}, 200),
        ({"If-None-Match": ""}, 200),
        ({"If-None-Match": '"a"', "If-Modified-Since": date}, 200),
        ({"If-Modified-Since": date}, 304),
        ({"If-Modified-Since": later}, 200),  # RFC 9110 §13.1.3: a date in the future is no condition
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Modified-Since": "Mon, 01 Jan 2018 00:00:00 GMT"}, 200),
        ({"If-None-Match": tag, "Range": "bytes=0-9"}, 304),
        ({"Range": "bytes=0-9", "If-Range": tag}, 200),
        ({"Cache-Control": "no-cache"}, 200),
        ({"Cache-Control": "max-age=0", "Pragma": "no-cache", "If-None-Match": tag}, 304),
    ]
    for method in ("GET", "HEAD"):
        for sent, status in cases:
            answer = client.request(method, PATH, headers=sent)
            assert (answer.status_code, answer.headers["cache-status"]) == (status, f"Broadsheet; {HIT}"), sent
            assert answer.headers["etag"] == tag
            assert answer.content == (fresh.content if (status, method) == (200, "GET") else b""), sent


def test_the_app_answers_conditions_as_what_is_kept_does(
    client: TestClient, outcome: Outcome, article: dict[str, Any]
) -> None:
    for number, sent in enumerate(({"If_None_Match": "*"}, {"If_Modified_Since": "yesterday"}, {"Range": "bytes=0-9"})):
        path = f"{PATH}?fields=title&formats={('html', 'text', 'markdown')[number]}"
        assert outcome(path, **sent) == STORED
        assert outcome(path) == HIT
        assert client.get(path).json()["title"] == "A ferry"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer bp_"},
        {"Authorization": "Bearer bp_" + "é" * 10},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer bg_unknown"},
        {"Cookie": ""},
        {"Cookie": "session=1"},
        {"Proxy-Authorization": "Basic YTpi"},
    ],
)
def test_whatever_may_be_credentials_is_asked_for(
    headers: dict[str, str], client: TestClient, article: dict[str, Any], keeper: Keeper
) -> None:
    client.get(PATH)
    before = len(keeper.memory)
    sent = {name: value.encode() for name, value in headers.items()}
    for _ in range(2):
        answer = client.get(PATH, headers=sent)  # type: ignore[arg-type]
        assert answer.headers["cache-status"] == f"Broadsheet; {BYPASS}"
        assert answer.status_code == (
            200 if "Authorization" not in headers or "bg_" in headers["Authorization"] else 401
        )
    assert len(keeper.memory) == before


def test_readers_with_tokens_get_their_own(client: TestClient, article: dict[str, Any]) -> None:
    client.get(PATH)
    answer = client.get(PATH, headers=guest(client))
    assert (answer.status_code, answer.headers["cache-status"]) == (200, f"Broadsheet; {BYPASS}")
    assert answer.headers["cache-control"] == "private, no-store"


def test_head_first_keeps_the_whole_answer(client: TestClient, article: dict[str, Any]) -> None:
    plain = {"Accept-Encoding": "identity"}
    head = client.head(PATH, headers={"If-None-Match": '"a"', **plain})
    answer = client.get(PATH, headers=plain)
    assert (head.content, answer.headers["cache-status"]) == (b"", f"Broadsheet; {HIT}")
    assert head.headers["content-length"] == answer.headers["content-length"] == str(len(answer.content))


def test_positions(client: TestClient, outcome: Outcome, article: dict[str, Any]) -> None:
    outcome(LIST)
    assert outcome(f"{LIST}&min_position=0.0") == HIT
    for wrong in ("", "1", "a.b", "-1.0", "0.0&min_position=nonsense"):
        answer = client.get(f"{LIST}&min_position={wrong}")
        assert (answer.status_code, answer.headers["cache-status"]) == (400, f"Broadsheet; {BYPASS}"), wrong
    assert outcome("/feeds/site.rss?min_position=0.0") in (STORED, MISS)


def test_origins(client: TestClient, article: dict[str, Any]) -> None:
    for origin in ("https://a.example", "null", "nonsense"):
        answer = client.get(PATH, headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Origin" in answer.headers["vary"]
    assert answer.headers["cache-status"] == f"Broadsheet; {HIT}"
    assert "access-control-allow-origin" not in client.get(PATH).headers


def test_other_methods_pass(client: TestClient, article: dict[str, Any]) -> None:
    client.get(PATH)
    for method in ("POST", "PUT", "OPTIONS", "TRACE"):
        assert "cache-status" not in client.request(method, PATH).headers
