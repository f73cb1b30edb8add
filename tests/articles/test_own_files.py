"""Our own pictures have absolute addresses everywhere, with their sizes, and come back into texts as they were."""

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image
from starlette.testclient import TestClient

from app.articles.media_addresses import absolutize_html, absolutize_markdown, relativize_source
from app.core.settings import Settings
from app.db import Database
from app.main import create_app
from tests.make import act, author, draft, ok, patched, published

pytestmark = pytest.mark.portable

Headers = dict[str, str]
API = "https://api.example/news"


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings.model_copy(update={"api_url": API}), with_worker=False)) as found:
        yield found


@pytest.fixture
def picture(client: TestClient, editor: Headers) -> dict[str, Any]:
    """A picture of 1200 × 800."""
    file = io.BytesIO()
    Image.new("RGB", (1200, 800), "red").save(file, "PNG")
    answer = client.post("/v1/media", files={"file": ("a.png", file.getvalue())}, headers=editor)
    return ok(answer, 201)


def test_addresses_are_absolute_with_sizes(
    client: TestClient, editor: Headers, picture: dict[str, Any], make_cards: Callable[[], None]
) -> None:
    assert picture["url"].startswith(f"{API}/media/")
    path = picture["url"].removeprefix(API)
    html = f'<p>Look</p><figure><img src="{path}" alt="Red"></figure><p><a href="{path}">big</a></p>'
    article = published(client, editor, "Red", image=picture["id"], body={"html": html})
    writer = author(client, editor, "Ines", image=picture["id"])
    query = "formats=html,blocks,markdown"
    for path_of_answer in (f"/v1/articles/red?{query}", "/v1/authors/ines", f"/v1/articles?{query}", "/v1/authors"):
        text = client.get(path_of_answer).text
        assert "/media/" in text
        assert set(re.findall(r"(\S{0,60})/media/", text))
        assert not re.search(rf"(?<!{re.escape(API)})/media/", text)
    shown = ok(client.get(f"/v1/articles/red?{query}"))
    assert f'<img src="{picture["url"]}" alt="Red" width="1200" height="800" srcset="' in shown["body"]["html"]
    block = shown["body"]["blocks"][1]
    assert (block["src"], block["width"], block["height"]) == (picture["url"], 1200, 800)
    assert {copy["url"].partition("/media/")[0] for copy in shown["image"]["renditions"]} == {API}
    assert writer["image"]["url"] == picture["url"]
    for suffix in ("rss", "atom", "json"):
        assert f"{API}/media/" in client.get(f"/feeds/site.{suffix}").text
    export = client.get("/v1/export.ndjson").text
    assert f"{API}/media/" in export
    assert not re.search(rf"(?<!{re.escape(API)})/media/", export)
    assert article["image"]["url"] == picture["url"]


def test_pictures_in_texts_have_renditions_and_credits(client: TestClient, editor: Headers, db: Database) -> None:
    file = io.BytesIO()
    Image.new("RGB", (1200, 800), "red").save(file, "JPEG")
    data = {"credit": "Ada & <Co>", "alt": "Red"}
    picture = ok(client.post("/v1/media", files={"file": file.getvalue()}, data=data, headers=editor), 201)
    path = picture["url"].removeprefix(API)
    html = f'<figure><img src="{path}" alt="Red" width="300"><figcaption>Red, <em>all</em> of it</figcaption></figure>'
    html += f'<figure><a href="/big"><img src="{path}" alt=""></a></figure><p>A <img src="/media/x.png" alt="x"></p>'
    article = draft(client, editor, "Red", body={"html": html})
    query = f"/v1/articles/{article['id']}?formats=html,blocks,text"
    body = ok(client.get(query, headers=editor))["body"]
    renditions = {entry["name"]: entry["url"].replace("&", "&amp;") for entry in picture["renditions"]}
    assert list(renditions) == ["w320", "w640", "w960"]
    sources = ", ".join(f"{url} {name[1:]}w" for name, url in renditions.items()) + f", {picture['url']} 1200w"
    assert f'srcset="{sources}" sizes="auto, (min-width: 300px) 300px, 100vw" loading="lazy"' in body["html"]
    credit = '<small data-credit="">Ada &amp; &lt;Co&gt;</small></figcaption></figure>'
    assert f"<figcaption>Red, <em>all</em> of it {credit}" in body["html"]
    assert f"</a><figcaption>{credit}" in body["html"]
    assert body["html"].count("srcset=") == body["html"].count(credit) == 2
    assert "Ada" not in body["text"]
    shown = [block["picture"] for block in body["blocks"] if "picture" in block]
    assert [(entry["id"], entry["credit"]) for entry in shown] == [(picture["id"], "Ada & <Co>")] * 2
    assert [entry["name"] for entry in shown[0]["renditions"]] == list(renditions)
    patched(client, editor, article, body={"html": body["html"]})
    assert ok(client.get(query, headers=editor))["body"] == body
    with db.connect() as connection:
        assert (
            "Ada" not in connection.execute(sa.text("SELECT html FROM revision ORDER BY n DESC")).scalar_one_or_none()
        )
    revision = ok(client.get(f"{query}&revision=1", headers=editor))["body"]
    assert revision["html"] == body["html"]


def test_files_can_be_served_from_another_address(
    settings: Settings, editor: Headers, picture: dict[str, Any], client: TestClient
) -> None:
    path = picture["url"].removeprefix(API)
    html = f'<p><a href="{path}">big</a></p><img src="{path}" alt="">'
    article = published(client, editor, "Red", image=picture["id"], body={"html": html})
    cdn = settings.model_copy(update={"api_url": API, "media_base_url": "https://cdn.example"})
    with TestClient(create_app(cdn, with_worker=False)) as other:
        read = ok(other.get("/v1/articles/red?formats=html,blocks"))
        for text in (str(read), other.get("/feeds/site.rss").text, str(ok(other.get("/v1/articles/red?include=head")))):
            assert "https://cdn.example/media/" in text
            assert not re.search(r"(?<!https://cdn\.example)/media/", text)
        patched(other, editor, article, body={"html": read["body"]["html"]})  # the addresses become paths again
        again = other.get(f"/v1/articles/{article['id']}/revisions", headers=editor)
        assert len(ok(again)["data"]) == 1


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_what_was_read_comes_back_as_it_was(
    form: str, client: TestClient, editor: Headers, picture: dict[str, Any], db: Database
) -> None:
    path = picture["url"].removeprefix(API)
    body = {"html": f'<p>A <a href="{path}">link</a> and</p><figure><img src="{path}" alt="Red"></figure>'}
    article = draft(client, editor, "Red", body=body)
    read = ok(client.get(f"/v1/articles/{article['id']}?formats=html,markdown,blocks", headers=editor))
    patched(client, editor, article, body={form: read["body"][form]})
    again = ok(client.get(f"/v1/articles/{article['id']}?formats=html,markdown,blocks", headers=editor))
    assert again["body"] == read["body"]
    with db.connect() as connection:
        stored = connection.execute(sa.text("SELECT html, markdown, CAST(blocks AS TEXT) FROM revision")).all()
    assert all(API not in text for row in stored for text in row)


def test_moving_the_api_moves_what_was_written(
    client: TestClient,
    editor: Headers,
    picture: dict[str, Any],
    settings: Settings,
    make_cards: Callable[[], None],
) -> None:
    path = picture["url"].removeprefix(API)
    article = draft(client, editor, "Red", image=picture["id"], body={"html": f'<p>x</p><img src="{path}" alt="">'})
    act(client, editor, article, "publish")
    make_cards()
    moved = settings.model_copy(update={"api_url": "https://other.example"})
    with TestClient(create_app(moved, with_worker=False)) as other:
        text = other.get("/v1/articles/red").text
    assert text.count(f"https://other.example{path}") == 3  # of the picture, in `src` and in `srcset`
    assert API not in text


def test_only_addresses_are_changed_and_no_words() -> None:
    html = '<p title="/media/x"> src="/media/x" <a href="/media/x">/media/x</a> <code>&lt;img src="/media/x"</code></p>'
    assert absolutize_html(html, "https://a") == html.replace('<a href="', '<a href="https://a')
    assert absolutize_markdown("![a](/media/x) /media/y [b]: /media/z", "https://a") == (
        "![a](https://a/media/x) /media/y [b]: /media/z"
    )
    words = "See https://a/media/x (https://a/media/x)."
    assert relativize_source(words, ["https://a"]) == words
    assert relativize_source("![](https://a/media/x)", ["https://a"]) == "![](/media/x)"
    assert relativize_source("<img src='https://a/media/x'>", ["https://a"]) == "<img src='/media/x'>"
    assert relativize_source("![](https://a.example/media/x)", ["https://a"]) == "![](https://a.example/media/x)"
