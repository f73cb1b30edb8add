"""What an author has of their own comment, and what names and ids may be."""

import uuid
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.ids import new_id
from tests import make
from tests.make import Headers, bearer, comment, ok, said

pytestmark = pytest.mark.portable

Article = dict[str, Any]


def posting(client: TestClient, article: Article, headers: Headers | None = None, **body: Any) -> Any:
    """The answer to a comment."""
    return client.post(f"/v1/articles/{article['id']}/comments", json={"text": "Hm.", **body}, headers=headers or {})


def test_its_author_reads_the_source(client: TestClient, article: Article, moderator: Headers) -> None:
    mine = comment(client, article, "I *walk* it")
    url = f"/v1/comments/{mine['id']}"
    for token in (mine["guest_token"], mine["edit_token"]):
        assert ok(client.get(url, headers=bearer(token)))["source"] == "I *walk* it"
        assert ok(client.get(f"{url}?fields=source", headers=bearer(token))) == {"source": "I *walk* it"}
    for others in ({}, make.guest(client), moderator, bearer(comment(client, article, "Other.")["edit_token"])):
        answer = client.get(url, headers=others)
        assert ok(answer).get("source") is None
        assert ok(answer)["text"] == "I walk it"
        assert client.get(f"{url}?fields=source", headers=others).status_code == (403 if others else 401)


@pytest.mark.parametrize("name", ["Editor", "The Moderators", "Аdmin", "ida@example.org"])
def test_a_guest_takes_no_office_and_shows_no_address(client: TestClient, article: Article, name: str) -> None:
    assert posting(client, article, author={"name": name}).status_code == 422


def test_a_name_does_not_turn_the_line_around(client: TestClient, article: Article) -> None:
    assert said(client, article, "Hm.", author={"name": "Zo\u202eë\u2069"})["author"]["name"] == "Zoë"


@pytest.mark.parametrize("id_of", [uuid.uuid4, uuid.uuid1, lambda: uuid.UUID(int=0)])
def test_the_id_of_a_new_comment_is_a_uuid7(client: TestClient, article: Article, id_of: Any) -> None:
    answer = posting(client, article, id=str(id_of()), author={"name": "Ida"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/id")
    op = {"op": "post", "article": article["id"], "id": str(id_of()), "comment": {"text": "Hm."}}
    assert client.post("/v1/sync/comments", json={"operations": [op]}).status_code == 422


def test_short_answers_are_no_repeats_of_each_other(client: TestClient, article: Article) -> None:
    first, second = comment(client, article, "First."), comment(client, article, "Second.")
    me = make.guest(client)
    for parent in (first, second):
        assert (
            posting(client, article, me, text="Yes!", parent_id=parent["id"], author={"name": "Ida"}).status_code == 201
        )
    assert posting(client, article, me, text="Yes", parent_id=first["id"]).status_code == 409
    answers = [posting(client, article, me, text=text).status_code for text in ("+1", "-1", "👍", "👎", "+1!")]
    assert answers == [201, 201, 201, 201, 409]


def test_a_long_text_is_a_repeat_in_many_places(client: TestClient, article: Article) -> None:
    me, text = make.guest(client), "Buy my excellent book about ferries today."
    parents = [comment(client, article, f"Number {n}.")["id"] for n in range(4)]
    answers = [
        posting(client, article, me, text=text, parent_id=parent, author={"name": "Ida"}).status_code
        for parent in parents
    ]
    assert answers == [201, 201, 201, 409]


def test_a_token_ends_with_its_owners_data(client: TestClient, article: Article) -> None:
    mine = bearer(comment(client, article)["guest_token"])
    assert client.get("/v1/whoami", headers=mine).status_code == 200
    assert client.delete("/v1/me/data", headers=mine).status_code == 204
    assert client.get("/v1/me/votes", params={"article": article["id"]}, headers=mine).status_code == 401


def test_counts_name_what_is_missing(client: TestClient, article: Article) -> None:
    nowhere = new_id()
    found = ok(client.get(f"/v1/counts?articles={article['slug']},{nowhere},no-such-thing"))
    assert (list(found["data"]), found["missing"]) == ([article["slug"]], [nowhere, "no-such-thing"])
    found = ok(client.get(f"/v1/counts?articles={article['slug']},x&fields=comments"))
    assert found == {"data": {article["slug"]: {"comments": 0}}, "missing": ["x"]}
