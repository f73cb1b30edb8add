"""Feeds over HTTP: their content, what they must not contain, and their headers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339
from app.core.ids import new_id
from app.core.settings import Settings
from app.db import Database
from app.main import create_app
from tests import make
from tests.articles.stock import Piece, put
from tests.feeds.conftest import API
from tests.feeds.readback import found, parsed

pytestmark = pytest.mark.portable

Headers = dict[str, str]
FORMS = ("rss", "atom", "json")
ANY = {"If-Match": "*"}


def get(client: TestClient, path: str, **headers: str) -> bytes:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    content: bytes = answer.content
    return content


def titles(client: TestClient, path: str) -> list[str]:
    """Return the titles in a feed, which must be equal in all formats."""
    shown = [[item["title"] for item in json.loads(get(client, f"{path}.json"))["items"]]]
    shown += [[item.title for item in parsed(get(client, f"{path}.{form}")).entries] for form in ("rss", "atom")]
    assert shown[0] == shown[1] == shown[2]
    return shown[0]


def at(day: int) -> str:
    return f"2026-01-{day:02}T12:00:00Z"


@pytest.fixture
def town(client: TestClient, editor: Headers) -> dict[str, Any]:
    """Create a section, an author, and an article with everything that an article can have."""
    section = make.section(client, editor, "Town & <Hall>", slug="town", description="What is decided.")
    make.author(client, editor, "Ann <O'Brien>", slug="ann", bio_text="Writes.")
    make.notice(client, editor, scope="site", placement="before", text="Mind this.")
    make.notice(client, editor, scope="section", target_id=section["id"], placement="after", text="The section's.")
    html = (
        '<p><a href="/other?a=1&amp;b=2">o</a> <a href="#f">f</a> <a href="mailto:a@b.example">m</a> '
        '<img src="/media/aa/b.jpg" alt="x"> <a href="//else.example/x">e</a> <a href="//[x/">n</a></p>'
        '<pre><code>&lt;a href="/kept"&gt; href="/kept"</code></pre>'
    )
    article = make.published(
        client,
        editor,
        "Bridge <opens> & closes",
        section="town",
        authors=["ann"],
        tags=["ferry"],
        dek="Or <not>",
        language="en",
        published_at=at(3),
        body={"html": html},
        rights={"copyright_holder": "A & B", "usage_terms": "Ask first"},
    )
    make.act(client, editor, article, "corrections", {"text": "It was <four>."})
    return make.ok(client.get(f"/v1/articles/{article['id']}"))


def test_an_entry_has_all_that_stands_with_the_article(client: TestClient, town: dict[str, Any]) -> None:
    for form in ("rss", "atom"):
        item = parsed(get(client, f"/feeds/site.{form}")).entries[0]
        assert (item.title, item.link, item.id) == (town["title"], town["url"], f"urn:uuid:{town['id']}")
        assert [author.name for author in item.authors] == ["Ann <O'Brien>"]
        assert [tag.label or tag.term for tag in item.tags] == ["Town & <Hall>", "ferry"]
        assert item.published_parsed[:6] == (2026, 1, 3, 12, 0, 0)
        assert item.rights == "© A & B. Ask first"
        html = item.content[0].value
        parts = ("Mind this.", "<pre>", "Correction, ", "The section's.")
        assert [html.index(part) for part in parts] == sorted(html.index(part) for part in parts)
        assert "It was &lt;four&gt;." in html
    (entry,) = json.loads(get(client, "/feeds/site.json"))["items"]
    assert entry["content_html"] == html
    assert entry["summary"] == "Or <not>"


def test_addresses_in_the_text_are_absolute_and_nothing_else_is_touched(
    client: TestClient, town: dict[str, Any]
) -> None:
    (entry,) = json.loads(get(client, "/feeds/site.json"))["items"]
    html = entry["content_html"]
    for address in (
        'href="https://site.example/other?a=1&amp;b=2"',
        f'href="{town["url"]}#f"',
        'href="mailto:a@b.example"',
        f'src="{API}/media/aa/b.jpg"',
        'href="https://else.example/x"',
        'href="//[x/"',
    ):
        assert address in html
    assert '&lt;a href="/kept"&gt; href="/kept"' in html, "text about HTML stays as it is"


def test_a_recording_is_enclosed(client: TestClient, editor: Headers) -> None:
    """Podcasts get the first audio or video file, in every format."""
    texts = {
        "Typed": '<video controls><source src="/media/aa/f?x=1" type=\'video/mp4; codecs="avc1"\'></video>',
        "Named": '<audio src="https://cdn.example/a%20b.MP3?t=1&amp;u=2#t=5"></audio><audio src=/b.mp3></audio>',
        "Linked": '<iframe src="https://cdn.example/a.m4a"></iframe>',
        "Unknown": '<audio src="/a.bin"></audio><p>&lt;audio src="/b.mp3"&gt;</p>',
    }
    for title, html in texts.items():
        make.published(client, editor, title, body={"html": html})
    wanted = {
        "Typed": (f"{API}/media/aa/f?x=1", "video/mp4"),
        "Named": ("https://cdn.example/a%20b.MP3?t=1&u=2#t=5", "audio/mpeg"),
        "Linked": ("https://cdn.example/a.m4a", "audio/mp4"),
    }
    items = json.loads(get(client, "/feeds/site.json"))["items"]
    shown = {item["title"]: item.get("attachments") for item in items}
    assert shown == {"Unknown": None} | {
        title: [{"url": url, "mime_type": mime}] for title, (url, mime) in wanted.items()
    }
    for form in ("rss", "atom"):
        entries = parsed(get(client, f"/feeds/site.{form}")).entries
        seen = {entry.title: [(each.href, each.type) for each in entry.enclosures] for entry in entries}
        assert seen == {"Unknown": []} | {title: [each] for title, each in wanted.items()}
    assert b'length="0"' in get(client, "/feeds/site.rss")


def test_each_feed_has_its_own_articles_newest_first(client: TestClient, editor: Headers, town: Any) -> None:
    make.published(client, editor, "Older", tags=["ferry"], published_at=at(1))
    make.published(client, editor, "Newer", section="town", published_at=at(5))
    assert titles(client, "/feeds/site") == ["Newer", town["title"], "Older"]
    assert titles(client, "/feeds/sections/town") == ["Newer", town["title"]]
    assert titles(client, f"/feeds/sections/{town['section']['id']}") == ["Newer", town["title"]]
    assert titles(client, "/feeds/tags/ferry") == [town["title"], "Older"]
    assert titles(client, "/feeds/authors/ann") == [town["title"]]
    head = parsed(get(client, "/feeds/sections/town.atom")).feed
    assert (head.title, head.subtitle) == ("Town & <Hall> – The Example", "What is decided.")
    assert head.id == f"{API}/feeds/sections/town.atom"
    for path in ("/feeds/sections/none.rss", "/feeds/tags/none.json", "/feeds/site.xml", "/feeds/authors/ann.rss2"):
        assert client.get(path).status_code == 404


def test_fifty_entries_and_no_more(client: TestClient, db: Database) -> None:
    times = [datetime(2026, 1, 1, 0, n, tzinfo=UTC) for n in range(52)]
    put(db, [Piece(new_id(), f"n{n}", f"Number {n}", listed_at=moment) for n, moment in enumerate(times)])
    assert titles(client, "/feeds/site") == [f"Number {n}" for n in range(51, 1, -1)]
    content = get(client, "/feeds/site.atom")
    (older,) = found(content, "//atom:link[@rel='prev-archive']/@href")
    assert older == f"{API}/feeds/archive/2026-01.atom"


def test_a_feed_of_nothing_is_a_feed(client: TestClient, editor: Headers) -> None:
    make.section(client, editor, "Empty")
    for path in ("/feeds/site", "/feeds/sections/empty"):
        assert titles(client, path) == []


def test_feeds_are_sent_like_every_public_read(client: TestClient, editor: Headers, town: Any) -> None:
    kinds = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}
    for form, kind in kinds.items():
        answer = client.get(f"/feeds/sections/town.{form}", headers={"Accept-Encoding": "zstd"})
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert answer.headers["content-encoding"] == "zstd"
        assert "public" in answer.headers["cache-control"]
        assert {"discussions:settings", "publication", f"section:{town['section']['id']}"} <= set(
            answer.headers["cache-tag"].split(",")
        )
        again = client.get(f"/feeds/sections/town.{form}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert "last-modified" in answer.headers
    make.patched(client, editor, town, dek="New")
    make.act(client, editor, town, "publish")
    later = client.get("/feeds/sections/town.json", headers={"If-None-Match": answer.headers["etag"]})
    assert later.status_code == 200
    keyed = client.get("/feeds/site.rss", headers=editor)
    assert keyed.headers["cache-control"] == "private, no-store"


def test_the_hub_is_named(client: TestClient, town: Any) -> None:
    for form in FORMS:
        answer = client.get(f"/feeds/site.{form}")
        assert f"{API}/hub".encode() in answer.content
        assert answer.headers["link"] == f'<{API}/feeds/site.{form}>; rel="self", <{API}/hub>; rel="hub"'


def test_the_address_of_the_api_is_that_of_the_site_unless_it_is_said(settings: Settings) -> None:
    with TestClient(create_app(settings.model_copy(update={"api_url": ""}), with_worker=False)) as client:
        assert json.loads(get(client, "/feeds/site.json"))["feed_url"] == "https://site.example/feeds/site.json"


# What was public, and what is not


def test_a_retracted_article_leaves_a_notice_and_a_tombstone(client: TestClient, editor: Headers, town: Any) -> None:
    gone = make.act(client, editor, town, "retract", {"reason": "Wrong <all> of it."})
    for path in ("/feeds/site", "/feeds/sections/town", "/feeds/tags/ferry", "/feeds/authors/ann"):
        assert titles(client, path) == ["An article was retracted"]
        content = get(client, f"{path}.atom")
        (stone,) = found(content, "//at:deleted-entry")
        assert stone.get("ref") == f"urn:uuid:{gone['id']}"
        assert stone[0].text == "Wrong <all> of it."
        item = parsed(content).entries[0]
        assert item.id != stone.get("ref"), "a reader that honours the tombstone keeps the notice"
        assert item.content[0].value == "<p>Wrong &lt;all&gt; of it.</p>"
        assert item.link == town["url"]
        assert b"Bridge" not in content
        assert b"Writes" not in content or "authors" in path
    make.section(client, editor, "Elsewhere")
    assert titles(client, "/feeds/sections/elsewhere") == []
    make.act(client, editor, town, "publish")
    assert titles(client, "/feeds/site") == [town["title"]]
    assert not found(get(client, "/feeds/site.atom"), "//at:deleted-entry")


def test_what_a_court_withholds_is_not_even_linked(client: TestClient, editor: Headers, town: Any) -> None:
    make.act(client, editor, town, "retract", {"reason": "Order of a court.", "legal": True})
    for form in FORMS:
        content = get(client, f"/feeds/site.{form}").decode()
        assert "Order of a court." in content
        assert town["slug"] not in content


def test_what_is_not_public_is_in_no_feed(client: TestClient, editor: Headers, town: Any) -> None:
    empty = {form: get(client, f"/feeds/sections/town.{form}") for form in FORMS}
    soon = format_rfc3339(datetime.now(UTC) + timedelta(days=1))
    same = {"section": "town", "authors": ["ann"], "tags": ["ferry"]}
    make.draft(client, editor, "Secret draft", **same)
    make.published(client, editor, "Secret embargo", rights={"embargoed_until": soon}, **same)
    taken = make.published(client, editor, "Secret taken back", **same)
    make.act(client, editor, taken, "unpublish")
    make.patched(client, editor, town, title="Secret revision")
    assert {form: get(client, f"/feeds/sections/town.{form}") for form in FORMS} == empty
    for path in ("/feeds/site", "/feeds/tags/ferry", "/feeds/authors/ann"):
        assert titles(client, path) == [town["title"]]
    for article in (taken["id"], taken["slug"]):
        hidden = client.get(f"/feeds/articles/{article}/comments.rss")
        missing = client.get("/feeds/articles/missing/comments.rss")
        shown = [{**answer.json(), "request_id": ""} for answer in (hidden, missing)]
        assert shown[0] == shown[1]
        assert hidden.status_code == missing.status_code == 404


# Comments


def test_comments_have_a_feed_with_their_threads(client: TestClient, editor: Headers, town: Any) -> None:
    first = make.said(client, town, "I **cross** it <daily>.")
    answer = make.said(client, town, "So do I.", parent_id=first["id"])
    path = f"/feeds/articles/{town['slug']}/comments"
    assert titles(client, path) == [f"Ann on “{town['title']}”"] * 2
    content = get(client, f"{path}.atom")
    read = parsed(content)
    assert [item.id for item in read.entries] == [f"urn:uuid:{row['id']}" for row in (answer, first)]
    assert read.entries[1].content[0].value == first["html"]
    assert read.entries[0].link == f"{town['url']}#comment-{answer['id']}"
    replies = found(content, "//thr:in-reply-to")
    assert [reply.get("ref") for reply in replies] == [f"urn:uuid:{first['id']}", f"urn:uuid:{town['id']}"]
    assert found(get(client, "/feeds/site.atom"), "//thr:total/text()") == ["2"]
    item = parsed(get(client, "/feeds/site.rss")).entries[0]
    assert (item.slash_comments, item.comments) == ("2", f"{town['url']}#comments")
    feed = item.wfw_commentrss.removeprefix(API)
    assert [entry.id for entry in parsed(get(client, feed)).entries] == [entry.id for entry in read.entries]


def test_only_published_comments_are_in_a_feed(client: TestClient, editor: Headers, admin: Headers, town: Any) -> None:
    said = make.said(client, town, "Secret one.")
    make.said(client, town, "An answer.", parent_id=said["id"])
    make.said(client, town, "Secret https://a.example https://b.example https://c.example")
    make.ok(client.post(f"/v1/comments/{said['id']}/remove", json={"reason": "Rude."}, headers=admin))
    for form in FORMS:
        content = get(client, f"/feeds/articles/{town['slug']}/comments.{form}").decode()
        assert "An answer." in content
        assert "Secret" not in content
    hidden = {"state": "hidden"}
    make.ok(client.put(f"/v1/articles/{town['id']}/discussion", json=hidden, headers={**admin, **ANY}))
    assert client.get(f"/feeds/articles/{town['slug']}/comments.rss").status_code == 404
    assert b"comments" not in get(client, "/feeds/site.rss").replace(b"slash:comments", b"").split(b"<item>")[1]


def test_comments_that_readers_saw_leave_a_tombstone(client: TestClient, admin: Headers, town: Any) -> None:
    path = f"/feeds/articles/{town['slug']}/comments.atom"
    gone, own, kept = (make.said(client, town, f"Said {number}.") for number in range(3))
    waits = make.said(client, town, "See https://a.example https://b.example https://c.example")
    before = client.get(path)
    assert not found(before.content, "//at:deleted-entry")
    for comment, verb in ((gone, "remove"), (waits, "reject")):
        make.ok(client.post(f"/v1/comments/{comment['id']}/{verb}", json={"reason": "Secret why."}, headers=admin))
    make.ok(client.delete(f"/v1/comments/{own['id']}", headers=make.bearer(own["edit_token"])), 204)
    content = get(client, path)
    assert [stone.get("ref") for stone in found(content, "//at:deleted-entry")] == [
        f"urn:uuid:{own['id']}",
        f"urn:uuid:{gone['id']}",
    ]
    assert waits["id"].encode() not in content  # nobody ever saw it
    assert b"Secret" not in content
    read = parsed(content)
    assert [entry.id for entry in read.entries] == [f"urn:uuid:{kept['id']}"]
    assert read.feed.updated == found(content, "//at:deleted-entry/@when")[0]
    make.ok(client.post(f"/v1/comments/{gone['id']}/restore", json={"reason": "Fair."}, headers=admin))
    assert [stone.get("ref") for stone in found(get(client, path), "//at:deleted-entry")] == [f"urn:uuid:{own['id']}"]


def test_a_former_slug_leads_to_the_comments(client: TestClient, editor: Headers, town: Any) -> None:
    make.patched(client, editor, town, slug="moved")
    answer = client.get(f"/feeds/articles/{town['slug']}/comments.rss", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (301, "/feeds/articles/moved/comments.rss")
    make.act(client, editor, {**town, "slug": "moved"}, "retract", {"reason": "Wrong."})
    assert client.get("/feeds/articles/moved/comments.rss").status_code == 410
