"""Whoever is told that something has changed is told with which version to go on."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "article": ("PATCH", {"dek": "More"}),
    "sections": ("PATCH", {"name": "Other"}),
    "tags": ("PATCH", {"name": "Other"}),
    "authors": ("PATCH", {"name": "Other"}),
    "series": ("PATCH", {"name": "Other"}),
    "notice": ("PATCH", {"text": "Other"}),
    "webhook": ("PATCH", {"description": "Other"}),
    "phrase": ("PATCH", {"action": "hold"}),
    "discussion": ("PUT", {"state": "closed"}),
    "related": ("PUT", {"ids": []}),
}


def _url(client: TestClient, admin: Headers, kind: str) -> str:
    if kind in ("article", "discussion", "related"):
        article = make.published(client, admin)
        return f"/v1/articles/{article['id']}" + ("" if kind == "article" else f"/{kind}")
    path, body = {
        "notice": ("/v1/notices", {"scope": "site", "placement": "before", "text": "One"}),
        "webhook": ("/v1/webhooks", {"url": "https://hook.example/x", "events": ["*"]}),
        "phrase": ("/v1/moderation/phrases", {"text": "buy now", "action": "spam"}),
    }.get(kind, (f"/v1/{kind}", {"name": "One"}))
    return f"{path}/{make.ok(client.post(path, json=body, headers=admin), 201)['id']}"


@pytest.mark.parametrize("kind", CASES)
def test_a_412_carries_the_etag_to_go_on_with(kind: str, client: TestClient, admin: Headers) -> None:
    (method, body), url = CASES[kind], _url(client, admin, kind)
    missing = client.request(method, url, json=body, headers=admin)
    assert missing.status_code == 428
    assert "If-Match" in missing.json()["detail"]
    assert "`If-Match: *`" in missing.json()["detail"]
    stale = client.request(method, url, json=body, headers={**admin, "If-Match": '"v999-x"'})
    told = make.ok(stale, 412)
    assert stale.headers["etag"] == f'"v{told["current_version"]}"'
    make.ok(client.request(method, url, json=body, headers={**admin, "If-Match": stale.headers["etag"]}))


def test_authors_are_named_by_what_they_are_known_by(client: TestClient, editor: Headers) -> None:
    for ref in ("New Person", "new-person"):
        answer = client.post("/v1/articles", json={"title": "A", "authors": [ref]}, headers=editor)
        told = make.ok(answer, 422)
        assert "id or slug" in told["detail"]
        assert "create" in told["detail"].lower()
        assert told["errors"][0]["pointer"].startswith("/authors")
        assert ref not in answer.text
