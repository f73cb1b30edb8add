"""oEmbed: the response for the URL of an article."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make
from tests.feeds.readback import found

pytestmark = pytest.mark.portable

Headers = dict[str, str]


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    make.section(client, editor, "Town")
    make.author(client, editor, "Ann")
    fields = {"section": "town", "authors": ["ann"], "dek": "<script>x</script>"}
    return make.published(client, editor, "A <b> & c", slug="a", **fields)


def ask(client: TestClient, url: str, **more: Any) -> Any:
    return client.get("/oembed", params={"url": url, **more}, follow_redirects=False)


def test_an_article_is_a_box_without_scripts(client: TestClient, article: dict[str, Any]) -> None:
    answer = ask(client, article["url"])
    body = make.ok(answer)
    assert (body["version"], body["type"], body["title"]) == ("1.0", "rich", "A <b> & c")
    assert (body["author_name"], body["provider_name"]) == ("Ann", "The Example")
    assert (body["width"], body["height"]) == (600, 240)
    assert '<a href="https://site.example/town/a">A &lt;b&gt; &amp; c</a>' in body["html"]
    assert "<script" not in body["html"]
    xml = ask(client, article["url"], format="xml")
    assert xml.headers["content-type"].startswith("text/xml")
    assert {node.tag: node.text for node in found(xml.content, "/oembed/*")} == {k: str(v) for k, v in body.items()}
    again = client.get("/oembed", params={"url": article["url"]}, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_it_fits_or_is_a_link(client: TestClient, article: dict[str, Any]) -> None:
    assert make.ok(ask(client, article["url"], maxwidth=400))["width"] == 400
    for room in ({"maxwidth": 100}, {"maxheight": 50}):
        body = make.ok(ask(client, article["url"], **room))
        assert body["type"] == "link"
        assert not {"html", "width", "height"} & set(body)


def test_every_address_of_an_article_will_do(client: TestClient, article: dict[str, Any]) -> None:
    own = article["url"]
    for url in (f"{own}?utm=1#x", "http://SITE.example/town/a", f"{own}/", "https://site.example/old/a"):
        assert make.ok(ask(client, url))["title"] == article["title"], url


def test_only_what_is_public_is_embedded(client: TestClient, editor: Headers, article: dict[str, Any]) -> None:
    make.draft(client, editor, "Secret", slug="secret", section="town")
    missing = ask(client, "https://site.example/town/none")
    for url in (
        "https://site.example/town/secret",
        "https://else.example/town/a",
        "https://site.example.evil.example/town/a",
        "ftp://site.example/town/a",
        "http://[x/town/a",
        "https://site.example/",
        "https://site.example/%00/\u202e",
    ):
        answer = ask(client, url)
        assert answer.status_code == 404, url
        assert {**answer.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    make.patched(client, editor, article, slug="b")
    assert make.ok(ask(client, article["url"]))["title"] == article["title"]
    make.act(client, editor, article, "retract", {"reason": "Wrong."})
    gone = ask(client, "https://site.example/town/b")
    assert (gone.status_code, gone.json()["reason"]) == (410, "Wrong.")


def test_what_cannot_be_read_is_refused(client: TestClient, article: dict[str, Any]) -> None:
    wrong: list[dict[str, Any]] = [{"format": "yaml"}, {"maxwidth": 0}, {"maxwidth": "x"}, {"maxheight": 10**9}]
    for more in (*wrong, {"url": ""}):
        assert client.get("/oembed", params={"url": article["url"], **more}).status_code == 400, more


def test_parameters_of_other_consumers_are_ignored(client: TestClient, article: dict[str, Any]) -> None:
    plain = client.get("/oembed", params={"url": article["url"]})
    more = client.get("/oembed", params={"url": article["url"], "dnt": "1", "callback": "x", "for": "y"})
    assert (more.status_code, more.content, more.headers["etag"]) == (200, plain.content, plain.headers["etag"])
