"""A section holds what is inside of it: notices, settings, counts, feeds, keys, subscriptions and fronts."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from httpx2 import Response
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.feeds.feeds import find_subject
from app.feeds.schemas import Publication
from app.mail.notifications import AUDIENCES
from tests.make import act, comment, draft, notice, ok, patched, published, section

pytestmark = pytest.mark.portable

Headers = dict[str, str]


@pytest.fixture
def tree(client: TestClient, editor: Headers) -> dict[str, str]:
    """Ids of World › Asia › Japan, and of Sport."""
    ids = {}
    for name, parent in ("World", None), ("Asia", "world"), ("Japan", "asia"), ("Sport", None):
        ids[name.lower()] = section(client, editor, name, parent=parent)["id"]
    return ids


def _move(client: TestClient, editor: Headers, ref: str, parent: str | None) -> None:
    ok(client.patch(f"/v1/sections/{ref}", json={"parent": parent}, headers={**editor, "If-Match": "*"}))


def _set(client: TestClient, make_key: Callable[..., Headers], path: str, **settings: Any) -> Response:
    headers = {**make_key("comments:moderate", "content:publish"), "If-Match": "*"}
    return client.put(f"/v1/{path}discussion", json=settings, headers=headers)


def test_notices_stand_with_all_inside_from_the_outside_in(
    client: TestClient, editor: Headers, tree: dict[str, str], make_cards: Callable[[], None]
) -> None:
    published(client, editor, "Tokyo", section="japan")

    def texts() -> list[str]:
        return [row["text"] for row in ok(client.get("/v1/articles/tokyo"))["notices"]]

    make_cards()
    for ref, position in ("japan", 0), ("world", 9), ("sport", 0), ("asia", 5):
        notice(client, editor, scope="section", target_id=ref, placement="before", text=ref, position=position)
    notice(client, editor, scope="site", placement="before", text="site")
    assert texts() == ["site", "world", "asia", "japan"]
    make_cards()
    assert texts() == ["site", "world", "asia", "japan"]
    _move(client, editor, "asia", "sport")
    assert texts() == ["site", "sport", "asia", "japan"]
    make_cards()
    _move(client, editor, "japan", None)
    assert texts() == ["site", "japan"]


def test_the_nearest_section_that_sets_something_wins_for_each_setting(
    client: TestClient,
    editor: Headers,
    tree: dict[str, str],
    make_key: Callable[..., Headers],
    make_cards: Callable[[], None],
) -> None:
    article = published(client, editor, "Tokyo", section="japan")

    def effective(path: str) -> list[Any]:
        found = ok(client.get(f"/v1/{path}/discussion"))["effective"]
        return [found["state"], found["prompt"], found["moderation"], found["close_after_days"]]

    ok(_set(client, make_key, "", prompt="Site?", moderation="pre"))
    ok(_set(client, make_key, "sections/world/", prompt="World?", close_after_days=5, moderation="post"))
    ok(_set(client, make_key, "sections/asia/", prompt="Asia?", state="closed"))
    make_cards()
    for path in ("articles/tokyo", "sections/japan"):
        assert effective(path) == ["closed", "Asia?", "post", 5]
    assert effective("sections/world") == ["open", "World?", "post", 5]
    assert effective("sections/sport") == ["open", "Site?", "pre", 0]
    assert ok(client.get("/v1/articles/tokyo?fields=discussion.prompt"))["discussion"]["prompt"] == "Asia?"
    answer = client.post(f"/v1/articles/{article['id']}/comments", json={"text": "Hi", "author": {"name": "Ann"}})
    assert answer.status_code == 409
    _move(client, editor, "japan", "sport")
    assert effective("articles/tokyo") == ["open", "Site?", "pre", 0]
    assert ok(client.get("/v1/articles/tokyo?fields=discussion.prompt"))["discussion"]["prompt"] == "Site?"
    assert comment(client, article)["state"] == "pending"


def test_partners_get_no_more_than_the_sections_above_give(
    client: TestClient, editor: Headers, tree: dict[str, str], make_key: Callable[..., Headers]
) -> None:
    published(client, editor, "Tokyo", section="japan")
    own = published(client, editor, "Kyoto", section="japan", rights={"syndication": "full"})
    partner = make_key("syndicate")

    def levels() -> dict[str, str]:
        rows = ok(client.get("/v1/articles?fields=title,rights", headers=partner))["data"]
        return {row["title"]: row["rights"]["syndication"] for row in rows}

    for ref, level in ("world", "headline"), ("asia", "excerpt"):
        ok(client.patch(f"/v1/sections/{ref}", json={"syndication": level}, headers={**editor, "If-Match": "*"}))
    assert levels() == {"Tokyo": "headline", "Kyoto": "full"}
    ok(client.patch("/v1/sections/world", json={"syndication": "none"}, headers={**editor, "If-Match": "*"}))
    assert levels() == {"Kyoto": "full"}
    _move(client, editor, "asia", None)
    assert levels() == {"Tokyo": "excerpt", "Kyoto": "full"}
    assert own["section"]["slug"] == "japan"


def test_a_limited_key_works_in_all_inside(
    client: TestClient, editor: Headers, tree: dict[str, str], make_key: Callable[..., Headers]
) -> None:
    limited = make_key("content:read", "content:write", "content:publish", sections=[tree["asia"]])
    assert set(ok(client.get("/v1/whoami", headers=limited))["sections"]) == {tree["asia"], tree["japan"]}
    inside = draft(client, limited, "Inside", section="japan")
    assert act(client, limited, inside, "publish")["state"] == "published"
    notice(client, limited, scope="section", target_id="japan", placement="before", text="Hm")
    for ref in ("world", "sport"):
        body = {"title": "No", "section": ref, "body": {"html": "<p>No.</p>"}}
        assert client.post("/v1/articles", json=body, headers=limited).status_code == 403


def test_a_key_reaches_a_section_that_comes_in_and_not_one_that_left(
    client: TestClient, editor: Headers, tree: dict[str, str], make_key: Callable[..., Headers]
) -> None:
    _move(client, editor, "japan", "sport")
    headers = make_key("content:read", "content:write", sections=[tree["asia"]])
    body = {"title": "No", "section": "japan", "body": {"html": "<p>No.</p>"}}
    assert client.post("/v1/articles", json=body, headers=headers).status_code == 403
    _move(client, editor, "japan", "asia")
    other = make_key("content:read", "content:write", sections=[tree["asia"]])
    draft(client, other, "Yes", section="japan")


def test_moderators_of_a_section_see_what_waits_inside(
    client: TestClient, editor: Headers, tree: dict[str, str], make_key: Callable[..., Headers]
) -> None:
    ok(_set(client, make_key, "", moderation="pre"))
    for name, ref in ("Tokyo", "japan"), ("Goal", "sport"):
        comment(client, published(client, editor, name, section=ref), f"On {name}")
    moderator = make_key("comments:moderate", sections=[tree["world"]])
    rows = ok(client.get("/v1/moderation/queue", headers=moderator))["data"]
    assert [row["comment"]["text"] for row in rows] == ["On Tokyo"]


def test_who_follows_a_section_hears_of_what_is_inside_and_of_no_page(
    client: TestClient, editor: Headers, tree: dict[str, str], db: Database
) -> None:
    tokyo = published(client, editor, "Tokyo", section="japan")
    imprint = published(client, editor, "Imprint", section="japan", type="page")
    with db.connect() as connection:
        circle = AUDIENCES["article.published"](connection, {"article": tokyo["id"]})
        assert AUDIENCES["article.published"](connection, {"article": imprint["id"]}) is None
    assert circle is not None
    wanted = ["site", *(f"section:{tree[name]}" for name in ("japan", "asia", "world"))]
    assert sorted(circle.keys) == sorted(("articles.new", target) for target in wanted)


def test_the_feed_of_a_parent_tells_of_what_was_retracted_inside(
    client: TestClient, editor: Headers, tree: dict[str, str], db: Database, settings: Settings
) -> None:
    act(client, editor, published(client, editor, "Tokyo", section="japan"), "retract", {"reason": "Made up"})
    with db.connect() as connection:
        here = Publication.from_settings(settings)
        gone = {ref: len(find_subject(connection, here, "section", ref).retracted) for ref in tree}
    assert gone == {"world": 1, "asia": 1, "japan": 1, "sport": 0}


@pytest.mark.parametrize("most", [50, 1])
def test_a_block_of_a_section_shows_what_is_inside(
    client: TestClient, editor: Headers, tree: dict[str, str], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.fronts.fronts.MAX_INDEX_WALKS", most)
    for name, ref in ("Tokyo", "japan"), ("Delhi", "asia"), ("Rome", "world"), ("Goal", "sport"):
        published(client, editor, name, section=ref)
    blocks = [
        {"kind": "newest", "section": "asia", "title": "Asia", "limit": 2},
        {"kind": "newest", "section": "world", "title": "World", "limit": 5},
        {"kind": "newest", "section": "sport", "title": "Sport", "limit": 5},
    ]
    body = {"title": "Home", "state": "published", "blocks": blocks}
    headers = {**editor, "If-None-Match": "*"}
    ok(client.put("/v1/fronts/home", json=body, headers=headers), 201)
    shown = ok(client.get("/v1/fronts/home"))["blocks"]
    assert [[row["title"] for row in block["articles"]] for block in shown] == [["Delhi", "Tokyo"], ["Rome"], ["Goal"]]


def test_settings_of_an_outer_section_reach_a_stream_of_an_article(
    client: TestClient, editor: Headers, tree: dict[str, str], make_key: Callable[..., Headers], db: Database
) -> None:
    published(client, editor, "Tokyo", section="japan")
    patched(client, editor, published(client, editor, "Goal", section="sport"), dek="For the log")
    with db.connect() as connection:
        row = connection.execute(sa.text("SELECT xid, seq FROM event ORDER BY seq DESC LIMIT 1")).one()
    ok(_set(client, make_key, "sections/world/", state="closed"))
    ok(_set(client, make_key, "sections/sport/", state="closed"))
    headers = {"Last-Event-ID": f"{row.xid}.{row.seq}"}
    told = client.get("/v1/articles/tokyo/live", headers=headers).text
    assert told.count('"fields":["discussion"]') == 1


def test_lists_and_feeds_of_a_parent_hold_what_is_inside(
    client: TestClient, editor: Headers, tree: dict[str, str]
) -> None:
    for name, ref in ("Tokyo", "japan"), ("Rome", "world"), ("Goal", "sport"):
        published(client, editor, name, section=ref)

    def shown(path: str) -> list[bool]:
        text = client.get(path).text
        return [name in text for name in ("Tokyo", "Rome", "Goal")]

    for path in ("/v1/articles?section=world", *(f"/feeds/sections/world.{form}" for form in ("rss", "atom", "json"))):
        assert shown(path) == [True, True, False], path
    assert shown("/v1/articles?section=world&descendants=false") == [False, True, False]
    _move(client, editor, "asia", "sport")
    assert shown("/feeds/sections/world.rss") == [False, True, False]
    assert shown("/feeds/sections/sport.rss") == [True, False, True]
