"""When an answer last changed, and `If-Modified-Since` (RFC 9110 §13.1.3)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine
from starlette.testclient import TestClient

from app.web import freshness
from app.web.freshness import Freshness, parse_http_date
from tests import make

Headers = dict[str, str]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT_NOON = int(NOON.timestamp())


def test_a_change_is_dated_after_every_answer_without_it() -> None:
    seen = Freshness()
    with time_machine.travel(NOON, tick=False) as clock:
        assert seen.note("/a", "one") == (AT_NOON, AT_NOON)
        assert seen.note("/a", "two") == (AT_NOON + 1, AT_NOON)  # "one" was given out in this second, too
        clock.shift(timedelta(seconds=10))
        assert seen.note("/a", "two") == (AT_NOON + 1, AT_NOON + 10)
        clock.shift(timedelta(seconds=10))
        assert seen.note("/a", "one") == (AT_NOON + 20, AT_NOON + 20)  # as before, but not since then
        assert seen.note("/b", "one") == (AT_NOON + 20, AT_NOON + 20)


def test_only_so_many_addresses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "MAX_TRACKED_URLS", 2)
    seen = Freshness()
    with time_machine.travel(NOON, tick=False) as clock:
        for address in "abc":
            seen.note(address, "one")
        clock.shift(timedelta(seconds=10))
        assert [seen.note(address, "one")[0] - AT_NOON for address in "bac"] == [0, 10, 0]


def test_long_addresses_take_no_more_memory() -> None:
    seen = Freshness()
    seen.note(f"/v1/articles?q={'x' * 5000}", "one")
    assert all(len(key) == 16 for key in seen._seen)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-03-01", "0", "Sun, 99 Mar 2026 12:00:00 GMT", "x" * 1000, "日"]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


@pytest.mark.parametrize(
    "text", ["Sun, 01 Mar 2026 12:00:00 GMT", "Sunday, 01-Mar-26 12:00:00 GMT", "Sun Mar  1 12:00:00 2026"]
)
def test_the_three_forms_of_a_date(text: str) -> None:
    assert parse_http_date(text) == AT_NOON


ADDRESSES = ["/v1/articles", "/v1/articles/{slug}", "/v1/articles/{slug}.txt", "/v1/articles?limit=1", "/v1/tags"]
ADDRESSES += ["/feeds/site.rss", "/feeds/site.atom", "/feeds/site.json", "/sitemap.xml", "/v1/search?q=title"]
ADDRESSES += ["/feeds/articles/{slug}/comments.rss", "/v1/articles/{slug}/comments"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_who_keeps_the_date_alone_is_answered_by_it(client: TestClient, editor: Headers, address: str) -> None:
    slug = make.published(client, editor)["slug"]
    address = address.format(slug=slug)
    first = client.get(address)
    told = first.headers["last-modified"]
    before = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    after = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)

    def status(**headers: str) -> int:
        return client.get(
            address, headers={name.replace("_", "-"): value for name, value in headers.items()}
        ).status_code

    assert status(if_modified_since=told) == 304
    assert client.head(address, headers={"If-Modified-Since": told}).status_code == 304
    assert status(if_modified_since=before) == 200
    assert status(if_modified_since=after) == 200  # nobody has it from then
    assert status(if_modified_since="yesterday") == 200
    assert status(if_modified_since=told, if_none_match='"other"') == 200
    assert status(if_modified_since=before, if_none_match=first.headers["etag"]) == 304
    again = client.get(address, headers={"If-Modified-Since": told})
    assert (again.content, again.headers["etag"], again.headers["last-modified"]) == (b"", first.headers["etag"], told)


def test_no_change_is_missed(client: TestClient, editor: Headers, make_cards: Callable[[], None]) -> None:
    """Also those that no time in the store tells of, all within one second."""
    one, two = make.published(client, editor, "One"), make.published(client, editor, "Two")
    addresses = ["/v1/articles", "/feeds/site.rss", "/sitemap.xml", f"/v1/articles/{one['id']}"]

    def answers() -> dict[str, str]:
        make_cards()
        return {address: client.get(address).headers["last-modified"] for address in addresses}

    def changed(told: dict[str, str]) -> set[str]:
        make_cards()
        headers = {address: {"If-Modified-Since": date} for address, date in told.items()}
        return {address for address in addresses if client.get(address, headers=headers[address]).status_code == 200}

    told = answers()
    make.act(client, editor, two, "unpublish")  # the newest time of those that are left moves back
    assert {"/v1/articles", "/feeds/site.rss", "/sitemap.xml"} <= changed(told)
    told = answers()
    posted = client.post(f"/v1/articles/{one['id']}/comments", json={"text": "Well.", "author": {"name": "Ann"}})
    assert posted.status_code == 201
    assert {"/v1/articles", f"/v1/articles/{one['id']}"} <= changed(told)


def test_private_answers_have_no_date(client: TestClient, editor: Headers) -> None:
    make.published(client, editor)
    headers = {**editor, "If-Modified-Since": format_datetime(datetime.now(UTC), usegmt=True)}
    answer = client.get("/v1/articles", headers=headers)
    assert answer.status_code == 200
    assert "last-modified" not in answer.headers
