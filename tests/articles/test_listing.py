"""Lists of articles: every filter, sort and form that a client can ask for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from app.articles.counters import activity_column
from app.articles.list_parameters import EDITOR_SORTS, MAX_FILTER_REPEATS, MAX_FILTER_VALUES, ListQuery, parse_filters
from app.articles.list_parameters import SORTS as ALL_SORTS
from app.articles.listing import is_quick
from app.articles.schemas import ArticleOut, ListedArticleOut
from app.core.ids import new_id
from app.db import Database
from tests import make
from tests.articles import stock
from tests.articles.stock import BEGIN, Piece, Query

pytestmark = pytest.mark.portable

Headers = dict[str, str]
DAY = timedelta(days=1)
# Those by activity and for editors have tests of their own.
SORTS = [name for name in ALL_SORTS if activity_column(name) is None and name not in EDITOR_SORTS]


@pytest.fixture
def shelf(db: Database) -> list[Piece]:
    """Eight articles that differ in everything a list can be asked by; one is a draft, one is unpublished."""
    world, sport = stock.terms(db, "section", "world", "sport")
    long, short = stock.terms(db, "series", "long", "short")
    ann, bo = stock.terms(db, "author", "ann", "bo")
    war, oil, cup = stock.terms(db, "tag", "war", "oil", "cup")
    common: list[dict[str, Any]] = [
        {"section": world, "tags": (war, oil), "authors": (ann,), "title": "delta", "type": "opinion"},
        {"section": world, "tags": (war,), "authors": (ann, bo), "title": "alpha", "featured": True, "series": long},
        {"section": sport, "tags": (cup,), "authors": (bo,), "title": "echo", "language": "de"},
        {"section": sport, "tags": (cup, oil), "title": "bravo", "series": short, "type": "opinion"},
        {"tags": (), "title": "charlie", "language": "pt-BR"},
        {"section": world, "tags": (oil, war), "authors": (bo, ann), "title": "alpha", "series": long},
        {"section": world, "tags": (war,), "title": "hidden", "public": False, "state": "draft"},
        {"section": sport, "tags": (cup,), "authors": (bo,), "title": "back", "public": False, "state": "unpublished"},
    ]
    # Two share a time of publication, three a time of change: the id breaks the tie.
    pieces = [
        Piece(new_id(), f"a{at}", listed_at=BEGIN + DAY * (at // 2), updated_at=BEGIN + DAY * (9 - at // 3), **more)
        for at, more in enumerate(common)
    ]
    stock.put(db, pieces)
    return pieces


def slugs(client: TestClient, query: Query, headers: Headers | None = None) -> list[str]:
    """What a list holds."""
    url = f"/v1/articles?{urlencode([*query, ('fields', 'slug'), ('limit', '100')])}"
    return [row["slug"] for row in make.ok(client.get(url, headers=headers or {}))["data"]]


FILTERS: list[list[tuple[str, str]]] = [
    [],
    [("tag", "war")],
    [("tag", "war,cup")],
    [("tag", "war"), ("tag", "oil")],
    [("tag", "-war")],
    [("tag", "-war,cup")],
    [("tag", "-war,-cup")],
    [("tag", "war,cup"), ("tag", "-oil")],
    [("author", "ann")],
    [("author", "ann"), ("author", "bo")],
    [("author", "-ann")],
    [("author", "ann,bo"), ("tag", "oil")],
    [("section", "world")],
    [("section", "world,sport")],
    [("section", "-world")],
    [("section", "world"), ("section", "sport")],
    [("series", "long")],
    [("series", "-long")],
    [("series", "short,long"), ("section", "-sport")],
    [("type", "opinion")],
    [("type", "-opinion")],
    [("type", "opinion,article"), ("language", "en")],
    [("language", "de,pt-BR")],
    [("language", "-en")],
    [("featured", "true")],
    [("featured", "false"), ("section", "world")],
    [("ids", "a1,a3,a6")],
    [("exclude", "a0,a1")],
    [("ids", "a0,a1,a2"), ("exclude", "a1"), ("tag", "war,cup")],
    [("published_after", stock.at(BEGIN + DAY))],
    [("published_before", stock.at(BEGIN + DAY))],
    [("published_after", stock.at(BEGIN)), ("published_before", stock.at(BEGIN + 2 * DAY))],
    [("published_after", "2024-01-02T03:00:00+03:00")],
    [("updated_after", stock.at(BEGIN + 8 * DAY))],
    [("section", "world"), ("author", "ann"), ("tag", "war"), ("type", "-opinion"), ("series", "long")],
]


def test_filters(client: TestClient, shelf: list[Piece]) -> None:
    for query in FILTERS:
        assert slugs(client, query) == stock.answer(shelf, query), query


def test_filters_are_what_they_say(client: TestClient, shelf: list[Piece]) -> None:
    """A few answers written out, so that the model above cannot be wrong in the same way as the app."""
    assert slugs(client, []) == ["a5", "a4", "a3", "a2", "a1", "a0"]
    assert slugs(client, [("tag", "war,cup")]) == ["a5", "a3", "a2", "a1", "a0"]
    assert slugs(client, [("tag", "war"), ("tag", "oil")]) == ["a5", "a0"]
    assert slugs(client, [("tag", "oil"), ("tag", "-war")]) == ["a3"]
    assert slugs(client, [("tag", "-war,cup")]) == ["a4"]
    assert slugs(client, [("section", "-world")]) == ["a4", "a3", "a2"]
    assert slugs(client, [("sort", "title")]) == ["a1", "a5", "a3", "a4", "a0", "a2"]
    assert slugs(client, [("sort", "-updated_at")]) == ["a2", "a1", "a0", "a5", "a4", "a3"]


@pytest.mark.parametrize("kind", ["section", "series", "author", "tag"])
def test_by_id_and_by_slug_are_the_same(client: TestClient, shelf: list[Piece], kind: str) -> None:
    held = {term for piece in shelf for term in (piece.section, piece.series, *piece.authors, *piece.tags) if term}
    names = {"section": "world", "series": "long", "author": "ann", "tag": "oil"}
    term = next(term for term in held if term.slug == names[kind])
    for value in ("{}", "-{}"):
        by_slug, by_id = (slugs(client, [(kind, value.format(name))]) for name in (term.slug, term.id))
        assert by_slug == by_id == stock.answer(shelf, [(kind, value.format(term.slug))])
    for value in ("{}", "-{}", f"{term.slug},{{}}", f"-{term.id},{{}}"):
        for missing in (new_id(), "nowhere", "no slug"):
            problem = make.ok(client.get("/v1/articles", params={kind: value.format(missing)}), 400)
            assert problem["errors"][0]["parameter"] == kind
            assert missing not in str(problem)


def test_ids_name_articles_by_id_and_by_slug(client: TestClient, shelf: list[Piece]) -> None:
    both = f"{shelf[0].id},a3,{new_id()},nowhere"
    assert slugs(client, [("ids", both)]) == ["a3", "a0"]
    assert slugs(client, [("exclude", both)]) == ["a5", "a4", "a2", "a1"]


def test_every_sort(client: TestClient, shelf: list[Piece]) -> None:
    mixed: list[list[tuple[str, str]]] = [[], [("tag", "war,cup")], [("author", "bo")], [("section", "world,sport")]]
    for sort, more in product(SORTS, mixed):
        query = [("sort", sort), *more]
        assert slugs(client, query) == stock.answer(shelf, query), query


def test_exact_counts(client: TestClient, shelf: list[Piece]) -> None:
    for query in FILTERS:
        url = f"/v1/articles?{urlencode([*query, ('fields', 'slug'), ('limit', '1')])}"
        page = make.ok(client.get(f"{url}&count=exact"))
        assert page["page"]["total"] == len(stock.answer(shelf, query)), query
        assert make.ok(client.get(url))["page"]["total"] is None
        if cursor := page["page"]["next"]:
            second = make.ok(client.get(f"{url}&count=exact&cursor={cursor}"))
            assert second["page"]["total"] == page["page"]["total"], "the total does not hang on the page"


@pytest.mark.parametrize(("limit", "status"), [(0, 400), (1, 200), (100, 200), (101, 400), (-1, 400), (2**63, 400)])
def test_limits_are_never_cut_silently(client: TestClient, shelf: list[Piece], limit: int, status: int) -> None:
    answer = client.get(f"/v1/articles?limit={limit}")
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["page"]["limit"] == limit
    else:
        assert answer.json()["errors"][0]["parameter"] == "limit"


@pytest.mark.parametrize("more", [{}, {"tag": "oil"}, {"tag": "oil", "section": "world"}, {"sort": "title"}])
def test_links_lead_through_the_same_list_both_ways(
    client: TestClient, shelf: list[Piece], more: dict[str, str]
) -> None:
    pages = make.pages(client, "/v1/articles", **{"tag": "war,cup", **more}, limit=2, fields="slug")
    query = [*{"tag": "war,cup", **more}.items()]
    assert [row["slug"] for page in pages for row in page] == stock.answer(shelf, query)


def test_a_kept_cursor_goes_on_where_it_was(client: TestClient, db: Database, shelf: list[Piece]) -> None:
    """Its article may be gone, others may have come, and the server may be another release."""
    assert ListQuery().fingerprint() == "8a5f7beb6eee30f6", "cursors that apps have kept would end"
    cursor = make.ok(client.get("/v1/articles?limit=3&fields=slug"))["page"]["next"]
    stock.put(
        db, [replace(shelf[3], public=False, state="unpublished"), Piece(new_id(), "newest", listed_at=BEGIN + 9 * DAY)]
    )
    page = make.ok(client.get(f"/v1/articles?limit=2&fields=slug&cursor={cursor}"))
    assert [row["slug"] for row in page["data"]] == ["a2", "a1"]
    before = make.ok(client.get(f"/v1/articles?limit=2&fields=slug&cursor={page['page']['prev']}"))
    assert [row["slug"] for row in before["data"]] == ["a5", "a4"]
    assert before["page"]["prev"] is not None, "the newest one came before"


def test_fields_and_formats_in_lists(client: TestClient, shelf: list[Piece]) -> None:
    plain = make.ok(client.get("/v1/articles?ids=a0"))["data"][0]
    assert set(plain) == set(ArticleOut.model_fields)
    few = make.ok(client.get("/v1/articles?ids=a1&fields=title,authors.name,section.slug"))["data"]
    assert few == [{"title": "alpha", "authors": [{"name": "Ann"}, {"name": "Bo"}], "section": {"slug": "world"}}]
    texts = make.ok(client.get("/v1/articles?ids=a1&fields=title&formats=text,html"))["data"]
    assert texts == [{"title": "alpha", "body": {"html": "<p>a1</p>", "text": "a1"}}]
    every = make.ok(client.get("/v1/articles?ids=a1&formats=html,text,markdown,blocks"))["data"][0]
    assert set(every["body"]) == {"html", "text", "markdown", "blocks"}


def test_every_field_can_be_asked_for_alone(client: TestClient, shelf: list[Piece]) -> None:
    for name in set(ListedArticleOut.model_fields) - {"body", "editing"}:
        row = make.ok(client.get(f"/v1/articles?ids=a1&fields={name}"))["data"][0]
        assert set(row) == {name}


def test_a_list_is_one_statement(
    client: TestClient, shelf: list[Piece], editor: Headers, statements: list[str]
) -> None:
    tag = make.ok(client.get("/v1/tags/war"))["id"]
    terms = ("tag=war", "author=bo", "series=long", "section=world", "tag=oil&section=world", f"tag={tag}")
    for query in ("", "type=-opinion", "sort=title&limit=2", "formats=html,blocks", "ids=a1,a2", *terms):
        statements.clear()
        make.ok(client.get(f"/v1/articles?{query}"))
        assert len(statements) == 1, query
    for query in ("tag=war,cup&author=-ann", "section=world,sport&series=-long", "language=de"):
        statements.clear()
        make.ok(client.get(f"/v1/articles?{query}"))
        assert len(statements) == 2, "one finds out what the filters name"
    statements.clear()
    make.ok(client.get("/v1/articles?count=exact&section=world"))
    assert len(statements) == 3
    make.ok(client.get("/v1/articles?state=all", headers=editor))
    statements.clear()
    make.ok(client.get("/v1/articles?state=all", headers=editor))
    assert len(statements) == 1, "the key was seen a moment ago"


def test_finished_cards_change_no_byte(
    client: TestClient, shelf: list[Piece], editor: Headers, make_cards: Callable[[], None]
) -> None:
    urls = [f"/v1/articles?{urlencode(query)}" for query in FILTERS]
    urls += ["/v1/articles?formats=html,blocks", "/v1/articles?fields=title,tags.name", "/v1/articles/a1"]
    before = [client.get(url).content for url in urls]
    drafts = client.get("/v1/articles?state=all", headers=editor).content
    make_cards()
    assert [client.get(url).content for url in urls] == before
    assert client.get("/v1/articles?state=all", headers=editor).content == drafts


def test_states_need_a_key(client: TestClient, shelf: list[Piece], make_key: Callable[..., Headers]) -> None:
    assert client.get("/v1/articles?state=all").status_code == 401
    assert client.get("/v1/articles?state=draft", headers=make_key("content:publish")).status_code == 403
    reader = make_key("content:read")
    for query in ([("state", "all")], [("state", "draft")], [("state", "draft,unpublished"), ("tag", "cup")]):
        assert slugs(client, query, reader) == stock.answer(shelf, query)
    assert slugs(client, [], reader) == stock.answer(shelf, []), "a key alone changes no list"
    for key in (reader, make_key("content:write")):  # who may write reads what they may write
        assert set(slugs(client, [("state", "draft,unpublished")], key)) == {"a6", "a7"}
    assert client.get("/v1/articles?state=all", headers=make_key("content:write", "syndicate")).status_code == 403


@pytest.mark.parametrize("query", [[("state", "all")], [("state", "all"), ("tag", "cup,war")], [("state", "draft")]])
def test_a_key_of_one_section_sees_the_drafts_of_that_section(
    client: TestClient, shelf: list[Piece], make_key: Callable[..., Headers], query: list[tuple[str, str]]
) -> None:
    world = shelf[0].section
    assert world is not None
    limited = make_key("content:read", sections=[world.id])
    seen = [piece for piece in shelf if piece.public or piece.section == world]
    assert slugs(client, query, limited) == stock.answer(seen, query)
    total = make.ok(client.get(f"/v1/articles?{urlencode(query)}&count=exact", headers=limited))["page"]["total"]
    assert total == len(stock.answer(seen, query))


MANY = ",".join(f"t{n}" for n in range(MAX_FILTER_VALUES + 1))


UNKNOWN = [
    ("sort=wordcount", "sort"),
    ("sort=id;drop", "sort"),
    ("count=about", "count"),
    ("featured=perhaps", "featured"),
    ("fields=body.secret", "body.secret"),
    ("fields=", "fields"),
    ("formats=pdf", "formats"),
    ("formats=", "formats"),
    ("cursor=nonsense", "cursor"),
    ("cursor=", "cursor"),
    ("published_after=yesterday", "published_after"),
    ("published_after=2024-01-01T00:00:00", "published_after"),
    ("published_after=0001-01-01T00:00:00%2B23:59", "published_after"),
    ("published_before=9999-12-31T23:59:59-23:59", "published_before"),
    ("updated_after=0001-01-01T00:00:00%2B01:00", "updated_after"),
    ("tag=", "tag"),
    ("tag=war,", "tag"),
    ("tag=-", "tag"),
    ("tag=war,-cup", "tag"),
    (f"tag={MANY}", "tag"),
    ("&".join(["tag=war"] * (MAX_FILTER_REPEATS + 1)), "tag"),
    (f"section={'x' * 201}", "section"),
    ("ids=", "ids"),
    (f"ids={','.join('a' * 101)}", "ids"),
    ("exclude=a,", "exclude"),
    ("tags=war", "tags"),
    ("limit=ten", "limit"),
    ("limit=1&limit=2&unheard=1", "unheard"),
]


def test_what_is_unknown_is_named(client: TestClient, shelf: list[Piece]) -> None:
    for query, named in UNKNOWN:
        answer = client.get(f"/v1/articles?{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), query
        assert named in answer.text, query


def test_an_unknown_state_is_named(client: TestClient, shelf: list[Piece], editor: Headers) -> None:
    for value in ("", "secret", "draft,", "all,draft"):
        answer = client.get(f"/v1/articles?state={value}", headers=editor)
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "state"), value


def test_a_cursor_belongs_to_its_sort(client: TestClient, shelf: list[Piece]) -> None:
    cursors = {sort: make.ok(client.get(f"/v1/articles?limit=1&sort={sort}"))["page"]["next"] for sort in SORTS}
    for made, cursor in cursors.items():
        for used in SORTS:
            status = client.get(f"/v1/articles?limit=1&sort={used}&cursor={cursor}").status_code
            assert status == (200 if used == made else 400), (made, used)


def test_etags_of_lists(client: TestClient, editor: Headers, shelf: list[Piece]) -> None:
    first = client.get("/v1/articles")
    assert client.get("/v1/articles", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert {"articles", "publication"} <= set(first.headers["cache-tag"].split(","))
    make.published(client, editor, "News")
    changed = client.get("/v1/articles", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    ("asked", "quick"),
    [
        ({}, True),
        ({"sort": "title"}, True),
        ({"tag": ["a"]}, True),
        ({"tag": ["a"], "sort": "published_at"}, True),
        ({"tag": ["a"], "sort": "title"}, False),  # all of the tag is sorted
        ({"section": ["a"], "sort": "-updated_at"}, False),
        ({"type": ["opinion"], "sort": "-discussed_7d"}, False),
        ({"q": "ferry"}, False),
        ({"tag": ["-a"]}, False),
        ({"updated_after": "2026-01-01"}, False),  # articles of any time are looked at
        ({"updated_after": "2026-01-01", "sort": "-updated_at"}, True),
        ({"updated_after": "2026-01-01", "sort": "updated_at", "tag": ["a"]}, False),
    ],
)
def test_what_may_be_read_where_others_wait(asked: dict[str, Any], quick: bool) -> None:
    query = ListQuery(**asked)
    assert is_quick(query, parse_filters(query)) is quick


def test_language_tags_are_read_in_any_letter_case(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "Olá", language="pt-br")
    for path in ("/v1/articles?language=PT-br", "/v1/articles?language=-EN", "/v1/search?q=ola&language=PT-BR"):
        assert [row["language"] for row in make.ok(client.get(path))["data"]] == ["pt-BR"], path
