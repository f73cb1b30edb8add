"""What a reader wrote, and what others replied to it: for the reader alone, and nothing that readers do not see."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]


def replies(client: TestClient, headers: Headers, **query: str) -> tuple[list[str], int]:
    """Texts of the replies to a reader's comments, and how many came since a time."""
    page = make.ok(client.get("/v1/me/replies", params=query, headers=headers))
    return [comment["text"] for comment in page["data"]], page["unread"]


def test_a_reader_finds_what_they_wrote_and_what_was_replied(
    client: TestClient, editor: Headers, make_key: Any
) -> None:
    ann, bo = make.guest(client), make.guest(client)
    fog, sea = (make.published(client, editor, title) for title in ("Fog", "Sea"))
    first = make.said(client, fog, "I *walk* it.", ann, author={"name": "Ann"})
    second = make.said(client, sea, "Cold.", ann)
    make.said(client, fog, "Me too.", bo, author={"name": "Bo"}, parent_id=first["id"])
    make.said(client, fog, "And again.", ann, parent_id=first["id"])
    last = make.said(client, sea, "Very.", bo, parent_id=second["id"])
    own = make.ok(client.get("/v1/me/comments", headers=ann))["data"]
    written = [(comment["text"], comment["source"]) for comment in own]
    assert written[1:] == [("Cold.", "Cold."), ("I walk it.", "I *walk* it.")]
    assert replies(client, ann) == (["Very.", "Me too."], 2)
    assert replies(client, ann, limit="1") == (["Very."], 2)
    assert replies(client, ann, since=last["created_at"]) == ([], 0)
    assert replies(client, ann, since=first["created_at"])[1] == 2
    assert replies(client, bo) == ([], 0)
    moderator = make_key("comments:moderate")
    removal = client.post(f"/v1/comments/{last['id']}/remove", json={"reason": "abuse"}, headers=moderator)
    assert removal.status_code == 200, removal.text
    make.act(client, editor, fog, "unpublish")
    assert replies(client, ann) == ([], 0)
    assert len(make.ok(client.get("/v1/me/comments", headers=ann))["data"]) == 3
    assert make.ok(client.get("/v1/me/comments", headers=make.guest(client)))["data"] == []
    for path in "/v1/me/comments", "/v1/me/replies":
        assert client.get(path).status_code == 401
        assert client.get(path, headers=ann).headers["cache-control"] == "private, no-store"


def test_anchors_come_with_the_article(client: TestClient, editor: Headers) -> None:
    fog = make.published(client, editor, "Fog")
    prompt = {"exact": "Once", "question": "Why?"}
    make.ok(client.post(f"/v1/articles/{fog['id']}/anchors", json=prompt, headers=editor), 201)
    included = make.ok(client.get("/v1/articles/fog?include=anchors"))["anchors"]
    assert included == make.ok(client.get("/v1/articles/fog/anchors?limit=100"))
    selected = make.ok(client.get("/v1/articles/fog?fields=anchors.data.question"))
    assert selected == {"anchors": {"data": [{"question": "Why?"}]}}


def test_a_follower_may_start_now(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "Fog")
    page = make.ok(client.get("/v1/changes?cursor=now"))
    assert (page["data"], page["page"]["more"]) == ([], False)
    make.published(client, editor, "Sea")
    cursor = page["page"]["next"]
    assert [change["type"] for change in make.ok(client.get(f"/v1/changes?cursor={cursor}"))["data"]] == ["article"]
