"""Filters that name sections with what is inside of them, languages with their variants, and days of the calendar."""

from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.articles import listing
from app.articles.list_parameters import SORTS, ListQuery, parse_filters
from app.core.settings import Settings
from app.identity.schemas import ANONYMOUS
from app.publication.site import Site
from tests import make
from tests.effort import some

pytestmark = pytest.mark.portable

Headers = dict[str, str]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A publication far in the east."""
    return settings.model_copy(update={"time_zone": "Asia/Tokyo"})


@pytest.fixture
def tree(client: TestClient, editor: Headers) -> None:
    """Harbour with ferries inside of it, and pilots inside of these; arts apart. An article in each."""
    make.section(client, editor, "Harbour")
    make.section(client, editor, "Ferries", parent="harbour")
    make.section(client, editor, "Pilots", parent="ferries")
    make.section(client, editor, "Arts")
    for name in ("harbour", "ferries", "pilots", "arts"):
        make.published(client, editor, f"News of {name}", section=name, tags=[name, "all"])
    make.published(client, editor, "News of nowhere", tags=["all"])


def found(client: TestClient, query: str, headers: Headers | None = None, *, paged: bool = False) -> list[str]:
    """The last words of the titles in a list, which counts itself and, `paged`, says the same in pages of one."""
    uncounted = f"{query}{'&' if '?' in query else '?'}fields=title"
    page = make.ok(client.get(f"/v1/{uncounted}&count=exact", headers=headers or {}))
    names = [row["title"].rpartition(" ")[2] for row in page["data"]]
    assert page["page"]["total"] == len(names)
    if paged:
        rows, cursor = [], ""
        while cursor is not None:
            part = make.ok(client.get(f"/v1/{uncounted}&limit=1{cursor}", headers=headers or {}))
            rows += [row["title"].rpartition(" ")[2] for row in part["data"]]
            cursor = part["page"]["next"] and f"&cursor={part['page']['next']}"
        assert rows == names
    return sorted(names)


SECTIONS = {
    "section=harbour": ["ferries", "harbour", "pilots"],
    "section=ferries": ["ferries", "pilots"],
    "section=pilots": ["pilots"],
    "section=ferries,arts": ["arts", "ferries", "pilots"],
    "section=harbour,pilots": ["ferries", "harbour", "pilots"],
    "section=harbour&section=ferries": ["ferries", "pilots"],
    "section=-ferries": ["arts", "harbour", "nowhere"],
    "section=harbour&section=-ferries": ["harbour"],
    "section=harbour&tag=all": ["ferries", "harbour", "pilots"],
    "section=harbour&sort=title": ["ferries", "harbour", "pilots"],
    "section=harbour&sort=-discussed_7d": ["ferries", "harbour", "pilots"],
    "section=harbour&descendants=false": ["harbour"],
    "section=-ferries&descendants=false": ["arts", "harbour", "nowhere", "pilots"],
}


@pytest.mark.usefixtures("tree")
def test_a_section_means_all_that_is_inside_of_it(
    client: TestClient, editor: Headers, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = some(SECTIONS.items(), database_url, 4)
    for query, names in queries:
        assert found(client, f"articles?{query}", paged=True) == names, query
        if "discussed" not in query:
            assert found(client, f"articles?{query}&q=news") == names, query
            assert found(client, f"articles?{query}&state=any", editor) == names, query
        if "sort" not in query:
            assert found(client, f"search?{query}&q=news") == names, query
    monkeypatch.setattr(listing, "MAX_BRANCHES", 1)
    listing._select_ids.cache_clear()
    listing._select_page.cache_clear()
    for query, names in queries:
        assert found(client, f"articles?{query}", paged=True) == names, query


def test_what_does_not_exist_is_named_and_former_slugs_are_followed(
    client: TestClient, editor: Headers, database_url: str
) -> None:
    make.section(client, editor, "Opinion")
    author = make.author(client, editor, "Ann Marlow")
    make.series(client, editor, "Long reads")
    fields = {"section": "opinion", "series": "long-reads", "authors": [author["slug"]], "tags": ["boats"]}
    make.published(client, editor, "News of opinion", **fields)
    names = {"section": "opinion", "series": "long-reads", "author": "ann-marlow", "tag": "boats"}
    kinds = {"section": "sections", "series": "series", "author": "authors", "tag": "tags"}
    for kind, slug in some(names.items(), database_url, 2):
        url = f"/v1/{kinds[kind]}/{slug}"
        make.ok(client.patch(url, json={"slug": f"new-{slug}"}, headers={**editor, "If-Match": "*"}))
        for value in (slug, f"new-{slug}"):
            assert found(client, f"articles?{kind}={value}") == ["opinion"]
            assert found(client, f"articles?{kind}=-{value}") == []
            assert found(client, f"search?q=news&{kind}={value}") == ["opinion"]
        for path in ("articles?", "articles?q=news&", "articles?state=any&", "search?q=news&"):
            for value in ("nothing-here", f"-{slug},nothing-here"):
                problem = make.ok(client.get(f"/v1/{path}{kind}={value}", headers=editor), 400)
                assert problem["errors"][0]["parameter"] == kind
                assert "nothing-here" not in str(problem)


@pytest.mark.usefixtures("tree")
def test_a_filter_means_what_its_term_is_now(client: TestClient, editor: Headers) -> None:
    """A list remembers nothing of terms between requests: other processes change them too."""

    def listed(query: str) -> list[str]:
        page = make.ok(client.get(f"/v1/articles?{query}&fields=title"))
        return sorted(row["title"].rpartition(" ")[2] for row in page["data"])

    def change(path: str, **fields: Any) -> None:
        make.ok(client.patch(f"/v1/{path}", json=fields, headers={**editor, "If-Match": "*"}))

    assert listed("section=arts") == ["arts"]
    assert listed("section=ferries") == ["ferries", "pilots"]
    change("sections/pilots", parent="arts")
    assert listed("section=arts") == ["arts", "pilots"]
    assert listed("section=ferries") == ["ferries"]
    assert listed("section=arts&tag=all") == ["arts", "pilots"]
    assert listed("tag=arts") == ["arts"]
    change("tags/arts", slug="crafts")
    assert listed("tag=arts") == listed("tag=crafts") == ["arts"]
    change("tags/pilots", slug="arts")
    assert listed("tag=arts") == ["pilots"]
    header = client.get("/v1/articles?tag=arts").headers["Cache-Tag"].split(",")
    tag = make.ok(client.get("/v1/tags/arts"))["id"]
    assert {"tag:arts", f"tag:{tag}"} <= set(header)


def test_a_language_means_its_variants(client: TestClient, editor: Headers, database_url: str) -> None:
    for language in ("de", "de-AT", "de-Latn-CH", "den", "en"):
        make.published(client, editor, f"News of {language}", language=language)
    everything = {"de", "de-AT", "de-Latn-CH", "den", "en"}
    queries: dict[str, set[str]] = {
        "language=de": {"de", "de-AT", "de-Latn-CH"},
        "language=DE-at": {"de-AT"},
        "language=de-latn": {"de-Latn-CH"},
        "language=-de": {"den", "en"},
        "language=de,en": everything - {"den"},
        "language=fr": set(),
        "language=-fr": everything,
    }
    for query, names in some(queries.items(), database_url):
        assert set(found(client, f"articles?{query}", paged=True)) == names, query
        assert set(found(client, f"search?q=news&{query}")) == names, query
        assert set(found(client, f"articles?sort=title&{query}")) == names, query
    for wrong in ("de_AT", "*", "de-"):
        answer = client.get("/v1/articles", params={"language": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "language")


def test_days_are_those_of_the_publication(client: TestClient, editor: Headers) -> None:
    with time_machine.travel("2026-06-01T12:00:00Z", tick=True):
        for name, at in {
            "before": "2026-03-01T14:59:59Z",
            "midnight": "2026-03-01T15:00:00Z",
            "noon": "2026-03-02T03:00:00Z",
            "after": "2026-03-02T15:00:00Z",
        }.items():
            make.published(client, editor, f"News of {name}", published_at=at)
        for path in ("articles?", "search?q=news&"):
            assert found(client, f"{path}published_after=2026-03-02&published_before=2026-03-03") == [
                "midnight",
                "noon",
            ]
            assert found(client, f"{path}published_after=2026-03-03") == ["after"]
            assert found(client, f"{path}published_before=2026-03-02") == ["before"]
            assert found(client, f"{path}published_after=2026-03-01T15:00:00Z") == ["after", "noon"]
            assert found(client, f"{path}updated_after=2026-06-02") == []
            for value in ("2026-02-30", "2026-3-1", "20260301", "2026-03-01T10:00:00", "0000-01-01"):
                problem = make.ok(client.get(f"/v1/{path}published_after={value}"), 400)
                assert problem["errors"][0]["parameter"] == "published_after"


def size_of(sent: dict[str, list[str]], inside: int = 1) -> int:
    """How long the statement of a list is; each section named holds so many others."""
    query = ListQuery.model_validate(sent)
    groups = tuple(
        group._replace(refs=tuple(f"{ref}-{n}" for ref in group.refs for n in range(inside)))
        if group.kind == "section"
        else group
        for group in parse_filters(query)
    )
    shape, _ = listing.shape_of(query, groups, ANONYMOUS, SORTS[query.sort], Site("", ""))
    return len(str(sa.select(listing._select_ids(shape))))


def test_no_combination_of_filters_makes_a_long_statement() -> None:
    many = ",".join(f"v{letter}" for letter in "abcdefghijklmnopqrst")  # which languages may be called, too
    kinds = ("section", "tag", "author", "series", "type", "language")
    plain = size_of({"section": ["v"]})
    assert size_of({"section": ["v"]}, inside=listing.MAX_BRANCHES) < 50 * plain
    assert size_of({"section": ["v"]}, inside=1000) < 5 * plain
    for kind in kinds:
        everything = {name: [many] * 5 for name in kinds} | {kind: ["vv"], "section": ["v"] * 5}
        assert size_of(everything, inside=60) < 50 * plain, kind
    assert size_of({"section": ["v"], "ids": many, "exclude": many}, inside=20) < 50 * plain
    assert len({size_of({"tag": ["-a,b"], "section": ["-a,b"]}, inside=number) for number in (1, 5, 70)}) == 1
