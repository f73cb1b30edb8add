"""Addresses of everything on the publication's site: from templates, by type of article and by the tree of sections."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
SITE = "https://site.example"
CUSTOM = {
    "article_path": "/{sections}/{slug}-{id}",
    "type_paths": {"page": "/{slug}", "review": "/reviews/{year}/{slug}"},
    "section_path": "/{sections}",
    "tag_path": "/topics/{slug}",
    "author_path": "/people/{slug}",
    "series_path": "/s/{slug}",
}


@pytest.fixture
def tree(client: TestClient, editor: Headers) -> dict[str, Any]:
    """World, Asia inside it, and Japan inside that; an article with everything."""
    for name, parent in ("World", None), ("Asia", "world"), ("Japan", "asia"):
        make.section(client, editor, name, parent=parent)
    make.author(client, editor, "Ann")
    make.series(client, editor, "Life")
    filed = {"section": "japan", "authors": ["ann"], "series": "life", "tags": ["Boat"]}
    return make.published(client, editor, "Fog", slug="fog", published_at="2026-03-04T12:00:00Z", **filed)


def test_everything_has_an_address(client: TestClient, tree: dict[str, Any]) -> None:
    assert (tree["url"], tree["series"]["url"]) == (f"{SITE}/japan/fog", f"{SITE}/series/life")
    assert (tree["authors"][0]["url"], tree["tags"][0]["url"]) == (f"{SITE}/authors/ann", f"{SITE}/tags/boat")
    section = make.ok(client.get("/v1/sections/japan"))
    assert tree["section"] == {name: section[name] for name in ("id", "slug", "name", "url", "parent")}
    assert section["parent"]["url"] == f"{SITE}/asia"
    crumbs = [{"name": name, "url": f"{SITE}/{name.lower()}"} for name in ("World", "Asia", "Japan")]
    assert tree["breadcrumbs"] == section["breadcrumbs"] == crumbs
    for plural, slug in ("sections", "japan"), ("tags", "boat"), ("authors", "ann"), ("series", "life"):
        listed = make.ok(client.get(f"/v1/{plural}"))["data"]
        one = make.ok(client.get(f"/v1/{plural}/{slug}"))
        assert one in listed
        assert one["url"] == f"{SITE}/{'' if plural == 'sections' else f'{plural}/'}{slug}"


class TestOfTemplates:
    """A site whose templates name everything that they can."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Settings with other templates."""
        return Settings.model_validate(settings.model_dump() | CUSTOM)

    def test_paths_follow_types_and_the_tree(self, client: TestClient, editor: Headers, tree: dict[str, Any]) -> None:
        assert tree["url"] == f"{SITE}/world/asia/japan/fog-{tree['id']}"
        assert tree["breadcrumbs"][2]["url"] == f"{SITE}/world/asia/japan"
        assert (tree["tags"][0]["url"], tree["authors"][0]["url"]) == (f"{SITE}/topics/boat", f"{SITE}/people/ann")
        page = make.published(client, editor, "Imprint", type="page", section="japan")
        review = make.published(client, editor, "Cake", type="review", published_at="2025-03-04T12:00:00Z")
        loose = make.published(client, editor, "Loose")
        assert [each["url"] for each in (page, review)] == [f"{SITE}/imprint", f"{SITE}/reviews/2025/cake"]
        assert loose["url"] == f"{SITE}/loose-{loose['id']}"
        for path in ("/feeds/site.json", "/sitemap.xml", f"/v1/articles/{tree['id']}.jsonld"):
            assert tree["url"] in client.get(path).text, path

    def test_addresses_follow_a_section_that_moves(
        self, client: TestClient, editor: Headers, tree: dict[str, Any]
    ) -> None:
        for changes, path in ({"slug": "orient"}, "world/orient/japan"), ({"parent": None}, "orient/japan"):
            answer = client.patch("/v1/sections/asia", json=changes, headers={**editor, "If-Match": "*"})
            assert make.ok(answer)["url"] == f"{SITE}/{path.removesuffix('/japan')}"
            assert make.ok(client.get("/v1/sections/japan"))["url"] == f"{SITE}/{path}"
            assert make.ok(client.get("/v1/articles/fog"))["url"] == f"{SITE}/{path}/fog-{tree['id']}"
