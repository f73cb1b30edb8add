"""Preview links of releases show what readers will see, and nothing else that is not public."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.clock import now
from tests import make
from tests.releases.test_releases import Headers, publish, release

pytestmark = pytest.mark.portable

TIMES = {"published_at", "updated_at"}


def link(client: TestClient, headers: Headers, url: str) -> dict[str, Any]:
    return make.ok(client.post(f"{url}/previews", json={"hours": 2}, headers=headers), 201)


def without_times(value: Any) -> Any:
    """A JSON value without the times that publishing sets, and without ids of notices that do not exist yet."""
    if isinstance(value, list):
        return [without_times(each) for each in value]
    if isinstance(value, dict):
        hidden = TIMES | ({"id"} if "placement" in value or "blocks" in value else set())
        return {name: without_times(each) for name, each in value.items() if name not in hidden}
    return value


def test_a_preview_is_what_readers_see_after_the_release(client: TestClient, editor: Headers) -> None:
    for name in ("News", "Arts"):
        make.section(client, editor, name)
    make.author(client, editor, "Ann")
    new = make.draft(client, editor, "New", section="news", tags=["one"], authors=["ann"])
    old = make.published(client, editor, "Old", section="news", tags=["one", "two"], featured=True)
    gone, kept = make.published(client, editor, "Gone", section="news"), make.published(client, editor, "Kept")
    make.draft(client, editor, "Secret", section="news", tags=["one"])
    make.patched(client, editor, old, title="Pinned", section="arts", tags=["one"], body={"markdown": "*Pinned.*"})
    make.patched(client, editor, kept, title="Secret, too")
    make.notice(client, editor, scope="section", target_id="arts", placement="before", text="Of arts.")
    blocks = [{"kind": "pinned", "articles": ["new"]}, {"kind": "newest", "section": "arts"}]
    url = release(
        client,
        editor,
        {"op": "publish", "article": new["id"]},
        {"op": "publish", "article": old["id"]},
        {"op": "unpublish", "article": gone["id"]},
        {"op": "front", "front": "home", "body": {"title": "Home", "blocks": blocks}},
        {"op": "create_notice", "body": {"scope": "article", "target_id": "new", "placement": "after", "text": "New."}},
    )
    make.patched(client, editor, new, title="Secret, later")
    token = link(client, editor, url)["token"]
    paths = [
        *(
            "articles?limit=100",
            "articles?tag=one",
            "articles?section=arts",
            "articles?author=ann",
            "articles?ids=old,gone",
        ),
        *("articles/new", "articles/old?formats=markdown,html", "articles/kept", "articles/gone", "fronts/home"),
        *("articles/secret", "articles?featured=true&formats=text", "fronts/none"),
    ]

    def read(suffix: str) -> list[Any]:
        found = []
        for path in paths:
            joint = "&" if "?" in path else "?"
            answer = client.get(f"/v1/{path}{joint}{suffix}" if suffix else f"/v1/{path}")
            if suffix:
                assert "no-store" in answer.headers["cache-control"]
            assert "Secret" not in answer.text
            found.append(without_times(answer.json()) if answer.is_success else answer.status_code)
        return found

    before = read("")
    previewed = read(f"release={token}")
    assert previewed[8] == 404
    assert before != previewed
    publish(client, editor, url)
    assert read("") == previewed
    assert read(f"release={token}") == previewed


def test_a_preview_ends(client: TestClient, editor: Headers, make_key: Any) -> None:
    new = make.draft(client, editor, "New")
    url = release(client, editor, {"op": "publish", "article": new["id"]})
    limited = make_key("content:write", sections=[make.section(client, editor, "News")["id"]])
    assert client.post(f"{url}/previews", json={}, headers=limited).status_code == 403
    one, other = link(client, editor, url), link(client, editor, url)
    path = f"/v1/articles/new?release={one['token']}"
    assert client.get(path).status_code == 200
    make.ok(client.delete(f"{url}/previews/{one['id']}", headers=editor), 204)
    assert client.get(path).status_code == 404
    assert client.get("/v1/articles?release=unknown").status_code == 404
    assert len(make.ok(client.get(f"{url}/previews", headers=editor))["data"]) == 2
    with time_machine.travel(now() + timedelta(hours=3), tick=False):
        assert client.get(f"/v1/articles/new?release={other['token']}").status_code == 404
    assert client.get(f"/v1/articles/new?release={other['token']}&revision=1", headers=editor).status_code == 400
