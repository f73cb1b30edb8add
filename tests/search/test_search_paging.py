"""A walk of all pages visits each article that answers once, and the index is what a rebuild makes."""

import base64
import random
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.articles.list_parameters import ListQuery
from app.articles.tables import Article
from app.core.ids import new_id
from app.db import Database
from app.db.columns import table_of
from app.search import finding as entries
from app.search import schemas
from app.search.finding import BY_KEY
from app.search.indexing import count_index_drift, delete_orphans, rebuild_batch
from app.search.schemas import SearchQuery
from app.search.tables import ENTRY
from tests import make
from tests.articles.stock import BEGIN, Piece, clear, put, terms
from tests.effort import effort

Headers = dict[str, str]
FIRST = "00000000-0000-0000-0000-000000000000"
WORDS = "ferry bridge harbour council river gull".split()


def rebuild(db: Database) -> None:
    """What `broadsheet search rebuild` does."""
    after: str | None = FIRST
    while after is not None:
        with db.transaction() as session:
            done = rebuild_batch(session, after)
        after = done[0] if done else None
    with db.transaction() as session:
        delete_orphans(session)


def walk(client: TestClient, path: str, **asked: Any) -> list[str]:
    """Slugs on all pages."""
    return [row["slug"] for page in make.pages(client, path, fields="slug", **asked) for row in page]


def stocked(db: Database, number: int) -> list[Piece]:
    """Articles over five years, many at the same moment."""
    rng = random.Random(number)
    clear(db)
    pieces = []
    for n in range(number):
        at = BEGIN + timedelta(days=rng.choice([0, 0, 31, 400, 401, 402, 1800]), hours=rng.choice([0, 0, n]))
        words = rng.sample(WORDS, 3)
        pieces.append(Piece(new_id(), f"{'-'.join(words)}-{n}", title=" ".join(words), listed_at=at, updated_at=at))
    put(db, pieces)
    rebuild(db)
    return pieces


def test_each_answer_is_visited_once(client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = stocked(db, 70)
    newest = {piece.slug: piece.listed_at for piece in pieces}
    for ranked in (10, 500) if db.dialect == "sqlite" else (10,):
        monkeypatch.setattr("app.search.finding.MAX_RANKED", ranked)
        for q, limit in (("ferry", 7), ("ferry -gull", 4), ("bri* river", 10), ("council", 3)):
            wanted = {p.slug for p in pieces if _answers(p.title, q)}
            found = walk(client, "/v1/search", q=q, limit=limit)
            assert len(found) == len(set(found)), (ranked, q)
            assert set(found) == wanted, (ranked, q)
            if ranked < len(wanted):  # those beyond the window are older than those within, newest first
                most = ranked - ranked % limit
                assert min(newest[slug] for slug in found[:most]) >= max(newest[slug] for slug in found[most:])
                beyond = [newest[slug] for slug in found[most:]]
                assert beyond == sorted(beyond, reverse=True)
    for path, sort in (("/v1/search", "-published_at"), ("/v1/articles", "-published_at"), ("/v1/articles", "title")):
        found = walk(client, path, q="ferry", limit=7, sort=sort)
        assert sorted(found) == sorted(p.slug for p in pieces if "ferry" in p.title), (path, sort)
        if sort != "title":
            dates = [newest[slug] for slug in found]
            assert dates == sorted(dates, reverse=True)


def _answers(title: str, q: str) -> bool:
    words = title.split()
    for part in q.split():
        has = any(word.startswith(part.strip("-*")) for word in words)
        if has == part.startswith("-"):
            return False
    return True


ASKED = 'ferry|ferry bridge|ferr*|"ferry bridge"|ferry -bridge|-"ferry bridge" ferry|-ferr* gull|"gull riv*"'.split("|")


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_among_few_the_same_is_found(client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite looks at the weights of what a narrow filter leaves, and walks what has the words of all others."""
    clear(db)
    rng, tags, (home,) = random.Random(6), terms(db, "tag", "sea", "land"), terms(db, "section", "home")
    pieces = [
        Piece(
            new_id(),
            f"p{n}",
            title=" ".join(rng.sample(WORDS, 3)),
            listed_at=BEGIN + timedelta(days=rng.choice([0, 40, 900]), hours=n % 7),
            section=rng.choice([home, None]),
            tags=tuple(rng.sample(tags, rng.randrange(3))),
        )
        for n in range(70)
    ]
    put(db, pieces)
    rebuild(db)
    chance = random.random()  # the same questions both times

    def answers() -> list[Any]:
        found = []
        filters = ({"tag": "sea"}, {"section": "home"}, {"tag": "sea,land", "section": "-home"}, {"tag": "-sea"})
        everything = list(product(ASKED, ("/v1/search", "/v1/articles"), filters))
        for q, path, only in random.Random(chance).sample(everything, effort("QUESTIONS", 10, long=len(everything))):
            for sort in ("relevance", "-published_at") if path == "/v1/search" else ("-published_at", "title"):
                asked = {"q": q, "limit": 9, "sort": sort, **only}
                total = make.ok(client.get(path, params={**asked, "count": "exact"}))["page"]["total"]
                found.append((asked, total, walk(client, path, **asked)))
        return found

    among = answers()
    assert all(total == len(slugs) for _, total, slugs in among)
    assert sum(total for _, total, _ in among) > 50
    for name in ("MAX_SCANNED_ARTICLES", "MAX_SCANNED_WITH_PHRASES"):
        monkeypatch.setattr(entries, name, -1)
    assert answers() == among


def test_articles_that_come_between_pages_move_nothing(client: TestClient, editor: Headers, db: Database) -> None:
    pieces = stocked(db, 30)
    wanted = {p.slug for p in pieces if "ferry" in p.title}
    page = make.ok(client.get("/v1/search?q=ferry&limit=3&fields=slug"))
    make.published(client, editor, "ferry ferry ferry")
    found = [row["slug"] for row in page["data"]]
    while cursor := page["page"]["next"]:
        page = make.ok(client.get(f"/v1/search?q=ferry&limit=3&fields=slug&cursor={cursor}"))
        found += [row["slug"] for row in page["data"]]
    assert sorted(found) == sorted(wanted)


def test_cursors_of_somebody_else(client: TestClient) -> None:
    contents = ["[]", "7", '["relevance"]', '["relevance",1,2,3,4,"y"]', '["relevance",1,2,3,4,1e99]', "[" * 999]
    contents += ['["relevance",1,2,3,4,true]', f'["relevance",1,{2**63},3,4,1]', '["found",1.5,"x"]', '["found",1,"x"]']
    cursors = ["x", "=", *(base64.urlsafe_b64encode(content.encode()).decode().rstrip("=") for content in contents)]
    for cursor in cursors:
        for sort in ("relevance", "-published_at"):
            answer = client.get("/v1/search", params={"q": "a", "cursor": cursor, "sort": sort})
            assert make.ok(answer, 400)["errors"][0]["parameter"] == "cursor", (cursor, sort)


def test_the_farthest_cursor_is_only_the_end(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "A ferry")
    for key in (-(2**63), 2**63 - 1):
        for path, query in (
            ("/v1/search", SearchQuery(q="ferry", sort="-published_at")),
            ("/v1/articles", ListQuery(q="ferry")),
        ):
            cursor = BY_KEY.bound_to(query).encode(key, "00000000-0000-7000-8000-000000000000")
            make.ok(client.get(path, params={"q": "ferry", "cursor": cursor, "sort": "-published_at"}))


def indexed(db: Database) -> dict[str, Any]:
    """What the index holds, by article."""
    columns = [ENTRY.c.article_id, ENTRY.c.weights, sa.cast(ENTRY.c.vector, sa.Text).label("vector")]
    with db.connect() as connection:
        return {row.article_id: (row.weights, row.vector) for row in connection.execute(sa.select(*columns))}


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["publish", "unpublish", "retract", "edit", "date", "dek"])),
    min_size=4,
    max_size=14,
)


@pytest.mark.long
@settings(max_examples=effort("EXAMPLES", 3, long=50), deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, seed=st.integers(0, 999))
def test_the_index_is_what_a_rebuild_makes(
    client: TestClient, editor: Headers, db: Database, steps: list[tuple[int, str]], seed: int
) -> None:
    rng = random.Random(seed)
    articles = [make.draft(client, editor, rng.choice(WORDS)) for _ in range(3)]
    for at, step in steps:
        url = f"/v1/articles/{articles[at]['id']}"
        headers = {**editor, "If-Match": "*"}
        if step in {"edit", "date", "dek"}:
            changes: dict[str, dict[str, Any]] = {
                "edit": {"title": " ".join(rng.sample(WORDS, 2)), "body": {"html": f"<p>{rng.choice(WORDS)}.</p>"}},
                "date": {"published_at": "2020-01-01T00:00:00Z"},
                "dek": {"dek": rng.choice(WORDS)},
            }
            client.patch(url, json=changes[step], headers=headers)
        else:
            client.post(f"{url}/{step}", json={"reason": "r"} if step == "retract" else None, headers=headers)
    article = table_of(Article)
    with db.connect() as connection:
        public = set(connection.execute(sa.select(article.c.id).where(article.c.public)).scalars())
        before = {row.key for row in connection.execute(sa.select(ENTRY.c.key))}
        if db.dialect == "sqlite":
            assert before == set(connection.execute(sa.text("SELECT rowid FROM search_words")).scalars())
    kept = indexed(db)
    assert kept.keys() == public
    answers = {word: client.get("/v1/search", params={"q": word}).json() for word in WORDS}
    rebuild(db)
    assert indexed(db) == kept
    assert {word: client.get("/v1/search", params={"q": word}).json() for word in WORDS} == answers
    with db.connect() as connection:
        assert {row.key for row in connection.execute(sa.select(ENTRY.c.key))} == before
        seen = {row["id"] for word in WORDS for row in answers[word]["data"]}
        assert seen <= public


def test_a_rebuild_drops_what_belongs_to_nothing(client: TestClient, editor: Headers, db: Database) -> None:
    article = make.published(client, editor, "A ferry")
    rows = table_of(Article)
    with db.transaction() as session:  # as no action would do it
        session.execute(sa.update(rows).where(rows.c.id == article["id"]).values(public=False))
    other = make.published(client, editor, "A ferry again")
    for path in ("/v1/search", "/v1/articles"):  # and until then it only does not come up
        found = client.get(path, params={"q": "ferry"}).json()["data"]
        assert [row["id"] for row in found] == [other["id"]]
    with db.connect() as connection:
        assert count_index_drift(connection) == (0, 1)
    rebuild(db)
    assert indexed(db).keys() == {other["id"]}
    with db.connect() as connection:
        assert count_index_drift(connection) == (0, 0)


def test_the_window_is_what_the_documentation_says() -> None:
    assert str(schemas.MAX_RANKED) in str(schemas.SearchQuery.model_fields["sort"].description)
