"""Whatever is sent, the answer is a problem that tells what is wrong and repeats nothing of it; never a 5xx."""

import base64
import json
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product, repeat
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from starlette.testclient import TestClient

from app.articles.editorial_schemas import ArticleIn
from app.articles.list_parameters import ListQuery
from app.core.problems import Problem
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
CANARY = "zqxcanary7"
MARKED = f"{CANARY} <b>"  # names are told if they are harmless; this one is not
BIG = 2**63
DEEP = 10_000
MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


def check(status: int, headers: Any, body: bytes, canary: str = CANARY) -> dict[str, Any]:
    """A problem as RFC 9457 and API.md have it, without a word of what was sent."""
    assert 400 <= status < 500, (status, body[:500])
    assert headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = json.loads(body)
    assert set(problem) - MEMBERS <= {"errors", "current_version", "fields"}
    assert set(problem) >= MEMBERS
    kind = Problem.registry[problem["code"]]
    assert (problem["status"], problem["type"], problem["title"]) == (status, f"/problems/{kind.code}", kind.title)
    assert kind.status == status
    assert problem["request_id"] == headers["x-request-id"]
    assert problem["detail"]
    for error in problem.get("errors", []):
        assert set(error) <= {"pointer", "parameter", "code", "detail"}
        assert ("pointer" in error) != ("parameter" in error)
        assert error["code"]
        assert error["detail"]
    everything = body + "".join(f"{name}: {value}\n" for name, value in headers.items()).encode("utf-8", "replace")
    assert canary.encode() not in everything
    return problem


@contextmanager
def about(*what: object) -> Iterator[None]:
    """Say in a failure which of many inputs it was."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"sent: {what!r:.300}")
        raise


def refused(answer: Any, *statuses: int) -> dict[str, Any]:
    """`check` for an answer of the client."""
    problem = check(answer.status_code, answer.headers, answer.content)
    assert not statuses or answer.status_code in statuses, answer.text
    return problem


def send(
    client: TestClient, editor: Headers, body: bytes | str, method: str = "POST", url: str = "/v1/articles"
) -> Any:
    """A body as it is, said to be JSON."""
    headers = {**editor, "Content-Type": "application/json", "If-Match": "*"}
    return client.request(method, url, content=body, headers=headers)


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b"   ",
    "a word": CANARY.encode(),
    "half": b'{"title": "' + CANARY.encode(),
    "two": b'{"title": "a"}{"title": "b"}',
    "trailing comma": b'{"title": "a",}',
    "single quotes": b"{'title': 'zqxcanary7'}",
    "NaN": b'{"title": NaN}',
    "-Infinity": b'{"title": "a", "featured": -Infinity}',
    "1e999": b'{"title": 1e999}',
    "1e999 in a list": b'{"title": "zqxcanary7", "tags": [1e999]}',
    "huge number": b'{"title": ' + b"9" * 5000 + b"}",
    "escaped lone surrogate": b'{"title": "zqxcanary7 \\ud800"}',
    "escaped lone low surrogate": b'{"title": "zqxcanary7 \\udc00 x"}',
    "lone surrogate in a name": b'{"title": "a", "zqxcanary7\\ud800": 1}',
    "raw lone surrogate": b'{"title": "zqxcanary7 \xed\xa0\x80"}',
    "not UTF-8": b'{"title": "zqxcanary7 \xff\xfe"}',
    "UTF-16": '{"title": "zqxcanary7"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"title": 1}',
    "NUL": b'{"title": "zqxcanary7\\u0000"}',
    "raw NUL": b'{"title": "zqxcanary7\x00"}',
    "control": b'{"title": "zqxcanary7\\u0007"}',
    "a list": b'["zqxcanary7"]',
    "a string": b'"zqxcanary7"',
    "null": b"null",
    "a number": b"12345678901234567890123",
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep value": b'{"title": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep value of an unknown field": b'{"title": "a", "zqx": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "unknown field": b'{"title": "a", "surprise": "zqxcanary7"}',
    "many unknown fields": json.dumps({"title": "a", **{f"f{n}": CANARY for n in range(500)}}).encode(),
    "an unknown name that is not harmless": b'{"title": "a", "zqxcanary7 <b>": 1}',
}


def test_bodies(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor)
    url = f"/v1/articles/{article['id']}"
    for name, body in BODIES.items():
        with about(name):
            refused(send(client, editor, body), 400, 422)
            refused(send(client, editor, body, "PATCH", url), 400, 422)
            refused(send(client, editor, body, "PUT", f"{url}/schedule"), 400, 422)
            refused(send(client, editor, body, "POST", f"{url}/retract"), 400, 422)
    assert client.get(url, headers=editor).json()["editing"]["version"] == 1


def test_other_media_types(client: TestClient, editor: Headers) -> None:
    kinds = ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data", "\xff"]
    for media_type in kinds:
        headers = {**editor, "Content-Type": media_type.encode("latin-1")}
        with about(media_type):
            refused(client.post("/v1/articles", content=json.dumps({"title": CANARY}), headers=headers), 400, 415, 422)


WRONG: list[Any] = [0, 1.5, -1, BIG, 10**30, True, [], {}, [CANARY], [[CANARY]], [None], {MARKED: CANARY}, "", CANARY]
WRONG += [None, "\x00", " ", "x" * 301, f"{CANARY} <b>", "\u202e", "2020-13-45T00:00:00Z", "0001-01-01T00:00:00+23:59"]
TEXT = {"", " ", CANARY, "x" * 301, f"{CANARY} <b>", "\u202e", "2020-13-45T00:00:00Z", "0001-01-01T00:00:00+23:59"}


def fits(name: str, value: Any) -> bool:
    """Whether the contract allows this value in this field."""
    if value is None:
        optional = {"slug", "dek", "section", "series", "image", "published_at", "custom"}
        return name in optional | {"seo", "canonical_url", "source"}
    if name in {"title", "dek"} and isinstance(value, str):
        return value in TEXT and (name == "dek" or (bool(value.strip("\u202e ")) and len(value) <= 300))
    if name in {"type", "slug"}:
        return value == CANARY or (name == "slug" and value == "x" * 301 and False)
    if name == "tags":
        return value in ([], [CANARY])
    if name == "custom":
        return isinstance(value, dict)
    return (name, value) in [("authors", []), ("rights", {}), ("seo", {})] or (name == "featured" and value is True)


def test_wrong_types_of_every_field(client: TestClient, editor: Headers) -> None:
    for name, value in product(sorted(ArticleIn.model_fields), WRONG):
        answer = client.post("/v1/articles", json={"title": "A title", name: value}, headers=editor)
        with about(name, value):
            if fits(name, value):
                assert answer.status_code == 201, answer.text
            else:
                assert refused(answer, 422)["errors"][0]["pointer"].startswith(f"/{name}")


@pytest.mark.parametrize(
    ("tail", "name"),
    [("schedule", "at"), ("retract", "reason"), ("retract", "legal"), ("corrections", "text"), ("previews", "hours")],
)
def test_wrong_types_in_actions(client: TestClient, editor: Headers, tail: str, name: str) -> None:
    article = (make.draft if tail == "schedule" else make.published)(client, editor)
    base: dict[str, Any] = {"reason": "r"} if tail == "retract" else {}
    method = "PUT" if tail == "schedule" else "POST"
    for value in (0.5, BIG, -1, [], {}, [CANARY], {MARKED: 1}, "", "\x00", f"\ud800{CANARY}", None):
        body = json.dumps({**base, name: value})
        refused(send(client, editor, body, method, f"/v1/articles/{article['id']}/{tail}"), 422, 400)


def test_wrong_types_of_what_articles_stand_under(client: TestClient, editor: Headers) -> None:
    kinds = ("sections", "tags", "authors", "series", "notices")
    names = ("name", "slug", "description", "position", "parent", "bio_html", "url", "image", "text", "target_id")
    values = (0.5, BIG, [CANARY], {MARKED: 1}, f"{CANARY}\x00", "javascript:alert(1)//\x07")
    for kind, name, value in product(kinds, names, values):
        body = {"name": "A name", "scope": "section", "placement": "both", "text": "t", name: value}
        with about(kind, name, value):
            refused(client.post(f"/v1/{kind}", json=body, headers=editor), 422)


def test_wrong_values_of_every_parameter(client: TestClient, editor: Headers) -> None:
    words = {"section", "tag", "author", "series", "type", "language", "ids", "exclude", "q", "release"}
    always = ["", "\x00", f"{CANARY}\x00", "x" * 5000]
    typed = [MARKED, "[]", "{}", "NaN", str(BIG), "-1", "1e999", "\ud83d", "null", "'; DROP TABLE article; --"]
    for name in ListQuery.model_fields:
        for value in always if name in words else [*always, *typed]:
            text = quote(value, errors="surrogatepass")
            with about(name, value):
                refused(client.get(f"/v1/articles?{name}={text}", headers=editor), 400)


def test_bad_cursors(client: TestClient) -> None:
    cursors = ["!", "AAAA", "e30", "W10", "bnVsbA", "x" * 2000, "%ff", "%00", "WyItcHVibGlzaGVkX2F0IiwgMSwgMl0"]
    cursors += [quote(json.dumps([1] * 200)), "W" * 1000]
    for path, cursor in product(["articles", "tags", "sections", "authors", "series"], cursors):
        with about(path, cursor):
            problem = refused(client.get(f"/v1/{path}?cursor={cursor}"), 400)
            assert problem["errors"][0]["parameter"] == "cursor"


def test_cursors_with_other_keys_inside(client: TestClient) -> None:
    row_id = "0199aaaa-0000-7000-8000-000000000000"
    keys: list[Any] = [None, True, 1, BIG, 1.5, "", "x", "9999-99-99T00:00:00Z", "0001-01-01T00:00:00+23:59", [], {}]
    keys += ["2024-01-01", "\x00", "\ud800", {"a": CANARY}]
    for sort, kinds in (("-published_at", "articles"), ("title", "articles"), ("name", "tags"), ("-articles", "tags")):
        for inside in [
            *([sort, key, row_id] for key in keys),
            [sort, "x"],
            [sort, "x", "y"],
            [sort, "x", 1],
            CANARY,
            1,
        ]:
            cursor = base64.urlsafe_b64encode(json.dumps(inside).encode()).decode().rstrip("=")
            answer = client.get(f"/v1/{kinds}?sort={sort}&cursor={cursor}")
            if answer.status_code != 200:  # some of these are keys that a row might have
                refused(answer, 400)


REFERENCES = [str(BIG), "9" * 400, "-1", "0199aaaa-0000-7000-8000-000000000000", "0199AAAA-0000-7000-8000-000000000000"]
REFERENCES += ["%00", "a%00b", "%0a", "%ff", "%ed%a0%80", "%zz", "%", "..%2f..%2fetc%2fpasswd", "x" * 5000]
REFERENCES += ["zqxcanary7'%20OR%201=1--", "%f0%9f%92%a9", "zqxcanary7<script>"]


def test_bad_references(client: TestClient, editor: Headers) -> None:
    headers = {**editor, "If-Match": "*"}
    for kind, ref in product(["articles", "sections", "tags", "authors", "series", "notices", "media"], REFERENCES):
        url = f"/v1/{kind}/{ref}"
        with about(url):
            refused(client.get(url, headers=editor), 404)
            refused(client.patch(url, json={}, headers=headers), 404)
            refused(client.delete(url, headers=headers), 404)
            for tail in ("/neighbours", "/revisions", "/revisions/1", "/previews") if kind == "articles" else ():
                refused(client.get(url + tail, headers=editor), 404)


def test_bad_numbers_in_paths(client: TestClient, editor: Headers) -> None:
    url = f"/v1/articles/{make.draft(client, editor)['id']}/revisions"
    for n in (0, -1, BIG, 10**400, "x", "1.5", "%00", "１"):
        with about(n):
            refused(client.get(f"{url}/{n}", headers=editor), 400, 404)
            refused(client.get(f"{url}/1/diff?against={n}", headers=editor), 400)


def test_unknown_addresses_and_methods(client: TestClient, editor: Headers) -> None:
    for url in ("/v2/articles", "/v1/articles//", "/v1/articles//x", "/wp-login.php", f"/{CANARY}"):
        refused(client.get(url), 404)
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW", "LINK", CANARY.upper()):
        answer = client.request(method, "/v1/articles", headers=editor)
        assert refused(answer, 405)["code"] == "method_not_allowed"
        assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


HEADERS: list[tuple[str, str, int]] = [
    ("Authorization", f"Bearer {CANARY}", 401),
    ("Authorization", "Bearer bs_" + "0" * 72, 401),
    ("Authorization", f"Basic {CANARY}", 401),
    ("Authorization", "", 401),
    ("Authorization", "Bearer \xff\xfe", 401),
    ("If-Match", CANARY, 400),
    ("If-Match", '"v' + "9" * 30 + '-x"', 412),
    ("If-Match", '"v9223372036854775808-x"', 412),
    ("If-Match", '"\xff"', 400),
    ("If-Match", 'W/"v1-x"', 412),
    ("Idempotency-Key", "", 400),
    ("Idempotency-Key", "x" * 256, 400),
    ("Idempotency-Key", "\xff\xfe", 400),
    ("Idempotency-Key", f"{CANARY}\t", 400),
]


def test_bad_headers(client: TestClient, editor: Headers) -> None:
    url = f"/v1/articles/{make.draft(client, editor)['id']}"
    for name, value, status in HEADERS:
        headers = {**editor, "If-Match": "*", name: value.encode("latin-1")}
        with about(name, value):
            if name == "Idempotency-Key":
                refused(client.post(f"{url}/publish", headers=headers), status)
            else:
                refused(client.patch(url, json={"title": "New"}, headers=headers), status)


def test_headers_that_are_merely_strange_do_no_harm(client: TestClient) -> None:
    values = [b"\xff\xfe", b"x" * 5000, b"", b"*;q=nan", b"gzip;q=1e999, br;q=-1, zstd;q=x", b'"', b",,,", b"\xc3\x28"]
    for name in ("Accept", "Accept-Encoding", "If-None-Match", "Origin", "X-Request-ID", "User-Agent", "Cookie"):
        for value in values:
            answer = client.get("/v1/articles", headers={name: value})
            assert answer.status_code == 200, (name, value)
            assert answer.headers["x-request-id"].isascii()


# What needs a real server: bytes that no client library sends, and bodies too large to hold.


def talk(address: str, request: bytes, body: Any = ()) -> tuple[int, dict[str, str], bytes, int]:
    """Send bytes, then parts of a body for as long as there is no answer: status, headers, body, bytes of body sent."""
    parts = urlsplit(address)
    sent = 0
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as connection:
        connection.sendall(request)
        for part in body:
            if select.select([connection], [], [], 0)[0]:
                break
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break
            sent += len(part)
        received = b""
        while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < _length(received):
            more = connection.recv(65536)
            if not more:
                break
            received += more
    head, _, rest = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split(" ")[1]), headers, rest, sent


def _length(received: bytes) -> int:
    for line in received.partition(b"\r\n\r\n")[0].lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


HUNDRED_MB = 100_000_000


def test_a_body_of_100_mb_is_refused_before_it_is_read(address: str, editor: Headers) -> None:
    piece = b"x" * 100_000
    for path, chunked in product(["/v1/articles", "/v1/media", "/v1/nowhere", "/healthz"], [False, True]):
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {HUNDRED_MB}"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {editor['Authorization']}\r\n"
        head += f"Content-Type: application/json\r\n{framing}\r\n\r\n"
        part = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
        with about(path, framing):
            status, headers, body, sent = talk(address, head.encode(), repeat(part, HUNDRED_MB // len(piece)))
            check(status, headers, body)
            assert status in ({413, 415} if path in {"/v1/articles", "/v1/media"} else {404, 405, 413})
            assert sent < 60_000_000, "the answer does not wait for the whole body"


LINES = [
    b"GET /v1/articles/" + b"a" * 60_000 + b" HTTP/1.1",
    b"GET /v1/articles/" + b"a" * 300_000 + b" HTTP/1.1",
    b"GET /v1/articles?tag=" + b"a" * 60_000 + b" HTTP/1.1",
    b"GET /v1/articles/%zz HTTP/1.1",
    b"GET /v1/articles/\xff\xfe HTTP/1.1",
    b"GET /v1/articles/%c3%28%ff HTTP/1.1",
    b"GET /v1/articles?\xff=1 HTTP/1.1",
    b"GET /v1/articles?%ff=1 HTTP/1.1",
    b"GET /v1/articles?limit=%ff HTTP/1.1",
    b"GET /v1/../../etc/passwd HTTP/1.1",
    b"GET //evil.example/v1/articles HTTP/1.1",
    b"GET /v1/articles/a b HTTP/1.1",
    b"GET /v1/articles HTTP/9.9",
    b"BREW /v1/articles HTTP/1.1",
    b"PROPFIND /v1/articles HTTP/1.1",
    b"zqxcanary7 /v1/articles HTTP/1.1",
    b"CONNECT example.org:443 HTTP/1.1",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"zqxcanary7",
    b"get /v1/articles HTTP/1.1",
]

HEADS = [
    b"X-Long: " + b"a" * 100_000,
    b"\r\n".join(b"X-%d: a" % n for n in range(10_000)),
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: zqxcanary7",
    b"zqxcanary7",
    b"X Y: zqxcanary7",
    b"X: a\x00b",
]


def test_bytes_that_no_client_sends(address: str) -> None:
    for line in LINES:
        with about(line):
            check(*talk(address, line + b"\r\nHost: x\r\n\r\n")[:3])
    for head in HEADS:
        with about(head):
            check(*talk(address, b"POST /v1/articles HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")[:3])
