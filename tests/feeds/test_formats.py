"""One article in the formats of other systems, by suffix and by `Accept`."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from markdown_it import MarkdownIt
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.feeds import format_routes
from app.feeds.content import complete_url
from app.identity.schemas import SYSTEM
from app.main import create_app
from app.publication.media_library import create_reference
from app.web.responses import negotiate_media_type
from tests import make
from tests.feeds.conftest import API

pytestmark = pytest.mark.portable

Headers = dict[str, str]
KINDS = {
    "jsonld": "application/ld+json",
    "ninjs": "application/vnd.iptc.ninjs+json",
    "md": "text/markdown; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
OFFERED = ("application/json", *(kind.partition(";")[0] for kind in KINDS.values()))
# Properties of schema.org 29 that the types used here have, their parents' included.
CREATIVE = (
    "url identifier name description headline inLanguage datePublished dateModified expires keywords isPartOf author "
    "publisher publishingPrinciples copyrightHolder copyrightNotice usageInfo image timeRequired correction text "
    "commentCount discussionUrl isAccessibleForFree hasPart mainEntityOfPage creditText"
).split()
ARTICLE = {*CREATIVE, "articleSection", "articleBody", "wordCount"}
SCHEMA = {
    **dict.fromkeys(
        "NewsArticle OpinionNewsArticle AnalysisNewsArticle BackgroundNewsArticle ReviewNewsArticle "
        "ReportageNewsArticle AdvertiserContentArticle Article".split(),
        ARTICLE,
    ),
    "CreativeWork": set(CREATIVE),
    "CreativeWorkSeries": set(CREATIVE),
    "CorrectionComment": set(CREATIVE),
    "WebPageElement": {*CREATIVE, "cssSelector"},
    "ImageObject": {*CREATIVE, "width", "height", "caption"},
    "Person": {"name", "url", "identifier"},
    "Organization": {"name", "url"},
    "NewsMediaOrganization": {"name", "url", "publishingPrinciples"},
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Set publishing principles and a paywall."""
    more = {"publishing_principles": "https://site.example/rules", "paywall_selector": ".paid"}
    return settings.model_copy(update=more)


@pytest.fixture
def article(client: TestClient, db: Database, editor: Headers) -> dict[str, Any]:
    """Publish an article with everything that formats contain."""
    make.section(client, editor, "Town")
    make.series(client, editor, "Long")
    make.author(client, editor, "Ann")
    make.notice(client, editor, scope="site", placement="both", text="Mind *this*.")
    with db.transaction() as session:
        image = create_reference(session, SYSTEM, "https://pictures.example/a.jpg", "A bridge", "", "Bo")
    made = make.published(
        client,
        editor,
        "1. A *bold* [title] & <b>",
        slug="bold",
        type="opinion",
        language="pt-BR",
        dek="# Dek\n> two",
        section="town",
        series="long",
        authors=["ann"],
        tags=["One", "Two"],
        image=image,
        body={"html": '<h2>Head</h2><p>Some <em>text</em>, <a href="/x">x</a>.</p>'},
        rights={"usage_terms": "Ask first", "copyright_holder": "A & B", "expires_at": "2999-01-01T00:00:00Z"},
    )
    make.act(client, editor, made, "corrections", {"text": "It was _four_.", "kind": "clarification"})
    make.comment(client, made, "Well said.")
    return make.ok(client.get("/v1/articles/bold"))


def read(client: TestClient, suffix: str, ref: str = "bold") -> Any:
    answer = client.get(f"/v1/articles/{ref}.{suffix}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == KINDS[suffix]
    return answer.json() if "json" in KINDS[suffix] else answer.text


def things(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in JSON-LD."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from things(part)


def test_json_ld_says_it_in_words_of_schema_org(client: TestClient, article: dict[str, Any]) -> None:
    found = read(client, "jsonld")
    for thing in things(found):
        names = set(thing) - {"@context", "@type", "@id"}
        assert names <= SCHEMA[thing["@type"]], (thing["@type"], names - SCHEMA[thing["@type"]])
        assert all(value not in (None, "", []) for value in thing.values())
    assert found["@context"] == "https://schema.org"
    assert found["@type"] == "OpinionNewsArticle"
    assert found["@id"] == f"urn:uuid:{article['id']}"
    assert (found["headline"], found["description"]) == (article["title"], article["dek"])
    assert found["url"] == found["mainEntityOfPage"] == article["url"]
    assert (found["datePublished"], found["dateModified"]) == (article["published_at"], article["updated_at"])
    assert (found["inLanguage"], found["commentCount"], found["expires"]) == ("pt-BR", 1, "2999-01-01T00:00:00Z")
    assert (found["articleSection"], found["keywords"]) == ("Town", ["One", "Two"])
    assert [author["name"] for author in found["author"]] == ["Ann"]
    assert [row["text"] for row in found["correction"]] == ["It was _four_."]
    assert found["publishingPrinciples"] == found["publisher"]["publishingPrinciples"] == "https://site.example/rules"
    assert (found["isAccessibleForFree"], found["hasPart"]["cssSelector"]) == (False, ".paid")
    assert found["image"]["url"] == "https://pictures.example/a.jpg"
    assert found["usageInfo"]["text"] == "Ask first"
    assert b"<" not in client.get("/v1/articles/bold.jsonld").content, "it may stand in a <script>"
    assert found["articleBody"] == "Head\n\nSome text, x."


def test_json_ld_is_silent_on_what_is_not_set(client: TestClient, editor: Headers, settings: Settings) -> None:
    make.published(client, editor, "Plain", slug="plain")
    bare = settings.model_copy(update={"publishing_principles": "", "paywall_selector": ""})
    with TestClient(create_app(bare, with_worker=False)) as other:
        found = read(other, "jsonld", "plain")
    assert found["@type"] == "NewsArticle"
    absent = {
        "isAccessibleForFree",
        "hasPart",
        "publishingPrinciples",
        "correction",
        "image",
        "author",
        "copyrightNotice",
    }
    assert not absent & set(found)


def test_ninjs_has_the_structure_of_3_1(client: TestClient, article: dict[str, Any]) -> None:
    found = read(client, "ninjs")
    strings = "uri type representationType version versionCreated contentCreated expires pubStatus language title by "
    strings += "slugline copyrightHolder copyrightNotice usageTerms"
    lists = "headlines descriptions bodies people infoSources subjects genres altIds renditions associations "
    lists += "trustIndicators"
    kinds = dict.fromkeys(strings.split(), str) | dict.fromkeys(lists.split(), list) | {"standard": dict}
    assert {name: type(value) for name, value in found.items()} == kinds
    assert (found["standard"]["name"], found["standard"]["version"]) == ("ninjs", "3.1")
    assert (found["uri"], found["type"], found["pubStatus"]) == (f"urn:uuid:{article['id']}", "text", "usable")
    assert [(body["contentType"], body["value"]) for body in found["bodies"]][1] == (
        "text/plain",
        "Head\n\nSome text, x.",
    )
    html = found["bodies"][0]["value"]
    assert 'href="https://site.example/x"' in html
    assert "Clarification, " in html
    assert found["bodies"][1]["charCount"] == len("Head\n\nSome text, x.")
    roles = [row["role"] for row in found["descriptions"]]
    assert roles == ["summary", "notice", "clarification"]
    assert [(row["rel"], row["name"]) for row in found["subjects"]] == [
        ("section", "Town"),
        ("about", "One"),
        ("about", "Two"),
        ("series", "Long"),
    ]
    assert (found["usageTerms"], found["copyrightHolder"]) == ("Ask first", "A & B")
    (picture,) = found["associations"]
    assert (picture["type"], picture["by"]) == ("picture", "Bo")
    assert picture["renditions"] == [{"name": "original", "href": "https://pictures.example/a.jpg"}]


def test_markdown_and_text_stand_by_themselves(client: TestClient, article: dict[str, Any]) -> None:
    text = read(client, "txt")
    byline = f"Ann, The Example, {article['published_at'][:10]}\nhttps://site.example/town/bold"
    parts = [article["title"], article["dek"], byline, "Mind *this*.", "Head", "Some text, x."]
    clarified = f"Clarification, {article['corrections'][0]['at'][:10]}: It was _four_."
    assert text == "\n\n".join([*parts, clarified, "Mind *this*."]) + "\n"
    html = MarkdownIt().render(read(client, "md"))
    assert "<h1>1. A *bold* [title] &amp; &lt;b&gt;</h1>" in html
    assert "<blockquote>\n<p># Dek\n&gt; two</p>\n</blockquote>" in html
    assert html.count("<p>Mind *this*.</p>") == 2
    assert "<p>Some <em>text</em>" in html
    assert ":</strong> It was _four_.</p>" in html


def test_markdown_leads_where_the_article_does(client: TestClient, editor: Headers) -> None:
    html = (
        '<p><a href="/x?a=1&amp;b=2">x</a>, <a href="../y">y</a>, <a href="https://b.example/">b</a>.</p>'
        '<ul><li>a<ul><li><a href="z">z</a></li></ul></li></ul><p><img src="/media/ab/c.png" alt="A (b)"></p>'
    )
    make.section(client, editor, "Town")
    make.published(client, editor, slug="bold", section="town", body={"html": html})
    made = MarkdownIt("commonmark", {"html": True}).render(read(client, "md"))
    leads = re.findall(r' (?:href|src)="([^"]*)"', made)
    assert leads[1:] == [
        "https://site.example/x?a=1&amp;b=2",
        "https://site.example/y",
        "https://b.example/",
        "https://site.example/town/z",
        f"{API}/media/ab/c.png",
    ]


# Which of them


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json, text/plain, */*", "application/json"),  # what a common client sends
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("text/html", "application/json"),
        ("application/ld+json", "application/ld+json"),
        ('application/ld+json;profile="x"', "application/ld+json"),
        ("APPLICATION/LD+JSON", "application/ld+json"),
        ("application/json;q=0.5, application/ld+json", "application/ld+json"),
        ("application/json, application/ld+json;q=0.9", "application/json"),
        ("application/*;q=0.2, text/markdown;q=0.3", "text/markdown"),
        ("text/*", "text/plain"),
        ("text/*, text/plain;q=0", "text/markdown"),
        ("*/*, application/json;q=0", "application/ld+json"),
        ("application/vnd.iptc.ninjs+json, */*;q=0.1", "application/vnd.iptc.ninjs+json"),
        ("text/plain;q=2, nonsense, ;;", "text/plain"),
        ("", "application/json"),
    ],
)
def test_the_client_chooses(accept: str, kind: str) -> None:
    order = (OFFERED[0], OFFERED[1], OFFERED[2], "text/plain", "text/markdown")
    assert negotiate_media_type(accept, order) == kind


def test_both_ways_give_the_same(client: TestClient, article: dict[str, Any]) -> None:
    assert (
        set(format_routes.FORMATS_BY_MEDIA_TYPE)
        == set(format_routes._CONTENT)
        == {kind.partition(";")[0] for kind in KINDS.values()}
    )
    for suffix, kind in KINDS.items():
        chosen = client.get("/v1/articles/bold", headers={"Accept": kind.partition(";")[0]})
        assert chosen.headers["content-type"] == kind
        assert "Accept" in chosen.headers["vary"].split(", ")
        other = client.get(f"/v1/articles/{article['id']}.{suffix}")
        assert (chosen.content, chosen.headers["etag"]) == (other.content, other.headers["etag"])
        again = client.get(f"/v1/articles/bold.{suffix}", headers={"If-None-Match": other.headers["etag"]})
        assert again.status_code == 304
        assert f"article:{article['id']}" in other.headers["cache-tag"].split(",")
    asked = client.get("/v1/articles/bold?fields=title", headers={"Accept": "text/plain"})
    assert (asked.status_code, asked.json()["errors"][0]["parameter"]) == (400, "fields")


def test_nobody_sees_more_in_another_format(client: TestClient, editor: Headers, article: dict[str, Any]) -> None:
    draft = make.draft(client, editor, "Secret", slug="secret")
    gone = make.published(client, editor, "Gone", slug="gone")
    make.act(client, editor, gone, "retract", {"reason": "Wrong."})
    make.patched(client, editor, article, slug="moved", title="Secret")
    for suffix in KINDS:
        hidden, missing = (client.get(f"/v1/articles/{ref}.{suffix}") for ref in ("secret", "missing"))
        assert hidden.status_code == missing.status_code == 404
        assert {**hidden.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
        assert client.get(f"/v1/articles/gone.{suffix}").json()["reason"] == "Wrong."
        former = client.get(f"/v1/articles/bold.{suffix}", follow_redirects=False)
        assert (former.status_code, former.headers["location"]) == (301, f"/v1/articles/moved.{suffix}")
        assert "Secret" not in client.get(f"/v1/articles/moved.{suffix}").text
        seen = client.get(f"/v1/articles/{draft['id']}.{suffix}", headers=editor)
        assert seen.headers["cache-control"] == "private, no-store"
        assert "Secret" in seen.text
    assert client.get("/v1/articles/moved.pdf").status_code == 404
    assert json.loads(client.get("/v1/articles/secret.ninjs", headers=editor).content)["pubStatus"] == "withheld"


def test_pictures_of_ours_are_on_this_server() -> None:
    assert complete_url("/media/aa/b.jpg", API) == f"{API}/media/aa/b.jpg"
    assert complete_url("/media/aa/b.jpg", f"{API}/sub") == f"{API}/sub/media/aa/b.jpg"
    assert complete_url("https://else.example/é.jpg", API) == "https://else.example/%C3%A9.jpg"
