"""Data of their own that editors keep with an article, and readers never see."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.make import Headers, draft, ok

pytestmark = pytest.mark.portable

ANY = {"If-Match": "*"}


def patch(client: TestClient, headers: Headers, slug: str, custom: Any, status: int = 200) -> Any:
    answer = client.patch(f"/v1/articles/{slug}", json={"custom": custom}, headers={**headers, **ANY})
    return ok(answer, status)


def test_editors_keep_data_that_readers_never_see(client: TestClient, editor: Headers) -> None:
    made = ok(client.post("/v1/articles", json={"title": "Fog", "custom": {"a": {"b": 1}}}, headers=editor), 201)
    assert made["editing"]["custom"] == {"a": {"b": 1}}
    ok(client.post("/v1/articles/fog/publish", headers={**editor, **ANY}))
    before = ok(client.get("/v1/articles/fog", headers=editor))
    after = patch(client, editor, "fog", {"c": ["secret", None], "a": {"d": 2}})
    assert after["editing"]["custom"] == {"a": {"d": 2}, "c": ["secret", None]}
    assert after["editing"]["version"] == before["editing"]["version"] + 1
    assert (after["updated_at"], after["revision"]) == (before["updated_at"], before["revision"])
    assert patch(client, editor, "fog", {"c": ["secret", None]})["editing"]["version"] == after["editing"]["version"]
    assert ok(client.get("/v1/articles", headers=editor))["data"][0]["editing"]["custom"] == after["editing"]["custom"]
    for path in ("/v1/articles/fog", "/v1/articles", "/v1/articles/fog.ninjs", "/v1/changes"):
        assert "secret" not in client.get(path).text
    assert patch(client, editor, "fog", {"c": None})["editing"]["custom"] == {"a": {"d": 2}}
    assert patch(client, editor, "fog", None)["editing"]["custom"] is None


@pytest.mark.parametrize("custom", [[], "x", 7, {"a": "x" * 32_000}, {"a": "\x00"}, {"\x00": 1}], ids=str)
def test_bad_data_is_refused(client: TestClient, editor: Headers, custom: Any) -> None:
    draft(client, editor, "Fog")
    assert patch(client, editor, "fog", custom, 422)["errors"][0]["pointer"].startswith("/custom")


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"a": 1e999}', '{"a": NaN}', '{"a":' * 3000 + "1" + "}" * 3000])
def test_odd_json_is_refused(client: TestClient, editor: Headers, text: str) -> None:
    draft(client, editor, "Fog")
    headers = {**editor, **ANY, "Content-Type": "application/json"}
    answer = client.patch("/v1/articles/fog", content=f'{{"custom": {text}}}', headers=headers)
    assert answer.status_code in {400, 422}


def test_data_is_bounded_in_size_and_depth(client: TestClient, editor: Headers) -> None:
    draft(client, editor, "Fog")
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    assert patch(client, editor, "fog", {"a": deep}, 422)
    patch(client, editor, "fog", {"a": "x" * 20_000})
    assert patch(client, editor, "fog", {"b": "x" * 20_000}, 422)["errors"][0]["pointer"] == "/custom"
    patch(client, editor, "fog", {"a": None, "b": "x" * 20_000})
