"""The site: what editors say of it, what the settings say, and menus that show readers no more than they see."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.identity.schemas import SYSTEM
from app.publication.media_library import create_reference
from tests import make
from tests.mail.post import work

pytestmark = pytest.mark.portable

Headers = dict[str, str]
SITE = "https://site.example"


def save(client: TestClient, editor: Headers, status: int = 200, etag: str = "*", **fields: Any) -> Any:
    """Replace what editors say of the site."""
    return make.ok(client.put("/v1/site", json=fields, headers={**editor, "If-Match": etag}), status)


def items(client: TestClient, menu: int = 0) -> list[tuple[str, str]]:
    """Titles and paths of a menu's links, those below others behind them."""

    def flat(links: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [pair for link in links for pair in ((link["title"], link["url"][len(SITE) :]), *flat(link["items"]))]

    return flat(make.ok(client.get("/v1/site"))["menus"][menu]["items"])


def test_the_settings_hold_until_editors_say_otherwise(client: TestClient, editor: Headers, db: Database) -> None:
    answer = client.get("/v1/site")
    site = make.ok(answer)
    assert (site["name"], site["url"], site["languages"], site["time_zone"]) == ("The Example", SITE, ["en"], "UTC")
    assert (site["logo"], site["home_front"], site["menus"], site["updated_at"]) == (None, None, [], None)
    assert site["addresses"]["article"] == "/{section}/{slug}"
    assert site["discussion"]["reactions"] == ["agree", "disagree", "insightful"]
    assert client.get("/v1/site", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    with db.transaction() as session:
        logo = create_reference(session, SYSTEM, "https://elsewhere.example/a.png", "A")
    social = [{"name": "Mastodon", "url": "https://social.example/@a"}]
    fields = {"name": "The Herald", "tagline": "Daily", "languages": ["de", "en"], "logo": logo, "social": social}
    saved = save(client, editor, etag=answer.headers["etag"], **fields)
    assert {name: saved[name] for name in fields} == fields
    site = make.ok(client.get("/v1/site"))
    assert (site["name"], site["logo"]["url"], site["social"]) == (
        "The Herald",
        "https://elsewhere.example/a.png",
        social,
    )
    stale = client.put("/v1/site", json={"name": "x"}, headers={**editor, "If-Match": answer.headers["etag"]})
    assert (stale.status_code, stale.json()["current_version"]) == (412, 1)
    gone = client.delete(f"/v1/media/{logo}", headers={**editor, "If-Match": "*"})
    assert (gone.status_code, gone.json()["code"]) == (409, "in_use")
    changes = make.ok(client.get("/v1/changes?types=site"))["data"]
    assert [(change["type"], change["op"], change["id"]) for change in changes] == [("site", "upsert", None)]


def test_what_leaves_bears_the_name_that_editors_gave(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor, "Rivers", tags=["Water"])
    paths = [f"/feeds/site.{form}" for form in ("rss", "atom", "json")]
    paths += ["/feeds/tags/water.json", f"/feeds/articles/{article['id']}/comments.atom", "/sitemap-news.xml"]
    paths += [f"/feeds/archive/{article['published_at'][:7]}.atom", f"/oembed?url={article['url']}"]
    for path in paths:
        assert "The Example" in client.get(path).text, path
    save(client, editor, name="The Herald")
    for path in paths:
        answer = client.get(path)
        assert "The Herald" in answer.text, path
        assert "The Example" not in answer.text, path
        assert "site" in answer.headers["cache-tag"].split(","), path


def test_menus_lead_where_readers_may_go(client: TestClient, editor: Headers) -> None:
    make.section(client, editor, "World")
    make.section(client, editor, "Asia", parent="world")
    make.author(client, editor, "Ann")
    about = make.published(client, editor, "About", type="page")
    hidden = make.draft(client, editor, "Coming")
    front = {"title": "Start", "blocks": []}
    make.ok(client.put("/v1/fronts/home", json=front, headers={**editor, "If-None-Match": "*"}), 201)
    links = [
        {"front": "home"},
        {"section": "world", "items": [{"section": "asia", "title": "East"}, {"article": hidden["id"]}]},
        {"author": "ann"},
        {"article": "about"},
        {"url": "/contact", "title": "Contact"},
    ]
    save(client, editor, home_front="home", menus=[{"name": "main", "items": links}])
    shown = [("Start", "/"), ("World", "/world"), ("East", "/asia"), ("Ann", "/authors/ann")]
    assert items(client) == [*shown, ("About", "/about"), ("Contact", "/contact")]
    make.act(client, editor, hidden, "publish")
    make.act(client, editor, about, "unpublish")
    client.patch("/v1/sections/world", json={"name": "Globe"}, headers={**editor, "If-Match": "*"})
    shown[1:2] = [("Globe", "/world")]
    shown[3:3] = [("Coming", "/coming")]
    assert items(client) == [*shown, ("Contact", "/contact")]
    assert make.ok(client.get("/v1/fronts"))["data"][0]["title"] == "Start"
    client.delete("/v1/fronts/home", headers={**editor, "If-Match": "*"})
    assert items(client)[0][0] == "Globe"
    assert make.ok(client.get("/v1/site"))["home_front"] is None


@pytest.mark.parametrize(
    ("menu", "pointer"),
    [
        ([{"section": "nowhere"}], "/menus/0/items/0/section"),
        ([{"article": "nowhere"}], "/menus/0/items/0/article"),
        ([{"url": "/x"}], "/menus/0/items/0/title"),
        ([{"title": "x"}], "/menus/0/items/0"),
        ([{"url": "javascript:x", "title": "x"}], "/menus/0/items/0/url"),
        ([{"url": "//x.example", "title": "x"}], "/menus/0/items/0/url"),
        ([{"url": "/x", "title": "x", "items": [{"url": "/x", "title": "x", "items": [
            {"url": "/x", "title": "x", "items": [{"url": "/x", "title": "x"}]}]}]}],
         "/menus/0/items/0/items/0/items/0/items"),
    ],
)  # fmt: skip
def test_links_that_lead_nowhere_are_refused(client: TestClient, editor: Headers, menu: Any, pointer: str) -> None:
    refused = save(client, editor, 422, menus=[{"name": "main", "items": menu}])
    assert pointer in {error["pointer"][: len(pointer)] for error in refused["errors"]}


def test_a_merged_tag_stays_in_its_menu(client: TestClient, editor: Headers) -> None:
    for name in ("Boat", "Ship"):
        make.ok(client.post("/v1/tags", json={"name": name}, headers=editor), 201)
    save(client, editor, menus=[{"name": "main", "items": [{"tag": "boat"}]}])
    make.ok(client.post("/v1/tags/boat/merge", json={"into": "ship"}, headers={**editor, "If-Match": "*"}), 202)
    work(client)
    assert items(client) == [("Ship", "/tags/ship")]


def test_who_may_not_publish_may_not_change_the_site(client: TestClient, make_key: Callable[..., Headers]) -> None:
    for scopes in ("content:write",), ("content:read",):
        save(client, make_key(*scopes), 403, name="x")
