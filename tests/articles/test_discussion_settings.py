"""How discussions are set: what holds where, who may set it, and who hears of it."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.articles.discussion_settings import find_posting_context, is_open
from app.articles.discussions import close_discussion
from app.articles.tables import SITE_ID, Discussion
from app.core.ids import new_id
from app.db import Database
from app.db.columns import table_of
from app.events.log import advance_consumers
from app.events.tables import Event
from app.wiring import CONSUMERS
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
Put = Callable[..., dict[str, Any]]
ANY = {"If-Match": "*"}
D, EVENT = table_of(Discussion), table_of(Event)
NOTHING = {"state": None, "prompt": None, "moderation": None, "close_after_days": None, "closes_at": None}
BUILT_IN = {"state": "open", "prompt": "What do you think?", "moderation": "post", "close_after_days": 0}


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    """A public article in the section World."""
    make.section(client, editor, "World")
    return make.published(client, editor, "A title", slug="it", section="world")


def discussion(client: TestClient, slug: str = "it") -> dict[str, Any]:
    """As the single article has it, and all others that show it too."""
    found: dict[str, Any] = make.ok(client.get(f"/v1/articles/{slug}"))["discussion"]
    listed = {row["slug"]: row["discussion"] for row in make.ok(client.get("/v1/articles"))["data"]}
    assert listed[slug] == found
    return found


def told(db: Database) -> list[dict[str, Any]]:
    with db.connect() as connection:
        query = sa.select(EVENT).where(EVENT.c.type == "discussion.changed").order_by(EVENT.c.seq)
        return [dict(row) for row in connection.execute(query).mappings()]


def test_where_nothing_is_set_the_discussion_is_open(client: TestClient, article: dict[str, Any]) -> None:
    for place in ("", "/sections/world", "/articles/it", f"/articles/{article['id']}"):
        answer = client.get(f"/v1{place}/discussion")
        assert make.ok(answer) == {"own": NOTHING, "effective": {**BUILT_IN, "closes_at": None}}
        assert answer.headers["etag"].startswith('"v0-')
    assert discussion(client) == {
        "state": "open",
        "prompt": "What do you think?",
        "comments": 0,
        "inline": 0,
        "closes_at": None,
    }


def test_the_narrowest_setting_holds_for_each_thing_alone(
    client: TestClient, article: dict[str, Any], put: Put
) -> None:
    put(state="closed", prompt="Site?", moderation="pre")
    put("/sections/world", prompt="World?", close_after_days=3)
    shown = put("/articles/it", state="hidden")
    closes_at = datetime.fromisoformat(article["published_at"]) + timedelta(days=3)
    effective = shown["effective"]
    assert datetime.fromisoformat(effective.pop("closes_at")) == closes_at
    assert effective == {"state": "hidden", "prompt": "World?", "moderation": "pre", "close_after_days": 3}
    assert shown["own"] == {**NOTHING, "state": "hidden"}
    assert put("/articles/it", prompt="")["effective"]["prompt"] is None
    assert discussion(client)["prompt"] is None
    assert discussion(client)["state"] == "closed"


def test_any_settings_give_what_the_rule_says(client: TestClient, db: Database, article: dict[str, Any]) -> None:
    rng = random.Random(20)
    with db.connect() as connection:
        found = find_posting_context(connection, "it")
        assert found is not None
        assert [find_posting_context(connection, ref) for ref in (article["id"], "other", new_id())] == [
            found,
            None,
            None,
        ]
    published = found.published_at
    assert published is not None
    assert (found.slug, found.public, found.revision, found.language) == ("it", True, 1, "en")
    for _ in range(60):
        levels = []
        for target in (article["id"], found.section_id, SITE_ID):
            values: dict[str, Any] = {
                "target_id": target,
                "state": rng.choice([None, None, "open", "closed", "hidden"]),
                "prompt": rng.choice([None, None, "", "One?", "Two?"]),
                "moderation": rng.choice([None, None, "post", "pre"]),
                "close_after_days": rng.choice([None, None, 0, 1, 36_500]),
                "closes_at": None,
                "version": 1,
            }
            if target == article["id"]:
                values["closes_at"] = rng.choice([None, None, published - timedelta(days=1), published + timedelta(9)])
            levels.append(values)
        with db.transaction() as session:
            session.execute(sa.delete(D))
            session.execute(sa.insert(D), levels)

        def first(name: str, otherwise: Any, levels: list[dict[str, Any]] = levels) -> Any:
            return next((level[name] for level in levels if level[name] is not None), otherwise)

        days = first("close_after_days", 0)
        closes_at = levels[0]["closes_at"] or (published + timedelta(days=days) if days else None)
        state = first("state", "open")
        over = state == "open" and closes_at is not None and closes_at < datetime.now(UTC)
        with db.transaction() as session:
            now = find_posting_context(session, "it")
        assert now is not None
        expected = (
            "closed" if over else state,
            first("prompt", "What do you think?") or None,
            first("moderation", "post"),
            closes_at,
        )
        assert tuple(now.rules) == expected
        assert is_open(now.rules) is (state == "open" and not over)


def test_a_discussion_closes_by_itself(
    client: TestClient, editor: Headers, put: Put, article: dict[str, Any], make_cards: Callable[[], None]
) -> None:
    published = datetime.fromisoformat(article["published_at"])
    put("/sections/world", close_after_days=2)
    make.draft(client, editor, "Draft", slug="draft", section="world")
    for _ in range(2):  # first put together from the tables, then from cards
        tags = []
        for late, state in ((-1, "open"), (0, "closed"), (1, "closed")):
            with time_machine.travel(published + timedelta(days=2, seconds=late), tick=False):
                assert discussion(client)["state"] == state
                tags.append(client.get("/v1/articles/it").headers["etag"])
                assert make.ok(client.get("/v1/articles/it/discussion"))["effective"]["state"] == state
        assert tags[0] != tags[1] == tags[2]
        make_cards()
    assert make.ok(client.get("/v1/articles/draft", headers=editor))["discussion"]["closes_at"] is None
    put("/articles/it", closes_at=(published + timedelta(days=5)).isoformat())
    with time_machine.travel(published + timedelta(days=4), tick=False):
        assert discussion(client)["state"] == "open"
    with time_machine.travel(published + timedelta(days=5), tick=False):
        assert discussion(client)["state"] == "closed"
    put("/articles/it", close_after_days=0)
    assert discussion(client)["closes_at"] is None
    put("/articles/it", state="hidden")
    with time_machine.travel(published + timedelta(days=5), tick=False):
        assert discussion(client)["state"] == "hidden"


def test_what_would_close_after_the_end_of_the_calendar_never_does(
    client: TestClient, editor: Headers, put: Put
) -> None:
    put(close_after_days=36_500)
    with time_machine.travel(datetime(9950, 1, 1, tzinfo=UTC), tick=False):
        make.published(client, editor, "Late", slug="late")
    assert make.ok(client.get("/v1/articles/late"))["discussion"]["closes_at"] is None


@pytest.mark.parametrize("place", ["", "/sections/world", "/articles/it"])
def test_a_change_is_seen_at_once(
    client: TestClient, put: Put, article: dict[str, Any], make_cards: Callable[[], None], place: str
) -> None:
    make_cards()
    tag = client.get("/v1/articles/it").headers["etag"]
    put(place, prompt="And now?")
    assert discussion(client)["prompt"] == "And now?"
    assert client.get("/v1/articles/it").headers["etag"] != tag
    make_cards()
    assert discussion(client)["prompt"] == "And now?"


@pytest.mark.parametrize("was_good", [False, True])
def test_a_card_made_while_settings_change_is_not_taken(
    client: TestClient, db: Database, article: dict[str, Any], put: Put, make_cards: Callable[[], None], was_good: bool
) -> None:
    if was_good:
        make_cards()
        put(moderation="post")  # all cards wait to be made again
    pending = [article["id"]]

    def interfere(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE article SET card=") and pending:
            with sa.orm.Session(connection, join_transaction_mode="create_savepoint") as session:
                close_discussion(session, pending.pop())  # type: ignore[arg-type]
                session.commit()

    engine = db.engines()[1]
    sa.event.listen(engine, "before_cursor_execute", interfere)
    make_cards()
    sa.event.remove(engine, "before_cursor_execute", interfere)
    assert not pending
    assert discussion(client)["state"] == "closed"


def test_settings_are_put_by_version(client: TestClient, moderator: Headers, article: dict[str, Any]) -> None:
    for place in ("", "/sections/world", "/articles/it"):
        url = f"/v1{place}/discussion"
        assert client.put(url, json={}, headers=moderator).status_code == 428
        tag = {"If-Match": client.get(url).headers["etag"]}
        first = client.put(url, json={"state": "closed"}, headers={**moderator, **tag})
        assert make.ok(first)["own"] == {**NOTHING, "state": "closed"}
        assert first.headers["etag"] == client.get(url).headers["etag"]
        assert "broadsheet-position" in first.headers
        late = client.put(url, json={"prompt": "Late?", "state": "closed"}, headers={**moderator, **tag})
        assert late.status_code == 412
        assert (late.json()["current_version"], late.json()["fields"]) == (1, ["prompt"])
        again = {"If-Match": first.headers["etag"]}
        same = client.put(url, json={"state": "closed"}, headers={**moderator, **again})
        assert same.headers["etag"] == first.headers["etag"]
        assert make.ok(client.put(url, json={}, headers={**moderator, **again}))["own"] == NOTHING


@pytest.mark.parametrize(
    "body",
    [
        {"state": "shut"},
        {"moderation": "never"},
        {"prompt": "x" * 301},
        {"prompt": 1},
        {"close_after_days": -1},
        {"close_after_days": 1.5},
        {"close_after_days": 36_501},
        {"closes_at": "2030-01-01T00:00:00Z"},
        {"other": 1},
    ],
)
def test_what_does_not_fit_is_refused(client: TestClient, moderator: Headers, body: dict[str, Any]) -> None:
    assert client.put("/v1/discussion", json=body, headers={**moderator, **ANY}).status_code == 422


def test_who_may_set_what(
    client: TestClient, editor: Headers, article: dict[str, Any], make_key: Callable[..., Headers]
) -> None:
    there = make.section(client, editor, "Sport")["id"]
    make.draft(client, editor, "Draft", slug="draft", section="world")
    here = article["section"]["id"]

    def answers(headers: Headers) -> list[int]:
        places = ("", "/sections/world", "/articles/it", "/articles/draft", "/sections/none", "/articles/none")
        urls = [f"/v1{place}/discussion" for place in places]
        return [client.put(url, json={}, headers={**headers, **ANY}).status_code for url in urls]

    assert answers({}) == [401] * 6
    assert answers(editor) == [403] * 6
    assert answers(make_key("comments:moderate")) == [200, 200, 200, 404, 404, 404]
    assert answers(make_key("comments:moderate", sections=[here])) == [403, 200, 200, 404, 404, 404]
    assert answers(make_key("comments:moderate", sections=[there])) == [403, 403, 403, 404, 404, 404]
    assert answers(make_key("comments:moderate", "content:read")) == [200, 200, 200, 200, 404, 404]
    assert answers(make_key("comments:moderate", "content:read", sections=[there])) == [403, 403, 403, 404, 404, 404]
    for place in ("/articles/draft", "/articles/none", "/sections/none", "/sections/world%00"):
        assert client.get(f"/v1{place}/discussion").status_code == 404
    assert client.get("/v1/articles/draft/discussion", headers=editor).status_code == 200


def test_changes_are_told_with_what_they_make_stale(
    client: TestClient, editor: Headers, db: Database, article: dict[str, Any], put: Put
) -> None:
    draft = make.draft(client, editor, "Draft", slug="draft")
    put("/articles/draft", state="closed")
    assert told(db) == []
    put("/articles/it", state="closed")
    put("/articles/it", state="closed")
    put("/sections/world", state="closed")
    put(state="closed")
    here = article["section"]["id"]
    assert [(row["subject_id"], row["payload"], row["groups"]) for row in told(db)] == [
        (
            article["id"],
            {"scope": "article"},
            [f"comments:{article['id']}", f"counts:{article['id'][-3:]}", "discussions"],
        ),
        (here, {"scope": "section"}, ["discussions", "discussions:settings"]),
        (SITE_ID, {"scope": "site"}, ["discussions", "discussions:settings"]),
    ]

    def groups(path: str) -> set[str]:
        return set(client.get(f"/v1/{path}").headers["cache-tag"].split(","))

    counts = f"counts:{article['id'][-3:]}"
    for path, group in (("articles/it", counts), ("articles/it/discussion", f"comments:{article['id']}")):
        assert groups(path) >= {group, "discussions:settings", f"article:{article['id']}"}
    assert {"discussions:settings", counts} <= groups("articles")
    for path in ("articles/it/neighbours", "articles/it?include=neighbours", "resolve?path=/world/it"):
        assert "discussions:settings" in groups(path)
    assert groups("discussion") == {"discussions:settings"}
    assert groups("sections/world/discussion") == {"discussions:settings", f"section:{here}"}
    assert "cache-tag" not in client.get(f"/v1/articles/{draft['id']}/discussion", headers=editor).headers


def test_settings_go_with_what_they_are_for(
    client: TestClient, editor: Headers, db: Database, put: Put, admin: Headers
) -> None:
    make.section(client, editor, "Sport")
    make.draft(client, editor, "Draft", slug="draft")
    put("/sections/sport", state="closed")
    put("/articles/draft", state="closed")
    put(state="closed")
    for url in ("/v1/sections/sport", "/v1/articles/draft"):
        assert client.delete(url, headers={**admin, **ANY}).status_code == 204
    with db.transaction() as session:
        while advance_consumers(session, CONSUMERS):
            pass
    with db.connect() as connection:
        assert list(connection.execute(sa.select(D.c.target_id)).scalars()) == [SITE_ID]


def test_closing_what_came_from_elsewhere_leaves_what_was_set_here(
    client: TestClient, editor: Headers, db: Database, article: dict[str, Any], put: Put
) -> None:
    make.published(client, editor, "Other", slug="other")
    draft = make.draft(client, editor, "Draft", slug="draft")
    put("/articles/other", prompt="Well?")
    before = len(told(db))
    with db.transaction() as session:
        for slug in ("it", "it", "other", "draft"):
            close_discussion(session, make.ok(client.get(f"/v1/articles/{slug}", headers=editor))["id"])
    assert discussion(client)["state"] == "closed"
    assert discussion(client, "other")["state"] == "open"
    assert make.ok(client.get(f"/v1/articles/{draft['id']}", headers=editor))["discussion"]["state"] == "closed"
    assert [row["subject_id"] for row in told(db)[before:]] == [article["id"]]
