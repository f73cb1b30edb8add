"""Fronts: put together by editors, each article once, nothing that is not public, few statements."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.articles.counters import count_activity
from app.core.clock import format_rfc3339, now
from app.core.ids import new_id
from app.db import Database
from app.fronts.fronts import is_indexed
from tests import make
from tests.articles.stock import BEGIN, Piece, clear, put, terms

pytestmark = pytest.mark.portable

Headers = dict[str, str]
NEW = {"If-None-Match": "*"}


def save(client: TestClient, headers: Headers, slug: str, *blocks: Any, status: int = 201, **fields: Any) -> Any:
    """A front."""
    more = NEW if status == 201 else {"If-Match": "*"}
    body = {"title": "Front", "blocks": list(blocks), **fields}
    return make.ok(client.put(f"/v1/fronts/{slug}", json=body, headers={**headers, **more}), status)


def shown(client: TestClient, slug: str = "home", query: str = "", headers: Headers | None = None) -> list[list[str]]:
    """Slugs on a front, block by block."""
    front = make.ok(client.get(f"/v1/fronts/{slug}?fields=blocks.articles.slug{query}", headers=headers or {}))
    return [[article["slug"] for article in block["articles"]] for block in front["blocks"]]


def test_blocks_of_every_kind(client: TestClient, editor: Headers, db: Database) -> None:
    make.section(client, editor, "Sea")
    sea = [make.published(client, editor, f"Sea {n}", section="sea") for n in range(3)]
    land = [make.published(client, editor, f"Land {n}", tags=["rock"]) for n in range(3)]
    for number in range(2):
        make.comment(client, land[0], text=f"Yes {number} of course.")
    make.comment(client, sea[0])
    save(
        client,
        editor,
        "home",
        {"kind": "pinned", "title": "Look", "articles": [land[2]["slug"], sea[0]["id"], land[2]["id"]]},
        {"kind": "newest", "limit": 2},
        {"kind": "newest", "section": "sea"},
        {"kind": "discussed", "days": 1, "limit": 3},
        {"kind": "newest", "tag": "rock"},
        {"kind": "reacted"},
    )
    assert shown(client) == [["land-2", "sea-0"], ["land-1", "land-0"], ["sea-2", "sea-1"], [], [], []]
    answer = client.get("/v1/fronts/home")
    front = make.ok(answer)
    assert (front["slug"], front["title"], front["blocks"][0]["title"], front["blocks"][0]["kind"]) == (
        "home",
        "Front",
        "Look",
        "pinned",
    )
    assert front["blocks"][0]["articles"][0] == make.ok(client.get("/v1/articles?ids=land-2"))["data"][0]
    shown_ids = {article["id"] for block in front["blocks"] for article in block["articles"]}
    assert set(answer.headers["cache-tag"].split(",")) == {
        *(f"front:{front['id']}", "articles", "publication", "discussions:settings", "activity"),
        *(f"counts:{article_id[-3:]}" for article_id in shown_ids),
    }
    assert client.get("/v1/fronts/home", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert "last-modified" in answer.headers
    save(client, editor, "plain", {"kind": "newest", "type": "article", "limit": 1})
    assert "activity" not in client.get("/v1/fronts/plain").headers["cache-tag"]
    make.act(client, editor, land[2], "unpublish")
    make.act(client, editor, land[1], "retract", {"reason": "No."})
    assert shown(client) == [["sea-0"], ["land-0", "sea-2"], ["sea-1"], [], [], []]
    assert shown(client, headers=editor) == shown(client)


def test_making_replacing_and_deleting(client: TestClient, editor: Headers) -> None:
    url = "/v1/fronts/home"
    body = {"title": "Front", "blocks": []}
    make.ok(client.put(url, json=body, headers=editor), 428)
    make.ok(client.put(url, json=body, headers={**editor, "If-Match": "*"}), 404)
    make.ok(client.put(url, json=body, headers={**editor, "If-None-Match": '"x"'}), 400)
    make.ok(client.put(url, json=body, headers={**editor, "If-None-Match": "*", "If-Match": "*"}), 400)
    answer = client.put(url, json=body, headers={**editor, **NEW})
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/fronts/home")
    assert "broadsheet-position" in answer.headers
    made = answer.json()
    assert make.ok(client.put(url, json=body, headers={**editor, **NEW}), 412)["current_version"] == 1
    read = client.get(f"{url}/definition", headers=editor)
    assert read.json() == made
    stale = {**editor, "If-Match": read.headers["etag"]}
    changed = make.ok(client.put(url, json={**body, "title": "Other"}, headers=stale))
    assert (changed["version"], changed["published"]["title"]) == (2, "Other")
    assert make.ok(client.put(url, json=body, headers=stale), 412)["fields"] == ["title"]
    refused = client.delete(url, headers=stale)
    assert (refused.status_code, refused.headers["etag"]) == (412, '"v2"')
    current = {**editor, "If-Match": refused.headers["etag"]}
    assert make.ok(client.put(url, json={**body, "title": "Other"}, headers=current))["version"] == 3
    assert [row["slug"] for row in make.ok(client.get("/v1/fronts", headers=editor))["data"]] == ["home"]
    assert make.ok(client.get(f"/v1/fronts/{made['id']}"))["title"] == "Other"
    make.ok(client.delete(url, headers={**editor, "If-Match": "*"}), 204)
    make.ok(client.get(url), 404)
    make.ok(client.delete(url, headers={**editor, "If-Match": "*"}), 404)
    for name in ("Not A Slug", "a--b", new_id()):
        make.ok(client.put(f"/v1/fronts/{name}", json=body, headers={**editor, **NEW}), 404)


def test_a_draft_is_for_editors(client: TestClient, editor: Headers, make_key: Callable[..., Headers]) -> None:
    make.published(client, editor, "One")
    make.published(client, editor, "Two")
    newest = {"kind": "newest"}
    made = save(client, editor, "home", newest, state="draft")
    assert (made["published"], made["draft"]["title"]) == (None, "Front")
    missing = client.get("/v1/fronts/nothing").json()
    for headers in ({}, editor):
        hidden = client.get("/v1/fronts/home", headers=headers)
        assert {**make.ok(hidden, 404), "request_id": 0} == {**missing, "request_id": 0}
    assert shown(client, query="&preview=true", headers=editor) == [["two", "one"]]
    save(client, editor, "home", newest, status=200)
    kept = client.get("/v1/fronts/home")
    save(client, editor, "home", {"kind": "pinned", "articles": ["one"]}, status=200, state="draft")
    assert shown(client) == [["two", "one"]]
    assert client.get("/v1/fronts/home").headers["etag"] == kept.headers["etag"]  # readers' answer is the same
    assert shown(client, query="&preview=true", headers=editor) == [["one"]]
    make.ok(client.get("/v1/fronts/home?preview=true"), 401)
    make.ok(client.get("/v1/fronts/home?preview=true", headers=make_key("content:write")), 403)
    assert client.get("/v1/fronts/home?preview=true", headers=editor).headers["cache-control"] == "private, no-store"
    assert save(client, editor, "home", newest, status=200)["draft"] is None


def test_who_may(client: TestClient, editor: Headers, make_key: Callable[..., Headers]) -> None:
    section = make.section(client, editor, "Sea")
    body = {"title": "Front", "blocks": []}
    for headers, status in (
        ({}, 401),
        (make_key("content:write", "content:read"), 403),
        (make_key("content:publish", sections=[section["id"]]), 403),
        (make_key("content:publish"), 201),
    ):
        make.ok(client.put("/v1/fronts/home", json=body, headers={**headers, **NEW}), status)
    limited = make_key("content:read", sections=[section["id"]])
    save(client, editor, "draft", state="draft")
    for headers in {}, limited, make_key("content:publish"):
        (listed,) = make.ok(client.get("/v1/fronts", headers=headers))["data"]
        assert (listed["slug"], listed["url"]) == ("home", "https://site.example/fronts/home")
        assert "published" not in listed
    every = make.ok(client.get("/v1/fronts", headers=editor))["data"]
    assert [front["published"] and front["published"]["blocks"] for front in every] == [None, []]
    for path in ("/v1/fronts/home/definition", "/v1/fronts/home?preview=true"):
        make.ok(client.get(path), 401)
        make.ok(client.get(path, headers=limited), 403)
        make.ok(client.get(path, headers=make_key("content:publish")), 403)


@pytest.mark.parametrize(
    ("block", "pointer"),
    [
        ({"kind": "pinned"}, "/blocks/1/articles"),
        ({"kind": "pinned", "articles": []}, "/blocks/1/articles"),
        ({"kind": "pinned", "articles": ["one", "nobody"]}, "/blocks/1/articles/1"),
        ({"kind": "pinned", "articles": ["one"], "limit": 3}, "/blocks/1/limit"),
        ({"kind": "pinned", "articles": ["one"], "tag": "t"}, "/blocks/1/tag"),
        ({"kind": "newest", "articles": ["one"]}, "/blocks/1/articles"),
        ({"kind": "newest", "days": 7}, "/blocks/1/days"),
        ({"kind": "newest", "limit": 31}, "/blocks/1/limit"),
        ({"kind": "newest", "limit": True}, "/blocks/1/limit"),
        ({"kind": "newest", "section": "nowhere"}, "/blocks/1/section"),
        ({"kind": "newest", "section": "sea", "type": "page"}, "/blocks/1/type"),
        ({"kind": "discussed", "days": 2}, "/blocks/1/days"),
        ({"kind": "best"}, "/blocks/1/kind"),
        ({"kind": "newest", "more": 1}, "/blocks/1/more"),
    ],
)
def test_what_does_not_go_together(client: TestClient, editor: Headers, block: Any, pointer: str) -> None:
    make.section(client, editor, "Sea")
    make.published(client, editor, "One")
    body = {"title": "Front", "blocks": [{"kind": "newest"}, block]}
    problem = make.ok(client.put("/v1/fronts/home", json=body, headers={**editor, **NEW}), 422)
    assert problem["errors"][0]["pointer"] == pointer


def test_a_front_has_an_end(client: TestClient, editor: Headers) -> None:
    blocks = [{"kind": "newest", "limit": 30}] * 7
    body = {"title": "Front", "blocks": blocks}
    problem = make.ok(client.put("/v1/fronts/home", json=body, headers={**editor, **NEW}), 422)
    assert problem["errors"][0]["pointer"] == "/blocks"


def test_only_what_the_caller_sees_can_be_pinned(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    hidden = make.draft(client, editor, "Hidden")
    body = {"title": "Front", "blocks": [{"kind": "pinned", "articles": [hidden["id"]]}]}
    for ref in (hidden["id"], new_id()):
        body["blocks"] = [{"kind": "pinned", "articles": [ref]}]
        answer = client.put("/v1/fronts/home", json=body, headers={**make_key("content:publish"), **NEW})
        assert make.ok(answer, 422)["errors"][0]["code"] == "not_found"
    save(client, editor, "home", {"kind": "pinned", "articles": [hidden["id"]]})
    assert shown(client) == [[]]
    make.act(client, editor, hidden, "publish")
    assert shown(client) == [["hidden"]]


def test_a_front_of_five_blocks_takes_four_statements(
    client: TestClient, editor: Headers, statements: list[str], make_cards: Callable[[], None]
) -> None:
    make.section(client, editor, "Sea")
    make.author(client, editor, "Ann")
    one = make.published(client, editor, "One", section="sea", tags=["t"], authors=["ann"])
    make.comment(client, one)
    kinds = [{"section": "sea"}, {"tag": "t"}, {"author": "ann"}]
    blocks = [{"kind": "pinned", "articles": ["one"]}, *({"kind": "newest", "limit": 8, **only} for only in kinds)]
    save(client, editor, "home", *blocks, {"kind": "discussed", "section": "sea"})
    make_cards()
    statements.clear()
    assert shown(client) == [["one"], [], [], [], []]
    assert len(statements) == 4, statements  # one finds what is inside of the section


BLOCKS = st.lists(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["pinned", "newest", "discussed", "reacted"]), "limit": st.integers(1, 5)},
        optional={"only": st.sampled_from(["section", "tag", "author", "series", "type"])},
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(blocks=BLOCKS, seed=st.randoms(use_true_random=False))
def test_each_article_once_and_every_block_as_full_as_it_can_be(
    client: TestClient, editor: Headers, db: Database, blocks: list[dict[str, Any]], seed: Any
) -> None:
    clear(db)
    known = {kind: terms(db, kind, f"{kind}-{new_id()}")[0] for kind in ("section", "series", "author", "tag")}
    pieces, comments = [], {}
    for n in range(14):
        held = {kind: seed.random() < 0.6 for kind in known}
        piece = Piece(
            new_id(),
            f"p{n}",
            section=known["section"] if held["section"] else None,
            series=known["series"] if held["series"] else None,
            authors=(known["author"],) if held["author"] else (),
            tags=(known["tag"],) if held["tag"] else (),
            type=seed.choice(["article", "opinion"]),
            public=seed.random() < 0.8,
            listed_at=BEGIN + timedelta(days=seed.randrange(5)),
        )
        pieces.append(piece)
        comments[piece.id] = seed.randrange(3)
    put(db, pieces)
    with db.transaction() as session:
        for piece in pieces:
            if comments[piece.id]:
                count_activity(session, piece.id, now(), comments=comments[piece.id], reactions=comments[piece.id])
    pins = [piece.slug for piece in seed.sample(pieces, 3)]
    sent, expected, seen = [], [], set()
    for block in blocks:
        kind, only = block["kind"], block.get("only")
        if kind == "pinned":
            sent.append({"kind": kind, "articles": pins})
            best = [piece for slug in pins for piece in pieces if piece.slug == slug]
        else:
            value = {} if only is None else {only: "opinion" if only == "type" else known[only].slug}
            sent.append({"kind": kind, "limit": block["limit"], **value})
            best = [piece for piece in pieces if only is None or _has(piece, only)]
            if kind != "newest":
                best = [piece for piece in best if comments[piece.id]]
            best.sort(key=lambda p: (p.listed_at if kind == "newest" else comments[p.id], p.id), reverse=True)
        fresh = [piece.slug for piece in best if piece.public and piece.slug not in seen]
        fresh = fresh if kind == "pinned" else fresh[: block["limit"]]
        seen.update(fresh)
        expected.append(fresh)
    slug = f"front-{new_id()}"
    save(client, editor, slug, *sent)
    assert shown(client, slug) == expected


def _has(piece: Piece, only: str) -> bool:
    if only == "type":
        return piece.type == "opinion"
    return bool({"author": piece.authors, "tag": piece.tags}.get(only, getattr(piece, only, None)))


def test_what_may_be_read_where_others_wait() -> None:
    newest, all_of_it = {"days": None, "only": {"tag": "x"}}, {"days": 7, "only": {}}
    assert is_indexed({"blocks": [newest, all_of_it]})
    assert not is_indexed({"blocks": [newest, {"days": 7, "only": {"tag": "x"}}]})


def test_a_front_of_the_past_is_as_readers_saw_it(client: TestClient, editor: Headers) -> None:
    articles = [make.published(client, editor, f"Story {n}") for n in range(3)]
    blocks = [{"kind": "pinned", "articles": [articles[0]["id"]]}, {"kind": "newest", "limit": 2}]
    make.ok(
        client.put("/v1/fronts/then", json={"title": "T", "blocks": blocks}, headers={**editor, "If-None-Match": "*"}),
        201,
    )
    moments = []

    def look() -> None:
        answer = client.get("/v1/fronts/then")
        moments.append((format_rfc3339(now()), answer.json() if answer.is_success else None))

    any_version = {**editor, "If-Match": "*"}
    look()
    make.act(client, editor, articles[2], "unpublish")
    make.patched(client, editor, articles[0], slug="elsewhere")
    look()
    make.ok(client.put("/v1/fronts/then", json={"title": "Other", "blocks": blocks[1:]}, headers=any_version))
    look()
    make.ok(client.delete("/v1/fronts/then", headers=any_version), 204)
    look()
    for moment, seen in moments:
        answer = client.get(f"/v1/fronts/then?as_of={moment}", headers=editor)
        assert (answer.json() if answer.is_success else None) == seen
    assert client.get(f"/v1/fronts/then?as_of={moments[0][0]}").status_code == 401
