"""Drafts and changes."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]


def test_a_draft_is_seen_by_editors_alone(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor, "Not yet")
    assert article["state"] == "draft"
    assert article["slug"] == "not-yet"
    assert article["body"]["html"] == "<p>Once upon a time.</p>"
    hidden = client.get(f"/v1/articles/{article['id']}")
    missing = client.get("/v1/articles/never-was")
    assert hidden.status_code == missing.status_code == 404
    hidden_body, missing_body = hidden.json(), missing.json()
    del hidden_body["request_id"], missing_body["request_id"]
    assert hidden_body == missing_body
    assert client.get("/v1/articles/not-yet", headers=editor).status_code == 200
    assert make.titles(client) == []


def test_location_and_etag_of_a_new_article(client: TestClient, editor: Headers) -> None:
    answer = client.post("/v1/articles", json={"title": "T"}, headers=editor)
    assert answer.headers["location"] == f"/v1/articles/{answer.json()['id']}"
    assert answer.headers["etag"].startswith('"v1-')
    assert answer.headers["broadsheet-position"]


def test_new_tags_are_made_and_known_ones_found(client: TestClient, editor: Headers) -> None:
    first = make.draft(client, editor, tags=["Foreign Affairs"])
    second = make.draft(client, editor, tags=["foreign-affairs", "Foreign Affairs"])
    assert (
        first["tags"]
        == second["tags"]
        == [{"slug": "foreign-affairs", "name": "Foreign Affairs", "url": "https://site.example/tags/foreign-affairs"}]
    )


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("section", "nowhere", "/section"),
        ("authors", ["nobody"], "/authors/0"),
        ("series", "none", "/series"),
        ("image", "0199aaaa-0000-7000-8000-000000000000", "/image"),
        ("title", "", "/title"),
        ("title", None, "/title"),
        ("type", "Not A Word", "/type"),
        ("language", "english!", "/language"),
        ("body", {"html": "a", "markdown": "b"}, "/body"),
        ("body", {}, "/body"),
        ("unheard_of", 1, "/unheard_of"),
        ("published_at", "2999-01-01T00:00:00Z", "/published_at"),
        ("published_at", "2020-01-01T00:00:00", "/published_at"),
    ],
)
def test_what_does_not_fit_is_named(client: TestClient, editor: Headers, field: str, value: Any, pointer: str) -> None:
    answer = client.post("/v1/articles", json={"title": "T", field: value}, headers=editor)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"].startswith(pointer.removesuffix("/0"))


def test_slugs_are_made_unique_and_given_ones_are_not(client: TestClient, editor: Headers) -> None:
    slugs = [make.draft(client, editor, "Same title")["slug"] for _ in range(3)]
    assert slugs == ["same-title", "same-title-2", "same-title-3"]
    taken = client.post("/v1/articles", json={"title": "X", "slug": "same-title-2"}, headers=editor)
    assert taken.status_code == 409
    assert taken.json()["code"] == "slug_taken"


def test_if_match_is_needed_and_checked(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor)
    url = f"/v1/articles/{article['id']}"
    assert client.patch(url, json={"title": "B"}, headers=editor).status_code == 428
    old = make.version(client, editor, article)
    assert client.patch(url, json={"title": "B"}, headers=old).status_code == 200
    stale = client.patch(url, json={"title": "C", "dek": None}, headers=old)
    assert stale.status_code == 412
    assert stale.json()["current_version"] == 2
    assert stale.json()["fields"] == ["title"]
    assert client.get(url, headers=editor).json()["title"] == "B"


def test_the_etag_of_any_reading_serves_for_if_match(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor, body={"html": "<p>" + "word " * 500 + "</p>"})
    url = f"/v1/articles/{article['id']}"
    read = client.get(f"{url}?fields=title&formats=text", headers={**editor, "Accept-Encoding": "gzip"})
    assert read.headers["etag"].endswith('-gzip"')
    answer = client.patch(url, json={"title": "B"}, headers={**editor, "If-Match": read.headers["etag"]})
    assert answer.status_code == 200


def test_patch_merges(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor, dek="A dek", rights={"usage_terms": "CC BY", "copyright_holder": "Us"})
    changed = make.patched(client, editor, article, dek=None, rights={"usage_terms": None})
    assert changed["dek"] is None
    assert changed["rights"]["usage_terms"] is None
    assert changed["rights"]["copyright_holder"] == "Us"
    assert changed["body"]["html"] == article["body"]["html"]
    assert changed["revision"] == 2


def test_changing_nothing_saves_nothing(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor, "Same", tags=["a"])
    again = make.patched(client, editor, article, title="Same", tags=["a"], body={"html": "<p>Once upon a time.</p>"})
    assert again["editing"] == article["editing"]


def test_only_drafts_that_never_were_out_are_deleted(client: TestClient, editor: Headers) -> None:
    article = make.draft(client, editor)
    url = f"/v1/articles/{article['id']}"
    make.act(client, editor, article, "publish")
    assert client.delete(url, headers=make.version(client, editor, article)).status_code == 409
    make.act(client, editor, article, "unpublish")
    assert client.delete(url, headers=make.version(client, editor, article)).json()["code"] == "wrong_state"
    other = make.draft(client, editor, "Other")
    answer = client.delete(f"/v1/articles/{other['id']}", headers=make.version(client, editor, other))
    assert answer.status_code == 204
    assert client.get(f"/v1/articles/{other['id']}", headers=editor).status_code == 404


def test_a_key_of_one_section_stays_in_it(client: TestClient, editor: Headers, make_key: Any) -> None:
    own = make.section(client, editor, "Own")
    make.section(client, editor, "Other")
    limited = make_key("content:read", "content:write", "content:publish", sections=[own["id"]])
    article = make.draft(client, limited, "Mine", section="own")
    assert client.post("/v1/articles", json={"title": "X", "section": "other"}, headers=limited).status_code == 403
    assert client.post("/v1/articles", json={"title": "X"}, headers=limited).status_code == 403
    url = f"/v1/articles/{article['id']}"
    moved = client.patch(url, json={"section": "other"}, headers=make.version(client, limited, article))
    assert moved.status_code == 403
    foreign = make.draft(client, editor, "Theirs", section="other")
    assert client.get(f"/v1/articles/{foreign['id']}", headers=limited).status_code == 404
    anything = {**limited, "If-Match": "*"}
    assert client.patch(f"/v1/articles/{foreign['id']}", json={"title": "!"}, headers=anything).status_code == 404
    make.act(client, editor, foreign, "publish")
    assert client.patch(f"/v1/articles/{foreign['id']}", json={"title": "!"}, headers=anything).status_code == 403
    assert make.titles(client, "state=all", limited) == ["Theirs", "Mine"]


def test_facts_of_a_public_article_need_the_scope_to_publish(
    client: TestClient, editor: Headers, make_key: Any
) -> None:
    article = make.published(client, editor)
    writer = make_key("content:read", "content:write")
    url = f"/v1/articles/{article['id']}"
    anything = {**writer, "If-Match": "*"}
    assert client.patch(url, json={"featured": True}, headers=anything).status_code == 403
    assert client.patch(url, json={"title": "Later"}, headers=anything).status_code == 200
    assert client.post(f"{url}/publish", headers=anything).status_code == 403


def test_every_action_is_in_the_audit_log(client: TestClient, editor: Headers, admin: Headers) -> None:
    article = make.draft(client, editor)
    make.patched(client, editor, article, title="B")
    make.act(client, editor, article, "publish")
    rows = make.ok(client.get(f"/v1/audit?subject={article['id']}", headers=admin))["data"]
    assert [row["action"] for row in rows] == ["article.publish", "article.edit", "article.create"]
    assert rows[1]["detail"] == {"fields": ["title"]}


def test_a_slug_of_null_is_made_from_the_title_again(client: TestClient, editor: Headers) -> None:
    make.draft(client, editor, "Fresh")
    article = make.draft(client, editor, "Stale", slug="chosen")
    assert make.patched(client, editor, article, slug=None, title="Fresh")["slug"] == "fresh-2"
    assert make.patched(client, editor, article, slug=None)["slug"] == "fresh-2"


def test_many_articles_of_one_title(client: TestClient, editor: Headers) -> None:
    slugs = [make.draft(client, editor, "Daily", body={"html": ""})["slug"] for _ in range(23)]
    assert slugs == ["daily", *(f"daily-{number}" for number in range(2, 24))]


def test_what_a_text_loses_is_named_in_the_answer(client: TestClient, editor: Headers) -> None:
    html = "<p>Before <svg></svg></p><script>x</script><script>y</script><p><a href='javascript:x'>link</a></p>"
    article = make.draft(client, editor, body={"html": html})
    assert article["dropped"] == [
        {"element": "svg", "count": 1, "near": "Before", "reason": "unsupported"},
        {"element": "script", "count": 2, "near": "Before", "reason": "unsupported"},
        {"element": "a", "count": 1, "near": "Before", "reason": "address"},
    ]
    assert make.patched(client, editor, article, body={"markdown": "All *kept*."})["dropped"] == []
    assert "dropped" not in make.patched(client, editor, article, title="Without a text")
    assert "dropped" not in make.ok(client.get(f"/v1/articles/{article['id']}", headers=editor))


@pytest.mark.parametrize(
    "body",
    [
        {"html": "<p>Chart: <img alt=chart src='data:image/png;base64,iVBORw0KGgo='></p>"},
        {"markdown": "Chart: ![chart](data:image/png;base64,iVBORw0KGgo=)"},
    ],
)
def test_pictures_in_data_addresses_are_refused(client: TestClient, editor: Headers, body: dict[str, str]) -> None:
    article = make.draft(client, editor)
    headers = {**editor, "If-Match": "*"}
    for answer in (
        client.post("/v1/articles", json={"title": "A", "body": body}, headers=editor),
        client.patch(f"/v1/articles/{article['id']}", json={"body": body}, headers=headers),
    ):
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["code"], error["pointer"]) == ("data_image", f"/body/{next(iter(body))}")
        assert "iVBOR" not in answer.text
    lazy = "<img src='data:image/gif;base64,R0lGOD' data-src='/media/a.jpg' alt=a>"
    assert make.draft(client, editor, body={"html": lazy})["dropped"] == []


def test_blocks_of_every_kind_are_read_and_exported(client: TestClient, editor: Headers) -> None:
    html = (
        "<h2 id=a>A</h2><p dir=rtl>b<a href=#n>1</a> <img src=/c.png alt=c> d</p><aside class=facts><p>e</p></aside>"
        "<details><summary>f</summary><ul><li><input type=checkbox> g</ul></details><dl><dt>h<dd>i<pre>j</pre></dl>"
        "<audio src=/k.mp3></audio><video src=/l.mp4></video><figure><img src=/m><img src=/n></figure>"
        "<table><tr><td colspan=2 align=right>o<tr><th scope=row>p<td>q</table><ol data-footnotes><li id=n>r</ol>"
    )
    article = make.published(client, editor, body={"html": html})
    seen = make.ok(client.get(f"/v1/articles/{article['id']}?formats=html,text,markdown,blocks"))["body"]
    assert [block["type"] for block in seen["blocks"]] == [
        "heading", "paragraph", "box", "details", "definitions", "audio", "video", "gallery", "table", "footnotes",
    ]  # fmt: skip
    for form in ("html", "markdown"):
        again = make.patched(client, editor, article, body={form: seen[form]})
        assert again["editing"]["latest_revision"] == 1, f"{form} changed"
