"""What editors choose."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make
from tests.make import Headers, ok
from tests.related.conftest import titles

pytestmark = pytest.mark.portable

Sent = Callable[..., Any]


@pytest.fixture
def articles(client: TestClient, editor: Headers) -> list[dict[str, Any]]:
    """Three public articles about nothing in common."""
    return [make.published(client, editor, title) for title in ("One", "Two", "Three")]


@pytest.fixture
def put(client: TestClient, editor: Headers, articles: list[dict[str, Any]]) -> Sent:
    """Choose for the first article, on its present version unless another is said."""

    def put(ids: Any, tag: str | None = None, headers: Headers = editor) -> Any:
        url = f"/v1/articles/{articles[0]['id']}/related"
        tag = tag or client.get(url, headers=headers).headers["etag"]
        return client.put(
            url, json=ids if isinstance(ids, dict) else {"ids": ids}, headers={**headers, "If-Match": tag}
        )

    return put


def test_by_id_or_slug_in_their_order_until_chosen_anew(
    client: TestClient, put: Sent, articles: list[dict[str, Any]]
) -> None:
    answer = put(["three", articles[1]["id"]])
    assert [row["article"]["slug"] for row in ok(answer)["data"]] == ["three", "two"]
    assert answer.headers["etag"].startswith('"v1-')
    assert titles(client, articles[0]) == ["Three", "Two"]
    assert put(["three", "two"]).headers["etag"].startswith('"v1-')  # the same again is no change
    assert ok(put(["two"]))["data"][0]["article"]["slug"] == "two"
    last = put([])
    assert (ok(last)["data"], last.headers["etag"][:4]) == ([], '"v3-')


def test_nobody_overwrites_what_they_have_not_seen(
    client: TestClient, editor: Headers, put: Sent, articles: list[dict[str, Any]]
) -> None:
    url = f"/v1/articles/{articles[0]['id']}/related"
    seen = client.get(url, headers=editor).headers["etag"]
    ok(put(["two"]))
    stale = put(["three"], seen)
    assert (stale.status_code, stale.json()["current_version"], stale.json()["fields"]) == (412, 1, ["ids"])
    assert client.put(url, json={"ids": []}, headers=editor).status_code == 428
    assert titles(client, articles[0]) == ["Two"]


@pytest.mark.parametrize(
    ("ids", "pointer", "code"),
    [
        (["two", "nowhere"], "/ids/1", "not_found"),
        (["hidden"], "/ids/0", "not_found"),
        (["two", "one"], "/ids/1", "itself"),
        (["two", "three", "two"], "/ids/2", "repeated"),
        ([f"a-{n}" for n in range(21)], "/ids", "too_long"),
        (["no slug"], "/ids/0", "value_error"),
        ({"ids": None}, "/ids", "list_type"),
        ({}, "/ids", "missing"),
        ({"ids": [], "pins": []}, "/pins", "extra_forbidden"),
    ],
)
def test_what_cannot_be_chosen_is_named(
    client: TestClient, editor: Headers, put: Sent, make_key: Callable[..., Headers], ids: Any, pointer: str, code: str
) -> None:
    make.draft(client, editor, "Hidden")
    refused = put(ids, headers=make_key("content:write", "content:publish", "syndicate"))
    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [(pointer, code)]


def test_drafts_can_be_prepared_and_readers_see_them_when_they_are_out(
    client: TestClient, editor: Headers, put: Sent, articles: list[dict[str, Any]]
) -> None:
    later = make.draft(client, editor, "Later")
    ok(put([later["slug"], "two"]))
    assert titles(client, articles[0]) == ["Two"]
    assert titles(client, articles[0], headers=editor) == ["Later", "Two"]
    make.act(client, editor, later, "publish")
    assert titles(client, articles[0]) == ["Later", "Two"]


def test_who_may_choose(client: TestClient, put: Sent, make_key: Callable[..., Headers]) -> None:
    assert put(["two"], "*", headers={}).status_code == 401
    assert put(["two"], "*", headers=make_key("content:read")).status_code == 403
    assert put(["two"], "*", headers=make_key("content:write")).status_code == 403  # readers would see it at once
    assert put(["two"], "*", headers=make_key("content:write", "content:publish")).status_code == 200


def test_the_choice_is_told_and_noted(
    client: TestClient, admin: Headers, put: Sent, articles: list[dict[str, Any]]
) -> None:
    ok(put(["two"]))
    (entry,) = [row for row in ok(client.get("/v1/audit", headers=admin))["data"] if row["action"] == "article.relate"]
    assert (entry["subject_id"], entry["detail"]) == (articles[0]["id"], {"pins": 1})
