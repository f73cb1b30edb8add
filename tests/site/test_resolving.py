"""Addresses of the site: everything that stands somewhere is found there, and where it stood before leads on."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
SITE = "https://site.example"


def resolve(client: TestClient, path: str, status: int = 200, **query: str) -> Any:
    """The answer at a path."""
    return make.ok(client.get("/v1/resolve", params={"path": path, **query}), status)


def change(client: TestClient, editor: Headers, path: str, **fields: Any) -> None:
    """Change something."""
    make.ok(client.patch(path, json=fields, headers={**editor, "If-Match": "*"}))


@pytest.fixture
def everything(client: TestClient, editor: Headers) -> dict[str, Any]:
    """One of each kind."""
    make.section(client, editor, "World")
    make.section(client, editor, "Asia", parent="world")
    make.author(client, editor, "Ann")
    make.series(client, editor, "Life")
    front = {"title": "Start", "blocks": [{"kind": "newest"}]}
    make.ok(client.put("/v1/fronts/start", json=front, headers={**editor, "If-None-Match": "*"}), 201)
    filed = {"section": "asia", "authors": ["ann"], "series": "life", "tags": ["Boat"]}
    make.published(client, editor, "About", type="page")
    return make.published(client, editor, "Fog", **filed)


def test_everything_is_found_where_it_stands(client: TestClient, editor: Headers, everything: dict[str, Any]) -> None:
    for path, kind, name in (
        ("/asia/fog", "article", "article"),
        ("/about", "page", "article"),
        ("/asia", "section", "section"),
        ("/tags/boat", "tag", "tag"),
        ("/authors/ann/", "author", "author"),
        ("/series/life", "series", "series"),
        ("/fronts/start", "front", "front"),
    ):
        for address in (path, f"{SITE}{path}?utm_source=x#top"):
            resolved = resolve(client, address)
            assert (resolved["status"], resolved["kind"]) == (200, kind), path
            assert resolved[name]["url"] == SITE + path.rstrip("/")
            assert set(resolved) == {"status", "kind", name}
    assert resolve(client, "/fronts/start")["front"]["blocks"][0]["articles"][0]["slug"] == "fog"
    assert [crumb["name"] for crumb in resolve(client, "/asia")["section"]["breadcrumbs"]] == ["World", "Asia"]
    whole = resolve(client, "/asia/fog", include="neighbours,comments", formats="html")["article"]
    assert (whole["body"]["html"], whole["comments"]["data"]) == ("<p>Once upon a time.</p>", [])
    assert "body" not in resolve(client, "/asia/fog")["article"]
    resolve(client, "/", 404)
    make.ok(client.put("/v1/site", json={"home_front": "start"}, headers={**editor, "If-Match": "*"}))
    assert (resolve(client, "/")["kind"], resolve(client, "/fronts/start")["location"]) == ("front", f"{SITE}/")
    for path in ("/nowhere", "/tags/asia", "/world/tags/boat", "https://other.example/asia", "/authors"):
        resolve(client, path, 404)


def test_what_articles_are_filed_under_comes_with_them(
    client: TestClient,
    editor: Headers,
    everything: dict[str, Any],
    statements: list[str],
    make_cards: Callable[[], None],
) -> None:
    make.published(client, editor, "Rain", section="world", authors=["ann"], series="life", tags=["Boat"])
    make.draft(client, editor, "Sun", section="world", authors=["ann"])
    make_cards()
    for path, kind in (
        ("/world", "section"),
        ("/tags/boat", "tag"),
        ("/authors/ann", "author"),
        ("/series/life", "series"),
    ):
        del statements[:]
        resolve(client, path)
        alone = len(statements)
        resolved = resolve(
            client, path, include="articles", formats="text", fields="section,tag,author,series,articles"
        )
        assert len(statements) == 2 * alone + 1, "one statement more"
        listed = make.ok(client.get("/v1/articles", params={kind: resolved[kind]["id"], "formats": "text"}))
        assert resolved["articles"] == listed
        assert [article["slug"] for article in listed["data"]] == ["rain", "fog"]
    assert set(resolve(client, "/asia/fog", include="articles")) == {"status", "kind", "article"}
    answer = client.get("/v1/resolve?path=/world&include=articles&fields=articles.data.title")
    assert make.ok(answer) == {"articles": {"data": [{"title": "Rain"}, {"title": "Fog"}]}}
    assert "articles" in answer.headers["cache-tag"].split(",")


def test_former_slugs_lead_on(client: TestClient, editor: Headers, everything: dict[str, Any]) -> None:
    for path, new in (
        ("/v1/sections/asia", "orient"),
        ("/v1/tags/boat", "ship"),
        ("/v1/authors/ann", "anne"),
        ("/v1/series/life", "living"),
        (f"/v1/articles/{everything['id']}", "mist"),
    ):
        change(client, editor, path, slug=new)
    for old, new in (
        ("/asia", "/orient"),
        ("/tags/boat", "/tags/ship"),
        ("/authors/ann", "/authors/anne"),
        ("/series/life", "/series/living"),
        ("/asia/fog", "/orient/mist"),
        ("/orient/fog", "/orient/mist"),
        ("/elsewhere/mist", "/orient/mist"),
    ):
        resolved = resolve(client, old)
        assert resolved == {"status": 301, "kind": "redirect", "location": SITE + new}
        assert resolve(client, resolved["location"])["status"] == 200
    for plural, old in ("sections", "asia"), ("tags", "boat"), ("authors", "ann"), ("series", "life"):
        assert client.get(f"/v1/{plural}/{old}", follow_redirects=False).status_code == 301
    assert client.get("/feeds/sections/asia.rss", follow_redirects=False).status_code == 301


def test_retracted_articles_are_gone(client: TestClient, editor: Headers, everything: dict[str, Any]) -> None:
    make.act(client, editor, everything, "retract", {"reason": "Made up."})
    for path in ("/asia/fog", "/elsewhere/fog"):
        assert resolve(client, path) == {"status": 410, "kind": "gone", "reason": "Made up."}


class TestOfTemplates:
    """A site with ids in the addresses of articles and the tree in those of sections."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Settings with other templates."""
        paths = {"article_path": "/{sections}/{slug}-{id}", "section_path": "/{sections}"}
        return Settings.model_validate(settings.model_dump() | paths | {"type_paths": {"page": "/p/{slug}"}})

    def test_ids_and_the_tree_lead_on(self, client: TestClient, editor: Headers, everything: dict[str, Any]) -> None:
        own = f"/world/asia/fog-{everything['id']}"
        assert resolve(client, own)["article"]["id"] == everything["id"]
        for path in (f"/old-{everything['id']}", f"/asia/x-{everything['id']}", "/world/fog"):
            assert resolve(client, path)["location"] == SITE + own
        assert resolve(client, "/p/about")["kind"] == "page"
        assert resolve(client, "/world/asia")["kind"] == "section"
        assert resolve(client, "/asia")["location"] == f"{SITE}/world/asia"
        change(client, editor, "/v1/sections/asia", parent=None)
        assert resolve(client, "/world/asia")["location"] == f"{SITE}/asia"
        assert resolve(client, own)["location"] == f"{SITE}/asia/fog-{everything['id']}"
