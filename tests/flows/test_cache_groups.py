"""What changes an answer names one of its cache groups, whatever is changed; and a comment spares other lists."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.db import Database
from app.events.catalog import LoggedEvent
from app.events.log import find_last_position, read_between
from app.events.schemas import Position
from tests.effort import effort
from tests.make import act, author, comment, draft, ok, published, section, series

pytestmark = pytest.mark.portable

Headers = dict[str, str]
SEEDS, ROUNDS = effort("SEEDS", 1, long=30), effort("ROUNDS", 6, long=16)
PATHS = """
/v1/articles /v1/articles?fields=title /v1/articles?section=world /v1/articles?section=japan&fields=title,tags
/v1/articles?section=sport /v1/articles?tag=ferry /v1/articles?tag=ferry,boat /v1/articles?tag=boat&fields=title,url
/v1/articles?author=ann /v1/articles?series=life&fields=title,dek /v1/articles?section=world&tag=boat
/v1/articles?tag=-ferry /v1/articles?type=page&section=japan /v1/articles?q=story&fields=title /v1/search?q=story
/v1/articles/first /v1/articles/second?fields=title,notices /v1/articles/first?include=neighbours,related
/v1/articles/second/neighbours?within=section /v1/articles/first/related /v1/counts?articles=first,second,third
/v1/sections /v1/sections/world /v1/sections/japan /v1/tags /v1/tags/ferry /v1/authors/ann /v1/series/life
/v1/fronts/home /v1/fronts/home?fields=blocks.articles.title /v1/articles/first/comments
/v1/articles/first/neighbours?fields=next.title /v1/articles/third/related?fields=article.title
/v1/resolve?path=/asia/second
/oembed?url=https://site.example/japan/first
/v1/articles/second?include=related&fields=title,related.article.title
/v1/articles?sort=-discussed_7d&fields=title /v1/articles?sort=-reacted_30d&fields=title /v1/articles/first/anchors
/v1/sections/japan/discussion /v1/articles/second/discussion /v1/discussion /v1/resolve?path=/japan/first
/feeds/site.rss /feeds/sections/world.atom /feeds/sections/sport.json /feeds/tags/ferry.rss /feeds/authors/ann.atom
/sitemap.xml /news-sitemap.xml
/v1/site /v1/fronts /v1/resolve?path=/japan /v1/resolve?path=/tags/ferry /v1/resolve?path=/authors/ann
/v1/articles/first?include=head,jsonld,anchors
""".split()


class World:
    """A small publication in which things happen by chance."""

    def __init__(self, client: TestClient, editor: Headers, moderator: Headers, chance: random.Random) -> None:
        self.client, self.editor, self.moderator, self.chance = client, editor, moderator, chance
        for name, parent in ("World", None), ("Asia", "world"), ("Japan", "asia"), ("Sport", None):
            section(client, editor, name, parent=parent)
        author(client, editor, "Ann")
        series(client, editor, "Life")
        self.articles = [
            published(client, editor, "First", **self._stands("japan", "ferry")),
            published(client, editor, "Second", **self._stands("asia", "boat")),
            draft(client, editor, "Third", **self._stands("sport", "ferry", type="page")),
        ]
        blocks = [{"kind": "newest", "section": "world"}, {"kind": "newest", "tag": "boat"}]
        body = {"title": "Home", "state": "published", "blocks": blocks}
        ok(client.put("/v1/fronts/home", json=body, headers={**editor, "If-None-Match": "*"}), 201)

    def _stands(self, place: str, tag: str, **more: Any) -> dict[str, Any]:
        return {"section": place, "tags": [tag], "authors": ["ann"], "series": "life", "dek": "A story", **more}

    def _write(self, method: str, path: str, body: Any = None, headers: Headers | None = None) -> None:
        self.client.request(method, path, json=body, headers={**(headers or self.editor), "If-Match": "*"})

    def _any(self) -> dict[str, Any]:
        return self.chance.choice(self.articles)

    def _edit(self) -> None:
        places, tags = ["japan", "asia", "world", "sport", None], [["ferry"], ["boat"], ["ferry", "boat"], []]
        fields: dict[str, Any] = {"section": self.chance.choice(places), "tags": self.chance.choice(tags)}
        fields |= {"dek": f"A story {self.chance.random()}", "type": self.chance.choice(["article", "page"])}
        fields |= {"authors": self.chance.choice([["ann"], []]), "series": self.chance.choice(["life", None])}
        article = self._any()
        self._write("PATCH", f"/v1/articles/{article['id']}", fields)
        self._write("POST", f"/v1/articles/{article['id']}/publish")

    def _unpublish(self) -> None:
        self._write("POST", f"/v1/articles/{self._any()['id']}/unpublish")

    def _correct(self) -> None:
        body = {"kind": "correction", "text": f"It was {self.chance.random()}."}
        self._write("POST", f"/v1/articles/{self._any()['id']}/corrections", body)

    def _retract(self) -> None:
        extra = published(self.client, self.editor, "Gone", **self._stands("japan", "boat"))
        self.articles.append(extra)
        act(self.client, self.editor, extra, "retract", {"reason": "Made up"})

    def _comment(self) -> None:
        body = {"text": f"I think {self.chance.random()}", "author": {"name": "Ida"}}
        self.client.post(f"/v1/articles/{self._any()['id']}/comments", json=body)

    def _react(self) -> None:
        self._write("PUT", f"/v1/articles/{self._any()['id']}/reaction", {"value": "agree"}, self._guest())

    def _guest(self) -> Headers:
        return {"Authorization": f"Bearer {ok(self.client.post('/v1/guests'), 201)['guest_token']}"}

    def _move_section(self) -> None:
        parents = ["world", "sport", None]
        self._write(
            "PATCH", f"/v1/sections/{self.chance.choice(['asia', 'japan'])}", {"parent": self.chance.choice(parents)}
        )

    def _rename(self) -> None:
        kind, slug = self.chance.choice(
            [("tags", "ferry"), ("sections", "japan"), ("authors", "ann"), ("series", "life")]
        )
        self._write("PATCH", f"/v1/{kind}/{slug}", {"name": f"Name {self.chance.random()}"})

    def _take_slug(self) -> None:
        kind, slug = self.chance.choice([("tags", "ferry"), ("sections", "japan")])
        self._write("PATCH", f"/v1/{kind}/{slug}", {"slug": f"{slug}-{self.chance.randrange(10**6)}"})
        if self.chance.random() < 0.5:
            self._write("POST", f"/v1/{kind}", {"name": slug, "slug": slug})

    def _notice(self) -> None:
        scope = self.chance.choice([("site", None), ("section", "world"), ("series", "life")])
        body = {"scope": scope[0], "target_id": scope[1], "placement": "after", "text": f"Mind {self.chance.random()}"}
        self._write("POST", "/v1/notices", body)

    def _discussion(self) -> None:
        place = self.chance.choice(["/v1", "/v1/sections/world", f"/v1/articles/{self._any()['id']}"])
        body = {"prompt": f"Well {self.chance.random()}?", "state": self.chance.choice(["open", None])}
        self._write("PUT", f"{place}/discussion", body, self.moderator)

    def happen(self) -> str:
        """Something happens; its name."""
        verbs = [self._edit, self._edit, self._edit, self._unpublish, self._correct, self._retract, self._comment]
        verbs += [self._react, self._move_section, self._rename, self._take_slug, self._notice, self._discussion]
        verb = self.chance.choice(verbs)
        verb()
        return verb.__name__


def read_since(connection: sa.Connection, start: Position, most: int) -> list[LoggedEvent]:
    """Read all events after a position."""
    end = find_last_position(connection) if connection.dialect.name == "sqlite" else Position(2**62, 2**62)
    return read_between(connection, start, end, most)


def _answers(client: TestClient) -> dict[str, tuple[int, bytes, frozenset[str]]]:
    found = {}
    for path in PATHS:
        answer = client.get(path, follow_redirects=False)
        groups = answer.headers.get("cache-tag", "")
        body = answer.headers.get("location", "").encode() + answer.content if answer.status_code < 400 else b""
        found[path] = (answer.status_code, body, frozenset(groups.split(",")) - {""})
        assert len(answer.headers.get("surrogate-key", "")) < 4000, path
    return found


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_changes_an_answer_names_one_of_its_groups(
    seed: int, client: TestClient, editor: Headers, make_key: Callable[..., Headers], db: Database
) -> None:
    world = World(client, editor, make_key("comments:moderate", "content:publish"), random.Random(seed))
    before = _answers(client)
    for _ in range(ROUNDS):
        with db.connect() as connection:
            start = find_last_position(connection)
        name = world.happen()
        after = _answers(client)
        with db.connect() as connection:
            told = read_since(connection, start, 1000)
        touched = {group for entry in told for group in entry.groups}
        for path, (status, body, groups) in before.items():
            if status < 400 and after[path][:2] != (status, body):
                assert groups & touched, f"{name} changed {path}: {sorted(groups)} and {sorted(touched)}"
        before = after


def test_a_retracted_article_leaves_the_feeds_of_its_former_terms(
    client: TestClient, editor: Headers, db: Database
) -> None:
    by = author(client, editor, "Ann")["id"]
    gone = published(client, editor, "Gone", authors=["ann"])
    act(client, editor, gone, "retract", {"reason": "Made up"})
    assert "Made up" in client.get("/feeds/authors/ann.atom").text
    with db.connect() as connection:
        start = find_last_position(connection)
    path = f"/v1/articles/{gone['id']}"
    ok(client.patch(path, json={"authors": []}, headers={**editor, "If-Match": "*"}))
    ok(client.post(f"{path}/publish", headers={**editor, "If-Match": "*"}))
    assert "Made up" not in client.get("/feeds/authors/ann.atom").text
    with db.connect() as connection:
        told = read_since(connection, start, 100)
    assert f"author:{by}" in {group for entry in told for group in entry.groups}


def test_a_comment_spares_lists_that_do_not_show_its_article(client: TestClient, editor: Headers, db: Database) -> None:
    section(client, editor, "Sea")
    one = published(client, editor, "One", section="sea", tags=["ferry"])
    ids = {one["id"][-3:]}
    while len(ids) < 2:  # the groups of counts are shared by one in 4,096
        other = published(client, editor, "Other", tags=["boat"])
        ids.add(other["id"][-3:])
    pins = {"ids": [one["id"]]}
    ok(client.put(f"/v1/articles/{other['id']}/related", json=pins, headers={**editor, "If-Match": "*"}))
    with db.connect() as connection:
        start = find_last_position(connection)
    comment(client, one)
    with db.connect() as connection:
        (entry,) = read_since(connection, start, 10)

    def is_touched(path: str) -> bool:
        return bool(set(client.get(path).headers["cache-tag"].split(",")) & set(entry.groups))

    for path in ("/v1/articles", "/v1/articles?tag=ferry", "/feeds/sections/sea.rss", "/v1/articles/one"):
        assert is_touched(path), path
    for path in (
        *("/v1/articles/other/neighbours", "/v1/articles/other?include=neighbours", "/v1/resolve?path=/sea/one"),
        *("/v1/articles/other/related", "/v1/articles/other?include=related"),
    ):
        assert is_touched(path), path
    for path in (
        *("/v1/articles?fields=title", "/v1/articles?tag=boat", "/feeds/tags/boat.rss", "/v1/tags/ferry"),
        *("/v1/articles?tag=ferry&fields=title,url", "/v1/search?q=one&fields=title", "/v1/articles/other"),
        *("/v1/articles/one/neighbours", "/v1/articles/one/related?fields=article.title", "/v1/resolve?path=/other"),
        *("/v1/resolve?path=/sea/one&fields=article.title", "/oembed?url=https://site.example/sea/one"),
    ):
        assert not is_touched(path), path


def test_orders_and_inherited_settings_change_with_what_they_depend_on(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers], db: Database
) -> None:
    for name, parent in ("World", None), ("Sport", None), ("Japan", "world"):
        section(client, editor, name, parent=parent)
    article = published(client, editor, "Tokyo", section="japan")

    def changes(path: str, change: Callable[[], Any]) -> bool:
        """Whether the change names a group of an answer from before it."""
        groups = set(client.get(path).headers["cache-tag"].split(","))
        with db.connect() as connection:
            start = find_last_position(connection)
        change()
        with db.connect() as connection:
            told = read_since(connection, start, 100)
        return any(groups & set(entry.groups) for entry in told)

    def react() -> None:
        guest = {"Authorization": f"Bearer {ok(client.post('/v1/guests'), 201)['guest_token']}"}
        ok(client.put(f"/v1/articles/{article['id']}/reaction", json={"value": "agree"}, headers=guest))

    def move() -> None:
        ok(client.patch("/v1/sections/japan", json={"parent": "sport"}, headers={**editor, "If-Match": "*"}))

    assert changes("/v1/articles?sort=-discussed_7d&fields=title", lambda: comment(client, article))
    assert changes("/v1/articles?sort=-reacted_30d&fields=title", react)
    assert changes("/v1/articles/tokyo/discussion", move)


def test_filtered_lists_name_what_they_are_filtered_by(client: TestClient, editor: Headers) -> None:
    top = section(client, editor, "World")
    inner = section(client, editor, "Japan", parent="world")
    published(client, editor, "Tokyo", section="japan", tags=["ferry"])
    tag = ok(client.get("/v1/tags/ferry"))

    def groups(query: str) -> set[str]:
        return set(client.get(f"/v1/articles?fields=title&{query}").headers["cache-tag"].split(","))

    assert groups("") == {"articles", "publication"}
    assert groups(f"tag={tag['id']}") == {f"tag:{tag['id']}", "publication"}
    assert groups(f"tag=-{tag['id']}") == {"articles", "publication"}
    assert f"section:{top['id']}" in groups(f"section={top['id']}")
    assert f"section:{inner['id']}" in groups(f"section={inner['id']}")
