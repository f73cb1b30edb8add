"""One article as readers get it."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from app.articles.schemas import SingleArticleOut
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]


@pytest.fixture
def full(client: TestClient, editor: Headers) -> dict[str, Any]:
    """An article with everything that an article can have."""
    make.section(client, editor, "World")
    make.series(client, editor, "The Long Read")
    for name in ("Ann Onymous", "Bo Byline"):
        make.author(client, editor, name)
    return make.published(
        client,
        editor,
        "Everything",
        dek="A dek",
        type="opinion",
        language="en-GB",
        section="world",
        series="the-long-read",
        authors=["bo-byline", "ann-onymous"],
        tags=["Zebra", "Apple"],
        featured=True,
        rights={"usage_terms": "Ask us."},
        body={"markdown": "# Heading\n\nSome **bold** text."},
    )


def test_the_whole_article(client: TestClient, full: dict[str, Any]) -> None:
    article = make.ok(client.get("/v1/articles/everything?formats=html,text,markdown,blocks"))
    assert article["url"] == "https://site.example/world/everything"
    assert [author["slug"] for author in article["authors"]] == ["bo-byline", "ann-onymous"]
    assert [tag["name"] for tag in article["tags"]] == ["Zebra", "Apple"]
    assert article["series"]["slug"] == "the-long-read"
    assert article["rights"]["usage_terms"] == "Ask us."
    assert article["discussion"]["comments"] == article["discussion"]["inline"] == 0
    assert article["reactions"] == {"agree": 0, "disagree": 0, "insightful": 0}
    assert article["word_count"] == 4
    assert article["body"]["text"] == "Heading\n\nSome bold text."
    assert [block["type"] for block in article["body"]["blocks"]] == ["heading", "paragraph"]
    not_asked = {"neighbours", "related", "comments", "editing", "dropped", "anchors", "lock", "head", "jsonld"}
    assert set(article) == set(SingleArticleOut.model_fields) - not_asked


def test_by_id_and_by_slug_are_the_same(client: TestClient, full: dict[str, Any]) -> None:
    by_slug, by_id = client.get("/v1/articles/everything"), client.get(f"/v1/articles/{full['id']}")
    assert by_slug.content == by_id.content
    assert by_slug.headers["etag"] == by_id.headers["etag"]
    assert list(by_slug.json()["body"]) == ["html"]


def test_exactly_the_fields_asked_for(client: TestClient, full: dict[str, Any]) -> None:
    article = make.ok(client.get("/v1/articles/everything?fields=title,authors.name"))
    assert article == {"title": "Everything", "authors": [{"name": "Bo Byline"}, {"name": "Ann Onymous"}]}
    with_text = make.ok(client.get("/v1/articles/everything?fields=title&formats=text&include=neighbours"))
    assert set(with_text) == {"title", "body", "neighbours"}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("fields=nothing", "nothing"),
        ("fields=title.more", "title.more"),
        ("fields=password", "password"),
        ("formats=pdf", "formats"),
        ("include=everything", "include"),
        ("unheard_of=1", "unheard_of"),
        ("revision=zero", "revision"),
    ],
)
def test_unknown_things_are_named(client: TestClient, full: dict[str, Any], query: str, named: str) -> None:
    answer = client.get(f"/v1/articles/everything?{query}")
    assert answer.status_code == 400
    assert named in answer.text


def test_headers_of_a_public_answer(client: TestClient, full: dict[str, Any]) -> None:
    answer = client.get("/v1/articles/everything")
    assert answer.headers["cache-control"].startswith("public")
    assert f"article:{full['id']}" in answer.headers["cache-tag"].split(",")
    assert f"article:{full['id']}" in answer.headers["surrogate-key"].split(" ")
    assert f'"article:{full["id"]}"' in answer.headers["cache-groups"].split(", ")
    assert answer.headers["last-modified"].endswith("GMT")
    again = client.get("/v1/articles/everything", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", True),
        ("?fields=title", False),
        ("?fields=title,body.html", False),
        ("?fields=discussion.comments", True),
        ("?fields=reactions", True),
        ("?fields=title&include=comments", True),
        ("?fields=title,comments", True),
    ],
)
def test_it_is_in_the_groups_of_its_counts_and_comments_only_where_they_are_shown(
    client: TestClient, editor: Headers, query: str, shown: bool
) -> None:
    article = client.post("/v1/articles", json={"title": "Tides"}, headers=editor).json()
    client.post(f"/v1/articles/{article['id']}/publish", headers=editor | {"If-Match": "*"})
    answer = client.get(f"/v1/articles/tides{query}")
    assert answer.status_code == 200
    groups = answer.headers["cache-tag"].split(",")
    assert f"article:{article['id']}" in groups
    assert (f"counts:{article['id'][-3:]}" in groups) is ("title" not in query)
    assert (f"comments:{article['id']}" in groups) is ("comments" in query.replace("discussion.comments", ""))
    assert ("discussions:settings" in groups) is shown


def test_what_editors_read_is_not_cached(client: TestClient, editor: Headers, full: dict[str, Any]) -> None:
    answer = client.get("/v1/articles/everything", headers=editor)
    assert answer.headers["cache-control"] == "private, no-store"
    assert "cache-tag" not in answer.headers
    assert answer.json()["editing"]["latest_revision"] == 1


def test_renaming_what_it_names_changes_the_etag(client: TestClient, editor: Headers, full: dict[str, Any]) -> None:
    before = client.get("/v1/articles/everything")
    anything = {**editor, "If-Match": "*"}
    make.ok(client.patch("/v1/sections/world", json={"name": "The World"}, headers=anything))
    after = client.get("/v1/articles/everything")
    assert after.json()["section"]["name"] == "The World"
    assert after.headers["etag"] != before.headers["etag"]


def test_an_old_slug_leads_on(client: TestClient, editor: Headers, full: dict[str, Any]) -> None:
    make.patched(client, editor, full, slug="all-of-it")
    moved = client.get("/v1/articles/everything?fields=title", follow_redirects=False)
    assert moved.status_code == 301
    assert moved.headers["location"] == "/v1/articles/all-of-it?fields=title"
    assert make.ok(client.get("/v1/articles/everything?fields=title")) == {"title": "Everything"}
    taken = client.post("/v1/articles", json={"title": "T", "slug": "everything"}, headers=editor)
    assert taken.json()["code"] == "slug_taken"
    back = make.patched(client, editor, full, slug="everything")
    assert back["slug"] == "everything"
    assert client.get("/v1/articles/all-of-it", follow_redirects=False).headers["location"] == "/v1/articles/everything"


def test_an_old_slug_of_a_hidden_article_is_a_404(client: TestClient, editor: Headers, full: dict[str, Any]) -> None:
    make.patched(client, editor, full, slug="secret")
    make.act(client, editor, full, "unpublish")
    assert client.get("/v1/articles/everything", follow_redirects=False).status_code == 404


def test_resolving_paths_of_the_site(client: TestClient, editor: Headers, full: dict[str, Any]) -> None:
    assert make.ok(client.get("/v1/resolve?path=/world/everything"))["article"]["id"] == full["id"]
    assert make.ok(client.get("/v1/resolve?path=/world/everything/"))["status"] == 200
    elsewhere = make.ok(client.get("/v1/resolve?path=/sport/everything"))
    assert elsewhere == {
        "status": 301,
        "kind": "redirect",
        "location": "https://site.example/world/everything",
    }
    make.patched(client, editor, full, slug="moved")
    assert make.ok(client.get("/v1/resolve?path=/world/everything"))["location"].endswith("/world/moved")
    assert client.get("/v1/resolve?path=/world/nothing").status_code == 404
    assert client.get("/v1/resolve?path=world").status_code == 400
    assert client.get("/v1/resolve").status_code == 400


def test_neighbours(client: TestClient, editor: Headers) -> None:
    make.section(client, editor, "A")
    made = []
    for at, section in enumerate(["a", None, "a", "a"]):
        made.append(
            make.published(client, editor, f"N{at}", section=section, published_at=f"2020-01-0{at + 1}T00:00:00Z")
        )

    def around(slug: str, within: str) -> list[str | None]:
        found = make.ok(client.get(f"/v1/articles/{slug}/neighbours?within={within}"))
        return [found[side] and found[side]["title"] for side in ("previous", "next")]

    assert around("n2", "site") == ["N1", "N3"]
    assert around("n2", "section") == ["N0", "N3"]
    assert around("n0", "site") == [None, "N1"]
    assert around("n2", "series") == [None, None]
    assert around("n1", "section") == [None, None]
    assert "last-modified" in client.get("/v1/articles/n2/neighbours").headers
    assert "last-modified" in client.get("/v1/articles/n2/neighbours?within=series").headers


def test_a_preview_link_shows_the_newest_revision_until_it_is_revoked(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor, "Secret")
    url = f"/v1/articles/{article['id']}"
    link = make.ok(client.post(f"{url}/previews", json={"hours": 1}, headers=editor), 201)
    seen = client.get(f"{url}?preview={link['token']}")
    assert seen.json()["title"] == "Secret"
    assert "editing" not in seen.json()
    assert seen.headers["cache-control"] == "private, no-store"
    other = make.draft(client, editor, "Other")
    assert client.get(f"/v1/articles/{other['id']}?preview={link['token']}").status_code == 404
    assert client.get(f"{url}?preview=guess").status_code == 404
    listed = make.ok(client.get(f"{url}/previews", headers=editor))["data"]
    assert [row["id"] for row in listed] == [link["id"]]
    assert "token" not in listed[0]
    assert client.delete(f"{url}/previews/{link['id']}", headers=editor).status_code == 204
    assert client.get(f"{url}?preview={link['token']}").status_code == 404


def test_an_article_is_one_statement(client: TestClient, full: dict[str, Any], statements: list[str]) -> None:
    client.get("/v1/articles/everything?formats=html,blocks")
    assert len(statements) == 1
    client.get("/v1/articles/everything?include=neighbours")
    assert len(statements) == 3  # one, and two with the neighbours


def test_revisions_diff_and_restore(client: TestClient, editor: Headers) -> None:
    html = "<p>One.</p><p>Two.</p><p>Three.</p>"
    article = make.draft(client, editor, "First", body={"html": html})
    make.patched(client, editor, article, title="Second", body={"html": "<p>One.</p><p>Two, changed.</p>"})
    url = f"/v1/articles/{article['id']}/revisions"
    assert [r["n"] for r in make.ok(client.get(url, headers=editor))["data"]] == [2, 1]
    assert client.get(url).status_code == 401
    old = make.ok(client.get(f"{url}/1?formats=text", headers=editor))
    assert (old["title"], old["body"]["text"]) == ("First", "One.\n\nTwo.\n\nThree.")
    diff = make.ok(client.get(f"{url}/2/diff", headers=editor))
    assert diff["fields"] == [{"field": "title", "old": "First", "new": "Second"}]
    changes = [(c["op"], c["old"], c["new"]) for c in diff["blocks"]]
    assert changes == [("replace", "Two.", "Two, changed."), ("delete", "Three.", None)]
    back = make.ok(client.post(f"{url}/1/restore", headers=make.version(client, editor, article)))
    assert (back["title"], back["revision"]) == ("First", 3)
    assert make.ok(client.get(f"{url}/3", headers=editor))["restored_from"] == 1
    assert client.get(f"{url}/9", headers=editor).status_code == 404
    assert client.get(f"{url}/0", headers=editor).status_code == 400


def test_a_revision_in_another_section_is_not_there_to_read_or_restore(
    client: TestClient, editor: Headers, make_key: Any
) -> None:
    make.section(client, editor, "Closed")
    own = make.section(client, editor, "Own")
    article = make.draft(client, editor, "Moved", section="closed")
    make.patched(client, editor, article, section="own")
    limited = make_key("content:read", "content:write", sections=[own["id"]])
    url = f"/v1/articles/{article['id']}/revisions"
    refusals = [
        client.get(f"{url}/1", headers=limited),
        client.post(f"{url}/1/restore", headers=limited | {"If-Match": "*"}),
        client.post(f"{url}/9/restore", headers=limited | {"If-Match": "*"}),
    ]
    assert [(answer.status_code, answer.json()["detail"]) for answer in refusals] == [
        (404, refusals[0].json()["detail"])
    ] * 3
    make.ok(client.post(f"{url}/2/restore", headers=limited | {"If-Match": "*"}))
