"""Paging through lists: whatever is asked for, the pages together are the whole answer, each article once."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.db import Database
from tests import make
from tests.articles import stock
from tests.articles.stock import BEGIN, Piece, Query, Term
from tests.effort import effort

KINDS = {
    "section": ("world", "sport", "arts"),
    "series": ("long", "short"),
    "author": ("ann", "bo", "cy"),
    "tag": ("war", "oil", "cup", "art"),
}
MOMENTS = [BEGIN + timedelta(days=day, microseconds=7 * day) for day in range(5)]
EXAMPLES = effort("EXAMPLES", 12, long=200)
QUICK = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Terms = dict[str, tuple[Term, ...]]


@pytest.fixture
def terms(db: Database) -> Terms:
    """All that articles can stand under."""
    return {kind: stock.terms(db, kind, *slugs) for kind, slugs in KINDS.items()}


def some(kind: str, most: int) -> st.SearchStrategy[tuple[str, ...]]:
    """Names of different terms of a kind."""
    return st.lists(st.sampled_from(KINDS[kind]), max_size=most, unique=True).map(tuple)


def facts() -> st.SearchStrategy[dict[str, Any]]:
    """What one article is like; few values, so that many articles tie."""
    return st.fixed_dictionaries(
        {
            "title": st.sampled_from(["alpha", "bravo", "charlie"]),
            "type": st.sampled_from(["article", "opinion"]),
            "language": st.sampled_from(["en", "de"]),
            "section": some("section", 1),
            "series": some("series", 1),
            "authors": some("author", 3),
            "tags": some("tag", 4),
            "featured": st.booleans(),
            "state": st.sampled_from(["published", "published", "published", "draft", "unpublished"]),
            "listed_at": st.sampled_from(MOMENTS),
            "updated_at": st.sampled_from(MOMENTS),
        }
    )


def references(kind: str) -> st.SearchStrategy[tuple[str, str]]:
    """One filter by a term, as it stands in a query: by slug, or by id (`#slug` until ids are known)."""
    names = st.sampled_from([*KINDS[kind], *(f"#{slug}" for slug in KINDS[kind])])
    values = st.lists(names, min_size=1, max_size=3).map(",".join)
    return st.tuples(st.just(kind), st.builds("".join, st.tuples(st.sampled_from(["", "", "-"]), values)))


def queries() -> st.SearchStrategy[list[tuple[str, str]]]:
    """A question: some filters, an order and a size of pages."""
    words = st.sampled_from(
        [("type", "opinion"), ("type", "-opinion"), ("language", "en,de"), ("language", "-en"), ("featured", "true")]
    )
    moments = st.sampled_from(MOMENTS).map(stock.at)
    bounds = st.tuples(st.sampled_from(["published_after", "published_before", "updated_after"]), moments)
    single = st.one_of(words, bounds)  # at most one of each name: these may not be repeated
    repeated = st.one_of(*(references(kind) for kind in KINDS))
    filters = st.tuples(
        st.lists(repeated, max_size=3), st.lists(single, max_size=2, unique_by=lambda pair: pair[0])
    ).map(lambda both: [*both[0], *both[1]])
    orders = st.sampled_from(["-published_at", "published_at", "-updated_at", "updated_at", "-title", "title"])
    return st.builds(
        lambda found, sort, limit: [*found, ("sort", sort), ("limit", str(limit))],
        filters,
        orders,
        st.sampled_from([1, 2, 3, 7]),
    )


def build(terms: Terms, number: int, facts: dict[str, Any]) -> Piece:
    """An article of these facts."""
    known = {(kind, term.slug): term for kind, found in terms.items() for term in found}
    fields = dict(facts)
    for name, kind in (("authors", "author"), ("tags", "tag")):
        fields[name] = tuple(known[kind, slug] for slug in facts[name])
    for kind in ("section", "series"):
        fields[kind] = next((known[kind, slug] for slug in facts[kind]), None)
    return Piece(new_id(), f"a{number}", public=facts["state"] == "published", **fields)


def with_ids(terms: Terms, query: Query) -> list[tuple[str, str]]:
    """The query with `#slug` replaced by the term's id."""
    known = {(kind, f"#{term.slug}"): term.id for kind, found in terms.items() for term in found}

    def named(kind: str, value: str) -> str:
        sign, rest = ("-", value[1:]) if value.startswith("-") else ("", value)
        return sign + ",".join(known.get((kind, part), part) for part in rest.split(","))

    return [(kind, named(kind, value)) for kind, value in query]


def walk(client: TestClient, query: Query) -> Iterator[list[str]]:
    """The pages of a list, one after the other, by its cursors."""
    limit = int(dict(query)["limit"])
    url = f"/v1/articles?{urlencode([*query, ('fields', 'slug')])}"
    cursor = None
    for _ in range(200):
        found = make.ok(client.get(url + (f"&cursor={cursor}" if cursor else "")))
        slugs = [row["slug"] for row in found["data"]]
        cursor = found["page"]["next"]
        assert len(slugs) == limit if cursor else len(slugs) <= limit
        yield slugs
        if cursor is None:
            return
    raise AssertionError("the list has no end")


@pytest.mark.long
def test_pages_together_are_the_whole_answer(client: TestClient, db: Database, terms: Terms) -> None:
    @QUICK
    @given(st.lists(facts(), max_size=30), st.lists(queries(), min_size=1, max_size=4))
    def check(world: list[dict[str, Any]], questions: list[list[tuple[str, str]]]) -> None:
        stock.clear(db)
        pieces = [build(terms, number, facts) for number, facts in enumerate(world)]
        stock.put(db, pieces)
        for question in questions:
            query = with_ids(terms, question)
            pages = list(walk(client, query))
            assert [slug for page in pages for slug in page] == stock.answer(pieces, query)
            assert all(pages[1:]), "no page but the first may be empty"

    check()


@pytest.mark.long
def test_what_is_there_all_the_time_is_seen_exactly_once(client: TestClient, db: Database, terms: Terms) -> None:
    """While others are published, taken back and moved between two pages."""

    @QUICK
    @given(
        st.lists(facts(), min_size=3, max_size=15),
        queries(),
        st.lists(st.tuples(st.integers(0, 9), facts()), min_size=1, max_size=30),
    )
    def check(world: list[dict[str, Any]], question: Query, moves: list[tuple[int, dict[str, Any]]]) -> None:
        stock.clear(db)
        query = with_ids(terms, question)
        pieces = [build(terms, number, facts) for number, facts in enumerate(world)]
        stock.put(db, pieces)
        pending = list(moves)
        movers: dict[int, Piece] = {}
        seen: list[str] = []
        for page in walk(client, query):
            seen += page
            for number, facts in [pending.pop() for _ in pending[:2]]:  # an article appears, or is another one now
                moved = build(terms, 100 + number, facts)
                old = movers.get(number, moved)
                movers[number] = Piece(**{**vars(moved), "id": old.id})
                stock.put(db, [movers[number]])
        others = {f"a{100 + number}" for number in range(10)}
        assert [slug for slug in seen if slug not in others] == stock.answer(pieces, query)

    check()


@pytest.mark.parametrize("sort", ["-published_at", "title", "updated_at"])
def test_a_cursor_goes_on_where_its_article_was(
    client: TestClient, db: Database, sort: str, terms: Terms, statements: list[str], make_cards: Callable[[], None]
) -> None:
    """Also when that article is gone; and the last page costs one statement like the first."""
    pieces = [Piece(new_id(), f"a{n}", listed_at=MOMENTS[n % 2], updated_at=MOMENTS[n % 3]) for n in range(9)]
    stock.put(db, pieces)
    query: Query = [("sort", sort), ("limit", "3")]
    whole = stock.answer(pieces, query)
    pages = walk(client, query)
    first = next(pages)
    make_cards()
    gone = {piece.slug: piece for piece in pieces}[first[-1]]
    stock.put(db, [Piece(**{**vars(gone), "public": False, "state": "unpublished"})])
    make_cards()
    statements.clear()
    assert [*first, *(slug for page in pages for slug in page)] == whole
    assert len(statements) == 2


def test_pages_of_a_list_of_drafts(
    client: TestClient, db: Database, terms: Terms, make_key: Callable[..., Any]
) -> None:
    pieces = [
        Piece(new_id(), f"a{n}", public=n % 2 == 0, state="published" if n % 2 == 0 else "draft") for n in range(9)
    ]
    stock.put(db, pieces)
    headers = make_key("content:read")
    seen: list[str] = []
    url = "/v1/articles?state=all&limit=2&fields=slug"
    while url:
        answer = client.get(url, headers=headers)
        seen += [row["slug"] for row in make.ok(answer)["data"]]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == stock.answer(pieces, [("state", "all")])
