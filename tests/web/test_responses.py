"""Answers to reads: validators, codings and the headers that caches live by."""

import gzip
from collections.abc import Iterator
from types import SimpleNamespace

import brotli
import pytest
import zstandard
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette.responses import Response
from starlette.testclient import TestClient

from app.web import responses
from app.web.freshness import Freshness
from app.web.paging import ListOut, Sort, page_of
from app.web.responses import reply, reply_list

BODY = b'{"text": "' + b"word " * 400 + b'"}'
DECODE = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": zstandard.decompress}


class Word(BaseModel):
    id: str
    n: int


app = FastAPI()
app.state.services = SimpleNamespace(freshness=Freshness())


@app.get("/large")
async def large(request: Request) -> Response:
    return reply(request, BODY, groups=("article:1", "articles"), version=7)


@app.get("/small")
async def small(request: Request) -> Response:
    return reply(request, b"{}", groups=("articles",))


@app.get("/private")
async def private(request: Request) -> Response:
    return reply(request, BODY, groups=("secret",), private=True)


@app.get("/lists/{name}")
async def words(request: Request, name: str) -> Response:
    rows = [{"id": "01890000-0000-7000-8000-000000000000", "n": n} for n in range(3)]
    return reply_list(request, ListOut[Word], page_of(rows, 2, Sort("n", kind=int), "n"), None, groups=("words",))


@pytest.fixture
def site() -> Iterator[TestClient]:
    with TestClient(app, headers={"Accept-Encoding": "identity"}) as found:
        yield found


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0.2 , gzip ; q=0.8", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", "zstd"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("zstd;q=0, *;q=0.1", "br"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=1", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("deflate", None),
        ("gzip;q=high", None),
        ("gzip;q=1;x=2", None),
        ("gzip;q=..", None),
        ("\u00e9, gzip", "gzip"),
    ],
)
def test_the_coding_that_the_client_prefers(accept: str, coding: str | None) -> None:
    assert responses.negotiate_coding(accept) == coding


@given(st.text(max_size=60) | st.from_regex(r"(gzip|br|\*|zstd|identity)(;q=[\d.]*)?(, ?(gzip|br|\*)(;q=[\d.]*)?)*"))
def test_any_wish_has_an_answer(accept: str) -> None:
    assert responses.negotiate_coding(accept) in {None, "gzip", "br", "zstd"}


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_each_coding_has_its_own_tag_and_each_tag_is_known_again(site: TestClient, coding: str) -> None:
    plain = site.get("/large")
    with site.stream("GET", "/large", headers={"Accept-Encoding": coding}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == coding
    assert DECODE[coding](raw) == BODY == plain.content
    assert len(raw) < len(BODY) / 4
    assert packed.headers["content-length"] == str(len(raw))
    assert packed.headers["etag"] != plain.headers["etag"]
    assert plain.headers["etag"].startswith('"v7-')
    assert "content-encoding" not in plain.headers
    for tag in (packed.headers["etag"], plain.headers["etag"], f'"x", W/{plain.headers["etag"]}', "*"):
        for wish in ("identity", coding):
            again = site.get("/large", headers={"If-None-Match": tag, "Accept-Encoding": wish})
            assert (again.status_code, again.content) == (304, b"")


def test_what_is_small_is_not_packed(site: TestClient) -> None:
    assert "content-encoding" not in site.get("/small", headers={"Accept-Encoding": "gzip"}).headers


def test_a_304_has_the_headers_of_the_200(site: TestClient) -> None:
    fresh = site.get("/large")
    known = site.get("/large", headers={"If-None-Match": fresh.headers["etag"]})
    of_content = {"content-length", "content-type"}
    assert dict(known.headers) == {k: v for k, v in fresh.headers.items() if k not in of_content}
    assert site.get("/large", headers={"If-None-Match": '"other"'}).status_code == 200


def test_what_caches_are_told(site: TestClient) -> None:
    headers = site.get("/large").headers
    assert headers["cache-control"].startswith("public")
    assert headers["last-modified"].endswith("GMT")
    assert headers["cache-tag"] == "article:1,articles"
    assert headers["surrogate-key"] == "article:1 articles"
    assert headers["cache-groups"] == '"article:1", "articles"'
    assert {name.strip() for name in headers["vary"].split(",")} >= {"Accept-Encoding", "Authorization", "Origin"}


def test_what_is_private_is_kept_by_nobody(site: TestClient) -> None:
    headers = site.get("/private").headers
    assert headers["cache-control"] == "private, no-store"
    assert not {"cache-tag", "surrogate-key", "cache-groups"} & set(headers)


def test_the_link_to_the_next_page_keeps_the_question_and_not_the_host(site: TestClient) -> None:
    answer = site.get("/lists/caf%C3%A9?a=1&a=2&cursor=old", headers={"Host": "evil.example"})
    cursor = answer.json()["page"]["next"]
    assert answer.links["next"]["url"] == f"/lists/caf%C3%A9?a=1&a=2&cursor={cursor}"
    assert "evil" not in str(answer.headers)
    careless = Request({"type": "http", "path": "/x", "query_string": "a=é<&cursor=1".encode(), "headers": []})
    assert responses.page_links(careless, {"next": "2", "prev": None}) == {"next": "/x?a=%C3%A9%3C&cursor=2"}
