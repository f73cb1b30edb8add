"""The head of an article's page: what search engines and networks are told, in one object and as structured data."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.identity.schemas import SYSTEM
from app.publication.media_library import create_reference
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
SITE, PICTURE = "https://site.example", "https://pictures.example/share.jpg"
ANY = {"If-Match": "*"}


@pytest.fixture
def picture(db: Database) -> str:
    """A picture at another host."""
    with db.transaction() as session:
        return create_reference(session, SYSTEM, PICTURE, "A ferry")


@pytest.fixture
def article(client: TestClient, editor: Headers, picture: str) -> dict[str, Any]:
    """A published article with everything that a head may say."""
    make.section(client, editor, "World")
    make.section(client, editor, "Asia", parent="world")
    make.author(client, editor, "Ann", website="https://ann.example/", same_as=["https://social.example/@ann"])
    site = {"name": "The Herald", "logo": picture, "social": [{"name": "M", "url": "https://social.example/@h"}]}
    make.ok(client.put("/v1/site", json=site, headers={**editor, **ANY}))
    head = {
        "seo": {"title": "Fog again", "description": "Why?", "image": picture, "robots": "noindex, nofollow"},
        "canonical_url": "https://first.example/fog",
        "source": {"name": "First Press", "url": "https://first.example/"},
    }
    return make.published(client, editor, "Fog", section="asia", authors=["ann"], tags=["Boat"], dek="Dek", **head)


def read(client: TestClient, include: str) -> Any:
    """A part of the article."""
    return make.ok(client.get(f"/v1/articles/fog?include={include}&fields={include}"))[include]


def test_editors_say_what_differs(client: TestClient, editor: Headers, article: dict[str, Any], picture: str) -> None:
    assert {name: article["seo"][name] for name in ("title", "robots")} == {
        "title": "Fog again",
        "robots": "noindex, nofollow",
    }
    assert (article["seo"]["image"]["url"], article["source"]["name"]) == (PICTURE, "First Press")
    assert make.ok(client.get("/v1/articles"))["data"][0]["canonical_url"] == "https://first.example/fog"
    assert f"{SITE}/asia/fog" not in client.get("/sitemap.xml").text
    assert client.delete(f"/v1/media/{picture}", headers={**editor, **ANY}).status_code == 409
    changed = make.patched(client, editor, article, seo={"title": None, "robots": None}, canonical_url=None)
    assert (changed["seo"]["title"], changed["seo"]["description"], changed["canonical_url"]) == (None, "Why?", None)
    assert make.patched(client, editor, article, seo=None, source=None)["seo"] is None
    assert f"{SITE}/asia/fog" in client.get("/sitemap.xml").text
    updated = make.ok(client.get("/v1/changes?types=article"))["data"]
    assert len(updated) == 3


def test_the_head_is_one_object(client: TestClient, editor: Headers, article: dict[str, Any]) -> None:
    head = read(client, "head")
    assert (head["title"], head["description"], head["robots"]) == ("Fog again", "Why?", "noindex, nofollow")
    assert head["canonical_url"] == head["open_graph"]["og:url"] == "https://first.example/fog"
    graph = head["open_graph"]
    assert (graph["og:type"], graph["og:site_name"], graph["og:image"]) == ("article", "The Herald", PICTURE)
    assert (graph["article:author"], graph["article:tag"]) == ([f"{SITE}/authors/ann"], ["Boat"])
    assert (head["twitter"]["twitter:card"], head["twitter"]["twitter:image:alt"]) == ("summary_large_image", "A ferry")
    make.patched(client, editor, article, seo=None, canonical_url=None)
    head = read(client, "head")
    assert (head["title"], head["description"], head["robots"]) == ("Fog", "Dek", None)
    assert head["canonical_url"] == f"{SITE}/asia/fog"


def test_structured_data_names_logo_profiles_and_breadcrumbs(client: TestClient, article: dict[str, Any]) -> None:
    described, crumbs = read(client, "jsonld")
    assert (described["@type"], described["isBasedOn"]["url"]) == ("NewsArticle", "https://first.example/")
    profiles = ["https://ann.example/", "https://social.example/@ann"]
    author = {"@type": "Person", "name": "Ann", "url": f"{SITE}/authors/ann", "sameAs": profiles}
    assert described["author"] == [author]
    publisher = described["publisher"]
    assert (publisher["name"], publisher["logo"]["url"]) == ("The Herald", PICTURE)
    assert publisher["sameAs"] == ["https://social.example/@h"]
    items = [(item["position"], item["name"], item["item"]) for item in crumbs["itemListElement"]]
    assert items == [(1, "World", f"{SITE}/world"), (2, "Asia", f"{SITE}/asia"), (3, "Fog", f"{SITE}/asia/fog")]
    alone = make.ok(client.get("/v1/articles/fog.jsonld"))
    assert (alone["publisher"], alone["author"]) == (publisher, [author])
    resolved = make.ok(client.get("/v1/resolve?path=/asia/fog&include=head,jsonld"))["article"]
    assert (resolved["head"]["title"], resolved["jsonld"][1]) == ("Fog again", crumbs)


def test_places_have_heads_too(client: TestClient, editor: Headers) -> None:
    seo = {"title": "All of the world", "robots": "noindex"}
    made = make.section(client, editor, "World", seo=seo, canonical_url="https://first.example/world")
    assert made["seo"] == {**seo, "description": None}
    assert make.ok(client.get("/v1/resolve?path=/world"))["section"]["canonical_url"] == "https://first.example/world"
    for changes, expected in ({"title": None}, {"title": None, "robots": "noindex", "description": None}), (None, None):
        answer = client.patch("/v1/sections/world", json={"seo": changes}, headers={**editor, **ANY})
        assert make.ok(answer)["seo"] == expected


@pytest.mark.parametrize("level", ["headline", "excerpt"])
def test_a_partner_reads_no_more_by_the_head(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers], level: str
) -> None:
    make.published(client, editor, "Fog", dek="Secret", rights={"syndication": level})
    read = client.get("/v1/articles/fog?include=head,jsonld", headers=make_key("syndicate")).json()
    assert not {"head", "jsonld", "body"} & read.keys()


def test_what_readers_see_needs_a_publisher(
    client: TestClient, article: dict[str, Any], make_key: Callable[..., Headers]
) -> None:
    headers = {**make_key("content:write"), **ANY}
    for fields in {"seo": {"title": "x"}}, {"canonical_url": None}, {"source": None}, {"seo": {"image": None}}:
        assert client.patch(f"/v1/articles/{article['id']}", json=fields, headers=headers).status_code == 403, fields
    assert client.patch("/v1/sections/asia", json={"seo": {"title": "x"}}, headers=headers).status_code == 403
    assert (
        client.patch(f"/v1/articles/{article['id']}", json={"seo": {"robots": "<x>"}}, headers=headers).status_code
        == 422
    )
