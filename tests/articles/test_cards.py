"""Finished cards give the same bytes as the tables do, and never an old answer."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.articles.cached_json import select_stale
from app.articles.publishing import unpublish_article
from app.core.settings import Settings
from app.db import Database
from app.identity.schemas import SYSTEM
from app.main import create_app
from app.publication.site import Site
from app.search.indexing import index_article
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
ANY = {"If-Match": "*"}


@pytest.fixture
def shown(client: TestClient, editor: Headers) -> dict[str, Any]:
    """An article that shows something of everything."""
    world = make.section(client, editor, "World")
    make.series(client, editor, "Long")
    make.author(client, editor, "Ann")
    make.notice(client, editor, scope="section", target_id=world["id"], placement="both", text="A notice.")
    fields = {"section": "world", "series": "long", "authors": ["ann"], "tags": ["T"], "dek": "“Dek” & \\ \u2028"}
    return make.published(client, editor, "Shown 🦭 <b>", slug="shown", **fields)


ADDRESSES = [
    "/v1/articles/shown",
    "/v1/articles/shown?formats=html,text,markdown,blocks&include=neighbours",
    "/v1/articles/shown?fields=title,notices.text,authors.slug",
    "/v1/articles",
    "/v1/articles?formats=blocks&fields=slug,tags",
    "/v1/articles/shown/neighbours",
]


def test_both_ways_give_the_same_bytes(
    client: TestClient, editor: Headers, shown: dict[str, Any], make_cards: Callable[[], None]
) -> None:
    make.published(client, editor, "Another")
    for headers in ({}, editor):
        before = [client.get(url, headers=headers) for url in ADDRESSES]
        make_cards()
        after = [client.get(url, headers=headers) for url in ADDRESSES]
        assert [answer.content for answer in before] == [answer.content for answer in after]
        assert [answer.headers["etag"] for answer in before] == [answer.headers["etag"] for answer in after]
        make.ok(client.patch("/v1/sections/world", json={"name": (headers and "B") or "A"}, headers={**editor, **ANY}))


@pytest.mark.parametrize(
    ("url", "change", "word"),
    [
        ("/v1/sections/world", {"name": "Renamed"}, "Renamed"),
        ("/v1/sections/world", {"slug": "renamed"}, "https://site.example/renamed/shown"),
        ("/v1/series/long", {"name": "Renamed"}, "Renamed"),
        ("/v1/authors/ann", {"name": "Renamed"}, "Renamed"),
        ("/v1/tags/t", {"name": "Renamed"}, "Renamed"),
        ("notice", {"text": "Renamed"}, "Renamed"),
    ],
)
def test_a_change_of_what_it_shows_is_seen_at_once(
    client: TestClient,
    editor: Headers,
    shown: dict[str, Any],
    make_cards: Callable[[], None],
    url: str,
    change: dict[str, str],
    word: str,
) -> None:
    make_cards()
    if url == "notice":
        url = f"/v1/notices/{shown['notices'][0]['id']}"
    assert word not in client.get("/v1/articles/shown").text
    make.ok(client.patch(url, json=change, headers={**editor, **ANY}))
    assert word in client.get("/v1/articles/shown").text
    assert word in client.get("/v1/articles").text
    make_cards()
    assert word in client.get("/v1/articles").text


def test_a_notice_put_up_and_taken_down_is_seen_at_once(
    client: TestClient, editor: Headers, shown: dict[str, Any], make_cards: Callable[[], None]
) -> None:
    make_cards()
    notice = make.notice(client, editor, scope="site", placement="before", text="To all.")
    assert "To all." in client.get("/v1/articles/shown").text
    make_cards()
    assert client.delete(f"/v1/notices/{notice['id']}", headers={**editor, **ANY}).status_code == 204
    assert "To all." not in client.get("/v1/articles/shown").text


def test_an_edit_is_seen_at_once(
    client: TestClient, editor: Headers, shown: dict[str, Any], make_cards: Callable[[], None]
) -> None:
    make_cards()
    make.patched(client, editor, shown, featured=True)
    assert client.get("/v1/articles/shown").json()["featured"] is True


def test_another_site_address_is_seen_at_once(
    client: TestClient, shown: dict[str, Any], make_cards: Callable[[], None], settings: Settings, db: Database
) -> None:
    make_cards()
    with db.connect() as connection:
        assert connection.execute(select_stale(Site.from_settings(settings))).scalar() is None
    moved = settings.model_copy(update={"site_url": "https://new.example"})
    with TestClient(create_app(moved, with_worker=False)) as other:
        assert other.get("/v1/articles/shown").json()["url"] == "https://new.example/world/shown"
    with db.connect() as connection:
        assert connection.execute(select_stale(Site.from_settings(moved))).scalar()


@pytest.mark.parametrize("url", ["/v1/articles", "/v1/articles/shown", "/v1/articles/other/neighbours"])
def test_an_article_that_is_taken_back_during_a_read_shows_nothing_of_its_next_text(
    client: TestClient, editor: Headers, shown: dict[str, Any], db: Database, url: str
) -> None:
    """A card that is not good takes a second statement: what changes before that is no business of the caller."""
    make.published(client, editor, "Other", slug="other")
    make.patched(client, editor, shown, title="Canary of a draft")
    pending = [lambda session: unpublish_article(session, SYSTEM, index_article, shown["id"], None)]

    def interfere(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "LEFT OUTER JOIN series" in statement and pending:
            with db.transaction() as session:
                pending.pop()(session)

    engine = client.app.state.services.database.engines()[0]
    sa.event.listen(engine, "before_cursor_execute", interfere)
    answer = client.get(url)
    sa.event.remove(engine, "before_cursor_execute", interfere)
    assert not pending
    assert "Canary" not in answer.text
    assert answer.status_code == (404 if url.endswith("shown") else 200)
