"""One article's page, from no comment to a lively discussion: what every part of the page shows after each step."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make
from tests.make import Headers, bearer, ok

pytestmark = pytest.mark.portable

TEXT = "<p>The bridge was slow. Everyone loved it for that.</p>"


class Page:
    """What a front end reads to draw one article's page."""

    def __init__(self, client: TestClient, article: dict[str, Any]) -> None:
        self.client, self.id, self.slug = client, article["id"], article["slug"]
        self.url = f"/v1/articles/{self.slug}"

    def get(self, path: str) -> Any:
        """The JSON at an address below the article's."""
        return ok(self.client.get(f"{self.url}{path}"))

    def shows(self, comments: int, inline: int, agree: int = 0) -> None:
        """Every place that counts says the same."""
        article = self.get("")
        listed = next(row for row in ok(self.client.get("/v1/articles"))["data"] if row["id"] == self.id)
        counts = ok(self.client.get(f"/v1/counts?articles={self.slug}"))["data"][self.slug]
        for found in (article, listed):
            assert (found["discussion"]["comments"], found["discussion"]["inline"]) == (comments, inline)
            assert found["reactions"]["agree"] == agree
        assert (counts["comments"], counts["inline"], counts["reactions"]["agree"]) == (comments, inline, agree)
        assert len(self.get("/comments?view=all")["data"]) == comments
        assert self.get("/comments?view=all&count=exact")["page"]["total"] == comments
        assert len(self.get("/comments?view=inline")["data"]) == inline


def test_from_silence_to_a_discussion(client: TestClient, editor: Headers, make_key: Any) -> None:
    moderator = make_key("comments:moderate")
    article = make.published(client, editor, "The slow bridge", body={"html": TEXT})
    page = Page(client, article)
    assert page.get("")["discussion"]["prompt"] == "What do you think?"
    assert page.get("")["discussion"]["state"] == "open"
    page.shows(0, 0)

    first = ok(client.post(f"{page.url}/comments", json={"text": "I did.", "author": {"name": "Ida"}}), 201)
    ida = bearer(first["guest_token"])
    page.shows(1, 0)

    reply = {"text": "So did I.", "author": {"name": "Bo"}, "parent_id": first["id"]}
    second = ok(client.post(f"{page.url}/comments", json=reply), 201)
    page.shows(2, 0)
    (thread,) = page.get("/comments")["data"]
    assert (thread["id"], thread["replies"]) == (first["id"], 1)
    assert [row["id"] for row in thread["first_replies"]["data"]] == [second["id"]]

    quote = {"text": "Was it?", "anchor": {"exact": "The bridge was slow.", "suffix": " Everyone"}}
    third = ok(client.post(f"{page.url}/comments", json=quote, headers=ida), 201)
    page.shows(3, 1)
    (feedback,) = page.get("/comments?view=inline")["data"]
    assert (feedback["id"], feedback["anchor"]["exact"]) == (third["id"], "The bridge was slow.")
    (passage,) = page.get("/anchors")["data"]
    assert (passage["id"], passage["comments"]) == (feedback["anchor"]["id"], 1)

    ok(client.put(f"{page.url}/reaction", json={"value": "agree"}, headers=ida))
    ok(client.put(f"/v1/comments/{second['id']}/vote", json={"value": 1}, headers=ida))
    page.shows(3, 1, 1)
    assert ok(client.get(f"/v1/comments/{second['id']}"))["votes"] == {"up": 1, "down": 0}

    for url in (page.url, f"/v1/comments/{second['id']}"):
        ok(client.post(f"{url}/reports", json={"reason": "other", "text": "Look."}), 202)
    page.shows(3, 1, 1)
    reports = ok(client.get("/v1/moderation/reports?state=open", headers=moderator))["data"]
    assert {row["target"] for row in reports} == {"article", "comment"}

    ok(client.post(f"/v1/comments/{first['id']}/remove", json={"reason": "Not civil."}, headers=moderator))
    page.shows(2, 1, 1)
    threads = page.get("/comments?sort=oldest")["data"]
    assert [(row["state"], row["text"], row["replies"]) for row in threads] == [
        ("removed", None, 1),
        ("published", "Was it?", 0),
    ]
    ok(client.delete(f"/v1/comments/{third['id']}", headers=ida), 204)
    page.shows(1, 0, 1)
    ok(client.put(f"{page.url}/reaction", json={"value": None}, headers=ida))
    page.shows(1, 0, 0)
