"""Notices: where they stand, what they say and who may write them."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from app.db import Database
from app.publication.notices import delete_notices_of
from tests import make

pytestmark = pytest.mark.portable

Make = Callable[..., dict[str, Any]]
Send = Callable[..., Response]
WORDS = {"placement": "before", "text": "Opinions are the author's own."}


def test_a_notice_of_the_site(client: TestClient, send: Send, editor: dict[str, str]) -> None:
    answer = send("POST", "/v1/notices", {"scope": "site", "placement": "both", "text": "a < b\n\nc", "position": 4})
    made = answer.json()
    assert answer.status_code == 201
    assert (made["html"], made["text"], made["position"]) == ("<p>a &lt; b</p><p>c</p>", "a < b\n\nc", 4)
    assert (made["scope"], made["target_id"], made["placement"]) == ("site", None, "both")
    shown = client.get(f"/v1/notices/{made['id']}", headers=editor)
    assert shown.json() == made
    assert shown.headers["etag"] == answer.headers["etag"]
    assert shown.headers["cache-control"] == "private, no-store"


def test_html_is_made_harmless(make: Make) -> None:
    made = make("notices", scope="site", placement="after", html='<p onclick="x()">Hi <a href="javascript:x()">you</a>')
    assert "onclick" not in made["html"]
    assert "javascript" not in made["html"]
    assert made["text"] == "Hi you"


@pytest.mark.parametrize(("scope", "kind"), [("section", "sections"), ("series", "series"), ("author", "authors")])
def test_a_target_is_named_by_id_or_slug(scope: str, kind: str, make: Make, send: Send) -> None:
    target = make(kind, name="One")
    for ref in (target["id"], "one"):
        assert make("notices", scope=scope, target_id=ref, **WORDS)["target_id"] == target["id"]
    answer = send("POST", "/v1/notices", {"scope": scope, "target_id": "none", **WORDS})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/target_id")


def test_an_article_is_a_target_too(make: Make, send: Send) -> None:
    article = make("articles", title="Draft", body={"html": "<p>x</p>"})
    for ref in (article["id"], article["slug"]):
        assert make("notices", scope="article", target_id=ref, **WORDS)["target_id"] == article["id"]
    missing = {"scope": "article", "target_id": "0199aaaa-0000-7000-8000-000000000000", **WORDS}
    assert send("POST", "/v1/notices", missing).status_code == 422


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scope": "site", "target_id": "one", **WORDS}, "/target_id"),
        ({"scope": "section", **WORDS}, "/target_id"),
        ({"scope": "site", "placement": "before"}, "/html"),
        ({"scope": "site", "placement": "before", "html": "a", "text": "a"}, "/html"),
        ({"scope": "site", "placement": "before", "html": "<script>x</script>"}, "/html"),
        ({"scope": "site", "placement": "before", "text": " \n\n "}, "/text"),
        ({"scope": "site", "placement": "above", "text": "a"}, "/placement"),
        ({"scope": "page", **WORDS}, "/scope"),
        ({"scope": "site", "position": 1_000_000, **WORDS}, "/position"),
    ],
)
def test_what_does_not_fit_is_told_by_pointer(body: dict[str, Any], pointer: str, send: Send) -> None:
    answer = send("POST", "/v1/notices", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_notice_changes_but_stays_where_it_is(make: Make, send: Send) -> None:
    made = make("notices", scope="site", **WORDS)
    path = f"/v1/notices/{made['id']}"
    changed = send("PATCH", path, {"placement": "after", "html": "<b>New</b>"}).json()
    assert (changed["placement"], changed["html"], changed["text"]) == ("after", "<b>New</b>", "New")
    assert send("PATCH", path, {"text": "Newer"}).json()["html"] == "<p>Newer</p>"
    for body in (
        {"scope": "section"},
        {"target_id": None},
        {"placement": None},
        {"text": ""},
        {"html": "a", "text": "a"},
    ):
        assert send("PATCH", path, body).status_code == 422
    assert send("PATCH", path, {"position": 1}, headers={"If-Match": '"v1-x"'}).status_code == 412
    assert send("DELETE", path, headers={"If-Match": '"v1-x"'}).status_code == 412
    assert send("DELETE", path).status_code == 204
    assert send("GET", path).status_code == 404


def test_the_list_is_newest_first_and_filtered(make: Make, send: Send) -> None:
    target = make("sections", name="One")["id"]
    made = [make("notices", scope="site", **WORDS), make("notices", scope="section", target_id="one", **WORDS)]

    def ids(query: str) -> list[str]:
        return [row["id"] for row in send("GET", f"/v1/notices?{query}").json()["data"]]

    assert ids("") == [made[1]["id"], made[0]["id"]]
    assert ids("scope=site") == [made[0]["id"]]
    assert ids(f"target_id={target}") == [made[1]["id"]]
    assert ids(f"scope=site&target_id={target}") == []
    assert send("GET", "/v1/notices?scope=page").status_code == 400


def test_reading_and_writing_need_their_scopes(client: TestClient, make_key: Callable[..., dict[str, str]]) -> None:
    body = {"scope": "site", **WORDS}
    assert client.get("/v1/notices").status_code == 401
    assert client.post("/v1/notices", json=body).status_code == 401
    assert client.get("/v1/notices", headers=make_key("content:publish")).status_code == 403
    assert client.post("/v1/notices", json=body, headers=make_key("content:read")).status_code == 403


def test_a_limited_key_writes_notices_of_its_own_sections(
    client: TestClient, make: Make, make_key: Callable[..., dict[str, str]]
) -> None:
    mine = make("sections", name="Mine")["id"]
    for kind, name in ("sections", "Other"), ("authors", "Other"), ("series", "Other"):
        make(kind, name=name)
    key = {**make_key("content:write", sections=[mine]), "If-Match": "*"}

    def post(scope: str, target: str | None) -> Response:
        return client.post("/v1/notices", json={"scope": scope, "target_id": target, **WORDS}, headers=key)

    own = post("section", "mine")
    assert own.status_code == 201
    for scope, target in ("section", "other"), ("author", "other"), ("series", "other"), ("site", None):
        assert post(scope, target).status_code == 403
    path = f"/v1/notices/{own.json()['id']}"
    assert client.patch(path, json={"text": "New"}, headers=key).status_code == 200
    assert client.delete(path, headers=key).status_code == 204
    other = f"/v1/notices/{make('notices', scope='section', target_id='other', **WORDS)['id']}"
    assert client.patch(other, json={"text": "New"}, headers=key).status_code == 403
    assert client.delete(other, headers=key).status_code == 403


def test_a_limited_key_cannot_tell_other_sections_articles_from_missing_ones(
    client: TestClient, make: Make, make_key: Callable[..., dict[str, str]]
) -> None:
    mine, other = make("sections", name="Mine")["id"], make("sections", name="Other")["id"]
    key = make_key("content:write", sections=[mine])
    answers = []
    for section in (mine, other):
        article = make("articles", title="Draft", section=section, body={"html": "<p>x</p>"})
        body = {"scope": "article", "target_id": article["id"], **WORDS}
        answers.append(client.post("/v1/notices", json=body, headers=key))
    body["target_id"] = "0199aaaa-0000-7000-8000-000000000000"
    answers.append(client.post("/v1/notices", json=body, headers=key))
    assert [answer.status_code for answer in answers] == [201, 422, 422]
    assert answers[1].json()["errors"] == answers[2].json()["errors"]


def test_the_notices_of_one_target_are_forgotten(make: Make, send: Send, db: Database) -> None:
    one, two = make("sections", name="One"), make("sections", name="Two")
    for target in (one, two):
        make("notices", scope="section", target_id=target["id"], **WORDS)
    with db.transaction() as session:
        delete_notices_of(session, "section", one["id"])
        delete_notices_of(session, "author", two["id"])
    assert [row["target_id"] for row in send("GET", "/v1/notices").json()["data"]] == [two["id"]]


def test_notices_of_every_scope_are_read(client: TestClient, editor: dict[str, str]) -> None:
    section, series, author = (make_one(client, editor, "One") for make_one in (make.section, make.series, make.author))
    about = {"section": section["id"], "series": series["id"], "authors": [author["id"]]}
    article = make.published(client, editor, **about)
    targets = {"site": None, "section": section["id"], "series": series["id"], "author": author["id"]}
    for scope, target in {**targets, "article": article["id"]}.items():
        more = {"target_id": target} if target else {}
        make.notice(client, editor, scope=scope, placement="before", text=scope, position=999_999, **more)
    shown = make.ok(client.get(f"/v1/articles/{article['id']}"))["notices"]
    assert [notice["scope"] for notice in shown] == ["site", "section", "series", "author", "article"]
